"""What stands before every address of the server: who may come in, and how much they may bring.

ASGI middleware rather than Gradio's own login, which leaves some addresses open: here nothing answers
before the guard has looked.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from qa.uploads import LARGEST_UPLOAD, MOST_UPLOADS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from qa.accounts import Accounts

LARGEST_REQUEST = 4 * 2**20  # bytes of a question with its conversation
LARGEST_CONVERSATION = 50 * 2**20  # bytes of one that is to be exported, with all passages that were read
LARGEST_SENDING = 4 * LARGEST_UPLOAD  # bytes of several files at once
MOST_WAITING = 20  # to have a password checked; more are turned away
LONGEST_PASSWORD = 1_000  # characters
UPLOAD = "/gradio_api/upload"


class Doorkeeper:
    """Lets in who gives an account's name and password by HTTP Basic (RFC 7617), on every address.

    To be used behind TLS: Basic hides nothing.
    """

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self.app = app
        self.accounts = accounts
        # Of its own and narrow: guessing passwords takes no thread from questions, and one core at most.
        self.checking = ThreadPoolExecutor(1, "passwords")
        self.waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        given = _credentials(Headers(scope=scope).get("authorization", ""))
        if given is not None and (self.accounts.remembers(*given) or await self._admits(*given)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            refusal = PlainTextResponse(
                "Name and password are needed.",
                status_code=401,
                headers={"WWW-Authenticate": 'Basic realm="qa", charset="UTF-8"'},
            )
            await refusal(scope, receive, send)

    async def _admits(self, user: str, password: str) -> bool:
        if self.waiting == MOST_WAITING:
            return False
        self.waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.checking, self.accounts.admit, user, password)
        finally:
            self.waiting -= 1


def _credentials(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(value) > 2 * LONGEST_PASSWORD:
        return None
    try:
        user, colon, password = b64decode(value.strip(), validate=True).decode().partition(":")
    except (Base64Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


class Gate:
    """Refuses requests that are too large, name too many files, or would have the server fetch one.

    Gradio downloads any file object in a request whose path is a web address; this server fetches
    nothing. Where it is `read_only`, nothing can be uploaded either.
    """

    def __init__(self, app: ASGIApp, read_only: bool = False) -> None:
        self.app = app
        self.read_only = read_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self.app(scope, receive, send)
            return
        try:
            path = scope["path"].rstrip("/")
            if path in {UPLOAD, "/upload"}:
                await self.app(scope, self._files(scope, receive), send)
            elif path == "/export":  # goes to no function of Gradio's
                await self.app(scope, _at_most(LARGEST_CONVERSATION, scope, receive), send)
            else:
                await self.app(scope, await _question(scope, receive), send)
        except _Refused as refused:
            await PlainTextResponse(refused.sentence, status_code=refused.status)(scope, receive, send)

    def _files(self, scope: Scope, receive: Receive) -> Receive:
        if self.read_only:
            raise _Refused(403, "The documents of this server cannot be changed.")
        sent = _at_most(LARGEST_SENDING, scope, receive)
        # Only Gradio's address takes several files in one request; elsewhere the body is the file.
        return _counting_files(sent) if scope["path"].rstrip("/") == UPLOAD else sent


async def _question(scope: Scope, receive: Receive) -> Receive:
    body = await _whole(_at_most(LARGEST_REQUEST, scope, receive))
    if _names_an_address(body):
        raise _Refused(400, "A file is named by a web address; this server fetches nothing.")
    return _again(body, receive)


class _Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def _at_most(size: int, scope: Scope, receive: Receive) -> Receive:
    """The request's messages, as long as they are not larger than `size` bytes in all."""
    too_large = _Refused(413, f"The request is larger than {size // 2**20} MB, the most that is taken.")
    announced = Headers(scope=scope).get("content-length", "0")
    if not announced.isdecimal() or int(announced) > size:
        raise too_large
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > size:
            raise too_large
        return message

    return counted


def _counting_files(receive: Receive) -> Receive:
    """The messages of an upload, as long as it has no more files than are taken at once."""
    files, before = 0, b""

    async def counted() -> Message:
        nonlocal files, before
        message = await receive()
        body = before + message.get("body", b"")
        files += len(re.findall(rb"filename\*?=", body)) - len(re.findall(rb"filename\*?=", before))
        before = body[-10:]  # the word may be cut in two
        if files > MOST_UPLOADS:
            raise _Refused(413, f"At most {MOST_UPLOADS} files can be uploaded at a time.")
        return message

    return counted


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then what comes after it."""
    told = False

    async def replayed() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _names_an_address(body: bytes) -> bool:
    try:
        waiting: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        return False
    while waiting:
        match waiting.pop():
            case dict() as found:
                if isinstance(found.get("path"), str) and "://" in found["path"] and "meta" in found:
                    return True
                waiting += found.values()
            case list() as found:
                waiting += found
    return False

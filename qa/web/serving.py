"""The page on the network: every launch option in one place.

The page is served from this machine and fetches nothing from any other: no analytics, no share link,
no run history, and a content security policy that lets the browser talk to this server only.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Route

from qa.errors import QAError
from qa.web.files import send_original, take_upload
from qa.web.front import Front
from qa.web.guard import Doorkeeper
from qa.web.opening import Opening

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from qa.accounts import Accounts
    from qa.engine import QA

CLOSING_SECONDS = 5
ICON = Path(__file__).parent / "icon.svg"

# Gradio starts its page from inline scripts and renders gr.HTML with `new Function`; handlers in
# attributes, which is how hostile HTML would run, it does not need.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "script-src-attr 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)


class Server:
    """A chat that is being served from threads of this process, at `url`."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._server = uvicorn.Server(
            uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=1)
        )
        self._thread = Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            sleep(0.001)

    def wait(self) -> None:
        """Until it is closed, or the process is interrupted, which closes it."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        # Who still waits for an answer is let go, which uvicorn would report as an error of each.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server.should_exit = True
        self._thread.join(CLOSING_SECONDS)


def serve(
    open_qa: Callable[[], QA],
    host: str = "127.0.0.1",
    port: int = 7860,
    *,
    accounts: Accounts | None = None,
    root_path: str = "",
    read_only: bool = False,
) -> None:
    """Serve the chat until interrupted; the parameters are those of `start`, and so is what it raises."""
    server = start(open_qa, host, port, accounts=accounts, root_path=root_path, read_only=read_only)
    print(f"Ask at {server.url} (Ctrl+C ends)", flush=True)
    server.wait()


def start(
    open_qa: Callable[[], QA],
    host: str = "127.0.0.1",
    port: int = 7860,
    *,
    accounts: Accounts | None = None,
    root_path: str = "",
    read_only: bool = False,
) -> Server:
    """Serve the chat from threads of this process and return; `.close()` ends it.

    The server answers at once and says what is loading: first the page, then the index, which `open_qa`
    opens. `accounts` are asked for on every address, files included. `root_path` is the prefix under
    which a reverse proxy offers the chat, such as /qa. `read_only` leaves out uploads and removal. Raises
    `QAError` where the address cannot be listened on.
    """
    _check_address(host, port)
    _check_root_path(root_path)
    opening = Opening(open_qa)
    app: ASGIApp = Front(lambda: _page(opening, root_path, read_only), opening.begin)
    # From the inside out: the door, and headers on every response. The gate stands within the page.
    if accounts is not None:
        app = Doorkeeper(app, accounts)
    return Server(_StrictHeaders(app), host, port)


def _page(opening: Opening, root_path: str, read_only: bool) -> Any:
    """The page with everything that it asks of the server, as an application."""
    import qa.web.gradio_import  # noqa: F401, PLC0415 (before anything else imports Gradio)
    from qa.web.page import page_app  # noqa: PLC0415

    return page_app(opening, _routes(opening), root_path, read_only)


def _routes(opening: Opening) -> list[Route]:
    """What the page links to or sends files to, beside Gradio's own addresses."""

    one_at_a_time = asyncio.Lock()

    async def original(request: Request) -> Response:
        return await send_original(request, opening)

    async def upload(request: Request) -> Response:
        return await take_upload(request, opening, one_at_a_time)

    async def evaluation(request: Request) -> Response:
        from qa.web.evaluation import evaluation_page  # noqa: PLC0415

        chosen = request.query_params
        number = int(page) if (page := chosen.get("page", "")[:6]).isdecimal() else 1
        return HTMLResponse(
            await asyncio.to_thread(evaluation_page, chosen.get("show") == "failures", number)
        )

    async def export(request: Request) -> Response:
        from qa.web.past import send_export  # noqa: PLC0415

        return await send_export(request, opening)

    async def icon(_: Request) -> Response:
        return FileResponse(ICON, media_type="image/svg+xml")

    return [
        Route("/evaluation", evaluation, methods=["GET"]),
        Route("/export", export, methods=["POST"]),
        Route("/favicon.ico", icon, methods=["GET"]),
        Route("/original", original, methods=["GET"]),
        Route("/upload", upload, methods=["PUT"]),
    ]


def _check_root_path(prefix: str) -> None:
    if prefix and not re.fullmatch(r"(?:https?://[\w.:-]+)?(?:/[\w.~-]+)*", prefix):
        raise QAError(
            f"The root path is {prefix!r}; expected a prefix such as /qa, without a slash at its end: "
            "qa chat --root-path /qa"
        )


class _StrictHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _check_address(host: str, port: int) -> None:
    """Gradio reports every failure to listen as a taken port; this says which it is."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server((str(address[0]), port), family=family):
            pass
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise QAError(
                f"Port {port} is taken by another program; choose a free one: qa chat --port {port + 1}"
            ) from None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise QAError(
            f"The chat cannot listen on {host}, port {port} ({reason}); "
            "expected an address of this machine and a free port: qa chat --host 127.0.0.1 --port 7860"
        ) from None

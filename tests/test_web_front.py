"""What the server answers before its page is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Event
from time import perf_counter
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from qa.accounts import Accounts, hashed
from qa.engine import QA
from qa.web import serving as serving_module
from qa.web.front import Front
from tests.browsing import ask, serving, visit

pytestmark = pytest.mark.slow


@asynccontextmanager
async def visited(build: Callable[[], Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the front, which lives as long as the visit."""
    front = Front(build, lambda: None)
    messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    told: list[Any] = []

    async def tell(message: Any) -> None:
        told.append(message["type"])

    messages.put_nowait({"type": "lifespan.startup"})
    living = asyncio.create_task(front({"type": "lifespan"}, messages.get, tell))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        yield client
    messages.put_nowait({"type": "lifespan.shutdown"})
    await living
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def played(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In a thread: this one may already run the event loop of a browser."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(story())).result()


def test_the_loading_page_is_there_at_once_and_every_other_address_waits_for_the_page() -> None:
    built = Event()

    async def hello(_: object) -> PlainTextResponse:
        return PlainTextResponse("the page")

    def build() -> Starlette:
        built.wait(10)
        return Starlette(routes=[Route("/", hello), Route("/config", hello)])

    async def story() -> None:
        async with visited(build) as client:
            first = await client.get("/")
            assert (first.status_code, "is being loaded" in first.text) == (200, True)
            assert first.headers["Cache-Control"] == "no-store"
            waiting = asyncio.create_task(client.get("/config"))
            starting = asyncio.create_task(client.get("/starting"))
            await asyncio.sleep(0.05)
            assert not waiting.done() and not starting.done()
            built.set()
            assert (await starting).json()["ready"] is True
            assert (await waiting).text == "the page"
            assert (await client.get("/")).text == "the page"

    played(story)


def test_a_page_that_cannot_be_built_is_said_and_nobody_waits_for_it() -> None:
    def build() -> Starlette:
        raise OSError("no room")

    async def story() -> None:
        async with visited(build) as client:
            state = (await client.get("/starting")).json()
            assert state["ready"] is False and "log says why" in state["says"]
            assert (await client.get("/config")).status_code == 503

    played(story)


@pytest.mark.parametrize("options", [{}, {"accounts": True}], ids=["open", "accounts"])
def test_a_visitor_who_comes_early_gets_the_page_by_itself_and_once(
    browser: Browser, seeds_qa: QA, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    go_on = Event()
    build = serving_module._page

    def build_late(*arguments: Any) -> FastAPI:
        go_on.wait(20)
        return build(*arguments)

    monkeypatch.setattr(serving_module, "_page", build_late)
    headers = {}
    if options:
        options = {"accounts": Accounts({"mira": hashed("right")})}
        headers = {"Authorization": httpx.BasicAuth("mira", "right")._auth_header}
    begin = perf_counter()
    with serving(lambda: seeds_qa, built=False, **options) as url:
        assert httpx.get(url, headers=headers).status_code == 200
        assert perf_counter() - begin < 3
        if options:
            assert httpx.get(url).status_code == 401
            assert httpx.get(f"{url}/starting").status_code == 401
        with visit(browser, url, headers=headers) as page:
            expect(page.get_by_role("status")).to_contain_text("is being loaded")
            loads: list[str] = []
            page.on("load", lambda _: loads.append(page.url))
            go_on.set()
            expect(page.locator("#status")).to_contain_text("5 documents", timeout=30_000)
            assert len(loads) == 1
            assert "Spindler" in ask(page, "Who answered AFP by email?").inner_text()

"""The page behind a reverse proxy that serves it under a prefix."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from qa import QA
from tests.browsing import ask, is_in_view, open_side, serving, visit

KEPT_BACK = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "accept-encoding",
    "content-encoding",
}


@contextmanager
def proxy(prefix: str, target: str) -> Iterator[str]:
    """A server that forwards what comes under the prefix, without it, and knows nothing else."""

    async def forward(request: Request) -> Response:
        client = httpx.AsyncClient(base_url=target, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name not in KEPT_BACK}
        outgoing = client.build_request(
            request.method,
            httpx.URL(path=f"/{request.path_params['path']}", query=request.url.query.encode()),
            headers={**headers, "x-forwarded-host": request.headers["host"], "x-forwarded-proto": "http"},
            content=await request.body(),
        )
        answer = await client.send(outgoing, stream=True)

        async def body() -> AsyncIterator[bytes]:
            async for chunk in answer.aiter_bytes():
                yield chunk
            await answer.aclose()
            await client.aclose()

        returned = {name: value for name, value in answer.headers.items() if name not in KEPT_BACK}
        return StreamingResponse(body(), answer.status_code, returned)

    async def nothing(request: Request) -> Response:
        icon = request.url.path == "/favicon.ico"  # which browsers ask every site for
        return Response(status_code=204) if icon else PlainTextResponse("another site", 404)

    methods = ["GET", "POST", "HEAD", "PUT", "DELETE"]
    app = Starlette(
        routes=[Route(f"{prefix}/{{path:path}}", forward, methods=methods), Route("/{path:path}", nothing)]
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def test_the_page_works_under_a_prefix(browser: Browser, seeds_qa: QA) -> None:
    with (
        serving(lambda: seeds_qa, root_path="/docs/qa") as inner,
        proxy("/docs/qa", inner) as outer,
        visit(browser, f"{outer}/docs/qa", query="/") as page,
    ):
        answer = ask(page, "Who answered AFP by email?")
        expect(answer.locator("strong").first).to_have_text("William Spindler")
        answer.locator("a.cite").first.click()
        expect(page.locator("#source-pane mark.cited").first).to_be_visible()
        assert is_in_view(page, "#source-pane mark.cited", "#source-pane .text")
        open_side(page)
        link = page.locator("a.file").first
        address = link.evaluate("link => link.href")
        assert address.startswith(f"{outer}/docs/qa/")
        assert httpx.get(address).status_code == 200

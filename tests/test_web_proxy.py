"""The chat under the prefix of a reverse proxy, as a browser and a program see it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import sleep

import httpx
import pytest
import uvicorn
from gradio_client import Client
from playwright.sync_api import Browser, expect
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from qa.engine import QA
from tests.browsing import ask, open_side, serving, visit, write_harbour

pytestmark = pytest.mark.slow

LAMP = "Who made the lamp of the lighthouse?"
NOT_PASSED_ON = {"connection", "transfer-encoding"}  # they are of one connection (RFC 9110, 7.6.1)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("proxied")
    write_harbour(folder / "documents")
    with (
        QA.build(folder / "documents", folder / "index") as qa,
        serving(lambda: qa, root_path="/library") as backend,
        proxy(backend, "/library") as url,
    ):
        yield url


@contextmanager
def proxy(backend: str, prefix: str) -> Iterator[str]:
    """A reverse proxy as nginx is one with `location /library/ { proxy_pass BACKEND/; }` and the host passed
    on: the prefix goes, the path after it and everything else stays. Nothing else is there."""
    client = httpx.AsyncClient(timeout=60)

    async def forward(request: Request) -> Response:
        target = httpx.URL(
            backend + "/" + request.path_params["path"], query=request.url.query.encode() or None
        )
        sent = client.build_request(
            request.method, target, headers=request.headers.raw, content=request.stream()
        )
        answer = await client.send(sent, stream=True)
        passed_on = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        passed_on.raw_headers = [
            (name, value) for name, value in answer.headers.raw if name.decode().lower() not in NOT_PASSED_ON
        ]
        return passed_on

    async def with_slash(_: Request) -> Response:
        return RedirectResponse(prefix + "/")

    async def icon(_: Request) -> Response:  # of the site around it, which browsers ask for by themselves
        return Response(status_code=204)

    methods = ["GET", "HEAD", "POST", "PUT"]
    app = Starlette(
        routes=[
            Route("/favicon.ico", icon),
            Route(prefix, with_slash),
            Route(prefix + "/{path:path}", forward, methods=methods),
        ]
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}{prefix}"
    finally:
        server.should_exit = True
        thread.join(5)


def test_under_a_prefix_questions_sources_files_uploads_and_exports_work(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    ferry = tmp_path / "ferry.txt"
    ferry.write_text("The ferry to Osmund Island is steered by Tilda Marsh every morning.\n")
    with visit(browser, url) as page:  # which fails on any request outside the prefix
        answer = ask(page, LAMP)
        expect(answer.locator("strong").first).to_have_text("Orla Benning")
        answer.locator("a.cite").first.click()
        expect(page.locator("#source-pane mark.cited")).to_have_text("Orla Benning")
        link = page.get_by_role("link", name="Open the file", exact=True).first.evaluate("link => link.href")
        assert link == f"{url}/original?document=report.pdf#page=2"
        file = page.request.get(link)
        assert file.headers["content-type"] == "application/pdf"
        assert file.body().startswith(b"%PDF")

        page.locator("#add input").set_input_files([ferry])
        expect(page.locator(".adding p")).to_have_text("1 of 1 added", timeout=60_000)
        ferryman = ask(page, "Who steers the ferry to Osmund Island?")
        expect(ferryman.locator("strong").first).to_have_text("Tilda Marsh")
        open_side(page)
        page.get_by_role("tab", name="History").click()
        with page.expect_download() as download:
            page.get_by_label("Export this conversation as md").click()
        assert "Orla Benning" in Path(download.value.path()).read_text(encoding="utf-8")

        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Evaluation").click()
        expect(opened.value).to_have_url(f"{url}/evaluation")
        opened.value.get_by_role("link", name="Ask the documents").click()
        expect(opened.value.locator("#status")).to_contain_text("6 documents", timeout=60_000)


def test_under_a_prefix_programs_ask_as_they_do_without(url: str) -> None:
    assert Client(f"{url}/", verbose=False).predict(LAMP, api_name="/ask")["text"] == "Orla Benning"
    assert httpx.get(f"{url}/gradio_api/openapi.json").status_code == 200
    assert httpx.get(f"{url}/favicon.ico").headers["Content-Type"] == "image/svg+xml"
    assert httpx.get(url.removesuffix("/library")).status_code == 404

"""The page: sources at the left, the conversation in the middle, the source of what it cites at the right.

`page.html` is its markup. Each pane's script (`talk.js`, `sources.js` …) calls the functions below on the
server; they hand back HTML made here, in which every word of a document is escaped.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from qa.uploads import LARGEST_UPLOAD
from qa.web.api import add_endpoints
from qa.web.calls import conversation_calls, history_calls, source_calls
from qa.web.desk import Desks
from qa.web.guard import Gate
from qa.web.openapi import described
from qa.web.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

HERE = Path(__file__).parent
TITLE = "Ask the documents"
SCRIPTS = ("source.js", "sources.js", "uploads.js", "talk.js", "after.js", "history.js", "status.js")
STYLES = [HERE / name for name in ("style.css", "side.css", "talk.css", "source.css")]
KEPT_SECONDS = (3600, 3600)  # how often what was sent, and not added, is deleted, and from what age on


def build_page(opening: Opening, read_only: bool = False) -> gr.Blocks:
    """The page and the endpoints for programs, over the index that `opening` opens."""
    desks = Desks(opening)

    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=KEPT_SECONDS) as page:
        gr.HTML(
            (HERE / "page.html").read_text(encoding="utf-8"),
            elem_id="page",
            apply_default_css=False,
            js_on_load=_script(),
            server_functions=[
                *conversation_calls(desks),
                *source_calls(desks, read_only),
                *history_calls(desks),
            ],
        )
        add_endpoints(opening, desks.answering, read_only)
    return page  # type: ignore[no-any-return]


def page_app(opening: Opening, routes: Sequence[Route], root_path: str, read_only: bool) -> FastAPI:
    """The page as an application, with these further addresses beside its own."""
    page = build_page(opening, read_only)
    page.queue()
    endpoints = page.get_api_info()["named_endpoints"]

    async def openapi(_: Request) -> JSONResponse:
        return JSONResponse(described(TITLE, endpoints, root_path))

    routes = [*routes, Route("/gradio_api/openapi.json", openapi, methods=["GET"])]
    page.has_launched = True  # only then does Gradio refuse paths of this machine that nobody uploaded
    app = FastAPI(openapi_url=None)
    gr.mount_gradio_app(
        app,
        page,
        path="",
        run_history=False,
        enable_monitoring=False,
        pwa=False,
        ssr_mode=False,
        mcp_server=False,
        footer_links=[],
        show_error=False,
        max_file_size=0 if read_only else LARGEST_UPLOAD,
        root_path=root_path or None,
        theme=gr.themes.Default(
            primary_hue=gr.themes.colors.teal,
            secondary_hue=gr.themes.colors.teal,
            neutral_hue=gr.themes.colors.slate,
            font=("system-ui", "sans-serif"),
            font_mono=("ui-monospace", "monospace"),
        ),
        css_paths=STYLES,
        app_kwargs={"routes": routes, "middleware": [Middleware(Gate, read_only=read_only)]},
    )
    return app


def _script() -> str:
    """The panes' scripts, each in a block of its own; what one offers the others it puts into `page`."""
    blocks = ((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return "const page = {};\n" + "".join(f"{{\n{block}}}\n" for block in blocks)

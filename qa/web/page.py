"""The page: sources at the left, the conversation in the middle, the source of what it cites at the right.

`page.html` is its markup. Each pane's script (`talk.js`, `sources.js` …) calls the functions below on the
server; they hand back HTML made here, in which every word of a document is escaped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from qa.errors import QAError
from qa.web import talk
from qa.web.api import add_endpoints
from qa.web.markup import failure
from qa.web.opening import Opening
from qa.web.source_view import references, source
from qa.web.sources import Sources, in_words

HERE = Path(__file__).parent
TITLE = "Ask the documents"
SCRIPTS = ("source.js", "sources.js", "uploads.js", "talk.js", "status.js")
STYLES = [HERE / name for name in ("style.css", "side.css", "talk.css", "source.css")]
QUESTIONS_AT_ONCE = 2
KEPT_SECONDS = (3600, 3600)  # how often what was sent, and not added, is deleted, and from what age on


def build_page(opening: Opening, read_only: bool = False) -> gr.Blocks:
    """The page and the endpoints for programs, over the index that `opening` opens."""
    sources = Sources()
    answering = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def status(_: object) -> dict[str, Any]:
        try:
            qa = await asyncio.wrap_future(opening.begin())
            documents = len(await asyncio.to_thread(sources.known, qa))
        except QAError as error:
            return {"failed": True, "says": str(error)}
        return {
            "failed": False,
            "says": in_words(documents, qa.passage_count),
            "min_confidence": qa.min_confidence,
            "coverage": talk.coverage(qa),
            "may_change": not read_only,
        }

    async def ask(request: Mapping[str, Any]) -> dict[str, Any]:
        asked = talk.Asked.of(request)
        try:
            qa = await asyncio.wrap_future(opening.begin())
        except QAError as error:
            return {"html": failure(str(error)), "told": None}
        async with answering:
            return await asyncio.to_thread(talk.reply, qa, sources, asked)

    def starters(_: object) -> list[str]:
        return []

    def list_sources(request: Mapping[str, Any]) -> dict[str, Any]:
        return sources.page(
            opening.qa(), str(request["query"]), int(request["first"]), removable=not read_only
        )

    def matching_sources(request: Mapping[str, Any]) -> list[str]:
        return [info.id for info in sources.matching(opening.qa(), str(request["query"]))]

    def remove_source(request: Mapping[str, Any]) -> dict[str, Any]:
        if read_only:
            return {"failed": True, "says": "The documents of this server cannot be changed."}
        try:
            opening.qa().remove([str(request["document"])])
        except QAError as error:
            return {"failed": True, "says": str(error)}
        qa = opening.qa()
        return {"failed": False, "says": in_words(len(sources.known(qa)), qa.passage_count)}

    def show_source(request: Mapping[str, Any]) -> dict[str, Any]:
        """`request`: document id, start, end, and `others`, a list of (start, end)."""
        start, end = int(request["start"]), int(request["end"])
        others = [(int(first), int(last)) for first, last in request["others"]]
        try:
            document = opening.qa().document(str(request["document"]))
        except QAError as error:
            return {"html": failure(str(error))}
        html = source(document, start, end, others)
        cited = 0 <= start < end <= len(document.text)
        return {"html": html, "references": references(document, start, end) if cited else None}

    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=KEPT_SECONDS) as page:
        gr.HTML(
            (HERE / "page.html").read_text(encoding="utf-8"),
            elem_id="page",
            apply_default_css=False,
            js_on_load=_script(),
            server_functions=[
                status,
                ask,
                starters,
                list_sources,
                matching_sources,
                remove_source,
                show_source,
            ],
        )
        add_endpoints(opening, read_only)
    return page  # type: ignore[no-any-return]


def _script() -> str:
    """The panes' scripts, each in a block of its own; what one offers the others it puts into `page`."""
    blocks = ((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return "const page = {};\n" + "".join(f"{{\n{block}}}\n" for block in blocks)

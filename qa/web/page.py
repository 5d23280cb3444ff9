"""The page: sources at the left, the conversation in the middle, the source of what it cites at the right.

`page.html` is its markup. Each pane's script (`talk.js`, `sources.js` …) calls the functions below on the
server; they hand back HTML made here, in which every word of a document is escaped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import api

from qa.errors import BadQuestion, QAError
from qa.web.calls import conversation_calls, history_calls, source_calls
from qa.web.desk import Desks
from qa.web.opening import Opening

HERE = Path(__file__).parent
TITLE = "Ask the documents"
SCRIPTS = ("source.js", "sources.js", "uploads.js", "talk.js", "after.js", "history.js", "status.js")
STYLES = [HERE / name for name in ("style.css", "side.css", "talk.css", "source.css")]


def build_page(opening: Opening) -> gr.Blocks:
    """The page and its API endpoint `/ask`, over the index that `opening` opens."""
    desks = Desks(opening)

    def ask_api(
        question: str,
        history: list[list[str]] | None = None,
        k: int = 8,
        documents: list[str] | None = None,
        min_confidence: float | None = None,
    ) -> dict[str, Any]:
        """The exact words of the documents that answer a question, with their places; or why there are none.

        `history` holds the earlier turns as [question, answer] pairs, oldest first. `k` passages are
        read. `documents` restricts the answer to these ids. Below `min_confidence`, 0 to 1, the answer
        is "the documents do not say".
        """
        try:
            answer = opening.qa().ask(
                question, history=_pairs(history), k=k, documents=documents, min_confidence=min_confidence
            )
        except QAError as error:
            raise gr.Error(str(error), print_exception=False) from None
        return answer.to_dict()

    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            (HERE / "page.html").read_text(encoding="utf-8"),
            elem_id="page",
            apply_default_css=False,
            js_on_load=_script(),
            server_functions=[*conversation_calls(desks), *source_calls(desks), *history_calls(desks)],
        )
        api(ask_api, api_name="ask", concurrency_id="ask")
    return page  # type: ignore[no-any-return]


def _script() -> str:
    """The panes' scripts, each in a block of its own; what one offers the others it puts into `page`."""
    blocks = ((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return "const page = {};\n" + "".join(f"{{\n{block}}}\n" for block in blocks)


def _pairs(history: list[list[str]] | None) -> list[tuple[str, str]]:
    """The history of a request, which may hold anything JSON can."""
    match history or []:
        case [*pairs] if all(
            isinstance(pair, list) and list(map(type, pair)) == [str, str] for pair in pairs
        ):
            return [(question, answer) for question, answer in pairs]
    raise BadQuestion(
        'The history is not a list of [question, answer] pairs; expected, for example: [["Who …?", "…"]]'
    )

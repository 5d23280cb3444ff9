"""The page: a conversation on the left, the source of what it cites on the right.

A question passes two events: the first shows it, at once; the second, at most two at a time on the
whole server, answers it. A click on a citation goes around both, to a function of the source pane.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components.chatbot import ExampleMessage
from gradio.events import api

from qa.errors import BadQuestion, QAError
from qa.web import render

if TYPE_CHECKING:
    from qa.engine import QA

HERE = Path(__file__).parent
TITLE = "Ask the documents"

EXAMPLES = {
    "Who answered AFP by email?": "002_2fbc8ae10631dfbe.txt",
    "How many people crossed from North Africa to Italy in early 2016?": "001_6ffc1dc2ee03bbc0.txt",
    "How many people reached Europe through Libya in the past four years?": "003_2d24855e0e391c40.txt",
    "Who is the head of NATO?": "002_2fbc8ae10631dfbe.txt",
    "What did the operation cost?": "000_6ccbc2743614ce45.txt",
}
"""Questions to start with, each offered where the document that it is about is in the index."""


class Opening:
    """The opening of the index, in the background. Whoever needs the index waits for it."""

    def __init__(self, open_qa: Callable[[], QA]) -> None:
        self._open_qa = open_qa
        self._lock = Lock()
        self._future: Future[QA] | None = None

    def begin(self) -> Future[QA]:
        """Start opening, unless that is under way or done; after a failure, start again."""
        with self._lock:
            if self._future is None or (self._future.done() and self._future.exception()):
                self._future = Future()
                self._future.set_running_or_notify_cancel()  # a visitor who leaves cannot cancel it
                Thread(target=self._run, args=(self._future,), daemon=True).start()
            return self._future

    def qa(self) -> QA:
        """The open index with its models loaded. Raises what opening raised."""
        return self.begin().result()

    def _run(self, future: Future[QA]) -> None:
        try:
            qa = self._open_qa()
            qa.warm()
        except Exception as error:  # handed to whoever waits
            if isinstance(error, QAError):
                print(f"qa: {error}", file=sys.stderr)
            else:
                logging.getLogger(__name__).exception("The index could not be opened")
            future.set_exception(error)
        else:
            future.set_result(qa)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what came of it: `shown` as HTML, None while it is being answered; `told` as the
    history says it, the question as asked and the answer's words, None where asking failed."""

    question: str
    shown: str | None = None
    told: tuple[str, str] | None = None


Turns = tuple[Turn, ...]


def build_page(opening: Opening) -> gr.Blocks:
    """The page and its API endpoint `/ask`, over the index that `opening` opens."""

    async def tell_status() -> AsyncIterator[tuple[str, Any]]:
        yield "Loading the models…", gr.skip()
        try:
            qa = await asyncio.wrap_future(opening.begin())
            ids = {info.id for info in await asyncio.to_thread(qa.documents)}
        except QAError as error:
            yield render.failure(str(error)), gr.skip()
            return
        examples: list[ExampleMessage] = [
            {"text": text} for text, document in EXAMPLES.items() if document in ids
        ]
        documents = "1 document" if len(ids) == 1 else f"{len(ids):,} documents"
        yield f"{documents}, {qa.passage_count:,} passages", gr.Chatbot(examples=examples)

    def show_question(text: str, turns: Turns) -> tuple[str, list[gr.MessageDict], Turns, str]:
        if not text.strip():
            return text, _messages(turns), turns, "Type a question first."
        if turns and turns[-1].shown is None:
            return text, _messages(turns), turns, "One moment: the last question is being answered."
        turns = (*turns, Turn(text))
        return "", _messages(turns), turns, ""

    def show_example(turns: Turns, chosen: gr.SelectData) -> tuple[str, list[gr.MessageDict], Turns, str]:
        return show_question(chosen.value["text"], turns)

    def answer_question(turns: Turns) -> tuple[list[gr.MessageDict], Turns]:
        if turns and turns[-1].shown is None:
            turns = (*turns[:-1], _answered(opening, turns[-1], turns[:-1]))
        return _messages(turns), turns

    def show_source(place: Mapping[str, Any]) -> str:
        """`place`: document id, start, end, and `others`, a list of (start, end)."""
        try:
            document = opening.qa().document(str(place["document"]))
        except QAError as error:
            return render.failure(str(error))
        others = [(int(start), int(end)) for start, end in place["others"]]
        return render.source(document, int(place["start"]), int(place["end"]), others)

    def ask(
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
        turns = gr.State(())
        with gr.Row(elem_id="masthead"):
            gr.HTML(
                f"<h1>{TITLE}</h1><p>The exact words that answer, and where they stand. "
                '<span class="more">Or an honest “the documents do not say”.</span></p>',
                js_on_load=None,
            )
            status = gr.HTML("Loading the models…", elem_id="status", html_template=_LIVE, js_on_load=None)
            restart = gr.Button("New conversation", elem_id="restart", size="sm")
        with gr.Row(elem_id="room"):
            with gr.Column(elem_id="talk"):
                chat = gr.Chatbot(
                    elem_id="conversation",
                    label="Conversation",
                    show_label=False,
                    container=False,
                    autoscroll=False,
                    height="100%",
                    buttons=[],
                    feedback_options=None,
                    group_consecutive_messages=False,
                    layout="bubble",
                    placeholder=_WELCOME,
                )
                question = gr.Textbox(
                    elem_id="question",
                    label="Your question",
                    show_label=False,
                    container=False,
                    placeholder="Ask a question",
                    lines=1,
                    max_lines=4,
                    autofocus=True,
                    submit_btn="Ask",
                )
                hint = gr.HTML("", elem_id="hint", html_template=_LIVE, js_on_load=None)
            gr.HTML(
                _NO_SOURCE,
                elem_id="source-pane",
                js_on_load=(HERE / "page.js").read_text(encoding="utf-8"),
                server_functions=[show_source],
            )

        asked = [question, chat, turns, hint]
        answered = [chat, turns]
        for shown in (
            question.submit(show_question, [question, turns], asked, queue=False, **_HIDDEN),
            chat.example_select(show_example, turns, asked, queue=False, **_HIDDEN),
        ):
            shown.then(None, js=_SCROLL_TO_QUESTION)
            shown.then(answer_question, turns, answered, **(_HIDDEN | _TOGETHER | _PENDING))
        restart.click(lambda: ("", [], (), ""), None, asked, queue=False, **_HIDDEN)
        page.load(tell_status, None, [status, chat], concurrency_limit=None, **_HIDDEN)
        api(ask, api_name="ask", **_TOGETHER)
    return page  # type: ignore[no-any-return]


_HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_PENDING: dict[str, Any] = {"show_progress": "minimal"}
_TOGETHER: dict[str, Any] = {"concurrency_id": "ask"}  # page and API share the limit
_WELCOME = "### What would you like to know?\nAnswers are quoted word for word from the documents."
_LIVE = '<span role="status">${value}</span>'
_SCROLL_TO_QUESTION = "() => document.dispatchEvent(new Event('asked'))"
_NO_SOURCE = (
    '<p class="empty"><span>Click a number such as <b>[1]</b> to read its words in their document.</span></p>'
)


def _answered(opening: Opening, turn: Turn, earlier: Turns) -> Turn:
    """The turn with its answer, or with the sentence that says why asking failed."""
    history = [past.told for past in earlier if past.told]
    try:
        qa = opening.qa()
        answer = qa.ask(turn.question, history=history)
        titles = {} if answer else {info.id: info.title for info in qa.documents()}
    except QAError as error:
        return replace(turn, shown=render.failure(str(error)))
    except Exception:
        logging.getLogger(__name__).exception("A question failed")
        sentence = "Something broke while answering; the server's log says what."
        return replace(turn, shown=render.failure(sentence))
    return replace(turn, shown=render.answer(answer, titles), told=(answer.asked_as, answer.text or ""))


def _messages(turns: Turns) -> list[gr.MessageDict]:
    """The conversation as the Chatbot takes it. HTML of our own making, because the Chatbot would
    render a question as Markdown."""
    messages: list[gr.MessageDict] = []
    for turn in turns:
        messages.append({"role": "user", "content": _html(render.question(turn.question))})
        if turn.shown is not None:
            messages.append({"role": "assistant", "content": _html(turn.shown)})
    return messages


def _html(html: str) -> gr.HTML:
    return gr.HTML(html, js_on_load=None, render=False)


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

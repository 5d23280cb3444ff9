"""The history panel: a browser's conversations as a list, one of them as turns, and as a file."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as url_quote

from starlette.responses import PlainTextResponse, Response

from qa.errors import BadQuestion, QAError
from qa.web import export, render
from qa.web.abstention import Cause
from qa.web.history import History, KeptTurn
from qa.web.markup import escape, isolated, sendable

if TYPE_CHECKING:
    from starlette.requests import Request

    from qa.web.desk import Desk
    from qa.web.history import Conversation
    from qa.web.opening import Opening

EXPORTS = {
    "md": (export.to_markdown, "text/markdown"),
    "html": (export.to_html, "text/html"),
    "json": (export.to_json, "application/json"),
}


@dataclass(frozen=True, slots=True)
class File:
    """What a browser saves: a name, a media type, and the bytes."""

    name: str
    type: str
    content: bytes


def conversations(desk: Desk, browser: str, search: str) -> dict[str, Any]:
    """The list as HTML, and whether conversations of this browser are kept. Raises `QAError`."""
    found = desk.history.conversations(browser, search)
    return {"html": "".join(map(_row, found)), "count": len(found), "keeps": desk.history.keeps(browser)}


def turns(desk: Desk, browser: str, conversation: str) -> list[dict[str, Any]]:
    """A kept conversation as the page shows it. Raises `QAError`."""
    titles = desk.sources.titles(desk.qa)
    shown: list[dict[str, Any]] = []
    for turn in desk.history.turns(browser, conversation):
        shown.append(_turn(turn, titles) | {"history": [earlier["told"] for earlier in shown]})
    if shown and (last := shown[-1])["answer"]["answered"]:
        documents = desk.sources.chosen(desk.qa, last["choice"])
        last["next"] = desk.follow_again(last["answer"]["asked_as"], documents)
    return shown


def exported(history: History, browser: str, conversation: str, form: str) -> File:
    """A kept conversation as a file. Raises `QAError`."""
    return _file(history.title(browser, conversation), history.turns(browser, conversation), form)


def exported_shown(turns: Any, form: str) -> File:
    """The same for a conversation that only the browser holds: rows of `asked` and `answer`. Raises
    `BadQuestion` where they are none."""
    try:
        given = [
            KeptTurn(number, str(turn["asked"]), turn["answer"]) for number, turn in enumerate(turns, start=1)
        ]
        return _file(given[0].question, given, form)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise BadQuestion("This is no conversation; ask a question first, then export it.") from None


async def send_export(request: Request, opening: Opening) -> Response:
    """Answers `POST export?form=md`, whose body is the JSON of a conversation: `browser` and `conversation`
    where it is kept, else its `turns`. It is no call of the page: of those, a request is kept small."""
    try:
        qa = await asyncio.wrap_future(opening.begin())
        body = await request.body()
        file = await asyncio.to_thread(_export, History(qa.folder), body, request.query_params.get("form"))
    except QAError as error:
        return PlainTextResponse(str(error), status_code=400)
    disposition = f"attachment; filename*=UTF-8''{url_quote(file.name, safe='')}"
    return Response(file.content, media_type=file.type, headers={"Content-Disposition": disposition})


def _export(history: History, body: bytes, form: str | None) -> File:
    if form not in EXPORTS:
        raise BadQuestion(f"The form is {form!r}; expected one of {', '.join(EXPORTS)}.")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    match asked:
        case {"browser": str(browser), "conversation": str(conversation)}:
            return exported(history, browser, conversation, form)
        case {"turns": turns}:
            return exported_shown(turns, form)
    raise BadQuestion("This is no conversation; ask a question first, then export it.")


def _file(title: str, turns: Sequence[KeptTurn], form: str) -> File:
    write, media_type = EXPORTS[form]
    name = re.sub(r"[^\w -]+", "", title).strip()[:60] or "conversation"
    return File(f"{name}.{form}", media_type, sendable(write(title, turns)).encode())


def _row(conversation: Conversation) -> str:
    title = escape(conversation.title)
    count = "1 question" if conversation.turns == 1 else f"{conversation.turns} questions"
    downloads = "".join(
        f'<button type="button" class="export" value="{form}" '
        f'aria-label="Export {title} as {form}">{form}</button>'
        for form in EXPORTS
    )
    return (
        f'<li data-id="{escape(conversation.id)}">'
        f'<button type="button" class="open">{isolated(conversation.title)}</button>'
        f'<p class="facts"><time datetime="{escape(conversation.changed)}">{conversation.changed[:10]}</time>'
        f" · {count}</p>"
        '<p class="history-tools">'
        f'<button type="button" class="rename" aria-label="Rename {title}">Rename</button>'
        f'<button type="button" class="delete" aria-label="Delete {title}">Delete</button>'
        f'<span class="as">Save as {downloads}</span></p></li>'
    )


def _turn(turn: KeptTurn, titles: Mapping[str, str]) -> dict[str, Any]:
    answer = turn.answer
    if answer["answered"]:
        html = render.found(answer, titles)
    else:
        told = turn.circumstances.get("cause")
        why = Cause(**told) if told else Cause("similar", answer["reason"] or "", whole=False)
        html = render.not_found(answer, why, titles)
    return {
        "question": sendable(turn.question),
        "html": html,
        "told": [sendable(answer["asked_as"]), sendable(answer["text"] or "")],
        "kept": turn.number,
        "asked": turn.asked,
        "answer": answer,
        "choice": turn.circumstances.get("choice") or {"all": True, "but": []},
        "min_confidence": turn.circumstances.get("min_confidence"),
        "verdict": turn.circumstances.get("verdict"),
    }

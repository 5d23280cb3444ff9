"""The history panel: a browser's conversations as a list, one of them as turns, and as a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qa.web import export, render
from qa.web.abstention import Cause
from qa.web.markup import escape, isolated, sendable

if TYPE_CHECKING:
    from qa.web.desk import Desk
    from qa.web.history import Conversation, KeptTurn

EXPORTS = {
    "md": (export.to_markdown, "text/markdown"),
    "html": (export.to_html, "text/html"),
    "json": (export.to_json, "application/json"),
}


def conversations(desk: Desk, browser: str, search: str) -> dict[str, Any]:
    """The list as HTML, and whether conversations of this browser are kept. Raises `QAError`."""
    found = desk.history.conversations(browser, search)
    return {"html": "".join(map(_row, found)), "count": len(found), "keeps": desk.history.keeps(browser)}


def turns(desk: Desk, browser: str, conversation: str) -> list[dict[str, Any]]:
    """A kept conversation as the page shows it. Raises `QAError`."""
    titles = desk.sources.titles(desk.qa)
    return [_turn(turn, titles) for turn in desk.history.turns(browser, conversation)]


def exported(desk: Desk, browser: str, conversation: str, form: str) -> dict[str, str]:
    """A kept conversation as a file: `name`, `type`, `text`. Raises `QAError`, `KeyError` for a form
    that is none of EXPORTS."""
    write, media_type = EXPORTS[form]
    title = desk.history.title(browser, conversation)
    text = write(title, desk.history.turns(browser, conversation))
    name = re.sub(r"[^\w -]+", "", title).strip()[:60] or "conversation"
    return {"name": f"{name}.{form}", "type": media_type, "text": sendable(text)}


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
        f'<button type="button" class="rename" aria-label="Rename {title}">Rename</button>{downloads}'
        f'<button type="button" class="delete" aria-label="Delete {title}">Delete</button></p></li>'
    )


def _turn(turn: KeptTurn, titles: Mapping[str, str]) -> dict[str, Any]:
    answer = turn.answer
    if answer["answered"]:
        html = render.found(answer)
    else:
        why = Cause("similar", answer["reason"] or "", whole=False)
        html = render.not_found(answer, why, titles)
    return {
        "question": sendable(turn.question),
        "html": html,
        "told": [sendable(answer["asked_as"]), sendable(answer["text"] or "")],
        "kept": turn.number,
    }

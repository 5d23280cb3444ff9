"""What the page calls on the server, by pane. A call takes and gives JSON.

What a visitor can mend comes back as a sentence: `{"failed": True, "says": …}`. The index may still be
opening: then a call waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from qa.errors import QAError
from qa.web import history, past, talk
from qa.web.desk import Desk, Desks
from qa.web.markup import failure
from qa.web.source_view import more, references, source

Request = Mapping[str, Any]
Calls = list[Callable[..., Any]]


def conversation_calls(desks: Desks) -> Calls:
    """Asking, what to ask next, and the verdict on an answer."""

    async def status(_: object) -> dict[str, Any]:
        try:
            desk = await desks.open()
            says = await asyncio.to_thread(lambda: desk.says)
        except QAError as error:
            return _failed(error)
        return {
            "failed": False,
            "says": says,
            "min_confidence": desk.qa.min_confidence,
            "coverage": talk.coverage(desk.qa),
        }

    async def starters(_: object) -> list[str]:
        desk = await desks.open()
        found = await asyncio.wrap_future(desk.suggestions.starters())
        return list(found)

    async def ask(request: Request) -> dict[str, Any]:
        asked = talk.Asked.of(request)
        try:
            desk = await desks.open()
        except QAError as error:
            return {"html": failure(str(error)), "told": None}
        async with desks.answering:
            return await asyncio.to_thread(talk.reply, desk, asked)

    async def following(request: Request) -> list[str]:
        return list(await (await desks.open()).following(str(request["next"])))

    async def judge(request: Request) -> dict[str, Any]:
        asked, told = talk.Asked.of(request), str(request["told"])
        desk = await desks.open()
        async with desks.answering:
            judged = await _told(talk.judge, desk, asked, told, str(request["verdict"]))
        await _note(desk, asked, request, judged)
        return judged

    async def correct(request: Request) -> dict[str, Any]:
        """`words`: those that would have been right, or null where the documents do not say."""
        desk, words = await desks.open(), request["words"]
        asked = talk.Asked.of(request)
        corrected = await _told(
            talk.correct, desk, str(request["open"]), None if words is None else str(words)
        )
        await _note(desk, asked, request, corrected | {"says": {"says": corrected["says"], "open": None}})
        return corrected

    return [status, starters, ask, following, judge, correct]


def source_calls(desks: Desks, read_only: bool) -> Calls:
    """The list of documents, and one of them."""

    async def list_sources(request: Request) -> dict[str, Any]:
        desk = await desks.open()
        query, first = str(request["query"]), int(request["first"])
        return await asyncio.to_thread(desk.sources.page, desk.qa, query, first, not read_only)

    async def matching_sources(request: Request) -> list[str]:
        desk = await desks.open()
        found = await asyncio.to_thread(desk.sources.matching, desk.qa, str(request["query"]))
        return [info.id for info in found]

    async def remove_source(request: Request) -> dict[str, Any]:
        if read_only:
            return {"failed": True, "says": "The documents of this server cannot be changed."}
        desk = await desks.open()

        def remove() -> str:
            desk.qa.remove([str(request["document"])])
            return desk.says

        return await _told(remove)

    async def show_source(request: Request) -> dict[str, Any]:
        """`request`: document id, start, end, and `others`, a list of (start, end)."""
        start, end = int(request["start"]), int(request["end"])
        others = [(int(first), int(last)) for first, last in request["others"]]
        try:
            desk = await desks.open()
            document = await asyncio.to_thread(desk.qa.document, str(request["document"]))
        except QAError as error:
            return {"html": failure(str(error))}
        cited = 0 <= start < end <= len(document.text)

        def shown() -> dict[str, Any]:
            given = references(document, start, end) if cited else None
            return {"html": source(document, start, end, others), "references": given}

        return await asyncio.to_thread(shown)

    async def more_source(request: Request) -> str:
        """More of what `show_source` showed: `at` an offset, `way` "before", "after" or "around" it."""
        cited = int(request["start"]), int(request["end"])
        others = [(int(first), int(last)) for first, last in request["others"]]
        desk = await desks.open()
        try:
            document = await asyncio.to_thread(desk.qa.document, str(request["document"]))
        except QAError as error:
            return failure(str(error))
        return await asyncio.to_thread(more, document, int(request["at"]), str(request["way"]), cited, others)

    return [list_sources, matching_sources, remove_source, show_source, more_source]


def history_calls(desks: Desks) -> Calls:
    """The kept conversations of a browser."""

    async def new_browser(_: object) -> str:
        return history.new_browser()

    async def conversations(request: Request) -> dict[str, Any]:
        desk = await desks.open()
        return await _told(past.conversations, desk, str(request["browser"]), str(request["search"]))

    async def conversation(request: Request) -> dict[str, Any]:
        desk = await desks.open()
        return await _told(past.turns, desk, str(request["browser"]), str(request["conversation"]))

    async def change_history(request: Request) -> dict[str, Any]:
        """`change` is "rename" (to `title`), "delete", "undo" (from turn `number`), "keep" or "forget"."""
        kept, browser = (await desks.open()).history, str(request["browser"])
        match request:
            case {"change": "rename", "conversation": str(which), "title": str(title)}:
                return await _told(kept.rename, browser, which, title)
            case {"change": "delete", "conversation": str(which)}:
                return await _told(kept.delete, browser, which)
            case {"change": "undo", "conversation": str(which), "number": int(number)}:
                return await _told(kept.undo, browser, which, number)
            case {"change": "keep"}:
                return await _told(kept.opt_in, browser)
            case {"change": "forget"}:
                return await _told(kept.opt_out, browser)
        return {"failed": True, "says": "This cannot be changed."}

    return [new_browser, conversations, conversation, change_history]


async def _note(desk: Desk, asked: talk.Asked, request: Request, judged: Mapping[str, Any]) -> None:
    """Keep a verdict beside the turn that it is on, where that turn is kept."""
    if judged["failed"] or not asked.browser or not asked.conversation:
        return
    which = asked.browser, asked.conversation, int(request["number"])
    with suppress(QAError):  # deleted in another window
        await asyncio.to_thread(desk.history.note, *which, verdict=judged["says"])


async def _told(do: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """What a function that may raise `QAError` returned, as `says`, or the error's sentence."""
    try:
        return {"failed": False, "says": await asyncio.to_thread(do, *arguments)}
    except QAError as error:
        return _failed(error)


def _failed(error: QAError) -> dict[str, Any]:
    return {"failed": True, "says": str(error)}

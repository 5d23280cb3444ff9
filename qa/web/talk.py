"""What the conversation asks of the engine: one question in, one answer as HTML out.

The browser holds its own conversation and sends it with each question, so no two can be mixed up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qa.errors import BadQuestion, QAError
from qa.web import render
from qa.web.abstention import cause
from qa.web.desk import Desk
from qa.web.markup import failure, sendable

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.types import Answer

BROKEN = "Something broke while answering; the server's log says what."
CHANGED = "The documents have changed since; ask again, then judge the new answer."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the conversation it follows, the choice of sources, and the confidence asked for.

    `browser` is the token its conversations are kept under, None where none shall be; `conversation` the
    one it belongs to, None for a new one; `replaces` the number of the turn whose place it takes.
    """

    question: str
    history: tuple[tuple[str, str], ...]
    choice: Mapping[str, Any]
    min_confidence: float | None
    browser: str | None
    conversation: str | None
    replaces: int | None

    @staticmethod
    def of(request: Mapping[str, Any]) -> Asked:
        """From the browser's JSON."""
        least, replaces = request.get("min_confidence"), request.get("replaces")
        return Asked(
            question=str(request.get("question", "")),
            history=tuple((str(asked), str(told)) for asked, told in request.get("history", ())),
            choice=request.get("choice") or {},
            min_confidence=None if least is None else float(least),
            browser=_name(request.get("browser")),
            conversation=_name(request.get("conversation")),
            replaces=None if replaces is None else int(replaces),
        )


def reply(desk: Desk, asked: Asked) -> dict[str, Any]:
    """The answer as `html`. `told` is the turn as later questions of the conversation need it, [asked as,
    answer], None where asking failed; `kept` the conversation it went into; `next` a token for the
    questions to go on with."""
    try:
        documents = desk.sources.chosen(desk.qa, asked.choice)
        answer = _answer(desk, asked, documents)
        why = None if answer else cause(desk.qa, answer, documents, asked.min_confidence)
        kept = _keep(desk, asked, answer)
    except QAError as error:
        return {"html": failure(str(error)), "told": None}
    except Exception:
        logging.getLogger(__name__).exception("A question failed")
        return {"html": failure(BROKEN), "told": None}
    given = answer.to_dict()
    titles = desk.sources.titles(desk.qa)
    return {
        "html": render.not_found(given, why, titles) if why else render.found(given),
        "told": [sendable(answer.asked_as), sendable(answer.text or "")],
        "kept": kept,
        "next": desk.follow(answer, documents) if answer else None,
    }


def judge(desk: Desk, asked: Asked, told: str, verdict: str, expected: str) -> str:
    """Turn a verdict on an answer into a line of a question file, and say so.

    The question is asked once more rather than the browser's word taken for the answer; `told` is what
    the visitor saw. Raises `QAError`.
    """
    answer = _answer(desk, asked, desk.sources.chosen(desk.qa, asked.choice))
    if sendable(answer.text or "") != told:
        raise BadQuestion(CHANGED)
    file = desk.feedback.give(answer.to_dict(), verdict, history=asked.history, expected=[expected])
    return f"Thank you; kept in {file.name}."


def coverage(qa: QA) -> list[list[float]]:
    """What a threshold costs, as measured when the confidence model was fitted: rows of threshold, share
    of the questions answered, share of these answered rightly."""
    return [list(point) for point in qa.calibration.coverage]


def _answer(desk: Desk, asked: Asked, documents: list[str] | None) -> Answer:
    return desk.qa.ask(
        asked.question, history=asked.history, documents=documents, min_confidence=asked.min_confidence
    )


def _keep(desk: Desk, asked: Asked, answer: Answer) -> str | None:
    """The conversation that now holds the turn; None where none is kept."""
    if asked.browser is None:
        return None
    try:
        if asked.conversation and asked.replaces:
            desk.history.replace(asked.browser, asked.conversation, asked.replaces, answer.to_dict())
            return asked.conversation
        return desk.history.append(asked.browser, asked.conversation, answer.to_dict())
    except BadQuestion:  # deleted in another window: go on with a new one
        return desk.history.append(asked.browser, None, answer.to_dict())


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

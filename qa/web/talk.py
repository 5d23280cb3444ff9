"""What the conversation asks of the engine: one question in, one answer as HTML out.

The browser holds its own conversation and sends it with each question, so no two can be mixed up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qa.errors import QAError
from qa.web import render
from qa.web.abstention import cause
from qa.web.markup import failure, sendable

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.web.sources import Sources

BROKEN = "Something broke while answering; the server's log says what."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the conversation it follows, the choice of sources, and the confidence asked for."""

    question: str
    history: tuple[tuple[str, str], ...]
    choice: Mapping[str, Any]
    min_confidence: float | None

    @staticmethod
    def of(request: Mapping[str, Any]) -> Asked:
        """From the browser's JSON."""
        least = request.get("min_confidence")
        return Asked(
            question=str(request.get("question", "")),
            history=tuple((str(asked), str(told)) for asked, told in request.get("history", ())),
            choice=request.get("choice") or {},
            min_confidence=None if least is None else float(least),
        )


def reply(qa: QA, sources: Sources, asked: Asked) -> dict[str, Any]:
    """The answer as `html`; `told` is the turn as later questions of the conversation need it,
    [asked as, answer], None where asking failed. `answer` is its JSON form, for history and feedback."""
    try:
        documents = sources.chosen(qa, asked.choice)
        answer = qa.ask(
            asked.question, history=asked.history, documents=documents, min_confidence=asked.min_confidence
        )
        why = None if answer else cause(qa, answer, documents, asked.min_confidence)
    except QAError as error:
        return {"html": failure(str(error)), "told": None}
    except Exception:
        logging.getLogger(__name__).exception("A question failed")
        return {"html": failure(BROKEN), "told": None}
    given = answer.to_dict()
    html = render.not_found(given, why, sources.titles(qa)) if why else render.found(given)
    return {"html": html, "told": [sendable(answer.asked_as), sendable(answer.text or "")]}


def coverage(qa: QA) -> list[list[float]]:
    """What a threshold costs, as measured when the confidence model was fitted: rows of threshold, share
    of the questions answered, share of these answered rightly. Empty where that was not measured."""
    return [list(map(float, point)) for point in getattr(qa.calibration, "coverage", None) or ()]

"""What the conversation asks of the engine: one question in, one answer as HTML out.

The browser holds its own conversation and sends it with each question, so no two can be mixed up.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from qa.errors import BadQuestion, QAError
from qa.web import render
from qa.web.abstention import Cause, cause
from qa.web.desk import Desk
from qa.web.markup import failure, sendable

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.types import Answer

BROKEN = "Something broke while answering; the server's log says what."
PASSAGES_LOOKED_AT = 100  # for the words of a correction
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
    """The answer as `html`, and as JSON in `answer`. `told` is the turn as later questions of the
    conversation need it, [asked as, answer], None where asking failed; `kept` the conversation it went into;
    `next` a token for the questions to go on with."""
    try:
        documents = desk.sources.chosen(desk.qa, asked.choice)
        answer = _answer(desk, asked, documents)
        why = None if answer else cause(desk.qa, answer, documents, asked.min_confidence)
        kept = _keep(desk, asked, answer, circumstances(asked, why))
    except QAError as error:
        return {"html": failure(str(error)), "told": None}
    except Exception:
        logging.getLogger(__name__).exception("A question failed")
        return {"html": failure(BROKEN), "told": None}
    given = answer.to_dict()
    titles = desk.sources.titles(desk.qa)
    return {
        "html": render.not_found(given, why, titles) if why else render.found(given, titles),
        "told": [sendable(answer.asked_as), sendable(answer.text or "")],
        "answer": given,
        "kept": kept,
        "next": desk.follow(answer, documents) if answer else None,
    }


def judge(desk: Desk, asked: Asked, told: str, verdict: str) -> dict[str, Any]:
    """Turn a verdict on an answer into a line of a question file, and say so: `says`, and `open`, the id of
    a line that a person is to complete (see `correct`), else None.

    The question is asked once more rather than the browser's word taken for the answer; `told` is what
    the visitor saw. Raises `QAError`.
    """
    answer = _answer(desk, asked, desk.sources.chosen(desk.qa, asked.choice))
    if sendable(answer.text or "") != told:
        raise BadQuestion(CHANGED)
    given = desk.feedback.give(answer.to_dict(), verdict, history=asked.history)
    says = f"Thank you; kept in {given.file.name}."
    return {"verdict": verdict, "says": says, "open": None if given.complete else given.id}


def correct(desk: Desk, line: str, words: str | None) -> str:
    """Complete a line that a verdict left open, and say so: with words of a document that would have been
    right, or None where the documents do not say. Raises `QAError`."""
    documents = [] if words is None else _documents_with(desk.qa, words)
    if words is not None and not documents:
        raise BadQuestion(
            "These words stand in no document; copy them from one, or say that it is not in the documents."
        )
    file = desk.feedback.complete(line, words, documents)
    return f"Thank you; kept in {file.name}, which qa eval runs."


def _documents_with(qa: QA, words: str) -> list[str]:
    """The documents in which exactly these words stand, capitals and white space aside."""
    wanted = " ".join(words.casefold().split())
    near = [passage_id for passage_id, _ in qa.store.search_lexical(words, PASSAGES_LOOKED_AT)]
    holding = {
        passage.document_id
        for passage, text in qa.store.passages(near)
        if wanted and wanted in " ".join(text.casefold().split())
    }
    return sorted(holding)


def coverage(qa: QA) -> list[list[float]]:
    """What a threshold costs, as measured when the confidence model was fitted: rows of threshold, share
    of the questions answered, share of these answered rightly."""
    return [list(point) for point in qa.calibration.coverage]


def _answer(desk: Desk, asked: Asked, documents: list[str] | None) -> Answer:
    return desk.qa.ask(
        asked.question, history=asked.history, documents=documents, min_confidence=asked.min_confidence
    )


def circumstances(asked: Asked, why: Cause | None) -> dict[str, Any]:
    """What is kept beside an answer, so that it can be shown, judged and asked again as it was."""
    return {
        "choice": dict(asked.choice),
        "min_confidence": asked.min_confidence,
        "cause": None if why is None else asdict(why),
    }


def _keep(desk: Desk, asked: Asked, answer: Answer, kept: Mapping[str, Any]) -> str | None:
    """The conversation that now holds the turn; None where none is kept."""
    if asked.browser is None:
        return None
    try:
        if asked.conversation and asked.replaces:
            desk.history.replace(asked.browser, asked.conversation, asked.replaces, answer.to_dict(), kept)
            return asked.conversation
        return desk.history.append(asked.browser, asked.conversation, answer.to_dict(), kept)
    except BadQuestion:  # deleted in another window: go on with a new one
        return desk.history.append(asked.browser, None, answer.to_dict(), kept)


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None

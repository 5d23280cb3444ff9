"""Why the documents do not say, or were not asked: one of five causes, told so that the reader knows what
to change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qa.confidence import in_percent

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.types import Answer

Kind = Literal["nothing", "similar", "below", "excluded", "talk"]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is no answer. `whole`: every passage that was allowed to answer was read."""

    kind: Kind
    sentence: str
    whole: bool


def cause(
    qa: QA,
    answer: Answer,
    documents: Collection[str] | None,
    min_confidence: float | None,
) -> Cause:
    """The cause of an abstention. Where sources were left out, all of them are asked, to tell whether
    the choice is the cause."""
    if answer.kind == "talk":
        return Cause("talk", answer.reason or "", whole=False)
    whole = answer.read == qa.store.passage_count(documents)
    asked_for = qa.min_confidence if min_confidence is None else min_confidence
    if documents is not None:
        everywhere = qa.ask(answer.asked_as, min_confidence=min_confidence)
        if everywhere:
            places = len({citation.document.id for citation in everywhere.citations})
            source = "a source" if places == 1 else f"{places} sources"
            return Cause("excluded", f"But {source} that you left out may answer this.", whole)
    if not any(hit.lexical_rank for hit in answer.hits):
        return Cause("nothing", "Nothing similar was found: no passage shares the question's words.", whole)
    claimed, least = in_percent(answer.confidence, asked_for)
    if qa.min_confidence <= answer.confidence < asked_for:
        sentence = f"The likeliest words would be right with {claimed} %; your setting asks for {least} %."
        return Cause("below", sentence, whole)
    sentence = (
        "Similar passages were found, but none of them answers this: the likeliest words would be right "
        f"with {claimed} %, and {least} % is asked for."
    )
    return Cause("similar", sentence, whole)

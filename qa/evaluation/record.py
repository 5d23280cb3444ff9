"""One record per question: what was asked, what was given, how far it was right.

Every average is computed from records, so a saved run can be summarised again, sliced and compared
without asking anything. On the same index a record is the same, byte for byte, apart from `seconds`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from qa.errors import QAError


class Place(TypedDict):
    """Words and where they stand: `document.text[start:end] == quote`."""

    document: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Record:
    """A question, the answer to it and its measures (definitions: `qa.evaluation.metrics`).

    `right` is the verdict: for an answerable question, the words are right and the first citation
    points into an accepted document; for an unanswerable one, it was declined. `best` is the first
    place, also of an answer that was declined for its low confidence, and `best_right` whether
    giving it is, or would have been, right: the outcome that `confidence` foretells.
    """

    # The question and what is known about it
    id: str
    question: str
    kind: str
    answerable: bool
    near_miss: bool
    conversation: str | None
    history: list[list[str]]
    standalone: str | None  # a person's rewriting of a follow-up
    answers: list[str]
    items: list[str]
    documents: list[str]

    # What was given
    asked_as: str
    answered: bool
    text: str | None
    confidence: float
    reason: str | None
    citations: list[Place]
    alternatives: list[str]
    best: Place | None
    retrieved: list[str]  # the documents of the hits of `search`, best first, one per passage
    read: int

    # Measures
    exact_match: float
    f1: float
    right: bool
    text_right: bool | None  # None where they do not apply: unanswerable, or no list asked for
    document_right: bool | None  # the first citation's document is accepted
    any_document_right: bool | None  # some citation's is
    item_f1: float | None
    best_right: bool
    document_rank: int | None  # of the first hit from an accepted document
    answer_rank: int | None  # of the first such hit that holds an accepted answer
    verbatim: bool  # the stored document has every quote at its place

    seconds: dict[str, float] = field(default_factory=dict)  # per stage, and "total" by the clock

    @property
    def follow_up(self) -> bool:
        return bool(self.history)

    def line(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read_records(path: Path) -> list[Record]:
    """The records of a saved run. Raises `QAError` for a file that is none."""
    try:
        with path.open(encoding="utf-8") as lines:
            return [Record(**_object(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise QAError(
            f"{path} is not a file of evaluation records ({error}): make one with qa eval."
        ) from error


def write_records(records: Iterable[Record], path: Path) -> Iterator[Record]:
    """Pass the records on while they are written to `path`, which appears when all of them are."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8", newline="\n") as lines:
        for record in records:
            lines.write(record.line() + "\n")
            yield record
    unfinished.replace(path)


def _object(line: str) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise TypeError("a line is not a JSON object")
    return value

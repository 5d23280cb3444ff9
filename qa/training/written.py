"""Questions of our own that do not repeat the words of the text: what the public sets are short of.

`questions/news.jsonl` holds invented news reports. Their questions are asked as by somebody who has not read
them, and near misses ask for what a report touches but does not tell. `questions/reworded.jsonl` asks
questions of SQuAD again in other words, with the same answers; it names them by their ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from qa.corpus import passages, sentences
from qa.embedder import Embedder
from qa.errors import QAError
from qa.evaluation.questions import Question, QuestionSet
from qa.evaluation.squad import ReadingQuestion
from qa.types import Document, Range

NEWS = Path(__file__).parent / "questions" / "news.jsonl"
REWORDED = NEWS.with_name("reworded.jsonl")
REPORTS_PER_FOLDER = 20


@dataclass(frozen=True, slots=True)
class ReportQuestion:
    """A question about a report: the places of its answer, or, where the report does not tell, the place
    that comes nearest."""

    question: str
    kind: str
    places: tuple[Range, ...]
    near: Range | None = None


@dataclass(frozen=True, slots=True)
class NewsReport:
    id: str
    text: str
    questions: tuple[ReportQuestion, ...]


def reports(path: Path = NEWS) -> list[NewsReport]:
    """All reports. Raises `QAError` where the file cannot be read."""
    return [
        NewsReport(
            line["id"],
            line["text"],
            tuple(
                ReportQuestion(
                    asked["question"],
                    asked["kind"],
                    tuple((start, end) for start, end in asked.get("places", ())),
                    (asked["near"][0], asked["near"][1]) if "near" in asked else None,
                )
                for asked in line["questions"]
            ),
        )
        for line in _lines(path)
    ]


def divide(found: Sequence[NewsReport]) -> tuple[list[NewsReport], list[NewsReport]]:
    """(training, development) reports: a ninth is held out, the same ones for everybody; those that belong
    together (k01a to k01d) on one side. Others, which are not in the file, are asked about by `qa eval`
    (qa/evaluation/news_questions.json)."""
    affair = {report.id: report.id.rstrip("abcd") for report in found}
    aside = {id_ for id_, about in affair.items() if sha256(about.encode()).digest()[0] % 10 == 5}
    return [r for r in found if r.id not in aside], [r for r in found if r.id in aside]


def never_read(development: Sequence[NewsReport]) -> list[NewsReport]:
    """Those that the reader does not learn from: every second folder, the second first."""
    return [report for i, report in enumerate(development) if i // REPORTS_PER_FOLDER % 2]


def reading_questions(found: Iterable[NewsReport]) -> list[ReadingQuestion]:
    """The questions, each with the passage that answers it or comes nearest; one whose answers stand in
    several passages, as the items of a list may, with each of them. What stands in no passage as a whole is
    left out."""
    questions: list[ReadingQuestion] = []
    for report in found:
        whole = Document(report.id, "", report.text, report.id, "", sentences=sentences(report.text, ()))
        parts = [(part.start, part.end) for part in passages(whole, _count_tokens)]
        for number, asked in enumerate(report.questions, start=1):
            left = set(asked.places or ((asked.near,) if asked.near else ()))
            for part, (start, end) in enumerate(parts):
                inside = sorted(place for place in left if start <= place[0] and place[1] <= end)
                left.difference_update(inside)
                if inside:
                    places = tuple((a - start, b - start) for a, b in inside) if asked.places else ()
                    id_ = f"{report.id}-{number}-{part}"
                    text = report.text[start:end]
                    questions.append(ReadingQuestion(id_, asked.question, text, report.id, places))
    return questions


def question_set(found: Iterable[NewsReport]) -> QuestionSet:
    """The reports as documents and what is asked of them, as `qa eval` asks it. A question with answers in
    several reports, as the items of a list may stand, is asked once. A list has its items where they stand
    apart."""
    found = list(found)
    asked: dict[str, Question] = {}
    for report in found:
        for number, each in enumerate(report.questions, start=1):
            one = Question(
                f"{report.id}-{number}",
                each.question,
                each.kind.replace("yes-no", "yes/no"),
                bool(each.places),
                tuple(dict.fromkeys(report.text[start:end] for start, end in each.places)),
                (f"{report.id}.txt",) if each.places else (),
                near_miss=not each.places,
                items=_apart(report.text, each.places) if each.kind == "list" else (),
            )
            if other := asked.get(each.question):
                one = replace(
                    other,
                    answers=other.answers + one.answers,
                    documents=other.documents + one.documents,
                    items=_different(other.items + one.items),
                )
            asked[each.question] = one
    return QuestionSet(tuple(asked.values()), {f"{report.id}.txt": report.text for report in found})


def _apart(text: str, places: Iterable[Range]) -> tuple[str, ...]:
    """What stands at the places; of those that overlap, which word one item in several ways, the longest."""
    found: list[Range] = []
    for start, end in sorted(places, key=lambda place: place[0] - place[1]):
        if all(end <= first or last <= start for first, last in found):
            found.append((start, end))
    return _different(text[start:end] for start, end in sorted(found))


def _different(wordings: Iterable[str]) -> tuple[str, ...]:
    """Without those whose words stand in another one."""
    found: list[str] = []
    for wording in sorted(wordings, key=len, reverse=True):
        if not any(f" {wording.casefold()} " in f" {other.casefold()} " for other in found):
            found.append(wording)
    return tuple(sorted(found))


def reworded(originals: Iterable[ReadingQuestion], path: Path = REWORDED) -> list[ReadingQuestion]:
    """Those of the questions that are asked again, in their new words. Raises `QAError` where the file
    cannot be read."""
    by_id = {question.id: question for question in originals}
    return [
        replace(by_id[line["of"]], id=f"{line['of']}-reworded", question=line["question"])
        for line in _lines(path)
        if line["of"] in by_id
    ]


def _count_tokens(texts: Sequence[str]) -> list[int]:
    return _embedder().count_tokens(texts)


@cache
def _embedder() -> Embedder:
    return Embedder()


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise QAError(f"{path} cannot be read ({error}); fetch it again: git checkout {path}") from error

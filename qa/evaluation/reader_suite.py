"""The reader on public question sets: given the paragraph, and finding it among thousands.

Given the paragraph, reader, re-ranker and comparer are measured as SQuAD measures a reader; how they are
weighed, and the threshold, is fixed on articles that are in no training. End to end, the same questions are
asked of all the paragraphs at once; the distance between the two is what retrieval and the choice among
passages cost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from qa import confidence
from qa.confidence import FEATURES, Calibration
from qa.corpus import title_of
from qa.engine import QA
from qa.errors import BadQuestion
from qa.evaluation import metrics
from qa.evaluation.questions import sample, write_paragraphs
from qa.evaluation.report import prepare, write
from qa.evaluation.squad import ReadingQuestion, data_set, never_read, read_set
from qa.logit import fitted
from qa.reader import Reader, Reranker
from qa.types import Document, Hit, Passage

DEVELOPMENT = "squad_train_v2.0"  # its articles that no reader has read
DEVELOPMENT_QUESTIONS = 2_000
# What is known of a candidate where nothing was retrieved: the features that do best on articles held out.
READING = ("gap", "reranked", "compared")
RIGHT_FROM = 0.6  # F1 of a candidate
ALWAYS_ANSWERED = ("squad_dev_v1.1", "squadshifts_new_wiki", "qed_nq_dev")
SOMETIMES_ANSWERED = ("squad_dev_v2.0", "disflqa_dev")
END_TO_END = "squad_dev_v1.1"
CALIBRATED = "squad_dev_v2.0"  # half of it has no answer
GOALS = {"squad_dev_v2.0": 0.795, "squad_dev_v1.1": 0.88}  # F1
END_TO_END_GOAL = 0.03  # exact match lost at most
ECE_GOAL = 0.02
RETRIEVED = 10

Progress = Callable[[str, int, int], None]
"""Called with (what is measured, questions asked, questions in all)."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The answers that a paragraph may give to a question, and what is known of each."""

    question: ReadingQuestion
    quotes: tuple[str, ...]
    known: tuple[Mapping[str, float], ...]

    def likeliest(self, weighed: Calibration) -> Reading:
        found = zip(self.quotes, weighed.probabilities(self.known), strict=True)
        return Reading(self.question, *max(found, key=lambda answer: answer[1], default=("", -np.inf)))


@dataclass(frozen=True, slots=True)
class Reading:
    """A question and its likeliest answer, whether or not it would be given."""

    question: ReadingQuestion
    text: str
    confidence: float

    def scores(self, threshold: float) -> tuple[float, float]:
        """(exact match, F1) where answers whose confidence is below the threshold are not given."""
        given = self.text if self.confidence >= threshold else None
        return metrics.exact_match(given, self.question.answers), metrics.f1(given, self.question.answers)


def run(
    out: Path, limit: int | None = None, reader: Reader | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure, write `summary.json` to `out`, return it. `limit` takes that many questions of each set
    in eval/, evenly spaced. Shares are 0 to 1. Raises `BadQuestion` where the sets are not in QA_DATA."""
    prepare(out)
    reader = reader or Reader()
    report = progress or (lambda *_: None)
    unread = never_read(read_set(_path("train", DEVELOPMENT)))
    development = half_answerable(unread, DEVELOPMENT_QUESTIONS)
    given = _GivenParagraph(reader)
    candidates = given.read(development, lambda *n: report("development", *n))
    weighed = weigh(candidates)
    readings = [each.likeliest(weighed) for each in candidates]
    sets: dict[str, Any] = {"development": figures(readings, weighed.threshold)}
    slices: dict[str, Any] = {}
    for name in (*SOMETIMES_ANSWERED, *ALWAYS_ANSWERED):
        asked = sample(read_set(_path("eval", name)), limit)
        candidates = given.read(asked, lambda *n, name=name: report(name, *n))
        readings = [each.likeliest(weighed) for each in candidates]
        sets[name] = figures(readings, weighed.threshold if name in SOMETIMES_ANSWERED else -np.inf)
        if name == END_TO_END:
            slices = by_question_word(readings)
    folders = (reader.weights, given.reranker.weights, given.reranker.comparer)
    weights = [file for folder in folders for file in folder.iterdir()]
    summary = {
        "settings": {
            "reader": reader.fingerprint,
            **given.reranker.fingerprints,
            "limit": limit,
        },
        "weights": dict(zip(FEATURES, weighed.weights, strict=True)),
        "none": weighed.none,
        "threshold": weighed.threshold if np.isfinite(weighed.threshold) else None,
        "sets": sets,
        "slices": {"set": END_TO_END, **slices},
        "end_to_end": end_to_end(reader, sets[END_TO_END], limit, report),
        "weights_mb": round(sum(file.stat().st_size for file in weights) / 1e6, 1),
    }
    write(summary, out)
    return summary


def half_answerable(questions: Sequence[ReadingQuestion], most: int) -> list[ReadingQuestion]:
    """At most so many of the questions, half of them with an answer where there are both kinds, as in the
    sets that the threshold is for: of SQuAD 2.0's training set most have one, of its dev set half (Rajpurkar
    et al. 2018)."""
    both = [[q for q in questions if bool(q.places) == answerable] for answerable in (True, False)]
    kinds = [kind for kind in both if kind]
    each = min([most // max(1, len(kinds)), *map(len, kinds)])
    return [question for kind in kinds for question in sample(kind, each)]


def weigh(development: Sequence[Candidates]) -> Calibration:
    """The conditional logit over READING that is fitted to these, with the threshold that is best there."""
    weights, none = fitted(
        [[[known[name] for name in READING] for known in each.known] for each in development],
        [
            [metrics.f1(quote, each.question.answers) >= RIGHT_FROM for quote in each.quotes]
            for each in development
        ],
    )
    of = dict(zip(READING, weights, strict=True))
    model = Calibration(tuple(of.get(name, 0.0) for name in FEATURES), none, threshold=0.0)
    return replace(model, threshold=best_threshold([each.likeliest(model) for each in development]))


def best_threshold(readings: Sequence[Reading]) -> float:
    """The confidence with the highest F1 over the readings, as the official script of SQuAD 2.0 finds the
    null threshold; infinite where it is best to give none."""
    claimed = np.array([reading.confidence for reading in readings])
    gains = [
        metrics.f1(reading.text, reading.question.answers) - (not reading.question.answers)
        for reading in readings
    ]  # of giving the span rather than declining
    order = np.argsort(-claimed, kind="stable")
    claimed, sums = claimed[order], np.cumsum(np.array(gains)[order])
    last_of_tie = np.append(claimed[1:] != claimed[:-1], True)
    at = int(np.argmax(np.where(last_of_tie, sums, -np.inf)))
    return float(claimed[at]) if sums[at] > 0 else np.inf


def figures(readings: Sequence[Reading], threshold: float) -> dict[str, Any]:
    """Exact match and F1, over all and over those with an answer, and the share of the rest declined."""
    em, f1 = np.array([reading.scores(threshold) for reading in readings]).T
    answerable = np.array([bool(reading.question.answers) for reading in readings])
    declined = np.array([reading.confidence < threshold for reading in readings])
    return {
        "n": len(readings),
        "exact_match": float(em.mean()),
        "f1": float(f1.mean()),
        "f1_answerable": metrics.mean(f1[answerable]),
        "declined": metrics.mean(declined[~answerable]),
    }


WORDS = ("how many", "how much", "how", "why", "what", "who", "when", "where", "which")


def by_question_word(readings: Iterable[Reading]) -> dict[str, Any]:
    """Figures by question word, with the mean length of answers and of what was expected, in words."""

    def word(reading: Reading) -> str:
        asked = reading.question.question.lower()
        if re.search(r"\bwhat (?:did|does|do)\b.*\b(?:say|argue|claim|state|believe|think)\b", asked):
            return "what … say"
        return next((word for word in WORDS if re.search(rf"\b{word}\b", asked)), "other")

    ordered = sorted(readings, key=word)
    found = {}
    for name, group in groupby(ordered, key=word):
        members = list(group)
        found[name] = {
            **figures(members, -np.inf),
            "words": float(np.mean([len(reading.text.split()) for reading in members])),
            "words_expected": float(
                np.mean([np.median([len(a.split()) for a in r.question.answers]) for r in members])
            ),
        }
    return found


def end_to_end(reader: Reader, given: dict[str, Any], limit: int | None, report: Progress) -> dict[str, Any]:
    """The questions without their paragraph, over the paragraphs of all of them."""
    answered, mixed = (read_set(_path("eval", name)) for name in (END_TO_END, CALIBRATED))
    contexts = sorted({question.context for question in answered})
    place = {context: f"{number:05}.txt" for number, context in enumerate(contexts)}
    with TemporaryDirectory(prefix="qa-reader-suite-") as scratch:
        write_paragraphs({place[context]: context for context in contexts}, Path(scratch, "corpus"))
        with QA.build(Path(scratch, "corpus"), Path(scratch, "index")) as qa:
            qa.reader = reader
            em, f1, ranks, read_from = [], [], [], []
            asked = sample(answered, limit)
            for done, question in enumerate(asked, start=1):
                answer = qa.ask(question.question, min_confidence=0.0)
                em.append(metrics.exact_match(answer.text, question.answers))
                f1.append(metrics.f1(answer.text, question.answers))
                found = [hit.passage.document_id for hit in qa.search(question.question, k=RETRIEVED)]
                ranks.append(metrics.first_rank(id_ == place[question.context] for id_ in found))
                cited = answer.citations[0].document.id if answer.citations else None
                read_from.append(cited == place[question.context])
                report("end to end", done, len(asked))
            claimed, right = [], []
            asked = sample(mixed, limit)
            for done, question in enumerate(asked, start=1):
                answer = qa.ask(question.question, min_confidence=0.0)
                claimed.append(answer.confidence)
                right.append(metrics.says(answer.text, question.answers))
                report("calibration", done, len(asked))
    exact = metrics.mean(em) or 0.0
    return {
        "n": len(em),
        "paragraphs": len(contexts),
        "exact_match": exact,
        "f1": metrics.mean(f1),
        "exact_match_lost": given["exact_match"] - exact,
        **{f"recall@{k}": metrics.recall_at(k, ranks) for k in (1, 5, RETRIEVED)},
        "right_paragraph": metrics.mean(read_from),  # recall@1 after reading: the reader ranks again
        "calibration": {
            "n": len(claimed),
            "ece": metrics.ece(claimed, right),
            "brier": metrics.brier(claimed, right),
            "auroc": metrics.auroc(claimed, right),
            "aurc": metrics.aurc(claimed, right),
            "coverage_at_90": metrics.coverage_at_precision(0.90, claimed, right),
            "coverage_at_95": metrics.coverage_at_precision(0.95, claimed, right),
        },
    }


def table(summary: dict[str, Any]) -> str:
    """The summary as aligned text, in per cent, and a line for each goal that is missed."""
    lines = [f"{'':22}{'n':>7}{'EM':>8}{'F1':>8}{'declined':>10}"]
    for name, scores in summary["sets"].items():
        lines.append(
            f"{name:22}{scores['n']:7}{_percent(scores['exact_match']):>8}{_percent(scores['f1']):>8}"
            f"{_percent(scores['declined']):>10}"
        )
    whole = summary["end_to_end"]
    calibration = whole["calibration"]
    lines += [
        f"{'end to end':22}{whole['n']:7}{_percent(whole['exact_match']):>8}{_percent(whole['f1']):>8}"
        f"{'':>10}  over {whole['paragraphs']:,} paragraphs; recall@1/5/10 "
        + " / ".join(_percent(whole[f"recall@{k}"]) for k in (1, 5, RETRIEVED))
        + f"; answered from the right one {_percent(whole['right_paragraph'])}",
        f"calibration: ECE {calibration['ece']:.3f}, Brier {calibration['brier']:.3f}, "
        f"AUROC {calibration['auroc'] or 0:.3f}, coverage at 90 % precision "
        f"{_percent(calibration['coverage_at_90'])} %, at 95 % {_percent(calibration['coverage_at_95'])} %",
        "",
        f"{'question':14}{'n':>7}{'EM':>8}{'F1':>8}{'words':>8}{'expected':>10}",
    ]
    for name, scores in summary["slices"].items():
        if name != "set":
            lines.append(
                f"{name:14}{scores['n']:7}{_percent(scores['exact_match']):>8}{_percent(scores['f1']):>8}"
                f"{scores['words']:8.1f}{scores['words_expected']:10.1f}"
            )
    return "\n".join([*lines, "", *(f"goal missed  {missed}" for missed in missed_goals(summary))])


def missed_goals(summary: dict[str, Any]) -> list[str]:
    whole = summary["end_to_end"]
    missed = [
        f"F1 on {name} is {_percent(summary['sets'][name]['f1'])} %, the goal is {_percent(goal)} %"
        for name, goal in GOALS.items()
        if summary["sets"][name]["f1"] < goal
    ]
    if whole["exact_match_lost"] > END_TO_END_GOAL:
        missed.append(
            f"end to end loses {_percent(whole['exact_match_lost'])} points of exact match, the goal is "
            f"{_percent(END_TO_END_GOAL)}"
        )
    if whole["calibration"]["ece"] > ECE_GOAL:
        missed.append(f"ECE is {whole['calibration']['ece']:.3f}, the goal is {ECE_GOAL}")
    return missed


class _GivenParagraph:
    """Finds candidates in one paragraph, as `QA.ask` does in the passages that it retrieves."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.reranker = reader, Reranker()

    def read(
        self, questions: Sequence[ReadingQuestion], progress: Callable[[int, int], None]
    ) -> list[Candidates]:
        found = []
        for number, question in enumerate(questions, start=1):
            found.append(self._candidates(question))
            progress(number, len(questions))
        return found

    def _candidates(self, question: ReadingQuestion) -> Candidates:
        text = question.context
        document = Document("", title_of(text), text, path="", sha256="")
        hit = Hit(Passage.at(document.id, 0, len(text)), text, 1.0, 1, 1)
        spans = self.reader.read(question.question, [(hit.passage, text)])
        answers = confidence.candidates(spans, [hit])
        known = confidence.features(question.question, answers, [hit], {document.id: document}, self.reranker)
        quotes = tuple(text[best.start : best.end] for best, *_ in answers)
        return Candidates(question, quotes, tuple(known))


def _path(part: str, name: str) -> Path:
    path = data_set(part, name)
    if not path.is_file():
        raise BadQuestion(
            f"The set {name} is not at {path}; name the folder that holds train/ and eval/: "
            "QA_DATA=DIR qa eval --suite reader"
        )
    return path


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"

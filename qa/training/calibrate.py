"""Fit the confidence model: features of the candidate answers → P(each is right), P(none is).

The setting is the product's own: folders of documents, an index over each, and questions asked of it
end to end. The documents are paragraphs of articles that the reader is not trained on, and news reports
of our own that are held out. Of the questions, some have no answer there: they were written to look
answerable (Rajpurkar et al. 2018), or the paragraph that answers is withheld, or they are about another
folder's articles. Scores are cross-validated by folder. The model of a list's items (`qa/training/items.py`)
is fitted after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa import confidence
from qa.confidence import FEATURES, Calibration
from qa.embedder import Embedder
from qa.evaluation import metrics
from qa.evaluation.questions import QuestionSet
from qa.logit import fitted
from qa.reader import Reader, Reranker
from qa.training import folders
from qa.training.items import ask_lists, fit_items
from qa.training.written import NEWS

DECLINED = 0.8  # of the questions without an answer, by the default threshold


@dataclass(frozen=True, slots=True)
class Example:
    """One question asked end to end: its folder, whether its answer is there, and for each candidate,
    the reader's order, its features and whether it is right."""

    folder: int
    answerable: bool
    candidates: tuple[dict[str, float], ...]
    right: tuple[bool, ...]


def calibrate(
    sets: Sequence[Path],
    out: Path = confidence.CALIBRATION,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Fit on `sets` (training sets in SQuAD's form, may be gzipped) and on the news, write `out`, return
    what was written.

    Raises `BadQuestion` where a file cannot be read. Needs scipy (extra: qa[fit]).
    """
    asked = folders.held_out_folders(sets)
    embedder, reader = Embedder(), Reader()
    reranker = Reranker()
    examples: list[Example] = []
    for number, folder in enumerate(asked):
        examples += _examples(number, folder.asked, embedder, reader, reranker)
        if progress:
            progress(number + 1, len(asked))
    found: dict[str, Any] = {
        "data": {
            "sets": {path.name: sha256(path.read_bytes()).hexdigest() for path in (*sets, NEWS)},
            "folders": len(asked),
            "questions": len(examples),
            "seed": folders.SEED,
            "reader": reader.fingerprint,
            **reranker.fingerprints,
            "embedder": embedder.fingerprint,
        },
        **fit(examples, [folder.source for folder in asked]),
    }
    model = Calibration(tuple(found["weights"].values()), found["none"], found["threshold"])
    found["items"] = fit_items(list(ask_lists(folders.of_news(None), model, embedder, reader, reranker)))
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def _examples(
    number: int, folder: QuestionSet, embedder: Embedder, reader: Reader, reranker: Reranker
) -> Iterator[Example]:
    for asked in folders.ask(folder, embedder, reader):
        known = confidence.features(
            asked.question.question, asked.answers, asked.hits, asked.documents, reranker
        )
        yield Example(number, asked.question.answerable, tuple(known), asked.right)


def fit(examples: Sequence[Example], sources: Sequence[str]) -> dict[str, Any]:
    """The model's numbers, the threshold, and how both do on folders they have not seen, in all and for
    each of the sources, which are named by folder."""
    answers = np.zeros(len(examples))  # P(right) of the likeliest candidate
    right = np.zeros(len(examples), dtype=bool)
    folders = np.array([example.folder for example in examples])
    for folder in sorted(set(folders.tolist())):
        model = _fit([example for example in examples if example.folder != folder])
        for i in np.flatnonzero(folders == folder).tolist():
            probabilities = model.probabilities(examples[i].candidates)
            best = int(np.argmax(probabilities))
            answers[i], right[i] = probabilities[best], examples[i].right[best]

    answerable = np.array([example.answerable for example in examples])
    threshold = threshold_for(answers, answerable)
    final = _fit(examples)
    source = np.array([sources[folder] for folder in folders])
    parts = {"all": np.ones(len(examples), dtype=bool)}
    parts |= {name: source == name for name in sorted(set(sources))}
    return {
        "weights": {name: round(w, 6) for name, w in zip(FEATURES, final.weights, strict=True)},
        "none": round(final.none, 6),
        "threshold": round(threshold, 2),
        "cross_validated": {
            name: _scores(answers[part], right[part], answerable[part], threshold)
            for name, part in parts.items()
        },
        "coverage": [
            [t, *(round(share, 4) for share in _coverage(answers >= t, right))]
            for t in np.linspace(0, 1, 21).round(2).tolist()
        ],
    }


def _scores(
    answers: NDArray[np.float64], right: NDArray[np.bool_], answerable: NDArray[np.bool_], threshold: float
) -> dict[str, Any]:
    """What the confidences of the likeliest answers are worth; all of shape (questions,)."""
    claimed, was_right = answers.tolist(), right.tolist()
    return {
        "questions": len(claimed),
        "ece": metrics.ece(claimed, was_right),
        "brier": metrics.brier(claimed, was_right),
        "auroc": metrics.auroc(claimed, was_right),
        "aurc": metrics.aurc(claimed, was_right),
        "coverage_at_90": metrics.coverage_at_precision(0.90, claimed, was_right),
        "coverage_at_95": metrics.coverage_at_precision(0.95, claimed, was_right),
        "right_without_threshold": float(right[answerable].mean()),
        "right_at_threshold": float((right & (answers >= threshold))[answerable].mean()),
        "declined_at_threshold": float((answers < threshold)[~answerable].mean()),
    }


def threshold_for(claimed: NDArray[np.float64], answerable: NDArray[np.bool_]) -> float:
    """The lowest confidence at which DECLINED of the questions without an answer are declined: above it,
    answers would be given up without need. Both arrays are of shape (questions,)."""
    thresholds = np.linspace(0, 1, 101)
    declined = (claimed[~answerable] < thresholds[:, None]).mean(axis=1)
    return float(thresholds[int(np.argmax(declined >= DECLINED))])


def _coverage(answered: NDArray[np.bool_], right: NDArray[np.bool_]) -> tuple[float, float]:
    """The share of questions answered, and the share of these answers that are right."""
    return float(answered.mean()), float(right[answered].mean()) if answered.any() else 1.0


def _fit(examples: Sequence[Example]) -> Calibration:
    """The likeliest weights: for each question, one of the right candidates, or none, is chosen."""
    weights, none = fitted(
        [[[known[name] for name in FEATURES] for known in example.candidates] for example in examples],
        [example.right for example in examples],
    )
    return Calibration(weights, none, threshold=0.0)

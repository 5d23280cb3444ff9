"""Fit the confidence model: features of the best span → P(it is right).

The setting is the product's own: small folders of documents (a few articles of SQuAD 2.0's training
set, one paragraph a file), an index over each, and questions asked of it end to end. Half of the
questions have an answer; of the others most were written about these very paragraphs (near misses,
Rajpurkar et al. 2018), the rest about articles of other folders. Scores are cross-validated by folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from qa import confidence
from qa.confidence import FEATURES
from qa.embedder import Embedder
from qa.engine import PASSAGES_READ
from qa.evaluation import metrics
from qa.evaluation.questions import Question, QuestionSet, read_questions, write_paragraphs
from qa.indexing import index_folder
from qa.reader import Reader
from qa.retriever import retrieve
from qa.store import LocalStore
from qa.training.data import HELD_OUT_ARTICLES, held_out

ARTICLES = HELD_OUT_ARTICLES
ARTICLES_PER_FOLDER = 5
QUESTIONS_PER_FOLDER = 160
SHARE_ANSWERABLE = 0.5
SHARE_NEAR_MISSES = 0.35  # the remaining 15 % ask about other folders
PRECISION = 0.90  # the default threshold's, on this data
SEED = 13


@dataclass(frozen=True, slots=True)
class Example:
    """One question asked end to end: its folder, the features of its best span, whether it is right."""

    folder: int
    features: dict[str, float]
    right: bool


def calibrate(
    squad: Path, out: Path = confidence.CALIBRATION, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Fit on `squad` (SQuAD 2.0 training JSON, may be gzipped), write `out`, return what was written.

    Raises `BadQuestion` where the file cannot be read. Needs scikit-learn (extra: qa[fit]).
    """
    folders = _folders(read_questions(squad))
    embedder, reader = Embedder(), Reader()
    examples: list[Example] = []
    for number, folder in enumerate(folders):
        examples += _ask_folder(number, folder, embedder, reader)
        if progress:
            progress(number + 1, len(folders))
    fitted = {
        "data": {
            "set": squad.name,
            "sha256": sha256(squad.read_bytes()).hexdigest(),
            "articles": ARTICLES,
            "folders": len(folders),
            "questions": len(examples),
            "seed": SEED,
            "reader": reader.fingerprint,
            "embedder": embedder.fingerprint,
        },
        **fit(examples),
    }
    out.write_text(json.dumps(fitted, indent=2) + "\n", encoding="utf-8")
    return fitted


def fit(examples: Sequence[Example]) -> dict[str, Any]:
    """The regression's numbers, the threshold, and how both do on folders they have not seen."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.model_selection import GroupKFold, cross_val_predict  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    x = np.array([[example.features[name] for name in FEATURES] for example in examples])  # (n, features)
    y = np.array([example.right for example in examples])
    folders = np.array([example.folder for example in examples])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0))
    unseen = cross_val_predict(
        model, x, y, groups=folders, cv=GroupKFold(len(set(folders))), method="predict_proba"
    )[:, 1]
    model.fit(x, y)
    scaler, regression = model[0], model[1]
    weights = regression.coef_[0] / scaler.scale_  # the scaling folded in: plain numbers over raw features
    bias = float(regression.intercept_[0] - (weights * scaler.mean_).sum())

    claimed, right = unseen.tolist(), y.tolist()
    threshold = threshold_at(PRECISION, claimed, right)
    return {
        "weights": {name: round(float(weight), 6) for name, weight in zip(FEATURES, weights, strict=True)},
        "bias": round(bias, 6),
        "threshold": round(threshold, 4),
        "cross_validated": {
            "ece": metrics.ece(claimed, right),
            "brier": metrics.brier(claimed, right),
            "auroc": metrics.auroc(claimed, right),
            "aurc": metrics.aurc(claimed, right),
            "coverage_at_90": metrics.coverage_at_precision(0.90, claimed, right),
            "coverage_at_95": metrics.coverage_at_precision(0.95, claimed, right),
            "right_without_threshold": float(y.mean()),
        },
    }


def threshold_at(precision: float, claimed: Sequence[float], right: Sequence[bool]) -> float:
    """The lowest confidence from which on at least this share of answers is right; 1 if none is."""
    order = np.argsort(-np.asarray(claimed), kind="stable")
    p = np.asarray(claimed)[order]
    share = np.cumsum(np.asarray(right)[order]) / np.arange(1, len(p) + 1)
    enough = np.flatnonzero(share >= precision)
    return float(p[enough[-1]]) if len(enough) else 1.0


def _folders(squad: QuestionSet) -> list[QuestionSet]:
    """Held-out articles, a few to a folder, with the questions to ask there."""
    random = Random(SEED)  # noqa: S311 (a sample, no secret)
    aside = held_out((_article(id_) for id_ in squad.paragraphs), ARTICLES)
    about: dict[str, list[Question]] = {title: [] for title in aside}
    # Unanswerable questions carry no document; SQuAD lists them with their paragraph's others.
    article = ""
    for question in squad.questions:
        article = _article(question.documents[0]) if question.documents else article
        if article in about:
            about[article].append(question)

    folders = []
    for i in range(0, len(aside), ARTICLES_PER_FOLDER):
        here = aside[i : i + ARTICLES_PER_FOLDER]
        elsewhere = [title for title in aside if title not in here]
        mine = [question for title in here for question in about[title]]
        others = [question for title in elsewhere for question in about[title] if question.answerable]
        near = round(QUESTIONS_PER_FOLDER * SHARE_NEAR_MISSES)
        answerable = round(QUESTIONS_PER_FOLDER * SHARE_ANSWERABLE)
        far = QUESTIONS_PER_FOLDER - near - answerable
        misses = [question for question in mine if not question.answerable]
        asked = [
            *random.sample([question for question in mine if question.answerable], answerable),
            *random.sample(misses, min(near, len(misses))),
            *(
                replace(question, answerable=False, answers=(), documents=())
                for question in random.sample(others, far)
            ),
        ]
        paragraphs = {id_: text for id_, text in squad.paragraphs.items() if _article(id_) in here}
        folders.append(QuestionSet(tuple(asked), paragraphs))
    return folders


def _ask_folder(number: int, folder: QuestionSet, embedder: Embedder, reader: Reader) -> Iterator[Example]:
    with TemporaryDirectory() as temporary:
        write_paragraphs(folder.paragraphs, Path(temporary, "documents"))
        store = LocalStore.create(Path(temporary, "index"), {})
        index_folder(Path(temporary, "documents"), store, embedder)
        for question in folder.questions:
            hits = retrieve(question.question, store, embedder, PASSAGES_READ)
            spans = reader.read(question.question, [(hit.passage, hit.text) for hit in hits])
            answers = confidence.candidates(spans, hits)
            if not answers:
                continue
            best = answers[0][0]
            quote = folder.paragraphs[best.document_id][best.start : best.end]
            right = best.document_id in question.documents and metrics.says(quote, question.answers)
            yield Example(number, confidence.features(question.question, answers, 0, hits), right)
        store.close()


def _article(document_id: str) -> str:
    return document_id.split("/", 1)[0]

"""Fit the confidence model: features of the candidate answers → P(each is right), P(none is).

The setting is the product's own: folders of documents, an index over each, and questions asked of it
end to end. The documents are paragraphs of articles that the reader is not trained on, and news reports
of our own that are held out. Of the questions, some have no answer there: they were written to look
answerable (Rajpurkar et al. 2018), or the paragraph that answers is withheld, or they are about another
folder's articles. Scores are cross-validated by folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa import confidence
from qa.confidence import FEATURES, Calibration
from qa.embedder import Embedder
from qa.engine import PASSAGES_READ
from qa.evaluation import metrics
from qa.evaluation.questions import Question, QuestionSet, read_questions, sample, write_paragraphs
from qa.evaluation.run import quote_right
from qa.evaluation.squad import held_out
from qa.indexing import index_folder
from qa.kinds import wanted
from qa.reader import Reader
from qa.retriever import retrieve
from qa.store import LocalStore
from qa.training.negatives import tells
from qa.training.written import NEWS, divide, question_set, reports
from qa.types import Citation
from qa.widening import WIDER

PARAGRAPHS_PER_FOLDER = 200
REPORTS_PER_FOLDER = 20
QUESTIONS_PER_FOLDER = 160
SHARE_ANSWERABLE = 0.6
SHARE_WITHHELD = 0.1  # of a folder's paragraphs
DECLINED = 0.8  # of the questions without an answer, by the default threshold
PENALTY = 1e-3  # on the squared weights of standardised features
SEED = 13


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
    folders = [(path.name, folder) for path in sets for folder in _folders(read_questions(path))]
    folders += [("news", folder) for folder in _report_folders()]
    embedder, reader = Embedder(), Reader()
    examples: list[Example] = []
    for number, (_, folder) in enumerate(folders):
        examples += _ask_folder(number, folder, embedder, reader)
        if progress:
            progress(number + 1, len(folders))
    fitted = {
        "data": {
            "sets": {path.name: sha256(path.read_bytes()).hexdigest() for path in (*sets, NEWS)},
            "folders": len(folders),
            "questions": len(examples),
            "seed": SEED,
            "reader": reader.fingerprint,
            "embedder": embedder.fingerprint,
        },
        **fit(examples, [source for source, _ in folders]),
    }
    out.write_text(json.dumps(fitted, indent=2) + "\n", encoding="utf-8")
    return fitted


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
    from scipy.optimize import minimize  # noqa: PLC0415
    from scipy.special import logsumexp, softmax  # noqa: PLC0415

    width = max(len(example.candidates) for example in examples)
    x = np.zeros((len(examples), width, len(FEATURES)))
    there = np.zeros((len(examples), width), dtype=bool)
    right = np.zeros((len(examples), width + 1), dtype=bool)  # the last column: none is
    for row, example in enumerate(examples):
        n = len(example.candidates)
        x[row, :n] = [[features[name] for name in FEATURES] for features in example.candidates]
        there[row, :n] = True
        right[row, :n] = example.right
        right[row, -1] = not any(example.right)
    mean, scale = x[there].mean(axis=0), x[there].std(axis=0) + 1e-9
    z = np.where(there[:, :, None], (x - mean) / scale, 0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, none = parameters[:-1], parameters[-1]
        utility = np.where(there, z @ w, -np.inf)
        utility = np.concatenate([utility, np.full((len(z), 1), none)], axis=1)  # (question, candidate + 1)
        chosen = np.where(right, utility, -np.inf)
        value = (logsumexp(utility, axis=1) - logsumexp(chosen, axis=1)).mean() + PENALTY * w @ w
        slope = softmax(utility, axis=1) - softmax(chosen, axis=1)
        by_weight = np.einsum("qc,qcf->f", slope[:, :-1], z) / len(z) + 2 * PENALTY * w
        return float(value), np.append(by_weight, slope[:, -1].mean())

    found = minimize(loss, np.zeros(len(FEATURES) + 1), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / scale  # the scaling folded in: plain numbers over raw features
    return Calibration(tuple(map(float, weights)), float(found[-1] + weights @ mean), threshold=0.0)


def _folders(found: QuestionSet) -> list[QuestionSet]:
    """Held-out articles, in folders of some 200 paragraphs, with the questions to ask there."""
    random = Random(SEED)  # noqa: S311 (a sample, no secret)
    articles: dict[str, list[str]] = {}
    for id_ in found.paragraphs:
        articles.setdefault(_article(id_), []).append(id_)
    here: list[str] = []
    folders: list[list[str]] = []
    for title in held_out(articles):
        here.append(title)
        if sum(len(articles[name]) for name in here) >= PARAGRAPHS_PER_FOLDER:
            folders.append(here)
            here = []
    about: dict[str, list[Question]] = {title: [] for folder in folders for title in folder}
    # Unanswerable questions carry no document; SQuAD lists them with their paragraph's others.
    article = ""
    for question in found.questions:
        article = _article(question.documents[0]) if question.documents else article
        if article in about:
            about[article].append(question)

    return [_folder(titles, articles, about, found.paragraphs, random) for titles in folders]


def _report_folders() -> list[QuestionSet]:
    """The news reports that are held out, in folders, with their questions, as many as the others have."""
    aside = divide(reports())[1]
    sets = [question_set(aside[i : i + REPORTS_PER_FOLDER]) for i in range(0, len(aside), REPORTS_PER_FOLDER)]
    return [replace(each, questions=sample(each.questions, QUESTIONS_PER_FOLDER)) for each in sets]


def _folder(
    titles: Sequence[str],
    articles: Mapping[str, Sequence[str]],
    about: Mapping[str, Sequence[Question]],
    paragraphs: Mapping[str, str],
    random: Random,
) -> QuestionSet:
    ids = [id_ for title in titles for id_ in articles[title]]
    withheld = set(random.sample(ids, round(SHARE_WITHHELD * len(ids))))
    there = {id_: paragraphs[id_] for id_ in ids if id_ not in withheld}
    mine = [question for title in titles for question in about[title]]
    answerable = [question for question in mine if question.answerable and question.documents[0] in there]
    unanswerable = [
        [question for question in mine if not question.answerable],
        [
            _without_answer(question)
            for question in mine
            if question.answerable and question.documents[0] in withheld and not _told(question, there)
        ],
        [
            _without_answer(question)
            for title in about.keys() - set(titles)
            for question in about[title]
            if question.answerable
        ],
    ]
    kinds = [sorted(kind, key=lambda question: question.id) for kind in unanswerable if kind]
    each = round(QUESTIONS_PER_FOLDER * (1 - SHARE_ANSWERABLE) / max(1, len(kinds)))
    asked = _sample(answerable, round(QUESTIONS_PER_FOLDER * SHARE_ANSWERABLE), random)
    for kind in kinds:
        asked += _sample(kind, each, random)
    return QuestionSet(tuple(asked), there)


def _without_answer(question: Question) -> Question:
    return replace(question, answerable=False, answers=(), documents=())


def _told(question: Question, paragraphs: Mapping[str, str]) -> bool:
    """Whether other paragraphs hold the answer's words too: then it may be answerable after all."""
    article = _article(question.documents[0])
    return any(tells(text, question.answers) for id_, text in paragraphs.items() if _article(id_) == article)


def _sample(questions: Sequence[Question], n: int, random: Random) -> list[Question]:
    return random.sample(list(questions), min(n, len(questions)))


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
            cited = [
                Citation(store.document(places[0].document_id), places[0].start, places[0].end)
                for places in answers
            ]
            wider = WIDER.get(wanted(question.question).kind)
            shown = [wider(citation) for citation in cited] if wider else cited
            right = tuple(
                citation.document.id in question.documents and quote_right(citation.quote, question)
                for citation in shown
            )
            sentences = [citation.sentence for citation in cited]
            cosines = confidence.cosines(question.question, sentences, embedder)
            known = confidence.features(answers, hits, cosines)
            yield Example(number, question.answerable, tuple(known), right)
        store.close()


def _article(document_id: str) -> str:
    return document_id.split("/", 1)[0]

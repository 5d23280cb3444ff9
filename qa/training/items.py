"""Fit the model of a list's items: which candidates stand beside the likeliest as items of the same list.

The lists are those of the held-out reports, asked end to end over their folders. Only those are learnt from
that are told as lists and whose likeliest answer is a single thing, for only there it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qa import confidence, listing
from qa.confidence import Calibration
from qa.embedder import Embedder
from qa.evaluation.metrics import item_f1
from qa.evaluation.questions import Question
from qa.kinds import wanted
from qa.reader import Reader, Reranker
from qa.training import folders
from qa.types import Alternative
from qa.widening import widened

PENALTY = 1e-3  # on the squared weights of standardised features


@dataclass(frozen=True, slots=True)
class ListAsked:
    """A list that was asked for: its items, and the answers found, side by side."""

    folder: int
    question: Question
    items: tuple[str, ...]
    found: tuple[Alternative, ...]


def ask_lists(
    asked: Iterable[folders.Folder],
    model: Calibration,
    embedder: Embedder,
    reader: Reader,
    reranker: Reranker,
) -> Iterator[ListAsked]:
    """Ask for the lists that the folders' questions ask for and answer, told as lists or not."""
    for number, folder in enumerate(asked):
        lists = tuple(each for each in folder.asked.questions if each.kind == "list" and each.answerable)
        if not lists:
            continue
        for each in folders.ask(replace(folder.asked, questions=lists), embedder, reader):
            known = confidence.features(
                each.question.question, each.answers, each.hits, each.documents, reranker
            )
            quotes = [[citation] for citation in each.cited]
            found = listing.side_by_side(widened(quotes, model.probabilities(known), "list"))
            items = each.question.items or each.question.answers[:1]
            yield ListAsked(number, each.question, items, tuple(found))


def fit_items(lists: Sequence[ListAsked]) -> tuple[float, ...]:
    """The weights of `listing.ITEM_FEATURES` and a constant. Needs scipy (extra: qa[fit])."""
    from scipy.optimize import minimize  # noqa: PLC0415

    rows, truth = [], []
    for each in lists:
        if wanted(each.question.question).kind != "list" or listing.items(each.found[0].citations[0]):
            continue
        rows += listing.item_features(each.found)
        truth += [(item_f1([other.text], each.items) or 0.0) > 0 for other in each.found[1:]]
    x, y = np.array(rows), np.array(truth, dtype=np.float64)  # (pairs, features), (pairs,)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - mean) / scale

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, constant = parameters[:-1], parameters[-1]
        utility = z @ w + constant
        value = (np.logaddexp(0, utility) - y * utility).mean() + PENALTY * w @ w
        slope = (1 / (1 + np.exp(-utility)) - y) / len(y)
        return float(value), np.append(z.T @ slope + 2 * PENALTY * w, slope.sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / scale  # the scaling folded in
    return (*(round(float(w), 6) for w in weights), round(float(found[-1] - weights @ mean), 6))

"""Fit the model of a list's items: which candidates stand beside the likeliest as items of the same list.

The lists are those of the held-out reports, asked end to end over their folders. Only those are learnt from
whose likeliest answer is a single thing, for only there it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress

from qa import confidence, listing
from qa.confidence import Calibration
from qa.embedder import Embedder
from qa.evaluation.metrics import item_f1
from qa.kinds import wanted
from qa.logit import fitted
from qa.reader import Reader, Reranker
from qa.training import folders
from qa.types import Alternative
from qa.widening import widened


@dataclass(frozen=True, slots=True)
class ListAsked:
    """A list that was asked for: the number of its folder, its items, and the answers found, side by side."""

    folder: int
    items: tuple[str, ...]
    found: tuple[Alternative, ...]


def ask_lists(
    asked: Iterable[folders.Folder],
    model: Calibration,
    embedder: Embedder,
    reader: Reader,
    reranker: Reranker,
) -> Iterator[ListAsked]:
    """Ask for the lists that the folders answer, as far as they are told as lists."""
    for number, folder in enumerate(asked):
        lists = tuple(
            each
            for each in folder.asked.questions
            if each.kind == "list" and each.answerable and wanted(each.question).kind == "list"
        )
        for each in folders.ask(replace(folder.asked, questions=lists), embedder, reader):
            asked_as = each.question.question
            items = [not listing.adds_nothing(citation.quote, asked_as) for citation in each.cited]
            answers, cited = list(compress(each.answers, items)), list(compress(each.cited, items))
            if not answers:
                continue
            known = confidence.features(asked_as, answers, each.hits, each.documents, reranker)
            quotes = [[citation] for citation in cited]
            found = listing.side_by_side(widened(quotes, model.probabilities(known), "list"))
            yield ListAsked(number, each.question.items, tuple(found))


def fit_items(lists: Sequence[ListAsked]) -> tuple[float, ...]:
    """The weights of `listing.ITEM_FEATURES` and a constant. Needs scipy (extra: qa[fit])."""
    rows: list[tuple[float, ...]] = []
    right: list[bool] = []
    for each in lists:
        if not listing.items(each.found[0].citations[0]):
            rows += listing.item_features(each.found)
            right += [(item_f1([other.text], each.items) or 0.0) > 0 for other in each.found[1:]]
    weights, none = fitted([[row] for row in rows], [[it] for it in right])  # one candidate a choice
    return (*(round(w, 6) for w in weights), round(-none, 6))

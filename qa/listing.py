"""The answers that a list is made of: the parts of one enumeration, or what several places name.

Where the likeliest answer is a single thing, others may stand beside it as items of the same list. Whether
one does is told by a logistic regression of ITEM_FEATURES, fitted with `qa calibrate` on the lists of
held-out reports, and shipped as plain numbers (`Calibration.items`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from qa.types import Alternative, Citation
from qa.widening import AND_ALSO
from qa.words import names_in, stem, stems

LISTED_FROM = 0.35  # probability of being an item; with it the most lists are right (`benchmarks/lists.py`)

ITEM_FEATURES = (
    "likely",  # log odds of being right, side by side with "none of them"
    "likeliest",  # those of the likeliest answer
    "beside",  # whether it stands in the likeliest answer's sentence
    "rank",  # among the answers, the likeliest being 0
)

# A comma within a number parts nothing.
_BETWEEN_ITEMS = re.compile(
    rf"\s*(?:;|,(?!(?<=\d,)\d{{3}}(?!\d)))\s*(?:(?:and|or|{AND_ALSO})\s+)?|\s+(?:and|or|{AND_ALSO})\s+"
)
_WITHIN_ONE_NAME = re.compile(r"\s+(?:(?:of|from|at|for)\s+)?|\s*\(")


def items(citation: Citation) -> tuple[Citation, ...]:
    """The parts of an enumeration, each in its own place, repeated ones once; none where it is one thing."""
    places, start = [], 0
    for found in [*_BETWEEN_ITEMS.finditer(citation.quote), None]:
        end = found.start() if found else len(citation.quote)
        if citation.quote[start:end].strip():
            places.append(Citation(citation.document, citation.start + start, citation.start + end))
        start = found.end() if found else end
    merged = {place.quote.casefold(): place for place in reversed(places)}
    return tuple(sorted(merged.values(), key=lambda place: place.start)) if len(merged) > 1 else ()


def adds_nothing(quote: str, question: str) -> bool:
    """Whether a quote holds no word but the question's own, names apart: no item of a list. Of the held-out
    reports' lists, none of 20 such answers was right ("by", "disputes")."""
    return stems(quote) <= stems(question) - {stem(name) for name in names_in(question)}


def side_by_side(found: Sequence[Alternative]) -> list[Alternative]:
    """Answers that do not rule each other out, as the places of a list: each as likely as it would be if
    there were only it and "none of them". The confidences of `found` compete for one right answer."""
    none = max(1 - sum(each.confidence for each in found), 1e-9)
    return [replace(each, confidence=each.confidence / (each.confidence + none)) for each in found]


def item_features(found: Sequence[Alternative]) -> list[tuple[float, ...]]:
    """ITEM_FEATURES of each answer but the likeliest, in their order; `found` is `side_by_side`."""
    best = found[0].citations[0]
    where = best.document.id, best.sentence_range
    return [
        (
            _log_odds(other.confidence),
            _log_odds(found[0].confidence),
            float((other.citations[0].document.id, other.citations[0].sentence_range) == where),
            float(rank),
        )
        for rank, other in enumerate(found[1:], start=1)
    ]


def listed(found: Sequence[Alternative], weights: Sequence[float]) -> tuple[Citation, ...]:
    """The items of the likeliest answer; where that is a single one, the other single ones that are likely
    to be items beside it. None where that makes no more than one. `found` is `side_by_side`; `weights` are
    those of ITEM_FEATURES and a constant, 5 numbers."""
    whole = items(found[0].citations[0])
    if whole:
        return whole
    *slopes, constant = weights
    places = [found[0].citations[0]]
    for other, features in zip(found[1:], item_features(found), strict=True):
        item = other.citations[0]
        utility = constant + sum(w * x for w, x in zip(slopes, features, strict=True))
        likely = 1 / (1 + math.exp(-utility)) >= LISTED_FROM
        if likely and not items(item) and not any(_same(item, place) for place in places):
            places.append(item)
    return tuple(places) if len(places) > 1 else ()


def _log_odds(confidence: float) -> float:
    least = 1e-6
    return math.log((confidence + least) / (1 - confidence + least))


def _same(one: Citation, other: Citation) -> bool:
    """Whether both name the same thing: one's words stand in the other's, or both are parts of one name,
    "a team from the German NGO"."""
    a, b = f" {one.quote.casefold()} ", f" {other.quote.casefold()} "
    if a in b or b in a:
        return True
    first, second = sorted((one, other), key=lambda place: place.start)
    between = first.document.text[first.end : second.start]
    return one.document.id == other.document.id and bool(_WITHIN_ONE_NAME.fullmatch(between))

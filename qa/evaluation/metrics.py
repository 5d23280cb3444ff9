"""The measures, each with its definition and where it comes from.

Per question: exact match, F1, whether an answer is right, the rank of the first useful passage. Over
many questions: means, percentiles, and what a confidence is worth. A measure that nothing was
measured for (no unanswerable question, nothing declined) is None, never 0.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from qa.reader.decode import answer_words, holds

Floats = NDArray[np.float64]

# Words against words


_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words(text: str) -> list[str]:
    """Lower case, without ASCII punctuation and the articles a, an, the (Rajpurkar et al. 2016)."""
    return re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_PUNCTUATION)).split()


def exact_match(given: str | None, accepted: Sequence[str]) -> float:
    """1 if the answer equals one accepted answer word for word, else 0 (Rajpurkar et al. 2016).

    Nothing accepted means that the question has no answer: 1 if none was given (None), else 0
    (Rajpurkar et al. 2018).
    """
    return _best(lambda a, b: float(a == b), given, accepted)


def f1(given: str | None, accepted: Sequence[str]) -> float:
    """Harmonic mean of the precision and recall of the answer's words, the best over the accepted
    answers (Rajpurkar et al. 2016); without an answer as in `exact_match`."""
    return _best(_overlap, given, accepted)


def _best(
    compare: Callable[[list[str], list[str]], float], given: str | None, accepted: Sequence[str]
) -> float:
    if not accepted:
        return float(given is None)
    # As the official script: accepted answers of nothing but articles and punctuation do not count.
    golds = [gold for gold in map(words, accepted) if gold] or [[]]
    return max(compare(words(given or ""), gold) for gold in golds)


def _overlap(given: list[str], gold: list[str]) -> float:
    if not given or not gold:
        return float(given == gold)
    common = (Counter(given) & Counter(gold)).total()
    return 2 * common / (len(given) + len(gold))


def says(given: str | None, accepted: Sequence[str]) -> bool:
    """Whether a person would say that the answer says one of the accepted answers. Our definition.

    Exact match calls "NATO Secretary-General Jens Stoltenberg" wrong for "Jens Stoltenberg"; a bare
    F1 threshold calls "US Secretary of State Colin Powell" right for "US Secretary of State John
    Kerry" (F1 0.67). So it depends on what differs, counted in words as `answer_words` has them:

    - the answer leaves words out and adds none: right from F1 0.6 on, unless the accepted answer has
      a number and none is left ("people" for "150 people");
    - the answer adds words and leaves none out: right from F1 0.6 on, and with at most five words
      more around the accepted answer as it stands (a title, a date; not a whole sentence);
    - both: right from F1 0.8 on (a long clause cut elsewhere), unless a number is among them.
    """
    return any(_says(answer_words(given or ""), gold) for gold in map(answer_words, accepted) if gold)


def _says(given: list[str], gold: list[str]) -> bool:
    score = _overlap(given, gold)
    left_out, added = Counter(gold) - Counter(given), Counter(given) - Counter(gold)
    if left_out and added:
        return score >= 0.8 and not _has_number([*left_out, *added])
    if left_out:
        return score >= 0.6 and (_has_number(given) or not _has_number(gold))
    return score >= 0.6 or (added.total() <= 5 and holds(given, gold))


def _has_number(tokens: Iterable[str]) -> bool:
    return any(character.isdigit() for token in tokens for character in token)


def item_recall(given: str | None, items: Sequence[str]) -> float | None:
    """The share of a list's items that the answer names, each as a run of whole words."""
    if not items:
        return None
    answer = answer_words(given or "")
    return sum(holds(answer, answer_words(item)) for item in items) / len(items)


def item_f1(given: Sequence[str], items: Sequence[str]) -> float | None:
    """F1 of the items of a list, each whole: one is found where the words of either run through the other.
    None where no list is asked for."""
    if not items:
        return None
    named, wanted = [answer_words(each) for each in given], [answer_words(each) for each in items]
    pairs = [
        (i, j)
        for i, one in enumerate(named)
        for j, other in enumerate(wanted)
        if one and (holds(one, other) or holds(other, one))
    ]
    right, found = len({i for i, _ in pairs}), len({j for _, j in pairs})
    if not pairs:
        return 0.0
    precision, recall = right / len(named), found / len(wanted)
    return 2 * precision * recall / (precision + recall)


# Ranks


def first_rank(useful: Iterable[bool]) -> int | None:
    """The rank, from 1, of the first useful hit; None where there is none."""
    return next((rank for rank, is_useful in enumerate(useful, start=1) if is_useful), None)


def recall_at(k: int, ranks: Sequence[int | None]) -> float | None:
    """Share of questions with a useful hit among the first k (success@k; for passages that hold the
    answer, the top-k accuracy of Karpukhin et al. 2020)."""
    return mean(rank is not None and rank <= k for rank in ranks)


def reciprocal_rank(ranks: Sequence[int | None]) -> float | None:
    """Mean reciprocal rank of the first useful hit, 0 where there is none (Voorhees 1999)."""
    return mean(1 / rank if rank else 0.0 for rank in ranks)


# Averages


def mean(values: Iterable[float]) -> float | None:
    numbers = [float(value) for value in values]
    return sum(numbers) / len(numbers) if numbers else None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Linear interpolation between the two nearest values."""
    return float(np.percentile(np.asarray(values, dtype=np.float64), percent)) if values else None


# What a confidence is worth. `confidence` and `right` have shape (n,): one entry per question, the
# probability claimed for the best span and whether that span was right.


def brier(confidence: Sequence[float], right: Sequence[bool]) -> float | None:
    """Mean squared distance between probability and outcome (Brier 1950). 0 is best."""
    return mean((p - float(is_right)) ** 2 for p, is_right in zip(confidence, right, strict=True))


def ece(confidence: Sequence[float], right: Sequence[bool], bins: int = 10) -> float | None:
    """Expected calibration error (Guo et al. 2017): the mean distance between the confidence and the
    share of right answers in equally wide bins, weighted by how many answers fall into each."""
    if not confidence:
        return None
    p, y = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    in_bin = np.clip(np.ceil(p * bins).astype(int) - 1, 0, bins - 1)  # bins are (low, high], 0 in the first
    gaps = np.bincount(in_bin, weights=p - y, minlength=bins)  # count × (mean confidence − share right)
    return float(np.abs(gaps).sum() / len(p))


def auroc(confidence: Sequence[float], right: Sequence[bool]) -> float | None:
    """The probability that a right answer has a higher confidence than a wrong one, ties counting
    half (Mann & Whitney 1947; Hanley & McNeil 1982). None unless there are both."""
    p, y = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    if not y.any() or y.all():
        return None
    wrong = np.sort(p[~y])
    below = np.searchsorted(wrong, p[y], side="left")
    not_above = np.searchsorted(wrong, p[y], side="right")
    return float((below + not_above).mean() / 2 / len(wrong))


def risk_coverage(confidence: Sequence[float], right: Sequence[bool]) -> tuple[Floats, Floats]:
    """Coverage and risk as the threshold falls (El-Yaniv & Wiener 2010), one point per different
    confidence: the share of questions answered, and the share of wrong answers among them."""
    p, y = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    order = np.argsort(-p, kind="stable")
    p, wrong = p[order], np.cumsum(1 - y[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(p)), len(p) - 1) if len(p) else np.zeros(0, dtype=int)
    answered = last_of_tie + 1
    return answered / max(len(p), 1), wrong[last_of_tie] / answered


def aurc(confidence: Sequence[float], right: Sequence[bool]) -> float | None:
    """Area under the risk-coverage curve: the mean, over the n coverages 1/n to 1, of the risk
    (El-Yaniv & Wiener 2010; Geifman et al. 2019). Equal confidences are taken in expectation, as if
    in random order, so that the order of the questions does not matter. 0 is best."""
    if not confidence:
        return None
    n = len(confidence)
    coverage, risk = risk_coverage(confidence, right)
    answered = np.concatenate([[0], coverage * n])
    wrong = np.concatenate([[0.0], coverage * n * risk])
    each = np.arange(1, n + 1)
    return float((np.interp(each, answered, wrong) / each).mean())


def coverage_at_precision(
    precision: float, confidence: Sequence[float], right: Sequence[bool]
) -> float | None:
    """The largest share of questions that can be answered, by one threshold on the confidence, with
    at least this share of the answers right; 0 where no threshold does it."""
    if not confidence:
        return None
    coverage, risk = risk_coverage(confidence, right)
    return float(coverage[1 - risk >= precision - 1e-9].max(initial=0.0))


def right_where_declined(
    share: float, confidence: Sequence[float], right: Sequence[bool], answerable: Sequence[bool]
) -> float | None:
    """Of the questions that have an answer, the share answered rightly at the lowest threshold at which at
    least `share` of those that have none are declined, so that two models are compared at the same point;
    None where there are none of either."""
    none = sorted(claimed for claimed, has in zip(confidence, answerable, strict=True) if not has)
    if not none or len(none) == len(confidence):
        return None
    declined = none[: math.ceil(share * len(none) - 1e-9)]
    surest = declined[-1] if declined else -math.inf
    given = (claimed > surest and was for claimed, was in zip(confidence, right, strict=True))
    return mean(each for each, has in zip(given, answerable, strict=True) if has)

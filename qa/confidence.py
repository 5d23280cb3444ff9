"""Features of the candidate answers → P(each is right), and P(none is): the decision to abstain.

Raw span scores rank well within a passage but mean little across passages and nothing to a reader, and
no retrieval score separates answerable from unanswerable questions. So the candidates of all passages
of a question, and "none of them", share one probability: a conditional logit over a few features
(McFadden 1974), in the spirit of the shared normalisation of Clark and Gardner (ACL 2018). It is
fitted end to end on held-out questions, with `qa calibrate`, and shipped as plain numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa.errors import MissingWeights
from qa.reader.decode import agreeing, answer_words
from qa.types import Hit, Span
from qa.words import FUNCTION_WORDS

CALIBRATION = Path(__file__).parent / "weights" / "confidence.json"
CANDIDATES = 8  # different answers weighed against each other

FEATURES = (
    "gap",  # span score minus null score, logits
    "score",  # span score, logits
    "reciprocal_rank",  # of the span's passage among the hits
    "overlap",  # share of the question's telling words in the span's passage
    "missing",  # the question's names and numbers that are not in the passage, a count
    "length",  # log of the answer's words
    "kind",  # 1 fits the question word, -1 does not, 0 the question word expects nothing
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted conditional logit over FEATURES, and what was measured with it.

    `threshold` is the default confidence below which there is no answer. `coverage` holds, for
    thresholds from 0 to 1, (threshold, share of questions answered, share of the answers right), on
    questions that were not fitted.
    """

    weights: tuple[float, ...]
    none: float  # the utility of "no candidate is right"
    threshold: float
    coverage: tuple[tuple[float, float, float], ...] = ()

    def probabilities(self, candidates: Sequence[Mapping[str, float]]) -> list[float]:
        """P(right) of each candidate, 0 to 1; what is missing to 1 is P(none is right)."""
        utilities = [
            sum(w * features[name] for w, name in zip(self.weights, FEATURES, strict=True))
            for features in candidates
        ]
        highest = max([self.none, *utilities])  # subtracted, so that no exponential overflows
        shares = [math.exp(utility - highest) for utility in utilities]
        whole = sum(shares) + math.exp(self.none - highest)
        return [share / whole for share in shares]


def load_calibration(path: Path = CALIBRATION) -> Calibration:
    """Raises `MissingWeights` where the file is missing or does not fit this version."""
    try:
        fitted = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(
            tuple(float(fitted["weights"][name]) for name in FEATURES),
            float(fitted["none"]),
            float(fitted["threshold"]),
            tuple((float(t), float(answered), float(right)) for t, answered, right in fitted["coverage"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MissingWeights(
            f"The confidence model {path} is missing or damaged ({error!r}); install the package again: "
            "pip install --force-reinstall --no-deps ."
        ) from error


def candidates(spans: Sequence[Span], hits: Sequence[Hit]) -> list[list[Span]]:
    """The different answers that spans give, each as the places that give it: at most CANDIDATES, the
    reader's order.

    Beside its best place, an answer keeps those where the reader prefers the words over "not here".
    """
    groups = agreeing(spans, lambda span: _quote(span, hits))[:CANDIDATES]
    return [[span for span in group if span is group[0] or span.gap > 0] for group in groups]


def features(question: str, answers: Sequence[Sequence[Span]], hits: Sequence[Hit]) -> list[dict[str, float]]:
    """What is known about each of the answers that `candidates` found, in their order."""
    ranks = {hit.passage.id: rank for rank, hit in enumerate(hits, start=1)}
    return [_features(question, places[0], ranks[places[0].passage_id], hits) for places in answers]


def _features(question: str, span: Span, rank: int, hits: Sequence[Hit]) -> dict[str, float]:
    words = _quote(span, hits)
    passage = hits[rank - 1].text
    return {
        "gap": span.gap,
        "score": span.score,
        "reciprocal_rank": 1 / rank,
        "overlap": overlap(question, passage),
        "missing": missing(question, passage),
        "length": math.log(len(words.split()) or 1),
        "kind": fits(question, words),
    }


def _quote(span: Span, hits: Sequence[Hit]) -> str:
    hit = next(hit for hit in hits if hit.passage.id == span.passage_id)
    return hit.text[span.start - hit.passage.start : span.end - hit.passage.start]


def overlap(question: str, text: str) -> float:
    """The share of the question's telling words that stand in the text, by their first five letters
    (a stem good enough to compare); 0 where the question has none."""
    telling = {word[:5] for word in answer_words(question) if word not in FUNCTION_WORDS}
    there = {word[:5] for word in answer_words(text)}
    return len(telling & there) / len(telling) if telling else 0.0


_NAME_OR_NUMBER = re.compile(r"(?<=\s)[A-ZÀ-Þ][\w-]+|\d[\d,.]*\d|\d")  # the first word is always a capital


def missing(question: str, text: str) -> int:
    """How many of the question's names and numbers do not stand in the text, by their first six letters."""
    there = text.casefold()
    return sum(found.casefold()[:6] not in there for found in set(_NAME_OR_NUMBER.findall(question)))


_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|"
    r"thousands?|millions?|billions?|dozens?|half|double|none|several|few|many|no)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\d|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day|\b(?:january|february|march|april|may|june|july|"
    r"august|september|october|november|december)\b|\b(?:year|month|week|day|night|morning|evening|"
    r"century|decade|spring|summer|autumn|winter|today|yesterday|tomorrow|now|later|earlier|after|before|"
    r"during|when|until|since|ago|age|era|time)s?\b",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"[A-ZÀ-Þ]")


def fits(question: str, quote: str) -> float:
    """Whether a quote is of the kind its question word asks for: 1, -1, or 0 where any kind may be."""
    asked = question.lower()
    if re.search(r"\bhow (?:many|much|old|long|far|big|large|often)\b", asked):
        return 1.0 if _NUMBER.search(quote) else -1.0
    if re.search(r"\b(?:when|what (?:year|month|day|date)|which (?:year|month|day))\b", asked):
        return 1.0 if _TIME.search(quote) else -1.0
    if re.match(r"\W*(?:and )?(?:who|whom|whose)\b", asked):
        return 1.0 if _CAPITAL.search(quote) else -1.0
    return 0.0

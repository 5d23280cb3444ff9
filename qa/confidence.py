"""Features of the best span → P(it is right); the decision to abstain.

Raw span scores rank well but mean nothing to a reader, and no retrieval score separates answerable
from unanswerable questions. So a small logistic regression turns what is known about the best answer
into a probability (selective question answering: Kamath, Jia and Liang, ACL 2020). It is fitted on
held-out questions end to end, with `qa train calibrate`, and shipped as plain numbers.
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

FEATURES = (
    "gap",  # span score minus null score, logits
    "score",  # span score, logits
    "margin",  # gap to the best different answer, logits, at most 10
    "reciprocal_rank",  # of the span's passage among the hits
    "agreeing",  # log of the number of places that say the same
    "length",  # log of the answer's words
    "overlap",  # share of the question's telling words in the span's passage
    "kind",  # 1 fits the question word, -1 does not, 0 the question word expects nothing
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted logistic regression over FEATURES, and the threshold chosen on the same data."""

    weights: tuple[float, ...]
    bias: float
    threshold: float

    def probability(self, features: Mapping[str, float]) -> float:
        """P(right), 0 to 1."""
        z = self.bias + sum(w * features[name] for w, name in zip(self.weights, FEATURES, strict=True))
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, z))))


def load_calibration(path: Path = CALIBRATION) -> Calibration:
    """Raises `MissingWeights` where the file is missing or does not fit this version."""
    try:
        fitted = json.loads(path.read_text(encoding="utf-8"))
        weights = tuple(float(fitted["weights"][name]) for name in FEATURES)
        return Calibration(weights, float(fitted["bias"]), float(fitted["threshold"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MissingWeights(
            f"The confidence model {path} is missing or damaged ({error!r}); install the package again: "
            "pip install --force-reinstall --no-deps ."
        ) from error


def candidates(spans: Sequence[Span], hits: Sequence[Hit]) -> list[list[Span]]:
    """The different answers that spans give, each as the places that give it, best first.

    Beside its best place, an answer keeps those where the reader prefers the words over "not here".
    """
    groups = agreeing(spans, lambda span: _quote(span, hits))
    return [[span for span in group if span is group[0] or span.gap > 0] for group in groups]


def features(
    question: str, answers: Sequence[Sequence[Span]], chosen: int, hits: Sequence[Hit]
) -> dict[str, float]:
    """What is known about one of the `answers` that `candidates` found: `answers[chosen]`."""
    best = answers[chosen][0]
    rivals = [answer[0].gap for i, answer in enumerate(answers[: chosen + 2]) if i != chosen]
    rank = 1 + [hit.passage.id for hit in hits].index(best.passage_id)
    quote = _quote(best, hits)
    return {
        "gap": best.gap,
        "score": best.score,
        "margin": min(10.0, best.gap - max(rivals)) if rivals else 10.0,
        "reciprocal_rank": 1 / rank,
        "agreeing": math.log(len(answers[chosen])),
        "length": math.log(len(quote.split()) or 1),
        "overlap": overlap(question, hits[rank - 1].text),
        "kind": fits(question, quote),
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

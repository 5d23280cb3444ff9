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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa.corpus import outside
from qa.errors import MissingWeights
from qa.reader import Looks, Place, Reranker, agreeing
from qa.types import Document, Hit, Span
from qa.words import names_in, without_carried

CALIBRATION = Path(__file__).parent / "weights" / "confidence.json"
CANDIDATES = 8  # different answers weighed against each other
NEARNESS = 20  # logits: how far the nearest passage's answer is put ahead of one from the farthest
RERANKED = 3  # of the answers, the first, looked at again; it takes milliseconds for each
BESIDE = 600  # characters on either side of each, more than a re-ranker reads
MOST_LACKING = 2
AROUND = 50_000  # characters of its document on either side of an answer

FEATURES = (
    "gap",  # span score minus null score, logits
    "score",  # span score, logits
    "retrieval",  # score of the span's passage, as a share of the best possible
    "reranked",  # score of a second look at the span, logits; below the lowest where there was none
    "compared",  # score of another look, at the first RERANKED side by side; likewise
    "lacking",  # names and numbers of the question that the document does not hold, at most MOST_LACKING
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted conditional logit over FEATURES, and what was measured with it.

    `threshold` is the default confidence below which there is no answer. `coverage` holds, for
    thresholds from 0 to 1, (threshold, share of questions answered, share of the answers right), on
    questions that were not fitted. `items` are the weights of another model, which tells the items of a
    list (`qa/listing.py`).
    """

    weights: tuple[float, ...]
    none: float  # the utility of "no candidate is right"
    threshold: float
    coverage: tuple[tuple[float, float, float], ...] = ()
    items: tuple[float, ...] = ()

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


def in_percent(claimed: float, asked_for: float) -> tuple[int, int]:
    """A confidence below a threshold, and the threshold, in whole per cent: rounded down and up, so that
    they are told apart however near they are."""
    tiny = 1e-9  # 0.29 is a little less than 29 %
    return math.floor(100 * claimed), math.ceil(100 * asked_for - tiny)


def load_calibration(path: Path = CALIBRATION) -> Calibration:
    """Raises `MissingWeights` where the file is missing or does not fit this version."""
    try:
        fitted = json.loads(path.read_text(encoding="utf-8"))
        likely, likeliest, beside, rank, constant = fitted["items"]
        return Calibration(
            tuple(float(fitted["weights"][name]) for name in FEATURES),
            float(fitted["none"]),
            float(fitted["threshold"]),
            tuple((float(t), float(answered), float(right)) for t, answered, right in fitted["coverage"]),
            tuple(float(weight) for weight in (likely, likeliest, beside, rank, constant)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MissingWeights(
            f"The confidence model {path} is missing or damaged ({error!r}); install the package again: "
            "pip install --force-reinstall --no-deps ."
        ) from error


def candidates(spans: Sequence[Span], hits: Sequence[Hit]) -> list[list[Span]]:
    """The different answers that spans give, each as the places that give it: at most CANDIDATES.

    Their order is the reader's, but for what the nearness of their passages is worth: more of the right ones
    are among the first RERANKED then. Beside its best place, an answer keeps those where the reader prefers
    the words over "not here".
    """
    near = {hit.passage.id: hit.score for hit in hits}
    spans = sorted(spans, key=lambda span: -span.gap - NEARNESS * near[span.passage_id])
    groups = agreeing(spans, lambda span: _quote(span, hits))[:CANDIDATES]
    return [[span for span in group if span is group[0] or span.gap > 0] for group in groups]


def in_documents(answers: Sequence[Sequence[Span]], documents: Mapping[str, Document]) -> list[Place]:
    """The best place of each answer with what is read round it, of its passage or not; `documents` by their
    ids."""
    found = []
    for best, *_ in answers:
        document = documents[best.document_id]
        before = _readable(document, max(0, best.start - BESIDE), best.start)
        quote = document.text[best.start : best.end]
        after = _readable(document, best.end, best.end + BESIDE)
        found.append(Place(document.title, before + quote + after, len(before), len(before) + len(quote)))
    return found


def _readable(document: Document, start: int, end: int) -> str:
    """What stands there and is not hidden."""
    return "".join(document.text[i:j] for i, j in outside([(start, end)], document.hidden))


def features(
    question: str,
    answers: Sequence[Sequence[Span]],
    hits: Sequence[Hit],
    documents: Mapping[str, Document],
    reranker: Reranker,
) -> list[dict[str, float]]:
    """What is known about each of the answers that `candidates` found, in their order."""
    looks = reranker.scores(question, in_documents(answers[:RERANKED], documents))
    if looks:
        lowest = Looks(*(min(scores) - 1 for scores in zip(*looks, strict=True)))
        looks += [lowest] * (len(answers) - len(looks))
    scores = {hit.passage.id: hit.score for hit in hits}
    named = names_in(without_carried(question))
    return [
        {
            "gap": best.gap,
            "score": best.score,
            "retrieval": scores[best.passage_id],
            **look._asdict(),
            "lacking": _lacking(named, documents[best.document_id], best.start),
        }
        for (best, *_), look in zip(answers, looks, strict=True)
    ]


def _lacking(named: Sequence[str], document: Document, at: int) -> int:
    """How many of the names the document lacks, as far as it stands around this place, at most
    MOST_LACKING. Their beginnings are looked for, so that "Libyan" finds Libya."""
    around = f"{document.title} {document.text[max(0, at - AROUND) : at + AROUND]}".lower()
    return min(MOST_LACKING, sum(name[: max(4, len(name) - 3)] not in around for name in named))


def _quote(span: Span, hits: Sequence[Hit]) -> str:
    hit = next(hit for hit in hits if hit.passage.id == span.passage_id)
    return hit.text[span.start - hit.passage.start : span.end - hit.passage.start]

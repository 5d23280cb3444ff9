"""The confidence model: what it looks at, and what its numbers mean."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.confidence import (
    COMPARED,
    FEATURES,
    TYPICAL,
    Calibration,
    candidates,
    cosines,
    features,
    load_calibration,
)
from qa.embedder import Embedder
from qa.errors import MissingWeights
from qa.types import Hit, Passage, Span

TEXT = "Spokesman William Spindler told AFP. William Spindler wrote. Pope Francis pleaded."


def hit(document: str = "d", text: str = TEXT) -> Hit:
    return Hit(Passage.at(document, 100, 100 + len(text)), text, 0.03, 1, 1)


def span(quote: str, gap: float, of: Hit, nth: int = 0) -> Span:
    at = -1
    for _ in range(nth + 1):
        at = of.text.index(quote, at + 1)
    start = of.passage.start + at
    return Span(of.passage.document_id, start, start + len(quote), gap, 0.0, of.passage.id)


def test_the_places_of_an_answer_are_those_the_reader_prefers_over_none() -> None:
    one, two, three = hit("a"), hit("b"), hit("c")
    spans = [
        span("William Spindler", 5, one),
        span("Pope Francis", 3, one),
        span("Spokesman William Spindler", 1, two),
        span("William Spindler", -2, three),
    ]
    found = candidates(spans, [one, two, three])
    assert [[s.document_id for s in places] for places in found] == [["a", "b"], ["a"]]


def test_every_feature_the_model_weighs_is_computed_for_every_candidate() -> None:
    one = hit()
    found = candidates([span("William Spindler", 5, one), span("Pope Francis", 3, one)], [one])
    known = features(found, [one], [0.25, 0.75])
    assert [set(each) for each in known] == [set(FEATURES)] * 2
    assert [each["gap"] for each in known] == [5, 3]
    assert [each["cosine"] for each in known] == [0.25, 0.75]


class CountingEmbedder(Embedder):
    """Finds each sentence a little farther than the last, and remembers how many it was shown."""

    shown = 0

    def cosines(self, question: str, texts: Sequence[str]) -> list[float]:
        self.shown += len(texts)
        return [0.9 - n / 10 for n in range(len(texts))]


def test_the_first_different_sentences_are_compared_with_the_question_and_no_others() -> None:
    embedder = CountingEmbedder()
    sentences = ["a", "b", "a", "c", "d", "b", "e"]
    assert cosines("Who?", sentences, embedder) == [0.9, 0.8, 0.9, 0.7, TYPICAL, 0.8, TYPICAL]
    assert embedder.shown == COMPARED == 3


@given(st.lists(st.floats(-1e9, 1e9), max_size=8))
def test_the_candidates_and_none_of_them_share_one_probability(values: list[float]) -> None:
    model = Calibration((1.0,) * len(FEATURES), 0.0, 0.5)
    probabilities = model.probabilities([dict.fromkeys(FEATURES, value) for value in values])
    assert all(0 <= p <= 1 for p in probabilities)
    assert sum(probabilities) <= 1 + 1e-9


def test_a_rival_takes_from_an_answers_probability() -> None:
    model = Calibration((1.0,) * len(FEATURES), 0.0, 0.5)
    strong, weak = dict.fromkeys(FEATURES, 1.0), dict.fromkeys(FEATURES, 0.9)
    assert model.probabilities([strong])[0] > model.probabilities([strong, weak])[0] > 0.5


def test_the_shipped_model_grows_surer_with_the_gap() -> None:
    model = load_calibration()
    base = {"retrieval": 1.0, "cosine": 0.5}
    [low], [high] = (model.probabilities([{**base, "gap": gap, "score": gap}]) for gap in (-8.0, 8.0))
    assert low < model.threshold < high


def test_the_shipped_curve_says_what_a_higher_threshold_costs() -> None:
    curve = load_calibration().coverage
    assert [t for t, _, _ in curve] == sorted({t for t, _, _ in curve})
    answered = [share for _, share, _ in curve]
    assert answered == sorted(answered, reverse=True)
    assert answered[0] == 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"weights": {}, "bias": 0, "threshold": 1})])
def test_a_damaged_model_is_named_with_the_command_that_mends_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "confidence.json"
    file.write_text(content)
    with pytest.raises(MissingWeights, match="pip install"):
        load_calibration(file)
    with pytest.raises(MissingWeights, match="pip install"):
        load_calibration(tmp_path / "none.json")

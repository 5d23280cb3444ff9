"""The confidence model: what it looks at, and what its numbers mean."""

import json
from pathlib import Path

import pytest

from qa.confidence import FEATURES, Calibration, candidates, features, fits, load_calibration, overlap
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


def test_the_margin_is_measured_to_the_best_different_answer() -> None:
    one = hit()
    found = candidates([span("William Spindler", 5, one), span("Pope Francis", 3, one)], [one])
    assert features("Who told AFP?", found, 0, [one])["margin"] == 2
    assert features("Who told AFP?", found, 1, [one])["margin"] == -2
    assert features("Who told AFP?", found[:1], 0, [one])["margin"] == 10


def test_every_feature_the_model_weighs_is_computed() -> None:
    one = hit()
    found = candidates([span("Pope Francis", 3, one)], [one])
    assert set(features("Who pleaded?", found, 0, [one])) == set(FEATURES)


@pytest.mark.parametrize(
    ("question", "quote", "expected"),
    [
        ("How many people drowned?", "more than 3,800", 1),
        ("How many survived?", "Twenty-three", 1),
        ("how much money", "the ministry", -1),
        ("When did they meet?", "on Thursday", 1),
        ("When did they meet?", "Brussels", -1),
        ("Who said so?", "Jens Stoltenberg", 1),
        ("Who said so?", "some people", -1),
        ("Why?", "because", 0),
    ],
)
def test_a_quote_fits_the_question_word_or_not(question: str, quote: str, expected: int) -> None:
    assert fits(question, quote) == expected


def test_overlap_counts_the_telling_words_only() -> None:
    assert overlap("Who told AFP?", TEXT) == 1
    assert overlap("Who told Reuters?", TEXT) == 0.5
    assert overlap("Who was it?", TEXT) == 0


def test_a_probability_lies_between_0_and_1_whatever_the_features() -> None:
    model = Calibration((1.0,) * len(FEATURES), 0.0, 0.5)
    for value in (-1e9, 0.0, 1e9):
        assert 0 <= model.probability(dict.fromkeys(FEATURES, value)) <= 1


def test_the_shipped_model_grows_surer_with_the_gap() -> None:
    model = load_calibration()
    base = dict.fromkeys(FEATURES, 1.0)
    low, high = (model.probability({**base, "gap": gap, "score": gap, "margin": 1.0}) for gap in (-8.0, 8.0))
    assert low < model.threshold < high


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"weights": {}, "bias": 0, "threshold": 1})])
def test_a_damaged_model_is_named_with_the_command_that_mends_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "confidence.json"
    file.write_text(content)
    with pytest.raises(MissingWeights, match="pip install"):
        load_calibration(file)
    with pytest.raises(MissingWeights, match="pip install"):
        load_calibration(tmp_path / "none.json")

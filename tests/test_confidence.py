"""The confidence model: what it looks at, and what its numbers mean."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.confidence import (
    BESIDE,
    CALIBRATION,
    FEATURES,
    Calibration,
    candidates,
    features,
    in_documents,
    in_percent,
    load_calibration,
)
from qa.errors import MissingWeights
from qa.reader import Looks, Place, Reranker
from qa.types import Document, Hit, Passage, Span

TEXT = "Spokesman William Spindler told AFP. William Spindler wrote. Pope Francis pleaded."


def hit(document: str = "d", text: str = TEXT) -> Hit:
    return Hit(Passage.at(document, 100, 100 + len(text)), text, 0.03, 1, 1)


def span(quote: str, gap: float, of: Hit, nth: int = 0) -> Span:
    at = -1
    for _ in range(nth + 1):
        at = of.text.index(quote, at + 1)
    start = of.passage.start + at
    return Span(of.passage.document_id, start, start + len(quote), gap, 0.0, of.passage.id)


def document(id_: str, title: str, text: str = TEXT) -> Document:
    return Document(id_, title, text, path="", sha256="")


def around(of: Hit) -> Document:
    """A document whose only passage is this hit's."""
    return document(of.passage.document_id, "D", " " * of.passage.start + of.text)


class LengthReranker(Reranker):
    """The longer, the better."""

    def __init__(self) -> None:
        pass

    def scores(self, question: str, candidates: Sequence[Place]) -> list[Looks]:
        lengths = [float(place.end - place.start) for place in candidates]
        return [Looks(length, -length) for length in lengths]


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
    known = features("Who?", found, [one], {"d": around(one)}, LengthReranker())
    assert [set(each) for each in known] == [set(FEATURES)] * 2
    assert [each["gap"] for each in known] == [5, 3]
    assert [each["reranked"] for each in known] == [16, 12]
    assert [each["compared"] for each in known] == [-16, -12]


def test_an_answer_of_a_nearer_passage_comes_before_a_slightly_better_one_of_a_farther() -> None:
    near, far = (replace(hit(id_), score=score) for id_, score in (("a", 0.9), ("b", 0.5)))
    spans = [span("Pope Francis", 5, far), span("William Spindler", 1, near)]
    assert [best.document_id for best, *_ in candidates(spans, [near, far])] == ["a", "b"]
    spans = [span("Pope Francis", 15, far), span("William Spindler", 1, near)]
    assert [best.document_id for best, *_ in candidates(spans, [near, far])] == ["b", "a"]


def test_an_answer_is_looked_at_again_at_its_best_place_with_what_stands_round_its_passage() -> None:
    one, two = hit("a"), hit("b", "Then William Spindler spoke.")
    spans = [span("Pope Francis", 5, one), span("William Spindler", 3, two), span("William Spindler", 2, one)]
    before, after = "It began so.".ljust(100), " So it ended." + "x" * BESIDE
    sources = {
        h.passage.document_id: document(h.passage.document_id, "T", before + h.text + after)
        for h in (one, two)
    }
    places = in_documents(candidates(spans, [one, two]), sources)
    assert [p.text[p.start : p.end] for p in places] == ["Pope Francis", "William Spindler"]
    for place, found in zip(places, (one, two), strict=True):
        assert place.text.startswith(before + found.text + " So it ended.x")
        assert len(place.text) == place.end + BESIDE


def test_what_is_hidden_is_not_looked_at() -> None:
    text = "He spoke.\nRelated stories\nSpindler wrote."
    hidden = ((text.index("Related"), text.index("Spindler")),)
    found = [[Span("d", text.index("Spindler"), text.index(" wrote"), 1.0, 0.0, 1)]]
    [place] = in_documents(found, {"d": replace(document("d", "T", text), hidden=hidden)})
    assert place == Place("T", "He spoke.\nSpindler wrote.", len("He spoke.\n"), len("He spoke.\nSpindler"))


@given(st.integers(0, 3000), st.integers(1, 50), st.integers(0, 3000))
def test_the_place_of_an_answer_holds_its_words_wherever_they_stand(
    before: int, long: int, after: int
) -> None:
    text = "a" * before + "b" * long + "c" * after
    found = [[Span("d", before, before + long, 1.0, 0.0, 1)]]
    [place] = in_documents(found, {"d": document("d", "T", text)})
    assert place.text[place.start : place.end] == "b" * long
    assert len(place.text) == min(before, BESIDE) + long + min(after, BESIDE)


def test_the_readers_first_are_looked_at_again_and_the_others_count_for_less_than_these() -> None:
    one = hit("d", "one three five seven eleven thirteen")
    words = ["thirteen", "one", "three", "five", "eleven", "seven"]
    found = candidates([span(word, 9 - n, one) for n, word in enumerate(words)], [one])
    known = features("Which?", found, [one], {"d": around(one)}, LengthReranker())
    assert [each["reranked"] for each in known] == [8, 3, 5, 2, 2, 2]
    assert [each["compared"] for each in known] == [-8, -3, -5, -9, -9, -9]
    assert features("Which?", [], [one], {}, LengthReranker()) == []


@pytest.mark.parametrize(
    ("question", "lacking"),
    [
        ("Who told AFP?", 0),
        ("Who told Reuters?", 1),
        ("Who told Reuters and Tass in 2016?", 2),
        ("Who was it that Spindler's spokesman told in Ellin?", 0),
        ("Which Spindlerian told the Dornish press?", 1),
        ("who told reuters?", 0),
        ("WHO TOLD REUTERS?", 0),
        ("Reuters was told what?", 0),
        ("Who told Reuters? (Tass 2016)", 1),
    ],
)
def test_a_document_that_lacks_names_or_numbers_of_the_question_is_known(question: str, lacking: int) -> None:
    one = hit()
    found = candidates([span("William Spindler", 5, one)], [one])
    sources = {"d": document("d", "News from Ellin")}
    [known] = features(question, found, [one], sources, LengthReranker())
    assert known["lacking"] == lacking


def test_what_a_document_lacks_makes_its_answer_less_likely() -> None:
    model = load_calibration()
    base = dict.fromkeys(FEATURES, 3.0)
    [without], [with_all] = (model.probabilities([{**base, "lacking": n}]) for n in (1.0, 0.0))
    assert without < with_all


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


def test_the_shipped_model_grows_surer_with_the_logits() -> None:
    model = load_calibration()
    base = {"retrieval": 1.0, "lacking": 0.0}
    [low], [high] = (
        model.probabilities([{**base, **dict.fromkeys(("gap", "score", "reranked", "compared"), logits)}])
        for logits in (-8.0, 8.0)
    )
    assert low < model.threshold < high


def test_the_shipped_curve_says_what_a_higher_threshold_costs() -> None:
    curve = load_calibration().coverage
    assert [t for t, _, _ in curve] == sorted({t for t, _, _ in curve})
    answered = [share for _, share, _ in curve]
    assert answered == sorted(answered, reverse=True)
    assert answered[0] == 1


SHORTENED = {**json.loads(CALIBRATION.read_text(encoding="utf-8")), "items": [0.1]}


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1]", json.dumps({"weights": {}, "bias": 0, "threshold": 1}), json.dumps(SHORTENED)],
)
def test_a_damaged_model_is_named_with_the_command_that_mends_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "confidence.json"
    file.write_text(content)
    with pytest.raises(MissingWeights, match="pip install"):
        load_calibration(file)
    with pytest.raises(MissingWeights, match="pip install"):
        load_calibration(tmp_path / "none.json")


@given(st.floats(0, 1), st.floats(0.001, 0.5))
def test_a_confidence_below_the_threshold_is_told_as_less(claimed: float, above: float) -> None:
    told, asked_for = in_percent(claimed, claimed + above)
    assert told < asked_for
    assert told <= 100 * claimed
    assert in_percent(0.0, 0.29) == (0, 29)
    assert in_percent(0.1699, 0.17) == (16, 17)

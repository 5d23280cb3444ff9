"""What is quoted in the place of the span: enumerations, clauses, sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import widening
from qa.kinds import Kind
from qa.types import Citation, Document


def cited(text: str, quote: str) -> Citation:
    start = text.index(quote)
    ends = [i + 1 for i, c in enumerate(text) if c in ".!?" and text[i + 1 : i + 2] in ("", " ")] or [
        len(text)
    ]
    starts = [0, *(end + 1 for end in ends[:-1])]
    document = Document("a.txt", "A", text, "/a.txt", "0", sentences=tuple(zip(starts, ends, strict=True)))
    return Citation(document, start, start + len(quote))


@pytest.mark.parametrize(
    ("text", "quote", "whole"),
    [
        (
            "The crew want to spend less on paint and more on ropes, the mate said.",
            "spend less",
            "The crew want to spend less on paint and more on ropes",
        ),
        ("He left because the pay was bad, she wrote.", "the pay was bad", "the pay was bad"),
        ("He left because pay was so bad.", "bad", "pay was so bad"),
        (
            "“Last week was terrible for our teams,” said Ann Shaw.",
            "terrible",
            "Last week was terrible for our teams",
        ),
        ("It was closed to save money.", "to save money", "to save money"),
        ("The pier was unsafe, and Port Ellin has shut it.", "shut it", "Port Ellin has shut it"),
    ],
)
def test_an_explanation_is_quoted_as_its_clause(text: str, quote: str, whole: str) -> None:
    assert widening.clause(cited(text, quote)).quote == whole


@pytest.mark.parametrize(
    ("text", "quote", "whole"),
    [
        ("Ann Shaw, Lee Wood and Tom Reed came.", "Lee Wood", "Ann Shaw, Lee Wood and Tom Reed"),
        (
            "They spoke of fees but also the fury over the bridge, she said.",
            "fees",
            "fees but also the fury over the bridge",
        ),
        (
            "Oslo and Bergen, as well as the old ports of the north.",
            "Oslo",
            "Oslo and Bergen, as well as the old ports of the north",
        ),
        ("They sell paint but not ropes.", "paint", "paint"),
        ("They sell paint but also", "paint", "paint"),
    ],
)
def test_a_list_is_quoted_as_its_enumeration_and_what_is_added_to_it(
    text: str, quote: str, whole: str
) -> None:
    assert widening.enumeration(cited(text, quote)).quote == whole


def test_what_decides_between_yes_and_no_is_a_sentence() -> None:
    assert (
        widening.sentence(cited("It rained. The pier is closed. Go home.", "closed")).quote
        == "The pier is closed."
    )


@given(st.text(min_size=1, max_size=80), st.data())
def test_what_is_quoted_instead_holds_the_span_and_stays_in_its_sentence(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    citation = Citation(Document("a", "A", text, "/a", "0", sentences=((0, len(text)),)), start, end)
    for wider in widening.WIDER.values():
        found = wider(citation)
        assert found.start <= start and end <= found.end


@pytest.mark.parametrize("kind", ["yes/no", "explanation"])
def test_two_spans_of_one_quote_count_together(kind: Kind) -> None:
    text = "The old pier is closed. The mayor likes it."
    places = [[cited(text, "mayor")], [cited(text, "pier")], [cited(text, "closed")]]
    best, other = widening.widened(places, [0.3, 0.25, 0.2], kind)
    assert "pier is closed" in best.text and best.confidence == pytest.approx(0.45)
    assert "mayor likes" in other.text


def test_for_a_fact_nothing_is_added_and_equals_keep_their_order() -> None:
    text = "The old pier is closed."
    places = [[cited(text, "pier")], [cited(text, "closed")], [cited(text, "old")]]
    found = widening.widened(places, [0.2, 0.2, 0.5], "fact")
    assert [answer.text for answer in found] == ["old", "pier", "closed"]

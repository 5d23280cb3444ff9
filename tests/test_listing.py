"""The items of a list: the parts of an enumeration, and what other places add."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import listing
from qa.corpus import sentences
from qa.types import Alternative, Citation, Document

SHIPS = "The Moskva lay at Messina. The FGS Bonn and the Argos sailed. The Moskva came. Kerry met children."
LIKELY = (1.0, 0.0, 0.0, 0.0, 0.0)  # the log odds alone: an item from a confidence of LISTED_FROM on


def cited(text: str, quote: str) -> Citation:
    document = Document("a.txt", "A", text, "/a.txt", "0", sentences=sentences(text, ()))
    return Citation(document, text.index(quote), text.index(quote) + len(quote))


def answers(text: str, *likely: tuple[str, float]) -> list[Alternative]:
    return [Alternative(quote, confidence, (cited(text, quote),)) for quote, confidence in likely]


@pytest.mark.parametrize(
    ("quote", "items"),
    [
        ("Tom Reed, Ann Shaw and Lee Wood", ["Tom Reed", "Ann Shaw", "Lee Wood"]),
        ("ropes, along with paint", ["ropes", "paint"]),
        ("ropes but also paint", ["ropes", "paint"]),
        ("ropes and Ropes", []),
        ("the harbour", []),
        ("700,000 rupees", []),
        ("6,000, 3,300 and 1,250,000", ["6,000", "3,300", "1,250,000"]),
        ("in 1915, 1916", ["in 1915", "1916"]),
    ],
)
def test_the_items_of_a_list_keep_their_own_places(quote: str, items: list[str]) -> None:
    places = listing.items(cited(f"There were {quote}.", quote))
    assert [place.quote for place in places] == items


@given(st.text(min_size=1, max_size=80), st.data())
def test_the_items_stand_within_the_quote_in_their_order(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    places = listing.items(Citation(Document("a", "A", text, "/a", "0"), start, end))
    borders = [border for place in places for border in (place.start, place.end)]
    assert borders == sorted(borders)
    assert all(start <= border <= end for border in borders)


def test_a_list_is_gathered_from_the_places_that_are_likely_enough() -> None:
    found = answers(
        SHIPS,
        ("The Moskva", 0.6),
        ("FGS Bonn", 0.55),
        ("Moskva", 0.55),
        ("FGS Bonn and the Argos", 0.55),
        ("Kerry", listing.LISTED_FROM - 0.01),
    )
    assert [item.quote for item in listing.listed(found, LIKELY)] == ["The Moskva", "FGS Bonn"]
    assert listing.listed(found[:1], LIKELY) == ()


@pytest.mark.parametrize(
    ("quote", "question", "nothing"),
    [
        ("Disputes", "Which courts decide disputes?", True),
        ("by", "By which roads did they come?", True),
        ("courts of London", "Which courts decide disputes?", False),
        ("Tom Reed", "Which of Tom Reed, Ann Shaw and Lee Wood came?", False),
    ],
)
def test_the_questions_own_words_are_no_item_but_names_may_be(
    quote: str, question: str, nothing: bool
) -> None:
    assert listing.adds_nothing(quote, question) is nothing


def test_parts_of_one_name_are_one_item() -> None:
    text = "A team from the German NGO Sea-Watch (Berlin) helped. Doctors came."
    team = "A team from the German NGO"
    found = answers(
        text, ("Sea-Watch", 0.6), (team, 0.5), ("the German NGO", 0.5), ("Berlin", 0.5), ("Doctors", 0.5)
    )
    assert [item.quote for item in listing.listed(found, LIKELY)] == ["Sea-Watch", "Doctors"]


def test_what_makes_an_item_likely_is_where_it_stands_and_how_many_are_likelier() -> None:
    found = answers(SHIPS, ("FGS Bonn", 0.6), ("the Argos", 0.1), ("Kerry", 0.1))
    (_, _, beside, first), (_, _, apart, second) = listing.item_features(found)
    assert (beside, first, apart, second) == (1, 1, 0, 2)
    assert [i.quote for i in listing.listed(found, (1.0, 0.0, 3.0, 0.0, 0.0))] == ["FGS Bonn", "the Argos"]


def test_an_enumeration_is_the_whole_list() -> None:
    found = answers(SHIPS, ("FGS Bonn and the Argos", 0.6), ("The Moskva", 0.5))
    assert [item.quote for item in listing.listed(found, LIKELY)] == ["FGS Bonn", "the Argos"]


def test_answers_side_by_side_share_no_probability() -> None:
    found = listing.side_by_side(answers(SHIPS, ("The Moskva", 0.4), ("Kerry", 0.2)))
    assert [answer.confidence for answer in found] == pytest.approx([0.5, 1 / 3])
    assert listing.side_by_side([]) == []


def test_certainty_has_finite_odds() -> None:
    found = answers(SHIPS, ("The Moskva", 1.0), ("Kerry", 0.0))
    assert listing.listed(found, LIKELY) == ()

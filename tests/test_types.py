"""Citations point at their words, whatever the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.types import Answer, Citation, Document, Passage

TEXT = "One sentence. A second one, longer than the first. A third."
SENTENCES = ((0, 13), (14, 50), (51, 59))


def document(text: str = TEXT, **changes: object) -> Document:
    given_: dict[str, object] = {"sentences": SENTENCES, **changes}
    return Document(id="a.txt", title="A", text=text, path="/a.txt", sha256="0", **given_)  # type: ignore[arg-type]


@given(st.text(min_size=1), st.data())
def test_a_quote_is_exactly_the_slice_of_the_text_and_lies_in_its_sentence(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    borders = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    sentences = tuple(pairwise(borders))
    citation = Citation(document(text, sentences=sentences), start, end)
    assert citation.quote == text[start:end]
    assert citation.left + citation.quote + citation.right == citation.sentence
    assert citation.sentence_range[0] in borders
    assert citation.sentence_range[1] in borders


@pytest.mark.parametrize(("start", "end"), [(0, 0), (-1, 3), (5, 4), (50, 60)])
def test_a_citation_outside_its_document_cannot_be_made(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        Citation(document(), start, end)


def test_a_quote_over_two_sentences_has_both_as_its_sentence() -> None:
    assert Citation(document(), 4, 20).sentence == TEXT[:50]


def test_a_quote_between_sentences_stands_for_itself() -> None:
    assert Citation(document(sentences=()), 4, 8).sentence == TEXT[4:8]


@pytest.mark.parametrize(("start", "page"), [(0, 1), (13, 1), (14, 2), (40, 2), (51, 3)])
def test_the_page_is_the_one_the_quote_starts_on(start: int, page: int) -> None:
    assert Citation(document(pages=(0, 14, 51)), start, start + 1).page == page


def test_a_text_file_has_no_pages() -> None:
    assert Citation(document(), 0, 3).page is None


def test_a_passage_has_the_same_id_in_every_process() -> None:
    assert Passage.at("a.txt", 0, 9).id == 8619780826255620534
    assert Passage.at("a.txt", 0, 9).id != Passage.at("a.txt", 0, 10).id


def test_an_answer_is_true_and_an_abstention_is_false() -> None:
    assert Answer("Q?", "Q?", "A", 0.9)
    assert not Answer("Q?", "Q?", None, 0.1)

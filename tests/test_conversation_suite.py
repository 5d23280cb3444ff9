"""Conversations of our own: the texts hold the answers; what is asked leans on what was said before."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qa.errors import BadQuestion
from qa.evaluation import conversation_suite as suite
from qa.evaluation.questions import Question, read_questions
from qa.evaluation.rewrites import Rewrite, overlap, read_rewrites

QUESTIONS = read_questions(suite.CONVERSATIONS / "questions.jsonl").questions
TEXTS = {
    path.name: path.read_text(encoding="utf-8") for path in (suite.CONVERSATIONS / "documents").iterdir()
}


def test_there_are_sixty_conversations_with_two_hundred_follow_ups_on_twelve_texts() -> None:
    assert len({question.conversation for question in QUESTIONS}) >= 60
    assert sum(bool(question.history) for question in QUESTIONS) >= 200
    assert len(TEXTS) >= 12


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_every_accepted_answer_stands_in_its_document(question: Question) -> None:
    assert all(answer in TEXTS[name] for answer in question.answers for name in question.documents)


def test_a_history_is_what_was_asked_and_answered_before() -> None:
    so_far: dict[str | None, list[tuple[str, str]]] = {}
    for question in QUESTIONS:
        turns = so_far.setdefault(question.conversation, [])
        assert question.history == tuple(turns), question.id
        turns.append((question.question, question.answers[0] if question.answers else ""))


def test_a_concatenated_question_keeps_the_newest_words_where_it_is_too_long() -> None:
    asked = replace(QUESTIONS[1], history=(("old " * 400, "answer"),))
    joined = suite.concatenated(asked)
    assert joined.endswith(f"answer {asked.question}")
    assert len(joined) <= suite.MOST_QUESTION_CHARACTERS


def test_an_unrelated_history_is_of_a_conversation_on_other_documents() -> None:
    alone = [question for question in QUESTIONS if not question.asked_as and question.answerable]
    follow_ups = [question for question in QUESTIONS if question.asked_as]
    documents = {question.history: question.documents for question in follow_ups}
    for question in suite.after_another(alone, follow_ups):
        assert question.history
        assert not set(documents[question.history]) & set(question.documents)


def test_carried_words_are_those_of_the_history_that_the_question_does_not_say() -> None:
    history = (("Who answered AFP by email?", "William Spindler"),)
    asked = Rewrite(
        "1", "What did he confirm to AFP?", history, "What did Spindler confirm to AFP in Geneva?"
    )
    assert asked.carried == {"spindler"}
    assert asked.carried_by("What did William Spindler confirm to AFP?") == {"william", "spindler"}


def test_overlap_counts_words_over_all_questions() -> None:
    found = overlap([{"a", "b"}, set(), {"c"}], [{"a"}, {"d"}, {"c"}])
    assert (found.precision, found.recall) == (2 / 3, 2 / 3)


def test_a_file_that_is_no_set_of_rewrites_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.json.gz"
    path.write_text(json.dumps({"items": []}), encoding="utf-8")
    with pytest.raises(BadQuestion, match=r"set\.json\.gz"):
        read_rewrites(path)


def test_goals_name_what_the_resolved_question_does_not_beat() -> None:
    ways = {
        "raw": {"recall@5": 0.5, "right": 0.2},
        "concatenated": {"recall@5": 0.8, "right": 0.3},
        "resolved": {"recall@5": 0.7, "right": 0.4},
        "alone": {"right": 0.5},
        "after another conversation": {"right": 0.49},
    }
    missed = suite.goals_missed({"sets": {"ours": ways}})
    assert missed == [
        "ours: recall@5 resolved 70.0%, concatenated 80.0%",
        "ours: stand-alone questions lose 1.0 points after another topic",
    ]


@pytest.mark.slow
def test_follow_ups_are_measured_in_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no ./seeds
    monkeypatch.setenv("QA_DATA", str(tmp_path))
    summary = suite.evaluate(tmp_path / "out", limit=2)
    assert list(summary["sets"]) == ["conversations"]
    assert {way["n"] for way in summary["sets"]["conversations"].values()} == {2}
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8")) == summary
    assert "resolved" in suite.table(summary)

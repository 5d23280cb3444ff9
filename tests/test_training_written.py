"""Our own training questions: their places, what they are read with, and that none is about the seeds."""

import json
from pathlib import Path

import pytest

from qa.errors import QAError
from qa.evaluation.questions import SEED_QUESTIONS, read_questions
from qa.evaluation.squad import ReadingQuestion
from qa.training.written import (
    NEWS,
    NewsReport,
    ReportQuestion,
    divide,
    question_set,
    reading_questions,
    reports,
    reworded,
)

NEWS_QUESTIONS = SEED_QUESTIONS.with_name("news_questions.json")
SENTENCES = [f"The quay of Bellhaven number {n} is closed because its planks are rotten." for n in range(60)]
TEXT = "Quays closed\n\n" + " ".join(SENTENCES) + " The mayor, Ann Reed, was not asked."
ANSWER = (TEXT.index("its planks"), TEXT.index("its planks") + len("its planks are rotten"))
NEAR = (TEXT.index("Ann Reed"), TEXT.index("Ann Reed") + len("Ann Reed"))
REPORT = NewsReport(
    "quays",
    TEXT,
    (
        ReportQuestion("What makes the first quay unsafe?", "why", (ANSWER,)),
        ReportQuestion("Who repairs the quays?", "who", (), NEAR),
    ),
)


def test_every_report_has_a_text_questions_and_places_inside_it() -> None:
    found = reports()
    assert len(found) > 100
    assert len({report.id for report in found}) == len(found)
    for report in found:
        assert report.questions
        for asked in report.questions:
            assert asked.question.strip()
            assert bool(asked.places) != bool(asked.near)
            for start, end in (*asked.places, *([asked.near] if asked.near else [])):
                assert report.text[start:end].strip()


def test_a_ninth_of_the_reports_is_held_out_whatever_else_there_is() -> None:
    found = reports()
    train, aside = divide(found)
    assert 0.05 < len(aside) / len(found) < 0.2
    assert divide(found[::2])[1] == [report for report in found[::2] if report in aside]
    assert {report.id for report in train}.isdisjoint(report.id for report in aside)


def test_a_question_is_read_with_the_passage_that_answers_it_or_comes_nearest() -> None:
    answered, missed = reading_questions([REPORT])
    assert answered.answers == ("its planks are rotten",)
    assert missed.places == ()
    assert "Ann Reed" in missed.context


def test_a_question_whose_answers_stand_apart_is_read_with_the_passage_of_each_and_asked_once() -> None:
    filler = "The inspectors walked along the water and wrote down what they saw there that day. " * 20
    text = f"The Tern carried grain. {filler}\n\nThe Heron carried sand. {filler}"
    first, second = text.index("The Tern"), text.index("The Heron")
    places = ((first, first + len("The Tern")), (second, second + len("The Heron")))
    ships = NewsReport("a1a", text, (ReportQuestion("Which ships came?", "list", places),))
    gull = NewsReport("a1b", "The Gull lay idle.", (ReportQuestion("Which ships came?", "list", ((0, 8),)),))
    read = reading_questions([ships, gull])
    assert [question.answers for question in read] == [("The Tern",), ("The Heron",), ("The Gull",)]
    assert len({question.id for question in read}) == len(read)
    (asked,) = question_set([ships, gull]).questions
    assert asked.answers == ("The Tern", "The Heron", "The Gull")
    assert asked.documents == ("a1a.txt", "a1b.txt")
    assert asked.items == ("The Gull", "The Heron", "The Tern")


def test_the_items_of_a_list_are_named_once_in_their_longest_wording() -> None:
    text = "The tug Tern came with the Heron. The Tern left."
    places = tuple(
        (text.index(words), text.index(words) + len(words)) for words in ("tug Tern", "Tern", "Heron")
    )
    report = NewsReport("a1a", text, (ReportQuestion("Which ships came?", "list", (*places, (38, 42))),))
    assert text[38:42] == "Tern"
    (asked,) = question_set([report]).questions
    assert asked.items == ("Heron", "tug Tern")


def test_the_reports_are_asked_end_to_end_as_documents() -> None:
    asked = question_set([REPORT])
    assert asked.paragraphs == {"quays.txt": TEXT}
    assert [(q.answerable, q.near_miss, q.documents) for q in asked.questions] == [
        (True, False, ("quays.txt",)),
        (False, True, ()),
    ]


def test_a_reworded_question_keeps_the_answers_of_the_one_it_rewords(tmp_path: Path) -> None:
    original = ReadingQuestion("a", "Who built the mill?", "Ann built the mill.", "Mill", ((0, 3),))
    path = tmp_path / "reworded.jsonl"
    lines = [{"of": "a", "question": "Whose work is it?"}, {"of": "held out", "question": "Why?"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (again,) = reworded([original], path)
    assert (again.question, again.answers, again.context) == ("Whose work is it?", ("Ann",), original.context)
    assert again.id != original.id


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "news.jsonl").write_text("{")
    with pytest.raises(QAError, match="cannot be read"):
        reports(tmp_path / "news.jsonl")


def test_the_reports_that_are_only_asked_about_are_in_no_training_file() -> None:
    asked = read_questions(NEWS_QUESTIONS)
    assert len(asked.questions) > 200
    assert set(asked.paragraphs.values()).isdisjoint(report.text for report in reports())


def test_no_report_is_about_what_the_seeds_are_about() -> None:
    asked = {json.loads(line)["question"] for line in SEED_QUESTIONS.read_text(encoding="utf-8").splitlines()}
    assert asked.isdisjoint(question.question for report in reports() for question in report.questions)
    text = NEWS.read_text(encoding="utf-8") + NEWS_QUESTIONS.read_text(encoding="utf-8")
    for name in ("Stoltenberg", "Frontex", "Sea-Watch", "Scheffer", "Operation Sophia"):
        assert name not in text

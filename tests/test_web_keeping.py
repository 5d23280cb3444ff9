"""What the chat keeps: conversations, verdicts, and the questions it suggests."""

from __future__ import annotations

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qa import QA
from qa.errors import BadIndex, BadQuestion
from qa.evaluation.questions import read_questions
from qa.types import Alternative, Answer, Citation, Document
from qa.web.export import to_html, to_json, to_markdown
from qa.web.feedback import VERDICTS, Feedback
from qa.web.history import History, KeptTurn, new_browser
from qa.web.past import EXPORTS, exported_shown
from qa.web.suggestions import LEAST_CONFIDENCE, STARTERS, Suggestions, turned_round

TEXT = "The treaty was signed by Mira Voss in 1871. Others say that Jon Hale signed it."
DOCUMENT = Document("a.txt", "The treaty", TEXT, "a.txt", "0", "1900-01-02", (0,), (), ((0, 43), (44, 79)))


def answered(question: str, asked_as: str | None = None, document: Document = DOCUMENT) -> dict[str, Any]:
    return Answer(
        question=question,
        asked_as=asked_as or question,
        text="Mira Voss",
        confidence=0.93,
        citations=(Citation(document, 25, 34),),
        alternatives=(Alternative("Jon Hale", 0.4, (Citation(document, 60, 68),)),),
    ).to_dict()


def declined(question: str) -> dict[str, Any]:
    return Answer(question, question, None, 0.1, reason="No passage is near.").to_dict()


# Conversations


def test_a_conversation_is_kept_listed_continued_renamed_and_deleted(tmp_path: Path) -> None:
    history, browser = History(tmp_path), new_browser()
    first = history.append(browser, None, answered("Who signed the treaty?"))
    assert first
    assert history.append(browser, first, declined("When?")) == first
    second = history.append(browser, None, answered("Another?"))
    assert second
    assert [(c.id, c.title, c.turns) for c in history.conversations(browser)] == [
        (second, "Another?", 1),
        (first, "Who signed the treaty?", 2),
    ]
    kept = History(tmp_path).turns(browser, first)
    assert [(turn.number, turn.question) for turn in kept] == [(1, "Who signed the treaty?"), (2, "When?")]
    assert kept[0].answer == answered("Who signed the treaty?")

    history.rename(browser, first, "  On the\ntreaty ")
    assert history.title(browser, first) == "On the treaty"
    history.delete(browser, second)
    assert [c.id for c in history.conversations(browser)] == [first]


def test_a_turn_is_replaced_with_all_that_leant_on_it_and_undone(tmp_path: Path) -> None:
    history, browser = History(tmp_path), new_browser()
    id_ = history.append(browser, None, answered("One?"))
    assert id_
    for question in ("Two?", "Three?"):
        history.append(browser, id_, answered(question))
    history.replace(browser, id_, 2, answered("Zwei?"))
    assert [turn.question for turn in history.turns(browser, id_)] == ["One?", "Zwei?"]
    history.undo(browser, id_)
    history.append(browser, id_, answered("Four?"))
    assert [(t.number, t.question) for t in history.turns(browser, id_)] == [(1, "One?"), (2, "Four?")]
    history.undo(browser, id_, 1)
    assert history.turns(browser, id_) == []
    with pytest.raises(BadQuestion, match="no turn"):
        history.undo(browser, id_)
    with pytest.raises(BadQuestion, match="no turn 7"):
        history.replace(browser, id_, 7, answered("Seven?"))


def test_conversations_are_found_by_words_of_titles_questions_and_quotes(tmp_path: Path) -> None:
    history, browser = History(tmp_path), new_browser()
    treaty = history.append(browser, None, answered("Who put their name to it?"))
    history.append(browser, None, declined("What of the weather?"))
    found = {
        words: [c.id for c in history.conversations(browser, words)] for words in ("VOSS 1871", "voss rain")
    }
    assert found == {"VOSS 1871": [treaty], "voss rain": []}
    assert len(history.conversations(browser, "% _ '")) == 0


def test_a_browser_reaches_its_own_conversations_only(tmp_path: Path) -> None:
    history, one, other = History(tmp_path), new_browser(), new_browser()
    id_ = history.append(one, None, answered("Who?"))
    assert id_
    assert history.conversations(other) == []
    for act in (
        lambda: history.turns(other, id_),
        lambda: history.append(other, id_, answered("Mine?")),
        lambda: history.replace(other, id_, 1, answered("Mine?")),
        lambda: history.undo(other, id_),
        lambda: history.rename(other, id_, "Mine"),
        lambda: history.delete(other, id_),
        lambda: history.title(other, id_),
    ):
        with pytest.raises(BadQuestion, match="no such conversation"):
            act()
    assert [turn.question for turn in history.turns(one, id_)] == ["Who?"]
    assert one.encode() not in (tmp_path / "chats.sqlite3").read_bytes()


def test_opting_out_deletes_what_was_kept_and_keeps_nothing_more(tmp_path: Path) -> None:
    history, browser, other = History(tmp_path), new_browser(), new_browser()
    history.append(browser, None, answered("A question never to be seen again?"))
    kept = history.append(other, None, answered("Another visitor's?"))
    history.opt_out(browser)
    assert not history.keeps(browser)
    assert history.append(browser, None, answered("Unkept?")) is None
    assert history.conversations(browser) == []
    assert b"never to be seen" not in (tmp_path / "chats.sqlite3").read_bytes()
    assert [c.id for c in history.conversations(other)] == [kept]
    history.opt_in(browser)
    assert history.append(browser, None, answered("Kept?"))


def test_threads_append_to_one_conversation_without_losing_a_turn(tmp_path: Path) -> None:
    history, browser = History(tmp_path), new_browser()
    id_ = history.append(browser, None, answered("First?"))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: history.append(browser, id_, answered(f"Number {n}?")), range(24)))
    turns = history.turns(browser, id_ or "")
    assert [turn.number for turn in turns] == list(range(1, 26))
    assert {turn.question for turn in turns} == {"First?", *(f"Number {n}?" for n in range(24))}


def test_hostile_questions_and_titles_are_kept_as_they_are(tmp_path: Path) -> None:
    history, browser = History(tmp_path), new_browser()
    for question in ("'); DROP TABLE turns; --", "lone \ud800 surrogate?", "nul \0?", "🦓" * 500):
        id_ = history.append(browser, None, declined(question))
        assert history.turns(browser, id_ or "")[0].question == question
        assert len(history.title(browser, id_ or "")) <= 100
    with pytest.raises(BadQuestion, match="title is empty"):
        history.rename(browser, id_ or "", " \n")


def test_a_damaged_or_unwritable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "chats.sqlite3").write_bytes(b"damaged" * 1000)
    with pytest.raises(BadIndex, match=r"chats\.sqlite3 cannot be read or written"):
        History(tmp_path).conversations(new_browser())
    with pytest.raises(BadIndex, match="permissions"):
        History(tmp_path / "missing").conversations(new_browser())


# Export

HOSTILE = (
    "<script>alert(1)</script> **bold** [x](javascript:alert(1)) <img src=x onerror=a()> | `c` $x$ \u202e"
)


def hostile_turns() -> list[KeptTurn]:
    text = f"{HOSTILE} signed it."
    document = Document("<b>.txt", HOSTILE, text, "x", "0", None, None, (), ((0, len(text)),))
    citation = Citation(document, 0, 25)
    answer = Answer(HOSTILE, f"{HOSTILE}?", citation.quote, 0.9, (citation,)).to_dict()
    return [KeptTurn(1, "2026-01-01T00:00:00.000+00:00", answer), KeptTurn(2, "2026", declined(HOSTILE))]


def test_an_export_calls_the_hint_after_a_greeting_no_refusal() -> None:
    greeting = Answer("hello", "hello", None, 0.0, kind="talk", reason="Ask about them.").to_dict()
    for write in (to_markdown, to_html):
        text = write("Hello", [KeptTurn(1, "2026-01-01", greeting)])
        assert "Ask about them." in text and "do not say" not in text


def test_an_export_holds_every_question_answer_citation_and_refusal() -> None:
    turns = [
        KeptTurn(1, "2026-01-01", answered("Who signed it?", "Who signed the treaty?")),
        KeptTurn(2, "2026-01-02", declined("Why?")),
    ]
    for text in (to_markdown("Treaty", turns), to_html("Treaty", turns)):
        for words in ("Who signed it?", "Who signed the treaty?", "Jon Hale", "93%", "40%", "Why?"):
            assert words in text
        assert "The documents do not say." in text
        assert "The treaty, 1900-01-02, a.txt, page 1, characters 25–34" in text
    assert "The treaty was signed by **Mira Voss** in 1871." in to_markdown("Treaty", turns)
    assert "The treaty was signed by <mark>Mira Voss</mark> in 1871." in to_html("Treaty", turns)
    assert json.loads(to_json("Treaty", turns))["turns"][0]["answer"] == turns[0].answer


def test_nothing_hostile_is_alive_in_an_export() -> None:
    html = to_html(HOSTILE, hostile_turns())
    assert "<script" not in html and "<img" not in html and "<b>.txt" not in html
    assert "default-src 'none'" in html
    markdown = to_markdown(HOSTILE, hostile_turns())
    alive = re.sub(r"\\.", "", markdown)  # without what is escaped
    assert not re.search(r"[<\[\]|`$~_]", alive)
    assert not any(
        line.startswith("#") for line in markdown.splitlines() if not line.startswith(("# ", "## "))
    )


def test_what_a_turn_needs_to_look_as_it_did_is_kept_with_it(tmp_path: Path) -> None:
    history, browser = History(tmp_path), new_browser()
    id_ = history.append(browser, None, answered("Who?"), {"min_confidence": 0.9})
    assert id_
    history.note(browser, id_, 1, verdict={"says": "Thank you.", "open": "x"})
    history.note(browser, id_, 1, verdict={"says": "Done.", "open": None})
    [turn] = history.turns(browser, id_)
    assert turn.circumstances == {"min_confidence": 0.9, "verdict": {"says": "Done."}}
    with pytest.raises(BadQuestion):
        history.note(new_browser(), id_, 1, verdict={})


def test_conversations_of_before_circumstances_are_still_there(tmp_path: Path) -> None:
    history, browser = History(tmp_path), new_browser()
    id_ = history.append(browser, None, answered("Who?"))
    with closing(sqlite3.connect(tmp_path / "chats.sqlite3")) as old:
        old.execute("ALTER TABLE turns DROP COLUMN circumstances")
    assert id_ and [turn.circumstances for turn in history.turns(browser, id_)] == [{}]


@pytest.mark.parametrize("turns", [None, [], [{}], [{"asked": "x", "answer": 5}], ["x"], {"a": 1}])
def test_what_is_no_conversation_cannot_be_exported(turns: object) -> None:
    for form in EXPORTS:
        with pytest.raises(BadQuestion, match="no conversation"):
            exported_shown(turns, form)


def test_a_conversation_that_only_the_browser_holds_is_exported_with_its_citations() -> None:
    turns = [{"asked": "2026-01-02", "answer": answered("Who signed it?")}]
    for form in EXPORTS:
        file = exported_shown(turns, form)
        assert file.name == f"Who signed it.{form}"
        assert b"Mira Voss" in file.content and b"a.txt" in file.content


# Verdicts


def test_every_verdict_becomes_a_line_that_the_evaluation_reads(tmp_path: Path) -> None:
    feedback = Feedback(tmp_path)
    history = [("Who ruled?", "Nobody")]
    feedback.give(answered("Who signed it?", "Who signed the treaty?"), "right", history=history)
    feedback.give(declined("Who sang?"), "right")
    feedback.give(answered("Who danced?"), "should not have answered")
    wrong = feedback.give(answered("How many signed?"), "wrong")
    feedback.complete(wrong.id, "Jon Hale", ["a.txt"])
    elsewhere = feedback.give(answered("Where does it stand?"), "wrong place")
    feedback.complete(elsewhere.id, "stands in", ["b.txt"])
    nowhere = feedback.give(answered("Why?"), "wrong")
    path = feedback.complete(nowhere.id, None)
    assert path == tmp_path / "feedback.jsonl"
    assert (tmp_path / "feedback-open.jsonl").read_text() == ""
    right, sang, danced, many, where, why = read_questions(path).questions
    assert (why.answerable, why.kind, why.answers) == (False, "unanswerable", ())
    assert (right.answerable, right.answers, right.documents) == (True, ("Mira Voss",), ("a.txt",))
    assert right.history == (("Who ruled?", "Nobody"),)
    assert right.kind == "who"
    assert not sang.answerable and not danced.answerable
    assert (many.answers, many.documents, many.kind) == (("Jon Hale",), ("a.txt",), "how many")
    assert (where.answers, where.documents) == (("Mira Voss",), ("b.txt",))


def test_a_verdict_that_leaves_open_what_is_right_waits_in_a_file_of_its_own(tmp_path: Path) -> None:
    feedback = Feedback(tmp_path)
    first, second = (feedback.give(answered("Who?"), verdict) for verdict in ("wrong", "wrong place"))
    path = tmp_path / "feedback-open.jsonl"
    assert (first.file, first.complete, second.file, second.complete) == (path, False, path, False)
    assert not (tmp_path / "feedback.jsonl").exists()
    with pytest.raises(BadQuestion, match="give at least one of each"):
        read_questions(path)
    feedback.complete(first.id, "Jon Hale", ["a.txt"])
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [second.id]
    with pytest.raises(BadQuestion, match="no longer open"):
        feedback.complete(first.id, "Jon Hale", ["a.txt"])


def test_verdicts_of_many_threads_are_whole_lines(tmp_path: Path) -> None:
    feedback = Feedback(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: feedback.give(answered(f"Who is number {n}?"), "right"), range(100)))
    questions = read_questions(tmp_path / "feedback.jsonl").questions
    assert {q.question for q in questions} == {f"Who is number {n}?" for n in range(100)}


def test_an_unknown_verdict_and_an_unwritable_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadQuestion, match=f"expected one of: {', '.join(VERDICTS)}"):
        Feedback(tmp_path).give(answered("Who?"), "maybe")
    with pytest.raises(BadIndex, match="click again"):
        Feedback(tmp_path / "missing").give(answered("Who?"), "right")


# Suggestions


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("Mira Voss, head of the royal archive, spoke.", "Who is the head of the royal archive?"),
        ("Danish Finance Minister Jon Hale agreed.", "Who is the Danish Finance Minister?"),
        ("The treaty of Aldmoor was signed by Mira Voss.", "By whom was the treaty of Aldmoor signed?"),
        ("In all, 3,800 people were rescued near Malta.", "How many people were rescued near Malta?"),
        ("The stone bridge was opened to traffic in 1871.", "When was the stone bridge opened to traffic?"),
        ("Mira Voss founded the royal archive in secret.", "Who founded the royal archive in secret?"),
        ("Mira Voss said the harvest had failed.", "What did Mira Voss say?"),
    ],
)
def test_a_sentence_is_turned_round_into_the_question_it_answers(sentence: str, question: str) -> None:
    assert question in turned_round(sentence)


@pytest.mark.parametrize("sentence", ["", "It rained.", "(" * 300, "A " * 150, "1 " * 150, "…" * 300])
def test_a_sentence_without_names_numbers_or_dates_gives_no_question(sentence: str) -> None:
    assert turned_round(sentence) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The chair, Judge Philippa Rainsworth, said the cracks were seen in 2019, and resigned.",
        "It stands on Mill Lane, next to the old corn exchange, and is open.",
        "The bridge was closed in 2024 after engineers found cracks in two piers.",
        "The contract was awarded to Brandt and Sons of Leyburn.",
        "The meadow itself will be allowed to flood every winter.",
    ],
)
def test_words_that_only_look_like_an_office_a_number_or_an_actor_give_no_question(sentence: str) -> None:
    assert [q for q in turned_round(sentence) if q.startswith(("Who", "How many"))] == []


@pytest.mark.slow
def test_starters_are_answered_with_high_confidence_and_remembered(seeds_qa: QA) -> None:
    suggestions = Suggestions(seeds_qa)
    starters = suggestions.starters().result(60)
    assert 3 <= len(starters) <= STARTERS
    for question in starters:
        assert seeds_qa.ask(question).confidence >= LEAST_CONFIDENCE
    assert suggestions.starters().done()
    suggestions.close()


@pytest.mark.slow
def test_next_questions_are_answered_and_none_repeats_what_was_asked(seeds_qa: QA) -> None:
    suggestions = Suggestions(seeds_qa)
    answer = seeds_qa.ask("Who answered AFP by email?")
    following = suggestions.following(answer).result(60)
    assert following
    for question in following:
        assert seeds_qa.ask(question).confidence >= LEAST_CONFIDENCE
        again = suggestions.following(seeds_qa.ask(question)).result(60)
        assert question not in again
    nothing = seeds_qa.ask("Which football club won the championship?")
    assert suggestions.following(nothing).result(60) == ()
    suggestions.close()


@pytest.mark.slow
def test_suggestions_are_made_anew_when_the_index_changes(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.txt").write_text("The bridge of Stenfoss was designed by Lena Arkwright in the year 1902.\n")
    with QA.build(folder, tmp_path / "index") as qa:
        suggestions = Suggestions(qa)
        assert suggestions.starters().result(60) == ("By whom was the bridge of Stenfoss designed?",)
        (tmp_path / "b.txt").write_text("The treaty of Aldmoor was signed by Mira Voss in the old town.\n")
        qa.add([tmp_path / "b.txt"])
        assert len(suggestions.starters().result(60)) == 2
        suggestions.close()

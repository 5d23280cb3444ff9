"""The fixed question set, checked against the documents that it asks about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from qa.corpus.clean import hidden_ranges
from qa.evaluation.questions import SEED_QUESTIONS, WHOLE_DOCUMENTS, Question, read_questions
from qa.types import Range
from tests.conftest import SEEDS

FACTUAL = {"who", "when", "where", "how many", "what", "why", "how"}
KINDS = {*FACTUAL, "list", "yes/no", "definition", "comparison", *WHOLE_DOCUMENTS}

# Bytes, not read_text(): the words of a document are those of the file, line endings included.
TEXTS = {path.name: path.read_bytes().decode("utf-8") for path in SEEDS.glob("*.txt")}
HIDDEN = {name: hidden_ranges(text) for name, text in TEXTS.items()}
QUESTIONS = read_questions(SEED_QUESTIONS).questions
ANSWERABLE = [question for question in QUESTIONS if question.answerable]
WORDED = [question for question in ANSWERABLE if question.kind not in WHOLE_DOCUMENTS]
FACTS = [question for question in WORDED if not question.conversation]
UNANSWERABLE = [question for question in QUESTIONS if not question.answerable and not question.conversation]


def conversations() -> dict[str, list[Question]]:
    turns: dict[str, list[Question]] = {}
    for question in QUESTIONS:
        if question.conversation:
            turns.setdefault(question.conversation, []).append(question)
    return turns


def readable_places(words: str, name: str) -> Iterator[Range]:
    """Where the words stand, as whole words, in a document's text that is not hidden."""
    for match in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", TEXTS[name]):
        start, end = match.span()
        if not any(start < hidden_end and hidden_start < end for hidden_start, hidden_end in HIDDEN[name]):
            yield start, end


def test_every_answer_stands_word_for_word_in_a_readable_part_of_a_named_document() -> None:
    missing = [
        (question.id, words)
        for question in ANSWERABLE
        for words in (*question.answers, *question.items)
        if not any(any(readable_places(words, name)) for name in question.documents)
    ]
    assert missing == []


def test_every_named_document_is_a_seed_and_states_an_accepted_answer() -> None:
    assert {name for question in QUESTIONS for name in question.documents} == set(TEXTS)
    empty = [
        (question.id, name)
        for question in WORDED
        for name in question.documents
        if not any(any(readable_places(words, name)) for words in question.answers)
    ]
    assert empty == []


def test_no_question_is_asked_twice() -> None:
    # `read_questions` has checked the ids. A follow-up may repeat ("Why?"): it is another question there.
    asked = Counter(question.question.casefold() for question in QUESTIONS if not question.history)
    assert [words for words, times in asked.items() if times > 1] == []


def test_every_answerable_question_accepts_one_to_six_answers() -> None:
    odd = [question.id for question in WORDED if not 1 <= len(question.answers) <= 6]
    assert odd == []


def test_there_are_enough_questions_of_every_kind() -> None:
    kinds = Counter(question.kind for question in QUESTIONS if not question.conversation)
    assert len(FACTS) >= 150
    assert set(kinds) == KINDS
    assert min(kinds[kind] for kind in KINDS - {"overview", "comparison"}) >= 10


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_document_is_asked_about_in_proportion_to_what_it_tells(name: str) -> None:
    readable = {
        document: len(text) - sum(end - start for start, end in HIDDEN[document])
        for document, text in TEXTS.items()
    }
    asked = sum(name in question.documents for question in FACTS)
    fair = len(FACTS) * readable[name] / sum(readable.values())
    assert 0.75 * fair <= asked <= 1.5 * fair


def test_there_are_enough_unanswerable_questions_and_half_are_near_misses() -> None:
    near = sum(question.near_miss for question in UNANSWERABLE)
    assert len(UNANSWERABLE) >= 45
    assert 0.4 <= near / len(UNANSWERABLE) <= 0.6


def test_an_unanswerable_question_names_no_document() -> None:
    assert [question.id for question in QUESTIONS if not question.answerable and question.documents] == []


def test_a_list_names_its_items_which_its_first_answer_holds_or_which_are_its_answers() -> None:
    for question in ANSWERABLE:
        assert len(question.items) != 1, question.id
        if question.kind == "list":
            assert question.items, question.id
        if question.kind != "comparison":  # where each document gives another answer
            whole = all(item in question.answers[0] for item in question.items)
            assert whole or question.items == question.answers, question.id


def test_there_are_enough_conversations_of_two_to_four_turns() -> None:
    turns = conversations()
    assert len(turns) >= 14
    assert {len(of_one) for of_one in turns.values()} <= {2, 3, 4}


def test_a_conversation_is_numbered_and_opens_without_a_history() -> None:
    for name, turns in conversations().items():
        assert [turn.id for turn in turns] == [f"{name}-{number}" for number in range(1, len(turns) + 1)]
        assert not turns[0].history
        assert turns[0].answerable


def test_a_follow_ups_history_is_the_earlier_turns_with_their_first_answers() -> None:
    for turns in conversations().values():
        for number, turn in enumerate(turns):
            assert turn.history == tuple(
                (earlier.question, (*earlier.answers, "")[0]) for earlier in turns[:number]
            )


def test_every_follow_up_and_nothing_else_has_a_stand_alone_form() -> None:
    assert {q.id for q in QUESTIONS if q.asked_as} == {q.id for q in QUESTIONS if q.history}


def test_conversations_hold_changes_of_topic_and_follow_ups_without_an_answer() -> None:
    follow_ups = [question for question in QUESTIONS if question.history]
    assert sum(question.asked_as == question.question for question in follow_ups) >= 1
    assert sum(not question.answerable for question in follow_ups) >= 3

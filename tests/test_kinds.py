"""Which questions are read for, and which are answered by looking something up."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import QA, kinds, widening
from qa.evaluation import kinds_suite
from qa.types import Citation, Document

ASKED = kinds_suite.read_labelled()


def test_there_are_four_hundred_labelled_questions_no_two_alike() -> None:
    assert len({each.question.lower() for each in ASKED}) == len(ASKED) >= 400
    assert {each.kind for each in ASKED} == set(get_args(kinds.Kind))


@pytest.mark.parametrize("kept_aside", [True, False])
def test_nearly_every_question_is_taken_for_what_it_asks(kept_aside: bool) -> None:
    figures = kinds_suite.figures([each for each in ASKED if each.aside is kept_aside])
    assert figures["accuracy"] >= 0.95, figures["confused"]
    assert figures["harmed"] <= 0.02, figures["confused"]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Which defence ministers spoke about the exercise?", "list"),
        ("Which fire chiefs told of the blaze?", "list"),
        ("Which clergymen took part?", "list"),
        ("Which five island states form the pact?", "list"),
        ("Which two of its bridges has Zambeta closed?", "list"),
        ("Which 150 ships sank?", "list"),
        ("Over which subjects did the two presidents talk?", "list"),
        ("Who have acted as mediators?", "list"),
        ("Which minister told reporters about the exercise?", "fact"),
        ("What 1982 treaty ended the war?", "fact"),
        ("What speaks against the dam?", "fact"),
    ],
)
def test_several_of_a_sort_are_a_list_whatever_they_did(question: str, kind: kinds.Kind) -> None:
    assert kinds.wanted(question).kind == kind


def test_terms_and_grounds_are_told_in_a_clause() -> None:
    for question in ("Under what conditions may boats be seized?", "On which grounds was the plan rejected?"):
        assert kinds.wanted(question).kind == "explanation"
    assert kinds.wanted("In what condition was the ship?").kind == "fact"


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What does Ada Quill do for a living?", "Ada Quill"),
        ("what does ada quill do for a living", "ada quill"),
        ("What does the mayor do for a living?", ""),
    ],
)
def test_the_work_of_somebody_named_is_looked_up_and_of_anybody_else_read_for(
    question: str, about: str
) -> None:
    assert kinds.wanted(question).about == about


@given(st.text(max_size=200))
def test_any_text_has_a_kind(question: str) -> None:
    assert kinds.wanted(question).kind in get_args(kinds.Kind)


@pytest.mark.parametrize("word", ["all of ", "the article ", "one ", "1 "])
def test_a_long_question_is_told_as_fast_as_a_short_one(word: str) -> None:
    assert kinds.wanted(f"summarise {word * 120} x").about.startswith(word.split(maxsplit=1)[0])


@pytest.mark.parametrize(
    ("about", "place"),
    [
        ("the second one", 1),
        ("article 3", 2),
        ("the last document", 4),
        ("the ninth", None),
        ("the pope", None),
    ],
)
def test_an_ordinal_names_one_of_the_documents(about: str, place: int | None) -> None:
    assert kinds.which(about, 5) == place


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> QA:
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "a.txt").write_text(
        "Harbour gets a new crane\n\nThe harbour of Port Ellin has bought a crane that lifts ninety tonnes.\n"
        "The mayor, Ada Quill, opened it together with Tom Reed, Ann Shaw and Lee Wood.\n"
    )
    (folder / "b.txt").write_text(
        "Storm breaks the old pier\n\nA storm in January broke the old pier of the town into three parts.\n"
        "Repairing the pier will cost more than the crane did, the mayor said.\n"
    )
    return QA.build(folder, tmp_path_factory.mktemp("index"))


def test_an_overview_quotes_how_each_document_begins(qa: QA) -> None:
    answer = qa.ask("What are these documents about?")
    assert [citation.quote.split()[1] for citation in answer.citations] == ["harbour", "storm"]
    assert answer.kind == "overview" and "2 documents" in (answer.note or "")


def test_one_document_is_summed_up_by_its_place_or_its_title(qa: QA) -> None:
    for question in ("Summarise the second one.", "Summarise the text about the storm and the old pier"):
        assert {citation.document.id for citation in qa.ask(question).citations} == {"b.txt"}


@pytest.mark.parametrize("length", ["in one sentence", "in a few words, please", "briefly", "in short"])
def test_an_overview_may_be_asked_for_with_its_length(qa: QA, length: str) -> None:
    answer = qa.ask(f"Summarise the documents {length}")
    assert (answer.kind, len(answer.citations)) == ("overview", 2)


def test_an_overview_keeps_to_the_chosen_documents(qa: QA) -> None:
    answer = qa.ask("What are these documents about?", documents=["b.txt"])
    assert {citation.document.id for citation in answer.citations} == {"b.txt"}


def test_a_document_of_short_sentences_has_an_overview_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The old quay\n\nIt is long. It was built in 1910.\n")
    with QA.build(tmp_path, tmp_path / "index") as qa:
        assert [citation.quote for citation in qa.ask("What is this about?").citations] == ["It is long."]


def test_mentions_are_all_sentences_with_the_words_in_any_form_and_counted(qa: QA) -> None:
    answer = qa.ask("Which documents mention cranes?")
    assert [citation.document.id for citation in answer.citations] == ["a.txt", "a.txt", "b.txt"]
    assert answer.note == "“cranes”: 3 sentences in 2 of 2 documents."
    assert qa.ask("What is said about the mayor?").note == "“the mayor”: 2 sentences in 2 of 2 documents."


def test_what_no_sentence_mentions_is_said_to_be_mentioned_nowhere(qa: QA) -> None:
    answer = qa.ask("Which documents mention bitcoin?")
    assert not answer and "No sentence mentions “bitcoin”" in (answer.reason or "")


def test_a_greeting_gets_a_hint_and_no_quote(qa: QA) -> None:
    answer = qa.ask("hello")
    assert (
        not answer and answer.kind == "talk" and not answer.citations and "ask about" in (answer.reason or "")
    )


def test_a_greeting_in_a_conversation_is_no_follow_up(qa: QA) -> None:
    assert qa.ask("thanks", history=[("Who opened the crane?", "Ada Quill")]).asked_as == "thanks"


@pytest.mark.parametrize("question", ["the the the", "Who was it?", "Why?", "WHO IS THE", "What did I say?"])
def test_what_has_no_word_to_look_for_gets_the_hint_too(qa: QA, question: str) -> None:
    answer = qa.ask(question)
    assert not answer and answer.kind == "talk" and "ask about" in (answer.reason or "")


def test_a_bare_question_word_after_another_question_is_a_follow_up(qa: QA) -> None:
    answer = qa.ask("When?", history=[("Who opened the crane?", "Ada Quill")])
    assert answer.kind != "talk" and "Ada Quill" in answer.asked_as


@pytest.mark.parametrize("question", ["What did May say?", "Who is Will?", "Was that in the US?", "2016?"])
def test_a_name_or_number_is_something_to_look_for(question: str) -> None:
    assert not kinds.says_nothing(question)


def cited(text: str, quote: str) -> Citation:
    document = Document("d", "t", text, "d", "0", sentences=((0, len(text)),))
    return Citation(document, text.index(quote), text.index(quote) + len(quote))


@pytest.mark.parametrize(
    ("text", "quote", "whole"),
    [
        (
            "It met in Egypt, Jordan, Algeria and Morocco in May.",
            "Algeria",
            "Egypt, Jordan, Algeria and Morocco",
        ),
        (
            "A meeting between Fayez Seraj, Aref Khodja, and his colleague Marco Minniti.",
            "Marco Minniti",
            "Fayez Seraj, Aref Khodja, and his colleague Marco Minniti",
        ),
        ("He met Kerry in Rome, and Ban in Paris.", "Kerry", "Kerry"),
        ("On 3 May, 200 people drowned.", "200", "200"),
    ],
)
def test_an_item_of_an_enumeration_is_quoted_with_the_others(text: str, quote: str, whole: str) -> None:
    assert widening.enumeration(cited(text, quote)).quote == whole


def test_a_line_of_names_without_end_is_no_enumeration_and_takes_no_time() -> None:
    line = "the A B C, " * 100_000
    assert widening.enumeration(cited(line + "X.", "X")).quote == "X"


@given(st.text(alphabet="AB, and or.", min_size=1, max_size=60), st.data())
def test_an_enumeration_holds_the_quote_and_stays_in_its_sentence(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    citation = cited(text, text)
    whole = widening.enumeration(Citation(citation.document, start, end))
    assert 0 <= whole.start <= start < end <= whole.end <= len(text)


@pytest.mark.parametrize(
    ("question", "leans"),
    [
        ("Which articles mention Frontex?", False),
        ("Who is Ada Quill?", False),
        ("hello", False),
        ("What are these texts about?", False),
        ("Which articles mention it?", True),
        ("Is he mentioned anywhere?", True),
        ("Frontex", True),
        ("Why?", True),
        ("What did he say?", True),
    ],
)
def test_a_question_that_names_what_to_look_up_leans_on_no_history(question: str, leans: bool) -> None:
    assert kinds.wanted(question).leans(question) is leans


def test_mentions_are_found_in_the_middle_of_a_conversation(qa: QA) -> None:
    answer = qa.ask("Which documents mention cranes?", history=[("Who is the mayor?", "Ada Quill")])
    assert answer.asked_as == answer.question and answer.kind == "mentions" and answer

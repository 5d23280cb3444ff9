"""Who or what a name stands for, as documents say it beside the name."""

from pathlib import Path

import pytest

from qa import QA

TEXTS = {
    "harbour.txt": "Ellin port to grow\n\n"
    "The port of Ellin will grow, the harbour master Ada Quill told reporters on Monday. Tom Reed, a diver "
    "from Dorn, found the wreck. The rescue ship, the Grey Gull, brought him home. The World Harbour Fund "
    "(WHF) pays for it, and Lee Wood, head of the workers' union, is glad.\n",
    "news.txt": "Union is glad\n\n"
    "The harbour master Ada Quill said so. Mira Voss was a judge at the time. British Foreign Secretary Ann "
    "Shaw visited Ellin. A group of villages, known as the Seven Sisters, will gain.\n",
}


@pytest.mark.parametrize(
    ("question", "defining"),
    [
        ("Who is Ada Quill?", "the harbour master"),
        ("who is quill", "the harbour master"),
        ("Who is Tom Reed?", "a diver from Dorn"),
        ("What is the Grey Gull?", "The rescue ship"),
        ("What does WHF stand for?", "World Harbour Fund"),
        ("What does Tom Reed do for a living?", "a diver from Dorn"),
        ("What is Ada Quill's job?", "the harbour master"),
        ("Who is Lee Wood?", "head of the workers' union"),
        ("Who was Mira Voss?", "a judge at the time"),
        ("Who is Ann Shaw?", "British Foreign Secretary"),
    ],
)
def test_a_name_is_defined_by_the_words_beside_it(qa: QA, question: str, defining: str) -> None:
    answer = qa.ask(question)
    assert answer.kind == "definition" and (answer.text or "").casefold() == defining.casefold()
    assert answer.citations[0].quote == answer.text


def test_every_document_that_says_so_is_cited(qa: QA) -> None:
    assert [citation.document.id for citation in qa.ask("Who is Ada Quill?").citations] == [
        "harbour.txt",
        "news.txt",
    ]


def test_a_definition_keeps_to_the_chosen_documents(qa: QA) -> None:
    answer = qa.ask("Who is Ada Quill?", documents=["news.txt"])
    assert [citation.document.id for citation in answer.citations] == ["news.txt"]


def test_a_name_that_no_document_defines_is_read_for(qa: QA) -> None:
    answer = qa.ask("Who is Karen Holt?")
    assert not answer and answer.read > 0


def test_who_wants_more_certainty_than_forms_give_has_it_read_for(qa: QA, tmp_path: Path) -> None:
    assert qa.ask("Who is Ada Quill?", min_confidence=0.95).read > 0

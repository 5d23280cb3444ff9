"""Who or what a name stands for, as documents say it beside the name."""

from collections.abc import Iterator
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
    "Shaw visited Ellin. A group of villages, known as the Seven Sisters, will gain. "
    "Cara Roth, a retired teacher who is standing for mayor, won. "
    "A sluice is a gate that holds the water back where a river "
    "narrows, and Ellin has one. In Ellin, the sluice is old. With Port Brae, a quay was lost.\n",
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
        ("Who is Cara Roth?", "a retired teacher who is standing for mayor"),
        ("What is a sluice?", "a gate that holds the water back where a river narrows"),
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
    named_only = qa.ask("What is Port Brae?")
    assert named_only.kind == "definition" and named_only.read > 0


def test_who_wants_more_certainty_than_forms_give_has_it_read_for(qa: QA, tmp_path: Path) -> None:
    assert qa.ask("Who is Ada Quill?", min_confidence=0.95).read > 0


CONTRACT = {
    "supply.txt": "SUPPLY AGREEMENT\n\n"
    "This Agreement is made on 3 March between Ellin Marine Corp., a Dornish corporation with its seat at 12 "
    'Quay Street, Dorn ("Supplier"), and Reed & Sons Ltd, registered in Ellin (the "Customer").\n\n'
    '1.1 "Confidential Information" means any information, spoken or\nwritten, that is marked as such; it '
    "does not include what is public.\n\n"
    "1.2 “Goods” means: (a) the engines, e.g. those of Schedule 1; (b) their parts; and (c) any tools.\n\n"
    "1.3 Delivery Date means the date on which the Goods reach the Port of Ellin.\n\n"
    '1.4 "Business Day" (or "Working Day") shall mean a day other than a Saturday or a Sunday.\n\n'
    'A delay that neither party could prevent, such as by war, is referred to as "Force Majeure".\n\n'
    "- Incoterms: the rules of the International Chamber of Commerce\n"
    "- **Warranty Period**: twelve months from the Delivery Date.\n\n"
    'The Customer shall store the Goods in the dry, and the person who takes them in (the "Keeper") shall '
    "sign for them.\n",
    "terms.txt": "Terms\n\n“Goods” refers to what is sold.\n",
}


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QA]:
    folder = tmp_path_factory.mktemp("contract")
    for name, text in CONTRACT.items():
        (folder / name).write_text(text, encoding="utf-8")
    with QA.build(folder, folder / "index") as qa:
        yield qa


@pytest.mark.parametrize(
    ("question", "meaning"),
    [
        (
            "Who is the Supplier?",
            "Ellin Marine Corp., a Dornish corporation with its seat at 12 Quay Street, Dorn",
        ),
        ("Who is the Customer?", "Reed & Sons Ltd, registered in Ellin"),
        (
            'What is "Confidential Information"?',
            "any information, spoken or\nwritten, that is marked as such",
        ),
        (
            "What does the agreement mean by Goods?",
            "(a) the engines, e.g. those of Schedule 1; (b) their parts; and (c) any tools",
        ),
        ("How is the Delivery Date defined?", "the date on which the Goods reach the Port of Ellin"),
        ("What counts as a Working Day?", "a day other than a Saturday or a Sunday"),
        ("What are Business Days?", "a day other than a Saturday or a Sunday"),
        ("What is Force Majeure?", "A delay that neither party could prevent, such as by war"),
        ("What are Incoterms?", "the rules of the International Chamber of Commerce"),
        ("What is the Warranty Period?", "twelve months from the Delivery Date"),
        ("Who is the Keeper?", "the person who takes them in"),
    ],
)
def test_a_term_is_what_its_document_fixes_it_as(contract: QA, question: str, meaning: str) -> None:
    answer = contract.ask(question)
    assert (answer.kind, answer.text) == ("definition", meaning)


def test_what_other_documents_fix_a_term_as_is_an_alternative(contract: QA) -> None:
    assert [other.text for other in contract.ask("What are Goods?").alternatives] == ["what is sold"]

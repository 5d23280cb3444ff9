"""Which ones of a sort are named, as documents say it beside the names."""

import pytest

from qa import QA
from qa.kinds import wanted

TEXTS = {
    "a.txt": "Ellin port to grow\n\n"
    "The port of Ellin will grow, Transport Minister Ada Quill told reporters on Monday. Tom Reed, the "
    "former interior minister, was against it. The ministers met in Dorn, and the mayor, Lee Wood, was their "
    "host. Ministers Ada Quill and Bo Lind will sign. The rescue ship Grey Gull's crew cheered.\n",
    "b.txt": "Union is glad\n\n"
    "Rana Osei is the interior minister of Dorn. Ellin's 'Sea Lark' pilot ship brought her. In June, "
    "ministers of ten countries will meet. The Dornish ship Morning Star was late; Mayor Lee Wood waited, "
    "with the harbour master Ann Shaw. No ship\nStands still. The port's spokesman, Otto Krain, told "
    "spokesmen so, and the Union's spokeswoman, Mira Voss, agreed. At Aldmoor, the interior minister dined. "
    "All dined in Port Brae, the minister too.\n",
    "c.txt": "Talks\n\n"
    "Defence Minister Cara Roth met her Dornish counterpart Emil Voss. Treasurer Ida Holm came with the "
    "commissioner Finn Aas, and his counterpart, Nora Dahl, did not. Foreign Secretary Gil Rowe wrote.\n"
    "EXCEPT WHERE A MINISTER STATES IT IN WRITING, NO MINISTER OR HARBOUR MASTER IS LIABLE.\n",
}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "Which ministers are named?",
            ["Ada Quill", "Tom Reed", "Bo Lind", "Rana Osei", "Cara Roth", "Emil Voss"],
        ),
        ("Which defence ministers are named?", ["Cara Roth", "Emil Voss"]),
        ("Which defense secretaries are named?", ["Cara Roth", "Emil Voss"]),
        ("Which foreign ministers are named?", ["Gil Rowe"]),
        ("Which treasurers are named?", ["Ida Holm"]),
        ("Which commissioners are named?", ["Finn Aas", "Nora Dahl"]),
        ("List the interior ministers named in the documents.", ["Tom Reed", "Rana Osei"]),
        ("Which ships are mentioned by name?", ["Grey Gull", "Sea Lark", "Morning Star"]),
        ("Which Dornish ships are named?", ["Morning Star"]),
        ("What ships of Ellin are mentioned?", ["Sea Lark"]),
        ("Which mayors and harbour masters are named?", ["Lee Wood", "Ann Shaw"]),
        ("Which spokesmen are named?", ["Otto Krain"]),
        ("Which spokesmen and spokeswomen are named?", ["Otto Krain", "Mira Voss"]),
    ],
)
def test_the_names_of_a_sort_are_gathered_from_all_documents(
    qa: QA, question: str, expected: list[str]
) -> None:
    answer = qa.ask(question)
    assert answer.kind == "list"
    assert [citation.quote for citation in answer.citations] == expected
    assert [item.quote for item in answer.items] == (expected if len(expected) > 1 else [])
    number = "1 name stands" if len(expected) == 1 else f"{len(expected)} names stand"
    assert number in (answer.note or "")
    for citation in answer.citations:
        assert citation.document.text[citation.start : citation.end] == citation.quote


def test_the_names_are_those_of_the_chosen_documents(qa: QA) -> None:
    answer = qa.ask("Which ministers are named?", documents=["b.txt"])
    assert (answer.text, {citation.document.id for citation in answer.citations}) == ("Rana Osei", {"b.txt"})


@pytest.mark.parametrize("question", ["Which judges are named?", "Which ships of Narva are named?"])
def test_where_no_name_stands_beside_the_words_the_question_is_read_for(qa: QA, question: str) -> None:
    answer = qa.ask(question)
    assert answer.note is None and answer.read == qa.passage_count


def test_names_are_not_listed_where_more_is_asked_for_than_they_are_sure(qa: QA) -> None:
    assert qa.ask("Which ministers are named?", min_confidence=0.95).note is None


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("Which operations are named?", "operations"),
        ("which of the ships are mentioned", "ships"),
        ("Name all the companies that are mentioned in these articles.", "companies"),
        ("Which Dutch ministers have been identified?", "Dutch ministers"),
        ("Which ministers met in Dorn?", ""),
        ("What did the ministers say?", ""),
    ],
)
def test_what_names_are_asked_for_is_told_from_how_a_question_is_worded(question: str, about: str) -> None:
    assert wanted(question).about == about

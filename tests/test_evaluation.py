"""The evaluation against hand-computed figures, on a notebook that answers from a table."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from qa.errors import BadCorpus, BadQuestion, QAError
from qa.evaluation import metrics, report, run
from qa.evaluation.questions import Question, read_questions, sample, write_paragraphs
from qa.evaluation.record import Record, read_records
from qa.types import Answer, Citation, Document, Hit, Passage

# Words against words


@pytest.mark.parametrize(
    ("given", "accepted", "em", "f1"),
    [
        ("the Jens Stoltenberg.", ["Jens Stoltenberg"], 1, 1),
        ("Secretary-General Jens Stoltenberg", ["Jens Stoltenberg"], 0, 0.8),  # 2 of 3 words, 2 of 2
        ("Jens Stoltenberg", ["John Kerry", "Stoltenberg"], 0, 2 / 3),
        ("a b b", ["b b b c"], 0, 2 * (2 / 2) * (2 / 4) / (2 / 2 + 2 / 4)),  # "a" is an article
        ("Paris", ["London"], 0, 0),
        (None, ["London"], 0, 0),
        (None, [], 1, 1),
        ("London", [], 0, 0),
        ("the", [], 0, 0),
        ("$1,500", ["1500"], 1, 1),
        ("theatre", ["atre"], 0, 0),
    ],
)
def test_exact_match_and_f1_agree_with_squad_by_hand(
    given: str | None, accepted: list[str], em: float, f1: float
) -> None:
    assert metrics.exact_match(given, accepted) == em
    assert metrics.f1(given, accepted) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("Stoltenberg", "Jens Stoltenberg"),
        ("NATO Secretary-General Jens Stoltenberg", "Jens Stoltenberg"),
        ("May 19", "May 19, 2016"),
        ("the 19th of May", "19th May"),
        (
            "until the fate of the rescued migrants is cleared",
            "the fate of rescued migrants is cleared up",
        ),
    ],
)
def test_an_answer_cut_differently_still_says_it(given: str, accepted: str) -> None:
    assert metrics.says(given, ["something else", accepted])


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("US Secretary of State Colin Powell", "US Secretary of State John Kerry"),
        ("people", "150 people"),
        ("May 18, 2016 in Brussels", "May 19, 2016 in Brussels"),
        ("not in 2015", "2016"),
        ("Kerry", "US Secretary of State John Kerry"),
        ("Kerry told reporters that Stoltenberg and five other ministers had agreed", "Stoltenberg"),
        ("May 3 and June 19", "May 19"),
        (None, "May 19"),
    ],
)
def test_an_answer_that_shares_words_but_says_something_else_is_wrong(
    given: str | None, accepted: str
) -> None:
    assert not metrics.says(given, [accepted])


def test_quotation_marks_of_print_are_no_part_of_a_word() -> None:
    assert metrics.says("“technical” assistance", ["technical assistance"])
    assert metrics.says("technical", ["“technical” assistance"])


def test_item_recall_counts_whole_words_only() -> None:
    assert metrics.item_recall("Greece, the Italy and Romania", ["Italy", "Greece", "Oman", "Iran"]) == 0.5
    assert metrics.item_recall("“Italy”, he’d", ["Italy", "he'd"]) == 1
    assert metrics.item_recall(None, ["Italy"]) == 0
    assert metrics.item_recall("Italy", []) is None


# Ranks and confidence


def test_recall_and_reciprocal_rank_count_the_first_useful_hit() -> None:
    ranks = [1, 2, None, metrics.first_rank([False, False, False, False, False, True, True])]
    assert [metrics.recall_at(k, ranks) for k in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert metrics.reciprocal_rank(ranks) == pytest.approx((1 + 1 / 2 + 0 + 1 / 6) / 4)


def test_calibration_error_is_the_weighted_gap_between_claim_and_outcome() -> None:
    confidence, right = [0.95, 0.85, 0.85, 0.15], [True, True, False, False]
    # Bins: one at 0.95 (1 right of 1), two at 0.85 (1 of 2), one at 0.15 (0 of 1).
    assert metrics.ece(confidence, right) == pytest.approx((0.05 + 2 * 0.35 + 0.15) / 4)
    assert metrics.brier(confidence, right) == pytest.approx((0.05**2 + 0.15**2 + 0.85**2 + 0.15**2) / 4)


def test_certainty_at_both_ends_falls_into_the_outer_bins() -> None:
    assert metrics.ece([1.0, 0.0], [True, False]) == 0
    assert metrics.ece([1.0, 0.0], [False, True]) == 1


def test_risk_coverage_by_hand() -> None:
    confidence, right = [0.2, 0.9, 0.6, 0.8], [True, True, True, False]
    coverage, risk = metrics.risk_coverage(confidence, right)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert metrics.aurc(confidence, right) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert metrics.coverage_at_precision(0.90, confidence, right) == 0.25
    assert metrics.coverage_at_precision(0.75, confidence, right) == 1  # worse in between, but reached


def test_coverage_needs_a_threshold_so_equal_confidences_stand_or_fall_together() -> None:
    assert metrics.coverage_at_precision(0.9, [0.5, 0.5], [True, False]) == 0
    assert metrics.coverage_at_precision(0.5, [0.5, 0.5], [True, False]) == 1


def test_two_models_are_compared_where_as_many_are_declined() -> None:
    confidence, answerable = (
        [0.9, 0.5, 0.3, 0.8, 0.4, 0.2, 0.1],
        [True, True, True, False, False, False, False],
    )
    right = [True, True, True, False, False, False, False]
    assert metrics.right_where_declined(1, confidence, right, answerable) == pytest.approx(1 / 3)
    assert metrics.right_where_declined(0.75, confidence, right, answerable) == pytest.approx(2 / 3)
    assert metrics.right_where_declined(0.5, confidence, right, answerable) == 1
    assert metrics.right_where_declined(0, confidence, right, answerable) == 1
    # Equal confidences stand or fall together.
    assert metrics.right_where_declined(0.5, [0.4, 0.4], [True, False], [True, False]) == 0
    assert metrics.right_where_declined(0.5, [0.4], [True], [True]) is None
    assert metrics.right_where_declined(0.5, [0.4], [False], [False]) is None


claims = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=1)


@settings(deadline=None)
@given(claims)
def test_brier_and_auroc_agree_with_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = [p for p, _ in pairs], [y for _, y in pairs]
    assert metrics.brier(confidence, right) == pytest.approx(
        brier_score_loss(right, confidence, labels=[False, True])
    )
    if len(set(right)) == 2:
        assert metrics.auroc(confidence, right) == pytest.approx(roc_auc_score(right, confidence))
    else:
        assert metrics.auroc(confidence, right) is None


@settings(deadline=None)
@given(claims, st.randoms(use_true_random=False))
def test_the_order_of_the_questions_changes_no_measure(pairs: list[tuple[float, bool]], random: Any) -> None:
    shuffled = random.sample(pairs, len(pairs))
    for measure in (metrics.ece, metrics.brier, metrics.auroc, metrics.aurc):
        before = measure([p for p, _ in pairs], [y for _, y in pairs])
        assert measure([p for p, _ in shuffled], [y for _, y in shuffled]) == pytest.approx(before)


@settings(deadline=None)
@given(claims)
def test_the_risk_coverage_area_lies_between_none_and_all_wrong(pairs: list[tuple[float, bool]]) -> None:
    confidence, right = [p for p, _ in pairs], [y for _, y in pairs]
    area = metrics.aurc(confidence, right)
    assert area is not None
    assert -1e-9 <= area <= 1 + 1e-9
    assert (area < 1e-9) == all(right)


def test_what_was_not_measured_is_none_not_zero() -> None:
    nothing: tuple[list[float], list[bool]] = ([], [])
    for measure in (metrics.ece, metrics.brier, metrics.auroc, metrics.aurc):
        assert measure(*nothing) is None
    assert metrics.coverage_at_precision(0.9, *nothing) is None
    assert metrics.percentile([], 50) is None
    assert metrics.recall_at(5, []) is None


# Question files

LINE: dict[str, Any] = {
    "id": "q1",
    "question": "Who leads NATO?",
    "kind": "who",
    "answerable": True,
    "answers": ["Jens Stoltenberg"],
    "documents": ["a.txt"],
}


def lines_file(folder: Path, *objects: object) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n\n" for line in objects), "utf-8")
    return path


def squad_file(folder: Path, *articles: tuple[str, list[tuple[str, list[dict[str, Any]]]]]) -> Path:
    path = folder / "squad.json"
    data = [
        {"title": title, "paragraphs": [{"context": text, "qas": qas} for text, qas in paragraphs]}
        for title, paragraphs in articles
    ]
    path.write_text(json.dumps({"version": "v2.0", "data": data}, indent=1), "utf-8")
    return path


def squad_question(question_id: str, *answers: str, impossible: bool | None = None) -> dict[str, Any]:
    flag = {} if impossible is None else {"is_impossible": impossible}
    texts = [{"text": text, "answer_start": 0} for text in answers]
    return {"id": question_id, "question": f"Question {question_id}?", "answers": texts, **flag}


def test_our_lines_are_read_with_all_they_say(tmp_path: Path) -> None:
    follow_up = {
        **LINE,
        "id": "q2",
        "question": "Since when?\u2028",
        "conversation": "nato",
        "history": [["Who leads NATO?", "Jens Stoltenberg"]],
        "asked_as": "Since when does Stoltenberg lead NATO?",
        "items": ["2014"],
    }
    nowhere = {**LINE, "id": "q3", "answerable": False, "answers": [], "documents": [], "near_miss": True}
    first, second, third = read_questions(lines_file(tmp_path, LINE, follow_up, nowhere)).questions
    assert first == Question("q1", "Who leads NATO?", "who", True, ("Jens Stoltenberg",), ("a.txt",))
    assert second.history == (("Who leads NATO?", "Jens Stoltenberg"),)
    assert (second.question, second.conversation, second.items) == ("Since when?\u2028", "nato", ("2014",))
    assert (third.answerable, third.near_miss, third.answers) == (False, True, ())


def test_one_single_line_is_still_our_form(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(LINE))
    assert [question.id for question in read_questions(path).questions] == ["q1"]


def test_both_versions_of_squad_are_read_zipped_or_not(tmp_path: Path) -> None:
    path = squad_file(
        tmp_path,
        (
            "Oil crisis/1973?",
            [
                ("It began in 1973.", [squad_question("v1", "1973", "in 1973", "1973")]),
                ("It ended.\r\n", [squad_question("v2", "It", impossible=True)]),
            ],
        ),
    )
    plain = read_questions(path)
    zipped = tmp_path / "squad"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert read_questions(zipped) == plain

    first, second = plain.questions
    assert (first.answers, first.documents) == (("1973", "in 1973"), ("Oil_crisis_1973/0000.txt",))
    assert (second.answerable, second.near_miss, second.answers, second.documents) == (False, True, (), ())
    assert plain.paragraphs == {
        "Oil_crisis_1973/0000.txt": "It began in 1973.",
        "Oil_crisis_1973/0001.txt": "It ended.\r\n",
    }


def test_a_paragraph_that_occurs_twice_is_one_document(tmp_path: Path) -> None:
    article = ("A", [("Same.", [squad_question("1", "Same")]), ("Same.", [squad_question("2", "Same")])])
    found = read_questions(squad_file(tmp_path, article))
    assert found.paragraphs == {"A/0000.txt": "Same."}
    assert {question.documents for question in found.questions} == {("A/0000.txt",)}


titles = st.text(max_size=100) | st.sampled_from(["..", ".", "/", "a/../b", "Oil", "OIL", "oil?", "漢" * 200])


@settings(deadline=None)
@given(st.lists(st.tuples(titles, st.text(st.characters(codec="utf-8"), min_size=1)), min_size=1, max_size=6))
def test_paragraphs_become_files_of_their_own_inside_the_folder_character_for_character(
    tmp_path_factory: pytest.TempPathFactory, articles: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("squad")
    texts = [f"{number} {text}" for number, (_, text) in enumerate(articles)]
    path = squad_file(
        folder,
        *((title, [(text, [])]) for (title, _), text in zip(articles, texts, strict=True)),
        ("with a question", [("Yes.", [squad_question("1", "Yes")])]),
    )
    paragraphs = read_questions(path).paragraphs
    corpus = folder / "corpus"
    write_paragraphs(paragraphs, corpus)

    files = {file.relative_to(corpus).as_posix(): file for file in corpus.rglob("*.txt")}
    assert files.keys() == paragraphs.keys()
    assert [file.read_bytes().decode() for file in map(files.__getitem__, paragraphs)] == [*texts, "Yes."]
    assert len({name.casefold() for name in files}) == len(files)
    assert not any(part.startswith(".") for name in files for part in name.split("/"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no question"),
        (b"\n \n", "holds no question"),
        (b"\x1f\x8bnot really", "damaged gzip"),
        (gzip.compress(b'{"data": []}' * 99)[:-9], "damaged gzip"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"Who leads NATO?", "line 1 is not JSON"),
        (b"[1, 2]", "not an object"),
        (b'{"id": "q1", "question": "Who?"}', "lacks kind, answerable, answers, documents"),
        (json.dumps({**LINE, "near_mis": True}).encode(), "unknown key 'near_mis'"),
        (json.dumps({**LINE, "question": " "}).encode(), "question is ' '"),
        (json.dumps({**LINE, "answers": "Jens"}).encode(), "expected a list of strings"),
        (json.dumps({**LINE, "answers": []}).encode(), "lacks answers or documents"),
        (json.dumps({**LINE, "answerable": False}).encode(), "and yet has answers"),
        (json.dumps({**LINE, "answerable": "yes"}).encode(), "expected true or false"),
        (json.dumps({**LINE, "near_miss": True}).encode(), "only unanswerable"),
        (json.dumps({**LINE, "history": [["Who?"]]}).encode(), "expected [[question, answer], ...]"),
        ((json.dumps(LINE) + "\n" + json.dumps(LINE)).encode(), "2 questions with the id 'q1'"),
        (b'{"data": 7}', "data is not a list of objects"),
        (b'{"data": [{"title": "A"}]}', "paragraphs is not a list of objects"),
        (b'{"data": []}', "holds no question"),
    ],
)
def test_a_bad_question_file_is_one_clear_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadQuestion) as raised:
        read_questions(path)
    assert said in str(raised.value)
    assert "questions.jsonl" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_question_file_is_a_bad_question(tmp_path: Path) -> None:
    with pytest.raises(BadQuestion, match="No such file"):
        read_questions(tmp_path / "none.jsonl")


@pytest.mark.parametrize("context", ["", " \n", "\ud800"])
def test_a_squad_paragraph_without_text_is_a_bad_corpus(tmp_path: Path, context: str) -> None:
    with pytest.raises(BadCorpus, match="article 'A'"):
        read_questions(squad_file(tmp_path, ("A", [(context, [squad_question("1", "x")])])))


def test_a_squad_question_needs_an_answer_or_to_be_impossible(tmp_path: Path) -> None:
    with pytest.raises(BadQuestion, match="question '1' has no answer and is not marked is_impossible"):
        read_questions(squad_file(tmp_path, ("A", [("Text.", [squad_question("1")])])))


def test_a_sample_is_spaced_evenly_and_keeps_the_order() -> None:
    questions = [replace(FACT, id=str(number)) for number in range(10)]
    assert [question.id for question in sample(questions, 4)] == ["0", "2", "5", "7"]
    assert sample(questions, None) == sample(questions, 99) == tuple(questions)
    with pytest.raises(BadQuestion, match="limit of 0"):
        sample(questions, 0)


# Asking

NATO = Document(
    "a.txt", "NATO", "Jens Stoltenberg leads NATO. He met John Kerry in Brussels.", "a.txt", "0" * 64
)
OIL = Document("b.txt", "Oil", "Oil cost 12 dollars in March 1974. John Kerry was 30.", "b.txt", "1" * 64)

FACT = Question("fact", "Who leads NATO?", "who", True, ("Jens Stoltenberg",), ("a.txt",))
ELSEWHERE = Question("elsewhere", "Whom did he meet?", "who", True, ("John Kerry",), ("a.txt",))
WRONG = Question("wrong", "Where did they meet?", "where", True, ("Brussels",), ("a.txt",))
SHY = Question("shy", "What did oil cost?", "how many", True, ("12 dollars",), ("b.txt",))
LATER = replace(SHY, id="later", question="And when?", answers=("March 1974",), history=(("What?", "12"),))
NEAR = Question("near", "Who leads OPEC?", "who", False, (), (), near_miss=True)
FAR = Question("far", "Who wrote Hamlet?", "who", False, (), ())
QUESTIONS = (FACT, ELSEWHERE, WRONG, SHY, LATER, NEAR, FAR)


class Notebook:
    """Answers from a table: question → (document, words, confidence); declines below 0.5. Finds the
    passages of `b.txt` first."""

    ANSWERS: ClassVar = {
        FACT.question: (NATO, "Jens Stoltenberg", 0.9),
        ELSEWHERE.question: (OIL, "John Kerry", 0.8),
        WRONG.question: (NATO, "NATO", 0.7),
        SHY.question: (OIL, "12 dollars", 0.4),
        "And when? (oil)": (OIL, "March 1974", 0.95),
        NEAR.question: (NATO, "Jens Stoltenberg", 0.6),
    }

    def __init__(self) -> None:
        self.searched: list[str] = []

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ask(
        self,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        k: int = 8,
        documents: Collection[str] | None = None,
        min_confidence: float | None = None,
    ) -> Answer:
        asked_as = f"{question} (oil)" if history else question
        threshold = 0.5 if min_confidence is None else min_confidence
        document, words, confidence = self.ANSWERS.get(asked_as, (NATO, "", 0.0))
        if confidence < threshold or not words:
            return Answer(question, asked_as, None, confidence, reason="Not said.", read=2)
        start = document.text.index(words)
        citation = Citation(document, start, start + len(words))
        return Answer(question, asked_as, words, confidence, (citation,), read=2, seconds={"read": 0.001})

    def search(self, question: str, *, k: int, documents: Collection[str] | None = None) -> tuple[Hit, ...]:
        self.searched.append(question)
        places = [(OIL, 0, 34), (NATO, 0, 28), (NATO, 29, 59)]
        return tuple(
            Hit(Passage.at(document.id, start, end), document.text[start:end], 1 / rank, rank, None)
            for rank, (document, start, end) in enumerate(places[:k], start=1)
        )

    def document(self, document_id: str, /) -> Document:
        return {"a.txt": NATO, "b.txt": OIL}[document_id]


@pytest.fixture
def records() -> list[Record]:
    return list(run.evaluate(Notebook(), QUESTIONS))


def test_there_is_one_record_per_question_in_order(records: list[Record]) -> None:
    assert [record.id for record in records] == [question.id for question in QUESTIONS]


def test_right_means_the_right_words_and_the_right_document_or_rightly_declined(
    records: list[Record],
) -> None:
    verdicts = {record.id: (record.right, record.text_right, record.document_right) for record in records}
    assert verdicts == {
        "fact": (True, True, True),
        "elsewhere": (False, True, False),
        "wrong": (False, False, True),
        "shy": (False, False, False),
        "later": (True, True, True),
        "near": (False, None, None),
        "far": (True, None, None),
    }


def test_a_declined_answer_keeps_what_it_would_have_said(records: list[Record]) -> None:
    shy = records[3]
    assert (shy.answered, shy.text, shy.citations, shy.confidence) == (False, None, [], 0.4)
    assert shy.best == {"document": "b.txt", "start": 9, "end": 19, "quote": "12 dollars"}
    assert shy.best_right
    assert (records[6].best, records[6].best_right) == (None, False)


def test_an_answer_to_an_unanswerable_question_is_never_right(records: list[Record]) -> None:
    near = records[5]
    assert (near.answered, near.right, near.best_right, near.exact_match, near.f1) == (
        True,
        False,
        False,
        0,
        0,
    )


def test_ranks_are_those_of_the_accepted_document_and_of_the_answer_in_it(records: list[Record]) -> None:
    ranks = {record.id: (record.document_rank, record.answer_rank) for record in records}
    assert ranks["fact"] == (2, 2)
    assert ranks["elsewhere"] == (2, 3)
    assert ranks["shy"] == (1, 1)
    assert ranks["far"] == (None, None)
    assert records[0].retrieved == ["b.txt", "a.txt", "a.txt"]


def test_a_follow_up_is_searched_as_it_was_understood() -> None:
    notebook = Notebook()
    [record] = run.evaluate(notebook, [LATER])
    assert record.follow_up
    assert notebook.searched == [record.asked_as] == ["And when? (oil)"]


def test_item_f1_counts_items_found_and_items_too_many() -> None:
    assert metrics.item_f1(["the Moskva", "Bonn"], ["Moskva", "FGS Bonn"]) == 1
    assert metrics.item_f1(["Moskva and Bonn"], ["Moskva", "Bonn"]) == 1
    assert metrics.item_f1(["Moskva", "Kerry"], ["Moskva"]) == pytest.approx(2 / 3)
    assert metrics.item_f1([], ["Moskva"]) == metrics.item_f1(["Kerry"], ["Moskva"]) == 0
    assert metrics.item_f1(["Moskva"], []) is None


def test_a_list_is_right_when_nearly_all_its_items_are_named() -> None:
    all_items = replace(FACT, answers=("the man and the alliance",), items=("Stoltenberg", "Jens"))
    one_missing = replace(all_items, items=("Stoltenberg", "Kerry"))
    first, second = run.evaluate(Notebook(), [all_items, one_missing])
    assert (first.right, first.item_f1) == (True, 1)
    assert (second.right, second.item_f1) == (False, pytest.approx(2 / 3))


def test_a_quote_that_the_stored_document_does_not_have_at_that_place_is_noticed() -> None:
    class Moved(Notebook):
        def document(self, document_id: str, /) -> Document:
            document = super().document(document_id)
            return replace(document, text="\ufeff" + document.text)

    [honest], [moved] = run.evaluate(Notebook(), [FACT]), run.evaluate(Moved(), [FACT])
    assert (honest.verbatim, moved.verbatim) == (True, False)
    assert report.summary([moved], {})["verbatim"] == 0


def test_questions_about_documents_that_are_not_indexed_are_refused_before_anything_is_asked() -> None:
    class Silent(Notebook):
        def ask(self, *_: Any, **__: Any) -> Answer:
            raise AssertionError("asked")

    astray = replace(FACT, id="astray", documents=("c.txt",))
    with pytest.raises(BadQuestion, match=r"'astray' expects its answer in 'c.txt', which is not in the"):
        list(run.evaluate(Silent(), [FACT, astray]))


def test_progress_counts_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    list(run.evaluate(Notebook(), [FACT, FAR], progress=lambda done, total: seen.append((done, total))))
    assert seen == [(1, 2), (2, 2)]


# Writing and summing up


def questions_file(folder: Path, *questions: Question) -> Path:
    keys = ("id", "question", "kind", "answerable", "answers", "documents", "near_miss", "history")
    return lines_file(folder, *({key: getattr(question, key) for key in keys} for question in questions))


def test_a_run_writes_records_from_which_the_same_summary_follows(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "eval"
    summary = run.run_file(questions_file(tmp_path, *QUESTIONS), None, out, qa=Notebook())
    assert json.loads((out / "summary.json").read_text("utf-8")) == summary
    assert report.summary(read_records(out / "records.jsonl"), summary["settings"]) == summary
    assert sorted(path.name for path in out.iterdir()) == ["records.jsonl", "summary.json"]


def test_two_runs_write_the_same_bytes_apart_from_the_seconds(tmp_path: Path) -> None:
    file = questions_file(tmp_path, *QUESTIONS)
    written = []
    for name in ("first", "second"):
        run.run_file(file, None, tmp_path / name, qa=Notebook())
        lines = (tmp_path / name / "records.jsonl").read_bytes().split(b"\n")
        written.append([line.split(b'"seconds"')[0] for line in lines])
    assert written[0] == written[1]
    assert len(written[0]) == len(QUESTIONS) + 1


def test_a_run_that_breaks_off_leaves_the_earlier_records_alone(tmp_path: Path) -> None:
    class Broken(Notebook):
        def search(self, question: str, **_: Any) -> tuple[Hit, ...]:
            if question == WRONG.question:
                raise KeyboardInterrupt
            return super().search(question, k=10)

    file = questions_file(tmp_path, *QUESTIONS)
    run.run_file(file, None, tmp_path / "out", qa=Notebook())
    before = (tmp_path / "out" / "records.jsonl").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run.run_file(file, None, tmp_path / "out", qa=Broken())
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == before


def test_squad_questions_are_asked_of_their_own_paragraphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: dict[str, str] = {}

    class Built(Notebook):
        @classmethod
        def build(cls, folder: Path, index: Path, progress: object) -> Built:
            assert not index.is_relative_to(folder)
            built.update(
                {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in folder.rglob("*.txt")}
            )
            return cls()

        def document(self, document_id: str, /) -> Document:
            return Document(document_id, "", built[document_id], document_id, "")

        def ask(self, question: str, **_: Any) -> Answer:
            return Answer(question, question, None, 0.1, reason="Not said.")

        def search(self, question: str, **_: Any) -> tuple[Hit, ...]:
            return tuple(Hit(Passage.at(id_, 0, 1), text, 1, 1, 1) for id_, text in sorted(built.items()))

    monkeypatch.setattr(run, "QA", Built)
    paragraphs = [("One.", [squad_question("1", "One")]), ("Two.", [squad_question("2", impossible=True)])]
    path = squad_file(tmp_path, ("A", paragraphs))
    summary = run.run_file(path, tmp_path / "mine", tmp_path / "out")
    assert built == {"A/0000.txt": "One.", "A/0001.txt": "Two."}
    assert summary["questions"] == {
        "all": 2,
        "answerable": 1,
        "unanswerable": 1,
        "near_misses": 1,
        "follow_ups": 0,
    }
    assert summary["retrieval"]["answer"]["recall@1"] == 1
    assert (summary["overall"]["right"], summary["overall"]["declined"]) == (0, 1)
    assert not (tmp_path / "mine").exists()


def test_an_output_folder_that_cannot_be_written_is_a_clear_error_before_the_questions(
    tmp_path: Path,
) -> None:
    (tmp_path / "out").write_text("a file")
    asked: list[int] = []
    with pytest.raises(QAError, match=r"Cannot write to .*out .*--out"):
        run.run_file(
            questions_file(tmp_path, FACT),
            None,
            tmp_path / "out",
            qa=Notebook(),
            progress=lambda done, _: asked.append(done),
        )
    assert asked == []


def test_a_file_that_holds_no_records_is_a_clear_error(tmp_path: Path) -> None:
    for content in ("[]\n", "{}\n", "no\n"):
        (tmp_path / "records.jsonl").write_text(content)
        with pytest.raises(QAError, match="not a file of evaluation records"):
            read_records(tmp_path / "records.jsonl")


def test_the_summary_by_hand(records: list[Record]) -> None:
    figures = report.summary(records, {"k": 8})
    assert figures["questions"] == {
        "all": 7,
        "answerable": 5,
        "unanswerable": 2,
        "near_misses": 1,
        "follow_ups": 1,
    }
    overall = figures["overall"]
    assert overall["right"] == 2 / 5
    assert overall["text_right"] == 3 / 5
    assert overall["document_right"] == 3 / 5
    assert overall["answered"] == 4 / 5
    assert overall["declined"] == 1 / 2
    assert overall["exact_match"] == overall["f1"] == pytest.approx(4 / 7)  # fact, elsewhere, later, far
    assert overall["exact_match_answerable"] == 3 / 5
    assert figures["abstention"] == {
        "precision": 1 / 2,  # declined: shy, far
        "recall": 1 / 2,  # unanswerable: near, far
        "coverage": 5 / 7,
        "answer_precision": 2 / 5,
    }
    assert figures["retrieval"]["document"] == pytest.approx(
        {"recall@1": 2 / 5, "recall@5": 1, "recall@10": 1, "mrr@10": (3 / 2 + 2) / 5}
    )
    assert figures["near_misses"]["declined"] == 0
    assert figures["far"]["declined"] == 1
    assert figures["follow_ups"]["right"] == 1
    assert figures["kinds"]["how many"]["n"] == 2
    assert figures["verbatim"] == 1
    # Confidence .95, .9 right; .8, .7, .6 wrong; .4 (declined) right; 0 nothing to say.
    assert figures["calibration"]["coverage_at_90"] == pytest.approx(2 / 7)
    assert figures["calibration"]["auroc"] == pytest.approx((4 + 4 + 1) / 12)


def test_the_summary_of_no_questions_is_empty_but_prints() -> None:
    figures = report.summary([], {})
    assert figures["overall"]["right"] is None
    assert "0 questions" in report.table(figures)


def test_the_table_shows_the_counts_and_lines_up(records: list[Record]) -> None:
    lines = report.table(report.summary(records, {})).splitlines()
    assert lines[0] == "7 questions: 5 answerable, 2 unanswerable; near misses 1, follow-ups 1"
    header, everything = lines[2:4]
    assert everything.split() == ["all", "7", "40.0", "60.0", "57.1", "57.1", "50.0"]
    assert len(header) == len(everything)
    assert any(line.split() == ["near", "misses", "1", "-", "-", "0.0", "0.0", "0.0"] for line in lines)


def test_failures_say_what_was_expected_and_what_was_given(records: list[Record]) -> None:
    blocks = dict(
        zip(("elsewhere", "wrong", "shy", "near"), report.failures(records).split("\n\n"), strict=True)
    )
    assert "right words from the wrong document" in blocks["elsewhere"]
    assert "'NATO' in a.txt" in blocks["wrong"]
    assert "'Brussels' in a.txt" in blocks["wrong"]
    assert "declined, though it had the answer" in blocks["shy"]
    assert "'12 dollars' in b.txt" in blocks["shy"]
    assert "no answer (near miss)" in blocks["near"]
    assert report.failures(record for record in records if record.right) == ""


def test_the_gates_name_each_goal_that_was_missed(records: list[Record]) -> None:
    assert report.gates(report.summary(records, {})) == [
        "right is 40.0 %, the goal is 85 %",
        "declined is 50.0 %, the goal is 85 %",
    ]
    good = [record for record in records if record.right]
    assert report.gates(report.summary(good, {})) == []

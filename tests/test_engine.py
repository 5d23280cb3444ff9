"""The whole way of a question, on the seeds and on odd folders."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qa import QA, Answer, QAError
from qa.engine import open_default, update
from qa.errors import BadCorpus, BadIndex, BadQuestion
from qa.evaluation.run import run_file
from qa.types import Citation
from tests.conftest import SEEDS, run_offline

pytestmark = pytest.mark.slow

QUESTIONS = [
    "Who answered AFP by email?",
    "Where is the Moskva docked?",
    "How many people did the Bourbon Argos save from another vessel?",
    "Who is NATO's secretary general?",
    "Why could the crew not stay on the boat?",
    "What does Operation Sophia comprise?",
    "When could the NATO-led mission be running?",
    "Who is the director of Frontex?",
    "How much does Operation Sea Guardian cost?",
]


def citations(answer: Answer) -> list[Citation]:
    return [*answer.citations, *(c for alternative in answer.alternatives for c in alternative.citations)]


def without_seconds(answer: Answer) -> str:
    return json.dumps({**answer.to_dict(), "seconds": None}, sort_keys=True)


@pytest.mark.parametrize(
    ("question", "words", "document"),
    [
        ("Who answered AFP by email?", "William Spindler", "002_2fbc8ae10631dfbe.txt"),
        ("Where is the Russian ship Moskva docked?", "Messina", "004_fb77aa828332d5c3.txt"),
        ("How many vessels does Operation Sophia comprise?", "five", "002_2fbc8ae10631dfbe.txt"),
        # Told two sentences behind his name, and another did tell reporters something.
        ("Who told reporters that NATO would have no combat role?", "Kerry", "000_6ccbc2743614ce45.txt"),
    ],
)
def test_a_fact_is_answered_with_its_exact_words_and_place(
    seeds_qa: QA, question: str, words: str, document: str
) -> None:
    answer = seeds_qa.ask(question)
    assert answer
    assert words in (answer.text or "")
    assert answer.citations[0].document.id == document
    assert answer.text == answer.citations[0].quote


@pytest.mark.parametrize("question", ["Who is the director of Frontex?", "What is the capital of Peru?"])
def test_what_the_documents_do_not_say_is_declined_with_a_reason(seeds_qa: QA, question: str) -> None:
    answer = seeds_qa.ask(question)
    assert not answer
    assert answer.text is None
    assert "nearest passages" in (answer.reason or "")
    assert answer.hits


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_citation_stands_in_the_file_on_disk(seeds_qa: QA, question: str) -> None:
    answer = seeds_qa.ask(question, min_confidence=0)
    assert citations(answer)
    for citation in citations(answer):
        text = (SEEDS / citation.document.id).read_bytes().decode("utf-8")
        assert text[citation.start : citation.end] == citation.quote
        assert not any(
            start < citation.end and citation.start < end for start, end in citation.document.hidden
        )


def test_the_same_question_gives_the_same_json_again_and_in_another_process(
    seeds_qa: QA, seeds_index: Path
) -> None:
    here = [without_seconds(seeds_qa.ask(question)) for question in QUESTIONS[:4]]
    assert [without_seconds(seeds_qa.ask(question)) for question in QUESTIONS[:4]] == here
    code = (
        "import json, sys\nfrom qa import QA\nqa = QA.open(sys.argv[1])\n"
        "for q in json.loads(sys.argv[2]):\n"
        "    print(json.dumps({**qa.ask(q).to_dict(), 'seconds': None}, sort_keys=True))"
    )
    other = run_offline(code, str(seeds_index), json.dumps(QUESTIONS[:4]))
    assert other.stdout.splitlines() == here


def test_indexing_and_asking_reach_no_other_machine(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom qa import QA\n"
        "print(QA.build(sys.argv[1], sys.argv[2]).ask('Who answered AFP by email?').text)"
    )
    done = run_offline(code, str(SEEDS), str(tmp_path / "index"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Spindler" in done.stdout


def test_the_guard_against_the_network_would_notice() -> None:
    done = run_offline("import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)")
    assert done.returncode == 99


def test_a_follow_up_is_asked_as_a_question_that_stands_alone(seeds_qa: QA) -> None:
    history = [("What did the EU launch in 2015?", "Operation Sophia")]
    answer = seeds_qa.ask("How many vessels does it have?", history=history)
    assert answer.question == "How many vessels does it have?"
    assert answer.asked_as == "How many vessels does Operation Sophia have?"
    assert answer.text == "five"
    assert "five vessels" in answer.citations[0].sentence


def test_a_follow_up_about_something_else_is_not_answered_with_the_last_answer(seeds_qa: QA) -> None:
    first = seeds_qa.ask("How many bodies did the crew of the Bourbon Argos count at first?")
    assert first.text == "11"
    second = seeds_qa.ask("And in the end?", history=[(first.question, first.text)])
    assert second.text != "11"
    assert second.asked_as != second.question


def test_a_turn_that_was_not_answered_is_given_back_as_it_came(seeds_qa: QA) -> None:
    first = seeds_qa.ask("What is the budget of Frontex?")
    assert first.text is None
    for question in (
        "Where does it send local coastguards?",
        "And who heads it?",
        "How many people work there?",
    ):
        asked = [
            seeds_qa.ask(question, history=[("What is the budget of Frontex?", told)]).asked_as
            for told in (first.text, "")
        ]
        assert asked[0] == asked[1] != question


def test_an_answer_comes_only_from_the_chosen_documents(seeds_qa: QA) -> None:
    chosen = "004_fb77aa828332d5c3.txt"
    answer = seeds_qa.ask("Who is NATO's secretary general?", documents=[chosen])
    assert {hit.passage.document_id for hit in answer.hits} == {chosen}
    assert "Scheffer" in (answer.text or "")


def test_different_answers_of_different_documents_stand_side_by_side(seeds_qa: QA) -> None:
    answer = seeds_qa.ask("Who is the Secretary General of NATO?")
    said = " ".join([answer.text or "", *(alternative.text for alternative in answer.alternatives)])
    assert "Stoltenberg" in said
    assert "Scheffer" in said


def test_a_small_choice_of_documents_is_read_whole(seeds_qa: QA) -> None:
    chosen = ["003_2d24855e0e391c40.txt"]
    answer = seeds_qa.ask("What is the capital of Peru?", documents=chosen)
    assert answer.read == seeds_qa.store.passage_count(chosen)
    assert f"all {answer.read} passages were read" in (answer.reason or "")


def test_a_higher_threshold_declines_and_a_threshold_of_nothing_answers(seeds_qa: QA) -> None:
    question = "Who answered AFP by email?"
    assert not seeds_qa.ask(question, min_confidence=1)
    assert seeds_qa.ask("Who is the director of Frontex?", min_confidence=0)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("🙂🙂", "has no words"),
        ("???", "has no words"),
        ("who " * 2_500, "10,000 characters"),
    ],
)
def test_a_question_that_cannot_be_asked_is_named_with_what_to_do(
    seeds_qa: QA, question: str, message: str
) -> None:
    with pytest.raises(BadQuestion, match=message) as caught:
        seeds_qa.ask(question)
    assert "qa ask" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "question",
    ["кто генеральный секретарь?", "谁是秘书长?", "ما هي الوكالة؟", "what is the of and?", "🙂 who?"],
)
def test_any_words_can_be_asked(seeds_qa: QA, question: str) -> None:
    answer = seeds_qa.ask(question)
    assert answer.text is None or answer.citations


def test_unknown_documents_and_an_odd_k_are_named(seeds_qa: QA) -> None:
    with pytest.raises(BadQuestion, match=r"'none\.txt'.*qa documents"):
        seeds_qa.ask("Who?", documents=["none.txt"])
    with pytest.raises(BadQuestion, match="No document is chosen"):
        seeds_qa.ask("Who?", documents=[])
    with pytest.raises(BadQuestion, match="k is 0"):
        seeds_qa.ask("Who?", k=0)


# The index in step with its folder


def copy_of_seeds(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SEEDS, tmp_path / "documents"))


def test_only_what_changed_is_embedded_and_what_vanished_leaves(tmp_path: Path) -> None:
    folder, index = copy_of_seeds(tmp_path), tmp_path / "index"
    assert update(folder, index).added == 5
    again = update(folder, index)
    assert (again.added, again.updated, again.removed, again.unchanged) == (0, 0, 0, 5)

    (folder / "000_6ccbc2743614ce45.txt").unlink()
    (folder / "003_2d24855e0e391c40.txt").write_text("Zebras have stripes. The zebra is called Zora.")
    (folder / "sub").mkdir()
    (folder / "sub" / "new.md").write_text("# Okapi\n\nThe okapi lives in the Ituri forest.\n")
    changed = update(folder, index)
    assert (changed.added, changed.updated, changed.removed, changed.unchanged) == (1, 1, 1, 3)
    with QA.open(index) as qa:
        assert "Ituri" in (qa.ask("Where does the okapi live?").text or "")
        assert qa.ask("Where does the okapi live?").citations[0].document.id == "sub/new.md"
        assert "000_6ccbc2743614ce45.txt" not in [info.id for info in qa.documents()]


def test_what_cannot_be_read_is_reported_and_the_rest_is_indexed(tmp_path: Path) -> None:
    folder = copy_of_seeds(tmp_path)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 40)
    (folder / "empty.txt").touch()
    (folder / ".hidden.txt").write_text("hidden")
    report = update(folder, tmp_path / "index")
    assert report.added == 5
    assert {skip.path for skip in report.skipped} == {
        "broken.pdf",
        "picture.png",
        "binary.txt",
        "empty.txt",
        ".hidden.txt",
    }
    assert all(skip.reason for skip in report.skipped)


@pytest.mark.parametrize("kind", ["missing", "empty", "unreadable", "file"])
def test_a_folder_with_nothing_to_read_is_named_and_the_index_stays(tmp_path: Path, kind: str) -> None:
    index = tmp_path / "index"
    update(SEEDS, index)
    folder = tmp_path / "documents"
    if kind == "file":
        folder.write_text("text")
    elif kind != "missing":
        folder.mkdir()
    if kind == "unreadable":
        (folder / "a.txt").write_bytes(b"\0\1\2" * 100)
    with pytest.raises(BadCorpus, match="qa index FOLDER"):
        update(folder, index)
    with QA.open(index) as qa:
        assert len(qa.documents()) == 5


def test_damaged_vectors_are_rebuilt_unnoticed(tmp_path: Path) -> None:
    with QA.build(SEEDS, tmp_path / "index") as qa:
        before = without_seconds(qa.ask(QUESTIONS[0]))
    (tmp_path / "index" / "vectors.faiss").write_bytes(b"damaged")
    with QA.open(tmp_path / "index") as qa:
        assert without_seconds(qa.ask(QUESTIONS[0])) == before


def test_an_index_that_is_none_or_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadIndex, match="qa index FOLDER --index"):
        QA.open(tmp_path)
    update(SEEDS, tmp_path / "index")
    (tmp_path / "index" / "corpus.sqlite3").write_bytes(b"x" * 5000)
    with pytest.raises(BadIndex, match="--rebuild"):
        QA.open(tmp_path / "index")


def test_the_default_index_is_built_from_the_seeds_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_of_seeds(tmp_path).rename(tmp_path / "seeds")
    monkeypatch.chdir(tmp_path)
    with open_default() as qa:
        assert len(qa.documents()) == 5
    assert (tmp_path / "index" / "corpus.sqlite3").is_file()
    monkeypatch.chdir(tmp_path / "seeds")
    with pytest.raises(QAError, match="No index at index"):
        open_default()


def test_a_run_killed_at_any_moment_is_finished_by_the_next(tmp_path: Path) -> None:
    folder, index = tmp_path / "documents", tmp_path / "index"
    folder.mkdir()
    for i in range(120):
        sentences = (
            f"Report {i} of ship {i * n} speaks of {n} people in port number {n + i}." for n in range(40)
        )
        (folder / f"{i:03}.txt").write_text(" ".join(sentences))
    code = "import sys; from qa.engine import update; update(sys.argv[1], sys.argv[2])"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder), str(index)], env=os.environ)
    deadline = time.monotonic() + 60
    while not (index / "corpus.sqlite3").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(9)
    process.send_signal(signal.SIGKILL)
    process.wait()
    report = update(folder, index)
    assert report.unchanged + report.added == 120
    with QA.open(index) as qa:
        assert len(qa.documents()) == 120
        assert all(info.passages for info in qa.documents())


def test_the_questions_about_the_seeds_are_answered_and_declined_no_worse_than_before(
    seeds_index: Path, tmp_path: Path
) -> None:
    with QA.open(seeds_index) as qa:
        figures = run_file(None, None, tmp_path, limit=85, qa=qa)
    assert figures["verbatim"] == 1
    assert figures["overall"]["right"] >= 0.82  # 0.857 when this was written, in integers; 0.840 of all
    assert figures["overall"]["declined"] >= 0.90  # 0.955; 0.888 of all

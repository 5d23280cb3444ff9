"""Documents that visitors add and take away again, beside the folder that is indexed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from qa import QA
from qa.engine import update
from qa.errors import BadCorpus, BadIndex, BadQuestion
from qa.indexing import Progress
from qa.uploads import LONGEST_NAME, MOST_UPLOADS, safe_name

from .conftest import SEEDS

OKAPI = "The okapi lives in the Ituri forest. It was described in 1901 by Philip Sclater.\n"


@pytest.fixture
def qa(tmp_path: Path, seeds_index: Path, seeds_qa: QA) -> Iterator[QA]:
    """An index of the seeds that a test may change, with models that are loaded already."""
    shutil.copytree(seeds_index, tmp_path / "index")
    with QA.open(tmp_path / "index") as qa:
        qa.embedder, qa.reader = seeds_qa.embedder, seeds_qa.reader
        yield qa


def write(folder: Path, name: str, content: str | bytes = OKAPI) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def uploads(qa: QA) -> list[str]:
    folder = qa.folder / "uploads"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def ids(qa: QA) -> list[str]:
    return [info.id for info in qa.documents()]


def test_an_uploaded_document_answers_at_once_from_its_copy(qa: QA, tmp_path: Path) -> None:
    source = write(tmp_path, "okapi.txt")
    report = qa.add([source])
    assert (report.added, report.ids, report.skipped) == (1, ("uploads/okapi.txt",), ())
    source.unlink()
    answer = qa.ask("Where does the okapi live?")
    assert "Ituri" in (answer.text or "")
    document = answer.citations[0].document
    assert document.id == "uploads/okapi.txt"
    assert Path(document.path).read_text() == OKAPI


def test_progress_goes_through_reading_splitting_and_embedding_of_each_file(qa: QA, tmp_path: Path) -> None:
    seen: list[Progress] = []
    long = " ".join(f"Ship number {n} sailed from port {n + 7} with grain and timber." for n in range(900))
    qa.add([write(tmp_path, "a.txt"), write(tmp_path, "long.txt", long)], seen.append)
    assert [step.stage for step in seen if step.file == "a.txt"] == [
        "reading",
        "splitting",
        "embedding",
        "embedding",
    ]
    shares = [step.share for step in seen]
    assert shares == sorted(shares)
    assert shares[0] == 0 and shares[-1] == 1
    assert len({step.part for step in seen if step.file == "long.txt"}) > 3


def test_a_taken_name_gets_a_number_and_nothing_is_overwritten(qa: QA, tmp_path: Path) -> None:
    first = write(tmp_path / "one", "note.txt", "The heron nests in March.\n")
    second = write(tmp_path / "two", "note.txt", "The stork nests in April.\n")
    report = qa.add([first, second])
    assert report.ids == ("uploads/note.txt", "uploads/note (2).txt")
    assert qa.document("uploads/note.txt").text == "The heron nests in March.\n"
    assert qa.document("uploads/note (2).txt").text == "The stork nests in April.\n"


def test_an_upload_that_is_killed_leaves_nothing_under_its_name(qa: QA, tmp_path: Path) -> None:
    dying = """
import os, sys
from pathlib import Path
from qa.store import LocalStore
from qa.uploads import Uploads
class Embedder:
    def count_tokens(self, texts):
        os._exit(9)
store = LocalStore.create(Path(sys.argv[1]) / "other", {})
Uploads(Path(sys.argv[1]) / "uploads").add([Path(sys.argv[2])], store, Embedder())
"""
    source = write(tmp_path, "okapi.txt")
    done = subprocess.run([sys.executable, "-c", dying, qa.folder, source], check=False)
    assert done.returncode == 9
    assert uploads(qa) == [".part-okapi.txt"]
    assert qa.add([source]).ids == ("uploads/okapi (2).txt",)  # another run may still be at it

    yesterday = time.time() - 25 * 3600
    os.utime(qa.folder / "uploads" / ".part-okapi.txt", (yesterday, yesterday))
    assert qa.add([write(tmp_path, "b/okapi.txt", OKAPI + "More.\n")]).ids == ("uploads/okapi.txt",)
    assert uploads(qa) == ["okapi (2).txt", "okapi.txt"]


def test_the_same_content_is_reported_as_already_there(qa: QA, tmp_path: Path) -> None:
    qa.add([write(tmp_path, "okapi.txt")])
    seed = next(SEEDS.glob("000*.txt"))
    report = qa.add([write(tmp_path, "other name.txt"), seed])
    assert report.added == 0
    assert [skip.reason for skip in report.skipped] == [
        "other name.txt is already there as uploads/okapi.txt",
        f"{seed.name} is already there as {seed.name}",
    ]
    assert uploads(qa) == ["okapi.txt"]


def zip_bomb() -> bytes:
    content = BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(300 * 2**20))
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("broken.pdf", b"%PDF-1.7 and nothing more", "is not a readable PDF"),
        ("binary.txt", bytes(range(256)) * 40, "not text but binary"),
        ("blank.txt", b" \n\n ", "holds no text"),
        ("empty.txt", b"", "is empty, 0 bytes"),
        ("program.exe", b"MZ", "unknown type, expected .txt"),
        ("bomb.docx", zip_bomb(), "unpacks to 300 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_named_with_the_reason_and_not_kept(
    qa: QA, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    report = qa.add([write(tmp_path, name, content), write(tmp_path, "okapi.txt")])
    assert report.ids == ("uploads/okapi.txt",)
    [skip] = report.skipped
    assert skip.path == name
    assert reason in skip.reason
    assert "qa index" not in skip.reason
    assert uploads(qa) == ["okapi.txt"]


def test_a_file_that_is_too_large_a_folder_and_a_missing_file_are_not_kept(
    qa: QA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa.uploads.LARGEST_UPLOAD", 2**20)
    large = write(tmp_path, "large.txt", b"word " * 2**18)
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    report = qa.add([large, folder, tmp_path / "gone.txt"])
    assert report.added == 0
    reasons = [skip.reason for skip in report.skipped]
    assert "at most 1 MB can be uploaded" in reasons[0]
    assert "is not a file" in reasons[1]
    assert "cannot be opened" in reasons[2]
    assert uploads(qa) == []


def test_uploads_cannot_fill_the_disk(qa: QA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa.uploads.LARGEST_FOLDER", 200)
    files = [write(tmp_path, f"{n}.txt", f"{OKAPI}{n}") for n in range(4)]
    report = qa.add(files)
    assert report.ids == ("uploads/0.txt", "uploads/1.txt")
    assert all("remove documents, then add it again" in skip.reason for skip in report.skipped)
    qa.remove(["uploads/0.txt"])
    assert qa.add(files[2:3]).added == 1


def test_too_many_files_or_none_are_refused_as_a_whole(qa: QA, tmp_path: Path) -> None:
    source = write(tmp_path, "okapi.txt")
    for files in ([], [source] * (MOST_UPLOADS + 1)):
        with pytest.raises(BadCorpus, match=f"expected 1 to {MOST_UPLOADS} at a time"):
            qa.add(files)
    assert len(ids(qa)) == 5


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("..\\..\\boot.txt", "boot.txt"),
        ("a'\"><img src=x onerror=alert(1)>.txt", "a'___img src=x onerror=alert(1)_.txt"),
        ("🦓 zebra.txt", "🦓 zebra.txt"),
        ("\u202etxt.exe.pdf", "txt.exe.pdf"),
        (".hidden.txt", "hidden.txt"),
        ("line\nbreak\0.txt", "linebreak.txt"),
        ("..", "document"),
        ("", "document"),
        (" .txt", "document.txt"),
        ("été.md", "été.md"),
    ],
)
def test_a_hostile_name_becomes_a_safe_one(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_a_very_long_name_is_cut_and_keeps_its_suffix() -> None:
    name = safe_name("🦓" * 500 + ".docx")
    assert name.endswith("🦓.docx")
    assert len(name.encode()) <= LONGEST_NAME


def test_files_with_hostile_names_stay_in_the_upload_folder(qa: QA, tmp_path: Path) -> None:
    outside = write(tmp_path, "index/okapi.txt", "mine")
    names = ["'quoted' \"name\".txt", "🦓.txt", "x" * 240 + ".txt", "\u202e.txt", "..okapi.txt"]
    report = qa.add([write(tmp_path / "new", name, f"{OKAPI}{name}") for name in names])
    assert report.added == len(names)
    assert outside.read_text() == "mine"
    assert len(uploads(qa)) == len(names)
    for document_id in report.ids:
        assert Path(qa.document(document_id).path).parent == qa.folder / "uploads"


# Removal


def test_removing_an_upload_deletes_its_copy_and_ends_its_answers(qa: QA, tmp_path: Path) -> None:
    source = write(tmp_path, "okapi.txt")
    qa.add([source])
    assert qa.remove(["uploads/okapi.txt"]).removed == 1
    assert uploads(qa) == []
    assert source.exists()
    assert "Ituri" not in (qa.ask("Where does the okapi live?", min_confidence=0).text or "")


def test_removing_a_document_of_the_folder_leaves_its_file_and_the_next_run_brings_it_back(
    tmp_path: Path,
) -> None:
    folder, index = tmp_path / "documents", tmp_path / "index"
    write(folder, "uploads/okapi.txt")  # looks like an upload and is none
    write(folder, "heron.txt", "The heron nests in March.\n")
    with QA.build(folder, index) as qa:
        qa.remove(["uploads/okapi.txt"])
        assert ids(qa) == ["heron.txt"]
        assert (folder / "uploads/okapi.txt").exists()
        update(folder, index)
        assert ids(qa) == ["heron.txt", "uploads/okapi.txt"]


def test_an_unknown_id_is_named_and_then_nothing_is_removed(qa: QA, tmp_path: Path) -> None:
    qa.add([write(tmp_path, "okapi.txt")])
    with pytest.raises(BadQuestion, match=r"No document 'uploads/\.\./\.\./x\.txt'"):
        qa.remove(["uploads/okapi.txt", "uploads/../../x.txt"])
    assert uploads(qa) == ["okapi.txt"]
    assert "uploads/okapi.txt" in ids(qa)


def test_the_last_document_can_be_removed_and_questions_then_find_nothing(tmp_path: Path) -> None:
    with QA.build(write(tmp_path / "documents", "okapi.txt").parent, tmp_path / "index") as qa:
        qa.remove(["okapi.txt"])
        answer = qa.ask("Where does the okapi live?")
        assert not answer
        assert "No passage" in (answer.reason or "")


# Beside the folder


def test_indexing_the_folder_again_keeps_uploads_and_leaves_removed_ones_out(qa: QA, tmp_path: Path) -> None:
    qa.add([write(tmp_path, "okapi.txt"), write(tmp_path, "heron.txt", "The heron nests in March.\n")])
    qa.remove(["uploads/heron.txt"])
    report = update(SEEDS, qa.folder)
    assert (report.added, report.updated, report.removed, report.unchanged) == (0, 0, 0, 6)
    assert "uploads/okapi.txt" in ids(qa)


@pytest.mark.slow
def test_uploads_are_embedded_again_when_the_index_is_rebuilt(tmp_path: Path) -> None:
    from qa.cli import main

    index = tmp_path / "index"
    with QA.build(SEEDS, index) as qa:
        qa.add([write(tmp_path, "okapi.txt")])
    assert main(["index", str(SEEDS), "--index", str(index), "--rebuild"]) == 0
    with QA.open(index) as qa:
        assert "Ituri" in (qa.ask("Where does the okapi live?").text or "")


def test_a_folder_that_holds_the_index_does_not_take_uploads_in_twice(tmp_path: Path) -> None:
    folder = write(tmp_path / "documents", "heron.txt", "The heron nests in March.\n").parent
    with QA.build(folder, folder / "index") as qa:
        qa.add([write(tmp_path, "okapi.txt")])
        update(folder, folder / "index")
        assert ids(qa) == ["heron.txt", "uploads/okapi.txt"]


def test_a_file_of_the_folder_never_replaces_an_upload_of_the_same_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "documents", "heron.txt", "The heron nests in March.\n").parent
    with QA.build(folder, tmp_path / "index") as qa:
        qa.add([write(tmp_path, "okapi.txt")])
        write(folder, "uploads/okapi.txt", "Another text about zebras.\n")
        report = update(folder, tmp_path / "index")
        assert [skip.path for skip in report.skipped] == ["uploads/okapi.txt"]
        assert "rename the file" in report.skipped[0].reason
        assert qa.document("uploads/okapi.txt").text == OKAPI


def test_an_index_folder_that_cannot_be_written_to_is_named(qa: QA, tmp_path: Path) -> None:
    (qa.folder / "uploads").write_text("in the way")
    with pytest.raises(BadIndex, match="uploads cannot be written to"):
        qa.add([write(tmp_path, "okapi.txt")])


# While others ask


def test_a_question_whose_document_is_removed_meanwhile_is_answered_from_the_rest(
    qa: QA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qa.add([write(tmp_path, "okapi.txt")])
    found, removed = Event(), Event()
    read = qa.reader.read

    def read_slowly(*arguments):  # type: ignore[no-untyped-def]
        spans = read(*arguments)
        found.set()
        removed.wait(30)
        return spans

    monkeypatch.setattr(qa.reader, "read", read_slowly)
    answers = []
    asking = Thread(target=lambda: answers.append(qa.ask("Where does the okapi live?", min_confidence=0)))
    asking.start()
    assert found.wait(60)
    qa.remove(["uploads/okapi.txt"])
    removed.set()
    asking.join(60)
    [answer] = answers
    assert {hit.passage.document_id for hit in answer.hits} <= set(ids(qa))


@pytest.mark.slow
def test_questions_asked_during_an_upload_are_answered_as_before(qa: QA, tmp_path: Path) -> None:
    expected = qa.ask("Who answered AFP by email?").text
    long = " ".join(f"Ship number {n} sailed from port {n + 7} with grain and timber." for n in range(1500))
    adding = Thread(target=lambda: qa.add([write(tmp_path, "long.txt", long)]))
    adding.start()
    answered = 0
    while adding.is_alive():
        assert qa.ask("Who answered AFP by email?").text == expected
        answered += 1
    adding.join()
    assert answered > 1
    assert "uploads/long.txt" in ids(qa)

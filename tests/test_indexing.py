"""Folders and their index: bad input, runs that are killed, a folder that is watched."""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from qa import indexing
from qa.corpus import sha256
from qa.errors import QAError
from qa.indexing import Report, alone, index_folder
from qa.store import LocalStore
from qa.types import Document
from qa.watching import watch

ROOT = Path(__file__).parent.parent
SETTINGS = {"embedder": "test"}


class HashEmbedder:
    """A vector from the hash of a text: equal texts, equal vectors; nothing to load."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        seeds = [int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(8) for seed in seeds]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), 8)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The Moskva is docked in Messina. Scheffer boards it.")
    return tmp_path / "docs"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    store = LocalStore.create(tmp_path / "index", SETTINGS)
    yield store
    store.close()


def run(folder: Path, store: LocalStore) -> Report:
    return index_folder(folder, store, HashEmbedder())  # type: ignore[arg-type]


def consistent(store: LocalStore) -> None:
    """Documents, passages, words and vectors belong together."""
    infos = store.documents()
    ids = [i for i, _ in store.search_dense(HashEmbedder().embed(["any"])[0], 100_000)]
    assert len(ids) == store.passage_count() == sum(info.passages for info in infos)
    texts = {info.id: store.document(info.id).text for info in infos}
    assert all(texts[p.document_id][p.start : p.end] == text for p, text in store.passages(ids))


def test_the_same_document_under_two_names_is_two_documents_that_go_their_own_ways(
    folder: Path, store: LocalStore
) -> None:
    (folder / "b.txt").write_bytes((folder / "a.txt").read_bytes())
    assert run(folder, store).added == 2
    (folder / "a.txt").unlink()
    assert run(folder, store).removed == 1
    assert [info.id for info in store.documents()] == ["b.txt"]
    assert len(store.search_lexical("Moskva", 9)) == 1


def test_a_file_that_changes_after_it_was_read_is_read_again_by_the_next_run(
    folder: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = indexing.load

    def load_then_change(found: object) -> Document:
        document = load(found)  # type: ignore[arg-type]
        (folder / "a.txt").write_text("Entirely other words stand here now.")
        return document

    monkeypatch.setattr(indexing, "load", load_then_change)
    run(folder, store)
    monkeypatch.undo()
    assert "Moskva" in store.document("a.txt").text  # as it was read, all of it
    assert run(folder, store).updated == 1
    assert store.document("a.txt").text == "Entirely other words stand here now."
    assert store.document("a.txt").sha256 == sha256(folder / "a.txt")


def test_a_second_run_says_that_the_first_one_is_writing(tmp_path: Path) -> None:
    tmp_path.joinpath("index").mkdir()
    with alone(tmp_path / "index"):
        done = subprocess.run(
            [sys.executable, "-m", "qa", "index", str(ROOT / "seeds"), "--index", str(tmp_path / "index")],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert done.returncode == 2
    assert "Another qa index is writing to" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_waits_for_the_first_one_where_it_is_told_to(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with alone(tmp_path, wait=True):
            order.append("second")

    thread = threading.Thread(target=second)
    with alone(tmp_path):
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from qa.errors import BadIndex
from qa.store import LocalStore
from tests.test_indexing import SETTINGS, consistent, run
docs, index = Path(sys.argv[1]), Path(sys.argv[2])
store = LocalStore.open(index, SETTINGS)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = 400_000  # bytes of a file: the write-ahead log outgrows it
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    run(docs, store)
except BadIndex as error:
    print(error)
"""


def test_a_full_disk_is_one_sentence_and_leaves_the_old_index_as_it_was(
    folder: Path, store: LocalStore, tmp_path: Path
) -> None:
    run(folder, store)
    before = store.generation, store.documents()
    for i in range(40):
        (folder / f"big{i}.txt").write_text(f"Document {i} says many words. " * 800)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(folder), str(tmp_path / "index")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "disk that is full" in done.stdout
    assert "keeps what was committed" in done.stdout
    assert (store.generation, store.documents()) == before
    consistent(store)
    assert run(folder, store).added == 40  # with room again, the next run does the rest
    consistent(store)


def test_documents_are_read_one_batch_at_a_time(
    folder: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(50):
        (folder / f"{i}.txt").write_text(
            " ".join(f"Sentence {j} of document {i} is here." for j in range(300))
        )
    held, most = set[str](), 0
    load, put = indexing.load, LocalStore.put

    def count_load(found: object) -> Document:
        nonlocal most
        document = load(found)  # type: ignore[arg-type]
        held.add(document.id)
        most = max(most, len(held))
        return document

    def count_put(self: LocalStore, items: Sequence[indexing.Indexed]) -> None:
        put(self, items)
        held.difference_update(item.document.id for item in items)

    monkeypatch.setattr(indexing, "load", count_load)
    monkeypatch.setattr(LocalStore, "put", count_put)
    assert run(folder, store).added == 51
    assert most < 40


# Killed at any moment


KILLING = """
import os, random, signal, sys, time
from pathlib import Path
from qa.store import LocalStore
from tests.test_indexing import SETTINGS, consistent, run
docs, index = Path(sys.argv[1]), Path(sys.argv[2])
moments, finished = random.Random(7), 0
texts = {path: path.read_text() for path in sorted(docs.glob("*.txt"))}
whole = 0.0  # seconds that a run of so many changes takes when it is let alone
for round in range(-2, 50):
    for path in moments.sample(sorted(texts), 12):  # there is always something to do
        path.write_text(texts[path] + f" Round {round} adds this.")
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        store = LocalStore.create(index, SETTINGS)
        run(docs, store)
        store.close()
        os._exit(0)
    if round < 0:
        os.waitpid(child, 0)
        whole = time.monotonic() - begin
        continue
    time.sleep(moments.uniform(0, whole))
    os.kill(child, signal.SIGKILL)
    finished += os.waitpid(child, 0)[1] == 0
    check = os.fork()  # a fresh process, as the next user of the index
    if check == 0:
        try:
            store = LocalStore.create(index, SETTINGS)
            consistent(store)
            store.close()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(check, 0)[1] == 0, f"round {round}"
print(50 - finished, "killed at work")
"""


@pytest.mark.slow
def test_a_run_killed_at_fifty_moments_leaves_a_sound_index_that_the_next_run_completes(
    tmp_path: Path,
) -> None:
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    for i in range(60):
        text = " ".join(f"Sentence {j} of document {i} is here." for j in range(150))
        (docs / f"{i:02}.txt").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", KILLING, str(docs), str(index)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= 25
    store, fresh = LocalStore.create(index, SETTINGS), LocalStore.create(tmp_path / "fresh", SETTINGS)
    run(docs, store)
    run(docs, fresh)
    consistent(store)
    query = HashEmbedder().embed(["query"])[0]
    assert store.documents() == fresh.documents()
    assert store.search_dense(query, 500) == fresh.search_dense(query, 500)
    assert store.search_lexical("sentence document adds", 50) == fresh.search_lexical(
        "sentence document adds", 50
    )
    store.close()
    fresh.close()


# Watched


@contextmanager
def watched(folder: Path, index: Path) -> Iterator[list[Report | QAError]]:
    """What is told while the folder is watched by another thread."""
    told: list[Report | QAError] = []
    stop = threading.Event()
    writer = LocalStore.create(index, SETTINGS)

    def work() -> None:
        watch(folder, index, writer, HashEmbedder(), index / "uploads", told.append, stop=stop)  # type: ignore[arg-type]

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(20)
        writer.close()
    assert not thread.is_alive()


def soon(condition: Callable[[], object]) -> None:
    """Fails where it does not come true within 20 seconds."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_watched_folder_and_an_open_reader_stay_in_step(folder: Path, tmp_path: Path) -> None:
    reader = LocalStore.create(tmp_path / "index", SETTINGS)
    with watched(folder, tmp_path / "index") as told:
        soon(lambda: reader.search_lexical("Moskva", 3))
        (folder / "sub").mkdir()
        (folder / "sub" / "new.txt").write_text("Sophia comprises five vessels.")
        soon(lambda: reader.search_lexical("vessels", 3))
        query = HashEmbedder().embed(["any"])[0]
        assert len(reader.search_dense(query, 9)) == reader.passage_count() == 2
        (folder / "a.txt").write_text("Lavrov speaks.")
        soon(lambda: reader.search_lexical("Lavrov", 3) and not reader.search_lexical("Moskva", 3))
        (folder / "sub" / "new.txt").unlink()
        soon(lambda: [info.id for info in reader.documents()] == ["a.txt"])
    assert all(isinstance(report, Report) for report in told)
    reader.close()


def test_a_watched_folder_that_is_emptied_is_told_and_watched_on(folder: Path, tmp_path: Path) -> None:
    with watched(folder, tmp_path / "index") as told:
        soon(lambda: told)
        (folder / "a.txt").write_bytes(b"")
        soon(lambda: any(isinstance(told_, QAError) for told_ in told))
        (folder / "b.txt").write_text("Again there is something to read.")
        soon(lambda: isinstance(told[-1], Report))
        reader = LocalStore.open(tmp_path / "index", SETTINGS)
        assert [info.id for info in reader.documents()] == ["b.txt"]
        reader.close()


def test_an_index_within_the_watched_folder_does_not_set_off_runs(folder: Path) -> None:
    with watched(folder, folder / "index") as told:
        soon(lambda: told)
        (folder / "index" / "other.txt").write_text("Not a document of the folder.")
        time.sleep(3)
        assert len(told) == 1


def test_readers_are_not_blocked_while_a_writer_is_in_a_transaction(folder: Path, store: LocalStore) -> None:
    run(folder, store)
    reader = LocalStore.open(store._folder, SETTINGS)
    with store._writing() as cursor:
        cursor.execute("UPDATE documents SET title = 'half done'")
        begin = time.monotonic()
        assert reader.search_lexical("Moskva", 3)
        assert reader.search_dense(HashEmbedder().embed(["any"])[0], 3)
        assert reader.documents()[0].title != "half done"
        assert time.monotonic() - begin < 2
    reader.close()


def apart(work: Callable[[Path], list[Report]], folder: Path) -> tuple[list[Report], int]:
    """What it returns in a process of its own, and the most memory that was held there, in MB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        done = process.submit(work, folder).result()
        return done, process.submit(most_memory).result()


def most_memory() -> int:
    # ru_maxrss would begin with what the parent held
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) // 1024  # type: ignore[union-attr]


def index_many(folder: Path) -> list[Report]:
    with closing(LocalStore.create(folder / "index", SETTINGS)) as store:
        reports = [run(folder / "docs", store), run(folder / "docs", store)]
        shutil.rmtree(folder / "docs" / "7")
        reports.append(run(folder / "docs", store))
        assert len(store.search_lexical("ship 12345", 3)) == 3
        [(first, _)] = store.search_lexical("12345", 1)
        [(passage, _)] = store.passages([first])
        assert passage.document_id == "12/12345.txt"
    return reports


@pytest.mark.slow
def test_a_folder_of_a_hundred_thousand_files_is_never_held_in_memory(tmp_path: Path) -> None:
    for thousand in range(100):
        part = tmp_path / "docs" / str(thousand)
        part.mkdir(parents=True)
        for number in range(1000 * thousand, 1000 * thousand + 1000):
            (part / f"{number}.txt").write_text(f"Ship {number} left Messina with {number % 97} tons.")
    (first, second, third), megabytes = apart(index_many, tmp_path)
    assert (first.added, first.passages) == (100_000, 100_000)
    assert (second.added, second.unchanged) == (0, 100_000)
    assert (third.removed, third.passages) == (1_000, 99_000)
    assert megabytes < 600


def index_large(folder: Path) -> list[Report]:
    with closing(LocalStore.create(folder / "index", SETTINGS)) as store:
        reports = [run(folder / "docs", store), run(folder / "docs", store)]
        for words, document_id in (("Kerry Brussels", "small.txt"), ("day 777777", "large.txt")):
            [(first, _)] = store.search_lexical(words, 1)
            [(passage, text)] = store.passages([first])
            assert passage.document_id == document_id
            assert store.document(document_id).text[passage.start : passage.end] == text
    return reports


@pytest.mark.slow
def test_a_document_of_100_mb_is_indexed_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "small.txt").write_text("Kerry told reporters in Brussels.")
    with (tmp_path / "docs" / "large.txt").open("w") as file:
        number = 0
        while file.tell() < 100_000_000:
            lines = "".join(
                f"The Moskva is docked in Messina on day {number + line} of the year, for {line} days.\n"
                for line in range(1000)
            )
            number += 1000
            file.write(lines + "\n")
    (first, second), megabytes = apart(index_large, tmp_path)
    assert (first.added, second.unchanged) == (2, 2)
    assert first.passages > 50_000
    assert megabytes < 1_500

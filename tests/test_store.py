"""What every store does (contract), and what the local one does with its files."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa.errors import BadIndex
from qa.store import Indexed, LocalStore, Store, vectors
from qa.store.milvus import MilvusStore
from qa.types import Document, Passage, Skipped

SETTINGS = {"embedder": "test", "weights": "0"}
Make = Callable[[], Store]


@pytest.fixture(params=["local", "milvus"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Opens the same storage each time it is called, as another process would."""
    opened: list[Store] = []
    name = f"t{uuid4().hex}"

    def open_again() -> Store:
        if request.param == "local":
            opened.append(LocalStore.create(tmp_path / "index", SETTINGS))
        else:
            host = request.getfixturevalue("milvus")
            opened.append(MilvusStore.create(f"milvus://{host}/{name}", SETTINGS))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


def vector(seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(8).astype(np.float32)
    return values / np.linalg.norm(values)


def indexed(id_: str, text: str, *, width: int = 20, seed: int = 0, **changes: object) -> Indexed:
    places = [(start, min(start + width, len(text))) for start in range(0, len(text), width)]
    passages = tuple(Passage.at(id_, start, end) for start, end in places)
    vectors = (
        np.stack([vector(seed + i) for i in range(len(places))]) if places else np.zeros((0, 8), np.float32)
    )
    document = Document(id=id_, title=id_.upper(), text=text, path=f"/{id_}", sha256="0", **changes)  # type: ignore[arg-type]
    return Indexed(document, passages, vectors)


A = indexed("a.txt", "The Moskva is docked in the port of Messina. Scheffer boards it.", seed=1)
B = indexed("b.txt", "Sophia comprises five vessels and three helicopters.", seed=50)


# Contract


def test_what_is_put_comes_back_in_another_opening(make: Make) -> None:
    item = indexed(
        "x/ü.pdf",
        "Eins.\r\nZwei \0 😀\u2028drei.",
        date="2016-05-19",
        pages=(0, 7),
        hidden=((0, 5),),
        sentences=((7, 12),),
        url="https://example.org/x",
    )
    make().put([item, A])
    store = make()
    assert store.document("x/ü.pdf") == item.document
    assert [(info.id, info.characters, info.passages) for info in store.documents()] == [
        ("a.txt", len(A.document.text), len(A.passages)),
        ("x/ü.pdf", len(item.document.text), len(item.passages)),
    ]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_a_passages_text_is_the_slice_of_its_document(make: Make, text: str) -> None:
    store = make()
    item = indexed("t.txt", text, width=7)
    store.put([item])
    found = store.passages([passage.id for passage in reversed(item.passages)])
    assert [passage for passage, _ in found] == list(reversed(item.passages))
    assert all(words == store.document("t.txt").text[p.start : p.end] for p, words in found)
    store.close()


def test_what_the_last_run_could_not_take_is_remembered_until_the_next(make: Make) -> None:
    assert make().skipped() == []
    make().keep_skipped([Skipped("b.bin", "unknown type"), Skipped("a/ü.pdf", "it is protected")])
    assert make().skipped() == [Skipped("a/ü.pdf", "it is protected"), Skipped("b.bin", "unknown type")]
    store = make()
    store.put([A])
    generation = store.generation
    store.keep_skipped([Skipped("c.doc", "unknown type")])
    assert make().skipped() == [Skipped("c.doc", "unknown type")]
    assert store.generation == generation


def test_an_unknown_document_is_a_key_error(make: Make) -> None:
    with pytest.raises(KeyError):
        make().document("none")


def test_dense_search_gives_the_nearest_first_with_their_cosine(make: Make) -> None:
    store = make()
    store.put([A, B])
    found = store.search_dense(vector(51), 3)
    assert found[0][0] == B.passages[1].id
    assert found[0][1] == pytest.approx(1, abs=1e-5)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_lexical_search_finds_words_in_any_form(make: Make) -> None:
    store = make()
    store.put([A, B])
    assert store.search_lexical("Which vessel?", 5)[0][0] == B.passages[0].id or store.search_lexical(
        "vessels", 5
    )
    (best, score), *_ = store.search_lexical("helicopter", 5)
    assert "helic" in store.passages([best])[0][1]
    assert score > 0


@pytest.mark.parametrize("question", ["How many of the 1,200 people?", "1200"])
def test_a_number_is_found_with_and_without_its_commas(make: Make, question: str) -> None:
    store = make()
    store.put(
        [indexed("a", "1,200 soldiers came."), indexed("b", "1200 came.", seed=5), indexed("c", "12 00")]
    )
    found = {
        passage.document_id
        for passage, _ in store.passages([i for i, _ in store.search_lexical(question, 9)])
    }
    assert found == {"a", "b"}


@pytest.mark.parametrize("documents", [["a.txt"], ["b.txt"], ["a.txt", "b.txt"], []])
def test_both_searches_keep_to_the_chosen_documents(make: Make, documents: list[str]) -> None:
    store = make()
    store.put([A, B])
    ids = [i for i, _ in store.search_dense(vector(1), 10, documents)]
    ids += [i for i, _ in store.search_lexical("Moskva vessels Messina helicopters", 10, documents)]
    assert {passage.document_id for passage, _ in store.passages(ids)} == set(documents)
    assert store.passage_count(documents) == sum(
        len(x.passages) for x in (A, B) if x.document.id in documents
    )


def test_equal_scores_are_ordered_by_id(make: Make) -> None:
    store = make()
    store.put([indexed(name, "The same words here.", seed=7) for name in ("c", "a", "b")])
    for found in (store.search_dense(vector(7), 9), store.search_lexical("words", 9)):
        assert [i for i, _ in found] == sorted(i for i, _ in found)
        assert len(found) == 3


def test_putting_a_document_again_replaces_it(make: Make) -> None:
    store = make()
    store.put([A, B])
    store.put([indexed("a.txt", "Entirely other.", seed=90)])
    assert store.document("a.txt").text == "Entirely other."
    assert store.search_lexical("Moskva", 5) == []
    assert store.search_dense(vector(90), 1)[0][0] == Passage.at("a.txt", 0, 15).id
    assert store.passage_count() == 1 + len(B.passages)


def test_a_removed_document_is_found_no_more(make: Make) -> None:
    store = make()
    store.put([A, B])
    store.remove(["a.txt"])
    assert [info.id for info in store.documents()] == ["b.txt"]
    assert store.search_lexical("Moskva Messina", 5) == []
    assert {i for i, _ in store.search_dense(vector(1), 99)} == {passage.id for passage in B.passages}


def test_every_change_raises_the_generation(make: Make) -> None:
    store = make()
    generations = [store.generation]
    store.put([A])
    generations.append(store.generation)
    store.remove(["a.txt"])
    generations.append(store.generation)
    assert generations == sorted(set(generations))


def test_an_open_store_sees_what_another_one_changes(make: Make) -> None:
    reader, writer = make(), make()
    writer.put([A])
    assert reader.search_dense(vector(1), 1)
    writer.put([B])
    assert reader.search_dense(vector(51), 1)[0][0] == B.passages[1].id
    writer.remove(["b.txt"])
    assert reader.search_dense(vector(51), 1)[0][0] != B.passages[1].id


def test_a_failed_put_changes_nothing(make: Make) -> None:
    store = make()
    store.put([A])
    before = store.generation, store.documents()
    broken = Indexed(B.document, B.passages, B.vectors[:1])  # a vector is missing
    with pytest.raises(ValueError, match="zip"):
        store.put([indexed("c.txt", "Fine."), broken])
    assert (store.generation, store.documents()) == before


def test_an_empty_store_finds_nothing(make: Make) -> None:
    store = make()
    assert store.search_dense(vector(1), 5) == []
    assert store.search_lexical("anything", 5) == []
    assert store.documents() == []
    assert store.passage_count() == 0


@pytest.mark.parametrize(
    "query",
    [
        '"',
        "a AND (b OR",
        "col:x NEAR/3 *",
        "🙂🙂",
        "Что это?",
        "谁是秘书长",
        "'; DROP TABLE words; --",
        "x" * 10_000,
        "w " * 5_000,
        " ".join(f"w{i}" for i in range(3_000)),
        "the of and",
        "\0",
        "-moskva ^a {b}",
    ],
)
def test_any_text_can_be_searched_for(make: Make, query: str) -> None:
    store = make()
    store.put([A])
    assert isinstance(store.search_lexical(query, 5), list)


def test_stop_words_count_where_there_is_nothing_else(make: Make) -> None:
    store = make()
    store.put([A])
    assert store.search_lexical("what is the", 5)


def test_threads_may_search_while_another_store_writes(make: Make) -> None:
    make().put([A])
    reader, writer = make(), make()
    errors: list[BaseException] = []

    def search() -> None:
        try:
            for _ in range(30):
                assert reader.search_dense(vector(1), 2)
                assert reader.search_lexical("Moskva", 2)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(20):
        writer.put([indexed(f"{i}.txt", "More words to be found.", seed=i)])
    for thread in threads:
        thread.join()
    assert not errors


# The local store's files


def local(folder: Path, **changes: str) -> LocalStore:
    return LocalStore.create(folder, {**SETTINGS, **changes})


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "old", "empty"])
def test_a_vector_file_that_does_not_fit_is_rebuilt(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "vectors.faiss"
    store = local(tmp_path)
    store.put([A])
    store.search_dense(vector(1), 1)
    old = file.read_bytes()
    store.put([B])
    expected = store.search_dense(vector(51), 3)
    store.close()
    good = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(good[: len(good) // 2])
    elif damage == "flipped":
        good[len(good) // 2] ^= 0xFF
        file.write_bytes(good)
    else:
        file.write_bytes(old if damage == "old" else b"")
    with_damage = local(tmp_path)
    assert with_damage.search_dense(vector(51), 3) == expected
    with_damage.close()
    assert len(file.read_bytes()) == len(good)  # and written again


def test_a_fitting_vector_file_is_not_built_again(tmp_path: Path) -> None:
    store = local(tmp_path)
    store.put([A])
    store.search_dense(vector(1), 1)
    store.close()
    before = (tmp_path / "vectors.faiss").stat().st_mtime_ns
    again = local(tmp_path)
    again.search_dense(vector(1), 1)
    again.close()
    assert (tmp_path / "vectors.faiss").stat().st_mtime_ns == before


def test_changes_reach_a_large_index_without_building_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "EXACT_UP_TO", 40)
    store = local(tmp_path)
    store.put([indexed(f"{i}.txt", "x" * 400, seed=100 * i) for i in range(10)])
    assert len(store.search_dense(vector(1), 300)) == 200

    def build(*_: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(vectors, "_build", build)
    store.put([indexed("new.txt", "y" * 40, seed=9_000)])
    store.remove(["3.txt"])
    again = local(tmp_path)  # catches up from the file
    for reader in (store, again):
        assert reader.search_dense(vector(9_001), 1)[0][0] == Passage.at("new.txt", 20, 40).id
        assert len(reader.search_dense(vector(1), 300)) == 182
        assert len(reader.search_dense(vector(1), 200, ["1.txt"])) == 20
        reader.close()


def test_a_folder_without_an_index_is_named_with_the_command_that_makes_one(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("my file")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadIndex, match=r"No index at .*qa index FOLDER --index"):
            LocalStore.open(folder, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_index_of_another_embedder_is_named_with_both_and_the_command(tmp_path: Path) -> None:
    local(tmp_path).close()
    with pytest.raises(BadIndex, match=r"embedder 'test'.*'other'.*--rebuild"):
        local(tmp_path, embedder="other")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"not a database at all" * 100),
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_damaged_database_is_named_with_the_command_that_mends_it(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / "corpus.sqlite3")
    before = (tmp_path / "corpus.sqlite3").read_bytes()
    with pytest.raises(BadIndex, match=r"damaged.*--rebuild"):
        LocalStore.open(tmp_path, SETTINGS)
    assert (tmp_path / "corpus.sqlite3").read_bytes() == before


def test_another_programs_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "corpus.sqlite3")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = (tmp_path / "corpus.sqlite3").read_bytes()
    actions: list[Callable[[], object]] = [
        lambda: LocalStore.open(tmp_path, SETTINGS),
        lambda: LocalStore.create(tmp_path, SETTINGS),
        lambda: LocalStore.erase(tmp_path),
    ]
    for action in actions:
        with pytest.raises(BadIndex, match=r"another program's database.*choose another folder"):
            action()
    assert (tmp_path / "corpus.sqlite3").read_bytes() == before


def test_a_truncated_database_is_a_clear_error_not_a_wrong_answer(tmp_path: Path) -> None:
    store = local(tmp_path)
    store.put([indexed(f"{i}.txt", "Words. " * 200, seed=i) for i in range(20)])
    store.close()
    file = tmp_path / "corpus.sqlite3"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
    with pytest.raises(BadIndex, match=r"damaged.*--rebuild"):
        broken = LocalStore.open(tmp_path, SETTINGS)
        broken.search_lexical("words", 5)
        [broken.document(info.id) for info in broken.documents()]


def test_erasing_removes_the_index_and_no_other_file(tmp_path: Path) -> None:
    store = local(tmp_path)
    store.put([A])
    store.search_dense(vector(1), 1)
    store.close()
    (tmp_path / "README.md").write_text("mine")
    LocalStore.erase(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_an_index_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadIndex, match=r"cannot be made.*--index DIR"):
        local(tmp_path / "file" / "index")


def test_search_goes_on_from_memory_where_the_vector_file_cannot_be_written(tmp_path: Path) -> None:
    store = local(tmp_path)
    store.put([A])
    (tmp_path / "vectors.faiss").mkdir()  # stands in the way
    assert store.search_dense(vector(1), 1)[0][0] == A.passages[0].id
    store.close()


@pytest.mark.parametrize("damage", ["garbled", "cut short", "deleted"])
def test_damaged_words_are_arranged_again(tmp_path: Path, damage: str) -> None:
    store = local(tmp_path)
    store.put([A, B])
    expected = store.search_lexical("vessels", 9)
    store.close()
    assert expected
    for suffix in sorted({file.suffix for file in (tmp_path / "words.tantivy").iterdir()}):
        for file in (tmp_path / "words.tantivy").glob(f"*{suffix}"):
            content = file.read_bytes()
            file.unlink()  # rather than cut while some reader may have it mapped
            if damage != "deleted":
                file.write_bytes(content[: len(content) // 2] if damage == "cut short" else content[::-1])
        store = local(tmp_path)
        assert store.search_lexical("vessels", 9) == expected, suffix
        store.close()


def test_of_a_large_corpus_only_the_words_that_changed_are_arranged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa.store.lexical.MADE_AGAIN_UP_TO", 0)
    store = local(tmp_path / "changed")
    everything = {f"{i}.txt": indexed(f"{i}.txt", f"Boat {i} sails.", seed=i) for i in range(30)}
    store.put(list(everything.values()))
    assert len(store.search_lexical("boat", 99)) == 30
    everything["3.txt"] = indexed("3.txt", "Ship 3 sails.", seed=3)
    store.put([everything["3.txt"]])
    store.remove(["4.txt"])
    del everything["4.txt"]
    whole = local(tmp_path / "whole")
    whole.put(list(everything.values()))
    for words in ("boat", "ship", "sails", "4", "3"):
        found = {id_ for id_, _ in store.search_lexical(words, 99)}
        assert found == {id_ for id_, _ in whole.search_lexical(words, 99)}, words
    store.close()
    whole.close()


def test_words_are_searched_from_memory_where_their_folder_cannot_be_written(tmp_path: Path) -> None:
    store = local(tmp_path)
    (tmp_path / "words.tantivy").write_text("stands in the way")
    store.put([A])
    assert store.search_lexical("Moskva", 9)[0][0] == A.passages[0].id
    store.close()


WRITER = """
import sys
from pathlib import Path
from tests.test_store import indexed, local
store = local(Path(sys.argv[1]))
i = 0
print("ready", flush=True)
while True:
    words = f"Document {i} has words. " * 20
    store.put([indexed(f"{i % 7}.txt", words, seed=i), indexed(f"x{i % 5}", "More. " * 9)])
    store.search_dense(indexed("q", "q").vectors[0], 1)
    i += 1
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_sound_index(
    tmp_path: Path,
) -> None:
    moments = random.Random(5)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.02, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        store = local(tmp_path)
        infos = store.documents()
        ids = [i for i, _ in store.search_dense(vector(0), 10_000)]
        assert len(ids) == store.passage_count() == sum(info.passages for info in infos)
        assert all(
            store.document(p.document_id).text[p.start : p.end] == text for p, text in store.passages(ids)
        )
        by_words = store.search_lexical("document words more", 10_000)
        store.close()
        shutil.rmtree(tmp_path / "words.tantivy")
        store = local(tmp_path)
        assert store.search_lexical("document words more", 10_000) == by_words
        store.close()
        with sqlite3.connect(tmp_path / "corpus.sqlite3") as connection:
            assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        connection.close()

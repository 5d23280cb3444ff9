"""What the store in Milvus does beyond the contract (tests/test_store.py): its address, its errors, many
writers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from uuid import uuid4

import pytest

from qa import QA
from qa.cli import main
from qa.errors import BadIndex
from qa.store import Address
from qa.store.milvus import MilvusStore
from tests.conftest import SEEDS, free_port, milvus_lite
from tests.test_store import SETTINGS, A, B, indexed

WORDS = ["harbour", "pier", "crane", "mayor", "storm", "winter", "ferry", "captain", "engine", "bridge"]


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def address(milvus: str) -> str:
    return f"milvus://{milvus}/t{uuid4().hex}"


def test_a_corpus_in_milvus_answers_as_one_in_a_folder(address: str, seeds_qa: QA) -> None:
    with QA.build(SEEDS, address) as shared:
        for question in (
            "Who answered AFP by email?",
            "Who is Argenziano?",
            "Which articles mention Frontex?",
        ):
            one, other = shared.ask(question).to_dict(), seeds_qa.ask(question).to_dict()
            assert [c["quote"] for c in one["citations"]] == [c["quote"] for c in other["citations"]]
            assert one["text"] == other["text"]


def test_the_commands_take_the_address(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", str(SEEDS), "--store", address]) == 0
    assert main(["index", str(SEEDS), "--store", address]) == 0
    assert "5 unchanged" in capsys.readouterr().out
    assert main(["ask", "Who answered AFP by email?", "--index", address]) == 0
    assert "William Spindler" in capsys.readouterr().out
    assert main(["index", str(SEEDS), "--store", address, "--rebuild"]) == 0
    assert "5 added" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    ["milvus://nowhere", "milvus://host:1/a-b", "milvus://host:x/a", "milvus://host:99999/a", "milvus:///a"],
)
def test_what_is_no_address_is_said(wrong: str) -> None:
    with pytest.raises(BadIndex, match="expected milvus://HOST:PORT/NAME"):
        Address(wrong).open(SETTINGS)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "nowhere.invalid"])
def test_that_nobody_answers_is_one_sentence_with_the_way_out(host: str) -> None:
    with pytest.raises(BadIndex, match=r"No Milvus answers .* qa index FOLDER --store"):
        Address(f"milvus://{host}/t").open(SETTINGS)


def opened_soon(address: str) -> MilvusStore:
    """gRPC tries an address that refused it only after a second or two again."""
    until = time.monotonic() + 30
    while True:
        try:
            return MilvusStore.open(address, SETTINGS)
        except BadIndex:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_an_engine_that_stops_is_told_in_one_sentence_and_serves_again_once_it_is_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    with milvus_lite(tmp_path, port) as host:
        store = MilvusStore.create(f"milvus://{host}/t", SETTINGS)
        store.put([A, B])
    with pytest.raises(BadIndex, match="No Milvus answers"):
        store.documents()
    assert capfd.readouterr().err == ""  # the client would print a traceback
    with milvus_lite(tmp_path, port) as host:
        again = opened_soon(f"milvus://{host}/t")
        assert again.document("a.txt") == A.document
        assert again.search_dense(A.vectors[0], 1)[0][0] == A.passages[0].id
        assert again.search_lexical("vessels", 9)


def test_a_missing_client_is_said_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(BadIndex, match=r'pip install "qa\[milvus\]"'):
        Address("milvus://127.0.0.1:1/t").open(SETTINGS)


def test_a_missing_corpus_and_one_of_another_embedder_are_said(address: str) -> None:
    with pytest.raises(BadIndex, match=r"No index at .* make one"):
        Address(address).open(SETTINGS)
    Address(address).create(SETTINGS).close()
    with pytest.raises(BadIndex, match=r"embedder 'test', this version has 'other'.*--rebuild"):
        Address(address).open({**SETTINGS, "embedder": "other"})


@pytest.fixture
def guarded() -> Iterator[str]:
    """HOST:PORT of a server that refuses every call, as a Milvus with accounts does with a wrong token."""
    import grpc

    class Refuse(grpc.GenericRpcHandler):
        def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            def refuse(__: bytes, context: grpc.ServicerContext) -> bytes:
                context.abort(
                    grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username and password"
                )
                raise AssertionError

            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Refuse(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


def test_a_wrong_token_is_said_with_the_variable_that_holds_it(
    guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_MILVUS_TOKEN", "root:wrong")
    with pytest.raises(BadIndex, match="does not accept the token in QA_MILVUS_TOKEN"):
        Address(f"milvus://{guarded}/t").open(SETTINGS)


def test_a_version_that_a_lost_writer_left_unfinished_counts_for_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MilvusStore.create(address, SETTINGS)
    store.put([A, B])
    before = store.generation
    monkeypatch.setattr(MilvusStore, "_delete", interrupted)
    newer = indexed("a.txt", "Entirely other words about Messina and boats.", seed=90)
    with pytest.raises(KeyboardInterrupt):  # written and made the one that counts; the old one is still there
        store.put([newer])
    monkeypatch.undo()
    assert store.generation != before
    assert store.document("a.txt") == newer.document
    for found in (store.search_lexical("Messina", 9), store.search_dense(A.vectors[0], 9)):
        assert {i for i, _ in found} <= {p.id for p in (*newer.passages, *B.passages)}
        assert all(
            text == store.document(passage.document_id).text[passage.start : passage.end]
            for passage, text in store.passages([i for i, _ in found])
        )
    store.put([newer])
    assert store.passage_count() == len(newer.passages) + len(B.passages)


@pytest.mark.parametrize("where", ["_delete_all", "_delete", "_write"])
def test_what_lost_writers_left_is_cleared_away_by_a_later_one(
    address: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    store = MilvusStore.create(address, SETTINGS)
    store.put([A, B])
    with monkeypatch.context() as lost:
        if where == "_write":  # the first that writes parts of a text: its passages are written
            write = MilvusStore._write
            lost.setattr(
                MilvusStore,
                "_write",
                lambda self, rows, *name: (
                    interrupted() if rows[0].get("part") == 0 else write(self, rows, *name)
                ),
            )
        else:
            lost.setattr(MilvusStore, where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            if where == "_delete_all":
                store.remove(["a.txt"])
            else:
                store.put([indexed("a.txt", "Entirely other words.", seed=90)])
    MilvusStore.create(address, SETTINGS).close()  # they may be at it still
    assert store.passage_count() > sum(info.passages for info in store.documents())
    monkeypatch.setattr("qa.store.milvus.LOST_AFTER", 0)
    MilvusStore.create(address, SETTINGS).close()
    assert store.passage_count() == sum(info.passages for info in store.documents())
    assert store.document("b.txt") == B.document
    if where == "_write":
        assert store.document("a.txt") == A.document


def test_a_search_misses_no_document_that_is_replaced_meanwhile(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = MilvusStore.create(address, SETTINGS), MilvusStore.create(address, SETTINGS)
    versions = [indexed("a.txt", f"Messina in {year}.", seed=1) for year in (2000, 2001, 2002)]
    other.put(versions[:1])
    counting, waiting = MilvusStore._counting, versions[1:]

    def replaced_first(self: MilvusStore, rows: list[dict[str, object]]) -> object:
        if waiting:  # what was found is of an earlier version by now
            other.put([waiting.pop()])
        return counting(self, rows)

    monkeypatch.setattr(MilvusStore, "_counting", replaced_first)
    assert store.search_dense(A.vectors[0], 5)
    assert store.search_lexical("Messina", 5)


def test_long_texts_and_long_passages_come_back_whole(address: str) -> None:
    text = "".join(f"word{i} \0😀 " for i in range(60_000))
    item = indexed("long.txt", text, width=len(text) // 3)
    store = MilvusStore.create(address, SETTINGS)
    store.put([item])
    assert store.document("long.txt") == item.document
    found = store.passages([passage.id for passage in item.passages])
    assert [words for _, words in found] == [text[p.start : p.end] for p in item.passages]


def test_two_folders_share_a_corpus_and_each_run_removes_only_its_own(address: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(f"The harbour {name} has a new crane.")
        QA.build(tmp_path / name, address).close()
    (tmp_path / "one" / "one.txt").rename(tmp_path / "one" / "other.txt")
    with QA.build(tmp_path / "one", address) as qa:
        assert [info.id for info in qa.documents()] == ["other.txt", "two.txt"]


@pytest.mark.slow
def test_four_runs_at_once_of_which_one_is_killed_end_as_a_single_run(
    address: str, milvus: str, tmp_path: Path
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for i in range(200):
        sentence = " ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, 8))
        (folder / f"{i}.txt").write_text(f"Report {i}\n\nThe {sentence} in {1000 + i}.\n" * 3)

    def started(store: MilvusStore) -> bool:
        try:
            return bool(store.documents())
        except BadIndex:  # its collection is still to be made
            return False

    def run(part: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "qa",
            "index",
            str(folder),
            "--store",
            address,
            "--part",
            f"{part}/4",
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)

    runs = [run(part) for part in (1, 2, 3, 4)]
    watched = MilvusStore(address)
    until = time.monotonic() + 120
    while not started(watched) and runs[0].poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    runs[0].send_signal(signal.SIGKILL)
    for process in runs[1:]:
        assert process.wait(timeout=300) == 0, process.stderr
    runs[0].wait()
    assert run(1).wait(timeout=300) == 0
    single = f"milvus://{milvus}/t{uuid4().hex}"
    with QA.build(folder, single) as expected, QA.open(address) as found:
        assert found.documents() == expected.documents()
        assert found.passage_count == expected.passage_count
        assert sum(info.passages for info in found.documents()) == found.passage_count
        for info in expected.documents()[::20]:
            assert found.document(info.id) == expected.document(info.id)
        question = "Which report mentions 1042?"
        assert [h.passage for h in found.search(question)] == [h.passage for h in expected.search(question)]
    watched.close()

"""The store of many machines: documents, passages and both searches in a Milvus collection.

Two collections. NAME holds a row for each passage: its vector, searched by HNSW, and its words, searched by
the engine's BM25. NAME_documents holds, for each document, one row that says which version of it counts,
and its text in parts. Milvus has no transaction over rows, so a version is written beside the one that
counts, then that one row is replaced, and only then the old version deleted: whoever reads sees one version
or the other, and what a lost writer leaves behind counts for nothing, until a later writer clears it away. A
document comes or goes as a whole; several put together become visible one after the other. Two writers at
the same document at once are safe while they bring the same content.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import environ
from typing import Any, ClassVar

from qa.errors import BadIndex
from qa.store.base import DocumentInfo, Indexed, Vectors
from qa.store.lexical import folded_query
from qa.store.milvus_rows import (
    CHANGED,
    INFO,
    SETTINGS,
    SKIPPED,
    UNFINISHED,
    documents_schema,
    info_of,
    key_of,
    new_row,
    passages_schema,
    prepared,
    unfinished_row,
    unpacked,
)
from qa.types import Document, Passage, Skipped

SCHEME = "milvus://"
TOKEN = "QA_MILVUS_TOKEN"  # noqa: S105 (the variable that holds it)
DEFAULT_PORT = 19_530
SCHEMA = "2"
ROWS_AT_ONCE = 500  # written in one request: some 4 MB
MOST_FOUND = 16_384  # rows that one search or query may give
SECONDS = 10.0  # to wait for the engine to answer at all
LOST_AFTER = 3_600.0  # seconds: whoever began to write a document so long ago has been lost
MOST_TRIES = 20  # to read what is replaced meanwhile


class MilvusStore:
    """A `Store` at milvus://host:port/name; the token, where one is needed, is in QA_MILVUS_TOKEN.

    `generation` is the time of the last change in nanoseconds, as the machine that made it tells it; it is
    written in one request with the row that makes a version count.
    """

    shared: ClassVar[bool] = True

    def __init__(self, address: str) -> None:
        """Raises `BadIndex` where the address is none, or nobody answers there."""
        found = re.fullmatch(rf"{SCHEME}([^/:\s]+)(?::(\d{{1,5}}))?/([A-Za-z_]\w*)", address, re.ASCII)
        if found is None or not 0 < int(found[2] or DEFAULT_PORT) < 2**16:
            raise BadIndex(
                f"{address!r} is no address of a Milvus collection; expected milvus://HOST:PORT/NAME, NAME "
                "of letters, digits and underscores: qa index FOLDER --store milvus://localhost:19530/qa"
            )
        try:
            import pymilvus  # noqa: PLC0415
        except ImportError:
            raise BadIndex(
                f'{address} needs the Milvus client, which is not installed: pip install "qa[milvus]"'
            ) from None
        self.address = address
        self._milvus: Any = pymilvus
        # The client prints the traceback of every error that it raises; `_talking` tells it in a sentence.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._name = found[3]
        self._documents = f"{self._name}_documents"
        with self._talking():
            self._client: Any = pymilvus.MilvusClient(
                uri=f"http://{found[1]}:{found[2] or DEFAULT_PORT}",
                token=environ.get(TOKEN, ""),
                timeout=SECONDS,
            )
        self._has_passages = False  # the collection of passages is made when their dimension is known

    @classmethod
    def open(cls, address: str, settings: Mapping[str, str]) -> MilvusStore:
        """The corpus at this address. Raises `BadIndex` where there is none, or it was made with other
        settings."""
        store = cls(address)
        with store._talking():
            if not store._client.has_collection(store._documents):
                raise BadIndex(f"No index at {address}; make one: qa index FOLDER --store {address}")
            store._load(store._documents)
        store._check(settings)
        return store

    @classmethod
    def create(cls, address: str, settings: Mapping[str, str]) -> MilvusStore:
        """The corpus at this address, made empty where there is none. Raises `BadIndex`."""
        store = cls(address)
        with store._talking():
            if not store._client.has_collection(store._documents):
                store._make(store._documents, documents_schema(store._milvus))
            store._load(store._documents)
            if not store._rows(f"part == {SETTINGS}", ["data"]):
                store._write([new_row(key_of("settings"), 0, SETTINGS, "", json.dumps(_expected(settings)))])
        store._check(settings)
        store._clear()
        return store

    @staticmethod
    def erase(address: str) -> None:
        """Remove the corpus at this address. Raises `BadIndex`."""
        store = MilvusStore(address)
        with store._talking():
            for name in (store._documents, store._name):
                if store._client.has_collection(name):
                    store._client.drop_collection(name)
        store.close()

    @property
    def generation(self) -> int:
        rows = self._documents_rows(f"part == {CHANGED}", ["data"])
        return int(rows[0]["data"]) if rows else 0

    def put(self, items: Sequence[Indexed]) -> None:
        if not items:
            return
        ready = [prepared(item) for item in items]  # before a row is written: any may be wrong
        with self._talking():
            self._make_passages(next((len(v) for item in items for v in item.vectors), None))
            with self._unfinished([info["document"] for info, _, _ in ready]):
                for info, texts, passages in ready:
                    self._write(passages, self._name)
                    self._write(texts)
                    self._write([info, _changed()])  # from here on, this version counts
                    self._delete(info["document"], info["version"])

    def remove(self, document_ids: Collection[str]) -> None:
        keys = sorted(key_of(id_) for id_ in document_ids)
        with self._talking():
            there = [row["key"] for row in self._rows_of("key", keys, ["key"], f"part == {INFO}")]
            for chunk in _chunks(there, ROWS_AT_ONCE):
                with self._unfinished(chunk):
                    self._client.delete(self._documents, ids=chunk)  # from here on, they are gone
                    self._write([_changed()])
                    self._delete_all(f"document in {chunk}")

    def documents(self) -> list[DocumentInfo]:
        rows = self._documents_rows(f"part == {INFO}", ["data"])
        return sorted((info_of(row["data"]) for row in rows), key=lambda info: info.id)

    def document(self, document_id: str) -> Document:
        key = key_of(document_id)
        for _ in range(MOST_TRIES):
            info = self._documents_rows(f"key == {key}", ["version", "data"])
            if not info:
                raise KeyError(document_id)
            version = info[0]["version"]
            rows = self._documents_rows(
                f'document == {key} and part >= 0 and version == "{version}"', ["part", "data"]
            )
            if len(rows) == json.loads(info[0]["data"])["parts"]:
                break  # otherwise it was replaced meanwhile
        else:
            raise BadIndex(
                f"Parts of {document_id} are missing at {self.address}; move its file away and back again, "
                f"after each: qa index FOLDER --store {self.address}"
            )
        packed = "".join(row["data"] for row in sorted(rows, key=lambda row: row["part"]))
        return unpacked(packed, info_of(info[0]["data"]))

    def passage_count(self, documents: Collection[str] | None = None) -> int:
        if documents is None:  # counted by the engine, with what lost writers may have left
            if not self._ready():
                return 0
            with self._talking():
                rows = self._client.query(self._name, filter="key >= 0", output_fields=["count(*)"])
            return int(rows[0]["count(*)"])
        keys = sorted(key_of(id_) for id_ in documents)
        with self._talking():
            rows = self._rows_of("key", keys, ["data"], f"part == {INFO}")
        return sum(info_of(row["data"]).passages for row in rows)

    def passages(self, passage_ids: Sequence[int]) -> list[tuple[Passage, str]]:
        if not passage_ids or not self._ready():
            return []
        fields = ["id", "document", "version", "document_id", "start", "end", "text"]
        with self._talking():
            rows = self._rows_of("id", list(passage_ids), fields, name=self._name)
        found = {row["id"]: row for row in self._counting(rows)}
        return [
            (Passage(id_, row["document_id"], row["start"], row["end"]), self._text(row))
            for id_ in passage_ids
            if (row := found.get(id_)) is not None
        ]

    def search_dense(
        self, query: Vectors, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        return self._search("vector", query.tolist(), k, documents)

    def search_lexical(
        self, query: str, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        words = folded_query(query)
        return self._search("bm25", words, k, documents) if words else []

    def keep_skipped(self, skipped: Sequence[Skipped]) -> None:
        with self._talking():
            self._client.delete(self._documents, filter=f"part == {SKIPPED}")
            self._write(
                [
                    new_row(
                        key_of("skipped", skip.path), 0, SKIPPED, "", json.dumps([skip.path, skip.reason])
                    )
                    for skip in skipped
                ]
            )

    def skipped(self) -> list[Skipped]:
        rows = self._documents_rows(f"part == {SKIPPED}", ["data"])
        return sorted((Skipped(*json.loads(row["data"])) for row in rows), key=lambda skip: skip.path)

    def close(self) -> None:
        self._client.close()

    # Searching

    def _search(
        self, field: str, query: Any, k: int, documents: Collection[str] | None
    ) -> list[tuple[int, float]]:
        """The k nearest rows that count, best first, ties by id."""
        if not self._ready() or (documents is not None and not documents):
            return []
        only = "" if documents is None else f"document in {sorted(key_of(id_) for id_ in documents)}"
        ask = k + 1
        left: set[tuple[int, str]] = set()  # versions that do not count, by their documents
        while True:
            ask = min(ask, MOST_FOUND)
            with self._talking():
                hits = self._client.search(
                    self._name,
                    [query],
                    anns_field=field,
                    limit=ask,
                    filter=only,
                    search_params={"params": {"ef": max(128, 2 * ask)} if field == "vector" else {}},
                    output_fields=["id", "document", "version"],
                )[0]
            rows = self._counting([{**hit["entity"], "score": abs(hit["distance"])} for hit in hits])
            found = [(int(row["id"]), float(row["score"])) for row in rows]
            others = {_version(hit["entity"]) for hit in hits} - {_version(row) for row in rows}
            if others - left:  # replaced while we searched, then a second search finds what counts now
                left |= others
                continue
            all_there = len(hits) < ask or ask == MOST_FOUND
            # Copies of a paragraph share a score: all of them, to be ordered by id.
            if all_there or (len(found) > k and found[k - 1][1] != found[-1][1]):
                return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]
            ask *= 2

    def _counting(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The rows that belong to the version of their document that counts."""
        with self._talking():
            infos = self._rows_of("key", sorted({row["document"] for row in rows}), ["key", "version"])
        counts = {info["key"]: info["version"] for info in infos}
        return [row for row in rows if counts.get(row["document"]) == row["version"]]

    def _text(self, row: Mapping[str, Any]) -> str:
        """A passage's text, from the document where it is too long for a row."""
        text = str(row["text"])
        return text or self.document(row["document_id"]).text[row["start"] : row["end"]]

    # Rows

    def _ready(self) -> bool:
        """Whether there is a collection of passages."""
        if not self._has_passages:
            with self._talking():
                if self._client.has_collection(self._name):
                    self._load(self._name)
                    self._has_passages = True
        return self._has_passages

    def _documents_rows(self, condition: str, fields: list[str]) -> list[dict[str, Any]]:
        with self._talking():
            return self._rows(condition, fields)

    def _rows(self, condition: str, fields: list[str], name: str | None = None) -> list[dict[str, Any]]:
        """All rows that meet the condition, more than one answer of the engine may hold."""
        name = name or self._documents
        found = list(self._client.query(name, filter=condition, output_fields=fields, limit=MOST_FOUND))
        if len(found) < MOST_FOUND:
            return found
        rows = self._client.query_iterator(name, filter=condition, output_fields=fields, batch_size=1_000)
        found = []
        while batch := rows.next():
            found += batch
        rows.close()
        return found

    def _rows_of(
        self, field: str, keys: Sequence[int], fields: list[str], condition: str = "", name: str | None = None
    ) -> list[dict[str, Any]]:
        more = f" and {condition}" if condition else ""
        return [
            row
            for chunk in _chunks(list(keys), ROWS_AT_ONCE)
            for row in self._rows(f"{field} in {chunk}{more}", fields, name)
        ]

    def _write(self, rows: Sequence[dict[str, Any]], name: str | None = None) -> None:
        for chunk in _chunks(list(rows), ROWS_AT_ONCE):
            self._client.upsert(name or self._documents, chunk)

    def _delete(self, document: int, version: str) -> None:
        """The document's rows of other versions than this one."""
        self._delete_all(f'document == {document} and version != "{version}"')

    def _delete_all(self, condition: str) -> None:
        """Passages and parts of texts that meet the condition."""
        if self._ready():
            self._client.delete(self._name, filter=condition)
        self._client.delete(self._documents, filter=f"{condition} and part >= 0")

    @contextmanager
    def _unfinished(self, documents: list[int]) -> Iterator[None]:
        """Keeps in mind, at the engine, that these are being written: whoever is lost leaves that behind."""
        rows = [unfinished_row(document, time.time()) for document in documents]
        self._write(rows)
        yield
        self._client.delete(self._documents, ids=[row["key"] for row in rows])

    def _clear(self) -> None:
        """Delete what lost writers left."""
        with self._talking():
            for row in self._rows(f"part == {UNFINISHED}", ["key", "data"]):
                document, begun = json.loads(row["data"])
                if time.time() - begun > LOST_AFTER:
                    counts = self._rows(f"key == {document}", ["version"])
                    self._delete(document, counts[0]["version"] if counts else "")
                    self._client.delete(self._documents, ids=[row["key"]])

    # Collections

    def _check(self, settings: Mapping[str, str]) -> None:
        rows = self._documents_rows(f"part == {SETTINGS}", ["data"])
        found, expected = json.loads(rows[0]["data"]) if rows else {}, _expected(settings)
        if found != expected:
            name = next(n for n in (*expected, *found) if found.get(n) != expected.get(n))
            raise BadIndex(
                f"The index at {self.address} was made with {name} {found.get(name)!r}, this version has "
                f"{expected.get(name)!r}; make it again: qa index FOLDER --store {self.address} --rebuild"
            )

    def _make(self, name: str, make: Callable[[Any, Any], None]) -> None:
        """The collection, unless another process is faster."""
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        indexes = self._client.prepare_index_params()
        make(schema, indexes)
        try:
            self._client.create_collection(
                name, schema=schema, index_params=indexes, consistency_level="Strong"
            )
        except self._milvus.MilvusException:
            if not self._client.has_collection(name):
                raise

    def _load(self, name: str) -> None:
        """Make the collection ready to be asked, as it no longer is once Milvus Lite was started again;
        another process may still be at making it."""
        until = time.monotonic() + SECONDS
        while True:
            try:
                self._client.load_collection(name)
            except self._milvus.MilvusException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return

    def _make_passages(self, dimension: int | None) -> None:
        if dimension is None or self._ready():
            return
        self._make(self._name, passages_schema(self._milvus, dimension))
        self._load(self._name)
        self._has_passages = True

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """What goes wrong at the engine is told in one sentence."""
        try:
            yield
        except self._milvus.MilvusException as error:
            # At the first call the client says "fail connecting" whatever the engine said: that is the cause.
            cause = getattr(error.__cause__, "details", lambda: "")() or ""
            said = " ".join(f"{cause or error.message}".split())
            if re.search(r"auth|permission|credential|api ?key|UNAUTHENTICATED", said, re.IGNORECASE):
                raise BadIndex(
                    f"Milvus at {self.address} does not accept the token in {TOKEN} ({said[:200]}); set it "
                    f"to USER:PASSWORD or an API key: {TOKEN}=… qa …"
                ) from error
            if re.search(r"connect|unavailable|deadline|timeout|resolv", said, re.IGNORECASE):
                raise BadIndex(
                    f"No Milvus answers at {self.address} ({said[:200]}); start it, or name another: "
                    "qa index FOLDER --store milvus://HOST:PORT/NAME"
                ) from error
            raise BadIndex(
                f"Milvus at {self.address} refused ({said[:300]}); look at its log, then try again: "
                f"qa index FOLDER --store {self.address}"
            ) from error


def _expected(settings: Mapping[str, str]) -> dict[str, str]:
    return {"schema": SCHEMA, **settings}


def _changed() -> dict[str, Any]:
    return new_row(key_of("changed"), 0, CHANGED, "", str(time.time_ns()))


def _version(row: Mapping[str, Any]) -> tuple[int, str]:
    return row["document"], row["version"]


def _chunks(rows: list[Any], size: int) -> Iterable[list[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))

"""The embedded store: one truth, one derived file.

`corpus.sqlite3` holds documents, passages, their vectors and a full-text index, each change in one
transaction: a killed run leaves the last committed state. `vectors.faiss` (see `vectors.py`) is derived
from it and rebuilt whenever it does not belong to the database's generation.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, cast

import numpy as np

from qa.errors import BadIndex
from qa.store.base import DocumentInfo, Indexed, Vectors
from qa.store.vectors import VectorFile
from qa.types import Document, Passage, Range

DATABASE = "corpus.sqlite3"
SCHEMA = "1"
BUSY_SECONDS = 30  # how long a second writer waits for the first
MOST_TERMS = 64  # of a lexical query

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, date TEXT,
    pages BLOB, hidden BLOB NOT NULL, sentences BLOB NOT NULL,  -- little-endian uint32
    characters INTEGER NOT NULL, passages INTEGER NOT NULL, text BLOB NOT NULL  -- UTF-8
) WITHOUT ROWID;
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, document_id TEXT NOT NULL REFERENCES documents (id),
    start INTEGER NOT NULL, end INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX passages_of_document ON passages (document_id);
-- The words of each passage, so that showing a hit does not load its whole document.
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'porter unicode61 remove_diacritics 2');
"""


class LocalStore:
    """A `Store` in a folder. Threads may share it; another process may write while this one reads."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self._folder = folder
        self._connection = connection
        self._lock = RLock()
        self._vectors = VectorFile(folder / "vectors.faiss")

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether the folder holds an index."""
        return (folder / DATABASE).is_file()

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, str]) -> LocalStore:
        """The index in this folder. Raises `BadIndex` where there is none, it is damaged, or was made
        with other settings."""
        if not cls.exists(folder):
            found = "is no folder" if not folder.is_dir() else f"holds no {DATABASE}"
            raise BadIndex(f"No index at {folder}: it {found}; make one: qa index FOLDER --index {folder}")
        store = cls(folder, _connect(folder))
        store._check(settings)
        return store

    @classmethod
    def create(cls, folder: Path, settings: Mapping[str, str]) -> LocalStore:
        """The index in this folder, made empty where there is none. Raises `BadIndex`."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadIndex(
                f"The index folder {folder} cannot be made ({error.strerror}); choose another: "
                "qa index FOLDER --index DIR"
            ) from error
        store = cls(folder, _connect(folder))
        if not store._read("SELECT 1 FROM sqlite_master LIMIT 1"):
            store._connection.execute("PRAGMA journal_mode = WAL")
            with store._writing() as cursor:
                if not cursor.execute("SELECT 1 FROM sqlite_master").fetchone():  # nobody was faster
                    for statement in TABLES.split(";\n"):
                        cursor.execute(statement)
                    meta = {"schema": SCHEMA, "generation": "0", "settings": json.dumps(dict(settings))}
                    cursor.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        store._check(settings)
        return store

    @staticmethod
    def erase(folder: Path) -> None:
        """Remove the index from this folder, and no other file."""
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "vectors.faiss"):
            (folder / name).unlink(missing_ok=True)

    @property
    def generation(self) -> int:
        return int(self._meta("generation"))

    def put(self, items: Sequence[Indexed]) -> None:
        with self._writing() as cursor:
            _delete(cursor, [item.document.id for item in items])
            for item in items:
                document = item.document
                cursor.execute(
                    "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        document.id,
                        document.title,
                        document.path,
                        document.sha256,
                        document.date,
                        None if document.pages is None else _pack(document.pages),
                        _pack(edge for range_ in document.hidden for edge in range_),
                        _pack(edge for range_ in document.sentences for edge in range_),
                        len(document.text),
                        len(item.passages),
                        document.text.encode("utf-8", "surrogatepass"),
                    ),
                )
                vectors = np.ascontiguousarray(item.vectors, dtype="<f4")
                cursor.executemany(
                    "INSERT INTO passages VALUES (?, ?, ?, ?, ?)",
                    (
                        (passage.id, document.id, passage.start, passage.end, vector.tobytes())
                        for passage, vector in zip(item.passages, vectors, strict=True)
                    ),
                )
                cursor.executemany(
                    "INSERT INTO words (rowid, text) VALUES (?, ?)",
                    ((passage.id, document.text[passage.start : passage.end]) for passage in item.passages),
                )
            _count_change(cursor)

    def remove(self, document_ids: Collection[str]) -> None:
        with self._writing() as cursor:
            _delete(cursor, document_ids)
            _count_change(cursor)

    def documents(self) -> list[DocumentInfo]:
        rows = self._read(
            "SELECT id, title, date, path, sha256, characters, passages FROM documents ORDER BY id"
        )
        return [DocumentInfo(*row) for row in rows]

    def document(self, document_id: str) -> Document:
        rows = self._read(
            "SELECT title, text, path, sha256, date, pages, hidden, sentences FROM documents WHERE id = ?",
            (document_id,),
        )
        if not rows:
            raise KeyError(document_id)
        title, text, path, sha256, date, pages, hidden, sentences = rows[0]
        return Document(
            id=document_id,
            title=title,
            text=text.decode("utf-8", "surrogatepass"),
            path=path,
            sha256=sha256,
            date=date,
            pages=None if pages is None else tuple(_unpack(pages)),
            hidden=_ranges(hidden),
            sentences=_ranges(sentences),
        )

    def passage_count(self, documents: Collection[str] | None = None) -> int:
        where, values = _only(documents, "id")
        return int(self._read(f"SELECT coalesce(sum(passages), 0) FROM documents{where}", values)[0][0])

    def passages(self, passage_ids: Sequence[int]) -> list[tuple[Passage, str]]:
        rows = self._read(
            "SELECT passages.id, document_id, start, end, words.text FROM passages "
            "JOIN words ON words.rowid = passages.id WHERE passages.id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(passage_ids)),),
        )
        found = {row[0]: (Passage(*row[:4]), str(row[4])) for row in rows}
        return [found[passage_id] for passage_id in passage_ids]

    def search_dense(
        self, query: Vectors, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        allowed = None
        if documents is not None:
            where, values = _only(documents, "document_id")
            allowed = [row[0] for row in self._read(f"SELECT id FROM passages{where}", values)]
        with self._lock:
            self._vectors.refresh(self.generation, self._all_vectors)
            return self._vectors.search(query, k, allowed)

    def search_lexical(
        self, query: str, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        terms = _terms(query)
        if not terms:
            return []
        where, values = _only(documents, "passages.document_id", " AND ")
        rows = self._read(
            "SELECT words.rowid, -bm25(words) AS score FROM words JOIN passages ON passages.id = words.rowid "
            f"WHERE words MATCH ?{where} ORDER BY score DESC, words.rowid LIMIT ?",
            (" OR ".join(f'"{term}"' for term in terms), *values, k),
        )
        return [(int(passage_id), float(score)) for passage_id, score in rows]

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _all_vectors(self) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Vectors]:
        rows = self._read("SELECT id, vector FROM passages ORDER BY id")
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").astype(np.float32, copy=False)
        return ids, vectors.reshape(len(rows), len(vectors) // len(rows) if rows else 1)

    def _check(self, settings: Mapping[str, str]) -> None:
        """Raises `BadIndex` where the index was made with another schema or other settings."""
        try:
            schema, made_with = self._meta("schema"), json.loads(self._meta("settings"))
        except (LookupError, ValueError) as error:
            self.close()
            raise _damaged(self._folder, error) from error
        except BadIndex:
            self.close()
            raise
        expected = {"schema": SCHEMA, **settings}
        found = {"schema": schema, **made_with}
        if found != expected:
            self.close()
            name = next(n for n in (*expected, *found) if found.get(n) != expected.get(n))
            raise BadIndex(
                f"The index at {self._folder} was made with {name} {found.get(name)!r}, this version has "
                f"{expected.get(name)!r}; make it again: qa index FOLDER --index {self._folder} --rebuild"
            )

    def _meta(self, key: str) -> str:
        rows = self._read("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0])

    def _read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise _damaged(self._folder, error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """One transaction: committed as a whole, or, on any error, not at all."""
        with self._lock:
            cursor = self._connection.cursor()
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                cursor.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    cursor.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise _damaged(self._folder, error) from error
                raise


def _connect(folder: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            folder / DATABASE, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        raise _damaged(folder, error) from error
    return connection


def _damaged(folder: Path, error: Exception) -> BadIndex:
    text = str(error)
    if "locked" in text:
        return BadIndex(f"Another run is writing to the index at {folder}; wait for it, then try again.")
    if "full" in text:
        return BadIndex(f"The disk of {folder} is full; what was indexed is kept: make room and try again.")
    if "readonly" in text:
        return BadIndex(f"The index at {folder} is read-only; choose another: qa index FOLDER --index DIR")
    return BadIndex(
        f"The index at {folder} is damaged ({text}); make it again: "
        f"qa index FOLDER --index {folder} --rebuild"
    )


def _delete(cursor: sqlite3.Cursor, document_ids: Collection[str]) -> None:
    where, values = _only(document_ids, "document_id")
    cursor.execute(f"DELETE FROM words WHERE rowid IN (SELECT id FROM passages{where})", values)
    cursor.execute(f"DELETE FROM passages{where}", values)
    where, values = _only(document_ids, "id")
    cursor.execute(f"DELETE FROM documents{where}", values)


def _count_change(cursor: sqlite3.Cursor) -> None:
    cursor.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")


def _only(
    documents: Collection[str] | None, column: str, keyword: str = " WHERE "
) -> tuple[str, tuple[str, ...]]:
    """The SQL condition that keeps these documents, and its value; nothing for None."""
    if documents is None:
        return "", ()
    return f"{keyword}{column} IN (SELECT value FROM json_each(?))", (json.dumps(sorted(documents)),)


def _pack(numbers: Any) -> bytes:
    return np.fromiter(numbers, dtype="<u4").tobytes()


def _unpack(blob: bytes) -> list[int]:
    return cast("list[int]", np.frombuffer(blob, dtype="<u4").tolist())


def _ranges(blob: bytes) -> tuple[Range, ...]:
    edges = _unpack(blob)
    return tuple(zip(edges[::2], edges[1::2], strict=True))


# Words of questions that say nothing about where the answer stands.
_STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "he",
        "her",
        "his",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "many",
        "much",
        "of",
        "on",
        "or",
        "our",
        "she",
        "should",
        "so",
        "tell",
        "that",
        "the",
        "their",
        "them",
        "there",
        "these",
        "they",
        "this",
        "to",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


def _terms(query: str) -> list[str]:
    """The different words to look for, at most MOST_TERMS; stop words only where there is nothing else."""
    words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))
    return ([word for word in words if word not in _STOP_WORDS] or words)[:MOST_TERMS]

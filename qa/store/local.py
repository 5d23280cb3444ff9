"""The embedded store: one truth, and what is derived from it to search fast.

`corpus.sqlite3` holds documents, passages and their vectors, each change in one transaction: a killed run
leaves the last committed state. `vectors.faiss` (see `vectors.py`) and `words.tantivy` (see `lexical.py`)
are derived from it, and brought into step by the first search that finds them of another generation.

One connection reads, another writes: in write-ahead mode a reader sees the last commit and never waits
for a writer, be it a thread of this process or another process.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from qa.errors import BadIndex
from qa.store.base import DocumentInfo, Indexed, Vectors
from qa.store.database import DATABASE, damaged, foreign, open_reader, open_writer, transaction
from qa.store.lexical import WordFolder
from qa.store.stored import Stored
from qa.store.vectors import VectorFile
from qa.types import Document, Passage, Range, Skipped

VECTORS = "vectors.faiss"
WORDS = "words.tantivy"
SCHEMA = "4"

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- With a row id: looking for the key of a table without one reads whole rows, texts included.
CREATE TABLE documents (
    id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, date TEXT,
    url TEXT, date_source TEXT,
    -- Before the long columns, so that a list of documents reads no further.
    characters INTEGER NOT NULL, passages INTEGER NOT NULL,
    pages BLOB, hidden BLOB NOT NULL, sentences BLOB NOT NULL,  -- little-endian uint32
    text BLOB NOT NULL  -- UTF-8
);
-- So that counting them does not read the texts.
CREATE INDEX passages_in_document ON documents (passages);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, document_id TEXT NOT NULL REFERENCES documents (id),
    start INTEGER NOT NULL, end INTEGER NOT NULL,
    text TEXT NOT NULL,  -- so that showing a hit does not load its whole document
    vector BLOB NOT NULL
);
CREATE INDEX passages_of_document ON passages (document_id);
-- The last change, an addition or a removal, of every passage that is or was here: derived files catch up.
CREATE TABLE changes (passage_id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX changes_of_generation ON changes (generation);
CREATE TABLE skipped (path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
"""
GENERATION = "SELECT value FROM meta WHERE key = 'generation'"
NEXT = f"(({GENERATION}) + 1)"  # the generation that the change under way will have


class LocalStore:
    """A `Store` in a folder. Threads may share it; another process may write while this one reads."""

    shared: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        """Opens the database for reading; `open` and `create` also check what it holds."""
        self._folder = folder
        self._reader = open_reader(folder)
        self._reader_lock = Lock()
        self._writer: sqlite3.Connection | None = None  # opened by the first change
        self._writer_lock = Lock()
        self._vectors = VectorFile(folder / VECTORS)
        self._vectors_lock = Lock()
        self._words = WordFolder(folder / WORDS)
        self._words_lock = Lock()

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
        return cls._checked(folder, settings)

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
        return cls._checked(folder, settings, make=True)

    @staticmethod
    def erase(folder: Path) -> None:
        """Remove the index from this folder, and no other file. Raises `BadIndex` where the database is
        another program's or a file cannot be removed."""
        others = False
        if LocalStore.exists(folder):
            with suppress(BadIndex), closing(LocalStore(folder)) as store:  # what is damaged may go
                others = store._is_foreign()
        if others:
            raise foreign(folder)
        # The database goes last: a write-ahead log that stayed alone could be taken for a later one's.
        names = [VECTORS, f"{DATABASE}-shm", f"{DATABASE}-wal", DATABASE]
        try:
            if (folder / WORDS).exists():
                shutil.rmtree(folder / WORDS)
            for path in (*folder.glob(f"{VECTORS}.*.part"), *(folder / name for name in names)):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise BadIndex(
                f"The index at {folder} cannot be removed ({error.strerror}: {error.filename}); "
                "choose another: qa index FOLDER --index DIR"
            ) from error

    @property
    def generation(self) -> int:
        return int(self._read(GENERATION)[0][0])

    def put(self, items: Sequence[Indexed]) -> None:
        if not items:
            return
        with self._writing() as cursor:
            _delete(cursor, [item.document.id for item in items])
            for item in items:
                _insert(cursor, item)
            _count_change(cursor)

    def remove(self, document_ids: Collection[str]) -> None:
        with self._writing() as cursor:
            if _delete(cursor, document_ids):
                _count_change(cursor)

    def documents(self) -> list[DocumentInfo]:
        rows = self._read(
            "SELECT id, title, date, path, sha256, characters, passages FROM documents ORDER BY id"
        )
        return [DocumentInfo(*row) for row in rows]

    def document(self, document_id: str) -> Document:
        rows = self._read(
            "SELECT title, text, path, sha256, date, pages, hidden, sentences, url, date_source "
            "FROM documents WHERE id = ?",
            (document_id,),
        )
        if not rows:
            raise KeyError(document_id)
        title, text, path, sha256, date, pages, hidden, sentences, *rest = rows[0]
        try:
            page_starts = None if pages is None else _numbers(pages)
            marks = page_starts, _ranges(hidden), _ranges(sentences)
            return Document(document_id, title, text.decode(), path, sha256, date, *marks, *rest)
        except ValueError as error:  # no UTF-8, or half a number
            raise damaged(self._folder, error) from error

    def passage_count(self, documents: Collection[str] | None = None) -> int:
        where, values = _only(documents, "id")
        return int(self._read(f"SELECT coalesce(sum(passages), 0) FROM documents{where}", values)[0][0])

    def passages(self, passage_ids: Sequence[int]) -> list[tuple[Passage, str]]:
        rows = self._read(
            "SELECT id, document_id, start, end, text FROM passages "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(passage_ids)),),
        )
        found = {row[0]: (Passage(*row[:4]), str(row[4])) for row in rows}
        # Another process may have removed one since it was found: then it is not there, and no error.
        return [found[passage_id] for passage_id in passage_ids if passage_id in found]

    def search_dense(
        self, query: Vectors, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        allowed = None
        if documents is not None:
            where, values = _only(documents, "document_id")
            allowed = [row[0] for row in self._read(f"SELECT id FROM passages{where}", values)]
        with self._vectors_lock:
            self._refresh(self._vectors)
            # FAISS keeps any of the passages that share the k-th score (copies of a paragraph do): ask
            # for more until all of them are there to be ordered by id.
            ask = k + 1
            found = self._vectors.search(query, ask, allowed)
            while len(found) == ask and found[k - 1][1] == found[-1][1]:
                ask *= 2
                found = self._vectors.search(query, ask, allowed)
        return found[:k]

    def search_lexical(
        self, query: str, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        with self._words_lock:
            self._refresh(self._words)
        return self._words.search(query, k, documents)

    def keep_skipped(self, skipped: Sequence[Skipped]) -> None:
        with self._writing() as cursor:
            cursor.execute("DELETE FROM skipped")
            cursor.executemany(
                "INSERT OR IGNORE INTO skipped VALUES (?, ?)", ((skip.path, skip.reason) for skip in skipped)
            )

    def skipped(self) -> list[Skipped]:
        return [Skipped(*row) for row in self._read("SELECT path, reason FROM skipped ORDER BY path")]

    @contextmanager
    def vectors(self) -> Iterator[Stored]:
        """All vectors as the database holds them, at one moment."""
        with self._reading() as cursor:
            yield Stored(cursor)

    def close(self) -> None:
        with self._writer_lock, self._reader_lock:
            self._reader.close()
            if self._writer is not None:
                self._writer.close()
        with self._words_lock:
            self._words.close()

    @classmethod
    def _checked(cls, folder: Path, settings: Mapping[str, str], *, make: bool = False) -> LocalStore:
        store = cls(folder)
        try:
            if make:
                store._make_tables(settings)
            store._check(settings)
        except BadIndex:
            store.close()
            raise
        return store

    def _make_tables(self, settings: Mapping[str, str]) -> None:
        """Does nothing where the database holds any table."""
        any_table = "SELECT 1 FROM sqlite_master"
        if self._read(any_table):
            return
        with self._writing() as cursor:
            if cursor.execute(any_table).fetchone():  # another process was faster
                return
            for statement in TABLES.split(";\n"):
                cursor.execute(statement)
            meta = {"schema": SCHEMA, "generation": "0", "settings": json.dumps(dict(settings))}
            cursor.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            with suppress(OSError):  # left by a deleted database, whose generations come again
                (self._folder / VECTORS).unlink(missing_ok=True)
            shutil.rmtree(self._folder / WORDS, ignore_errors=True)

    def _is_foreign(self) -> bool:
        names = {row[0] for row in self._read("SELECT name FROM sqlite_master")}
        return bool(names) and not names >= {"meta", "documents", "passages"}

    def _check(self, settings: Mapping[str, str]) -> None:
        """Raises `BadIndex` where the database is another program's, damaged, or was made with another
        schema or other settings."""
        if self._is_foreign():
            raise foreign(self._folder)
        try:
            meta = dict(self._read("SELECT key, value FROM meta"))
            found = {"schema": meta["schema"], **json.loads(meta["settings"])}
        except (LookupError, TypeError, ValueError) as error:
            raise damaged(self._folder, error) from error
        expected = {"schema": SCHEMA, **settings}
        if found != expected:
            name = next(n for n in (*expected, *found) if found.get(n) != expected.get(n))
            raise BadIndex(
                f"The index at {self._folder} was made with {name} {found.get(name)!r}, this version has "
                f"{expected.get(name)!r}; make it again: qa index FOLDER --index {self._folder} --rebuild"
            )

    def _read(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._reading() as cursor:
            return cursor.execute(sql, values).fetchall()

    def _refresh(self, derived: VectorFile | WordFolder) -> None:
        """Bring what is derived into step, over a connection of its own: others read meanwhile."""
        if derived.generation == self.generation:
            return
        with (
            closing(open_reader(self._folder)) as connection,
            transaction(connection, "DEFERRED", self._folder) as cursor,  # one moment
        ):
            derived.refresh(int(cursor.execute(GENERATION).fetchone()[0]), Stored(cursor))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        """One snapshot: all that is read within belongs to the same commit."""
        with self._reader_lock, transaction(self._reader, "DEFERRED", self._folder) as cursor:
            yield cursor

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """One transaction: committed as a whole, or, on any error, not at all."""
        with self._writer_lock:
            self._writer = self._writer or open_writer(self._folder)
            with transaction(self._writer, "IMMEDIATE", self._folder) as cursor:
                yield cursor


def _insert(cursor: sqlite3.Cursor, item: Indexed) -> None:
    document = item.document
    cursor.execute(
        "INSERT INTO documents (id, title, path, sha256, date, url, date_source, characters, passages, "
        "pages, hidden, sentences, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            document.id,
            document.title,
            document.path,
            document.sha256,
            document.date,
            document.url,
            document.date_source,
            len(document.text),
            len(item.passages),
            None if document.pages is None else _pack(document.pages),
            _pack(edge for range_ in document.hidden for edge in range_),
            _pack(edge for range_ in document.sentences for edge in range_),
            document.text.encode(),
        ),
    )
    vectors = np.ascontiguousarray(item.vectors, dtype="<f4")
    cursor.executemany(
        "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)",
        (
            (
                passage.id,
                document.id,
                passage.start,
                passage.end,
                document.text[passage.start : passage.end],
                vector.tobytes(),
            )
            for passage, vector in zip(item.passages, vectors, strict=True)
        ),
    )
    cursor.executemany(
        f"INSERT OR REPLACE INTO changes VALUES (?, {NEXT})", ((passage.id,) for passage in item.passages)
    )


def _delete(cursor: sqlite3.Cursor, document_ids: Collection[str]) -> int:
    """Deletes these documents; how many there were."""
    where, values = _only(document_ids, "document_id")
    cursor.execute(f"INSERT OR REPLACE INTO changes SELECT id, {NEXT} FROM passages{where}", values)
    cursor.execute(f"DELETE FROM passages{where}", values)
    where, values = _only(document_ids, "id")
    return cursor.execute(f"DELETE FROM documents{where}", values).rowcount


def _count_change(cursor: sqlite3.Cursor) -> None:
    cursor.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")


def _only(documents: Collection[str] | None, column: str) -> tuple[str, tuple[str, ...]]:
    """The SQL condition that keeps these documents, and its value; nothing for None."""
    if documents is None:
        return "", ()
    return f" WHERE {column} IN (SELECT value FROM json_each(?))", (json.dumps(sorted(documents)),)


def _pack(numbers: Iterable[int]) -> bytes:
    return np.fromiter(numbers, dtype="<u4").tobytes()


def _numbers(blob: bytes) -> tuple[int, ...]:
    return tuple(np.frombuffer(blob, dtype="<u4").tolist())


def _ranges(blob: bytes) -> tuple[Range, ...]:
    edges = _numbers(blob)
    return tuple(zip(edges[::2], edges[1::2], strict=True))

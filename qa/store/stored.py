"""Vectors and texts as the database holds them, read a chunk at a time; vectors are little-endian float32."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np

from qa.store.base import Vectors
from qa.store.vectors import Ids

CHUNK = 20_000  # passages read at a time: 30 MB


TEXTS = (
    "SELECT passages.id, document_id, title || char(10) || passages.text FROM passages "
    "JOIN documents ON documents.id = document_id"
)


class Stored:
    """`qa.store.vectors.Passages` and `qa.store.lexical.Texts` within one transaction of a database."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def count(self) -> int:
        return int(self._cursor.execute("SELECT coalesce(sum(passages), 0) FROM documents").fetchone()[0])

    def chunks(self, most: int | None = None) -> Iterator[tuple[Ids, Vectors]]:
        rows = self._cursor.execute(
            "SELECT id, vector FROM passages ORDER BY id LIMIT ?", (-1 if most is None else most,)
        )
        while chunk := rows.fetchmany(CHUNK):
            yield _arrays(chunk)

    def changed_since(self, generation: int) -> Ids:
        rows = self._cursor.execute("SELECT passage_id FROM changes WHERE generation > ?", (generation,))
        return np.array([row[0] for row in rows], dtype=np.int64)

    def texts(self) -> Iterator[tuple[int, str, str]]:
        yield from self._cursor.execute(f"{TEXTS} ORDER BY passages.id")

    def texts_of(self, ids: Ids) -> Iterator[tuple[int, str, str]]:
        yield from self._cursor.execute(
            f"{TEXTS} WHERE passages.id IN (SELECT value FROM json_each(?)) ORDER BY passages.id",  # noqa: S608
            (json.dumps(ids.tolist()),),
        )

    def of(self, ids: Ids) -> tuple[Ids, Vectors]:
        rows = self._cursor.execute(
            "SELECT id, vector FROM passages WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(ids.tolist()),),
        )
        return _arrays(rows.fetchall())


def _arrays(rows: Sequence[tuple[int, bytes]]) -> tuple[Ids, Vectors]:
    """Ids, shape (n,), and vectors, shape (n, dimension)."""
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), dtype="<f4")
    ids = np.array([passage_id for passage_id, _ in rows], dtype=np.int64)
    return ids, vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 0)

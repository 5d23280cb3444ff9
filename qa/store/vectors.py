"""The derived file: vectors arranged for search by FAISS (Douze et al. 2024).

The file is a header (magic, generation of the database, SHA-256 of what follows) and FAISS's own
serialisation. It is written to a temporary file and renamed; a file that is missing, damaged or of
another generation is rebuilt from the database.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qa.store.base import Vectors

MAGIC = b"qavec\0\0\1"
HEADER = struct.Struct("<8sQ32s")
EXACT_UP_TO = 100_000  # passages; exact search takes a few milliseconds up to here

AllVectors: TypeAlias = Callable[[], tuple[NDArray[np.int64], Vectors]]
"""Ids, shape (n,), and vectors, shape (n, dimension), of all passages."""


class VectorFile:
    """The FAISS index of one generation of a database, in memory and on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._index: Any = None
        self._generation = -1

    def refresh(self, generation: int, all_vectors: AllVectors) -> None:
        """Make sure that the index is the one of this generation."""
        if self._generation == generation:
            return
        self._index = self._load(generation)
        if self._index is None:
            self._index = _build(*all_vectors())
            self._save(generation)
        self._generation = generation

    def search(self, query: Vectors, k: int, allowed: Sequence[int] | None) -> list[tuple[int, float]]:
        """The k nearest ids, of `allowed` where given, as (id, inner product); best first, ties by id."""
        import faiss  # noqa: PLC0415

        count = self._index.ntotal if allowed is None else len(allowed)
        if count == 0:
            return []
        parameters = None
        if allowed is not None:
            chosen = faiss.IDSelectorBatch(np.array(allowed, dtype=np.int64))
            parameters = faiss.SearchParameters(sel=chosen)  # type: ignore[call-arg]
        scores, ids = self._index.search(query.reshape(1, -1), min(k, count), params=parameters)
        found = [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _load(self, generation: int) -> Any:
        """The index on disk if it is whole and of this generation, else None."""
        import faiss  # noqa: PLC0415

        try:
            content = self._path.read_bytes()
            magic, written, digest = HEADER.unpack_from(content)
        except (OSError, struct.error):
            return None
        body = content[HEADER.size :]
        if magic != MAGIC or written != generation or sha256(body).digest() != digest:
            return None
        return faiss.deserialize_index(np.frombuffer(body, dtype=np.uint8))

    def _save(self, generation: int) -> None:
        import faiss  # noqa: PLC0415

        body = faiss.serialize_index(self._index).tobytes()
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            with unfinished.open("wb") as file:
                file.write(HEADER.pack(MAGIC, generation, sha256(body).digest()))
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except OSError:  # a folder that cannot be written to: search goes on from memory
            unfinished.unlink(missing_ok=True)


def _build(ids: NDArray[np.int64], vectors: Vectors) -> Any:
    """The kind of index by size: exact inner product, then 8 bits a dimension."""
    import faiss  # noqa: PLC0415

    dimension = vectors.shape[1] or 1
    if len(ids) <= EXACT_UP_TO:
        index: Any = faiss.IndexFlatIP(dimension)
    else:
        index = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.train(vectors)
    with_ids = faiss.IndexIDMap(index)
    with_ids.add_with_ids(vectors, ids)
    return with_ids

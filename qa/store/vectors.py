"""The derived file: vectors arranged for search by FAISS (Douze et al. 2024).

The file is a header (magic, generation of the database, SHA-256 of what follows) and FAISS's own
serialisation. It is written to a temporary file and renamed; a file that is missing or damaged is rebuilt
from the database, one of an earlier generation is brought up to date with what changed since.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from hashlib import file_digest, sha256
from math import sqrt
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qa.computing import in_one_thread
from qa.store.base import Vectors

MAGIC = b"qavec\0\0\2"
HEADER = struct.Struct("<8sQ32s")
# The kind by number of passages, from the table that benchmarks/scale.py prints: exact to here, then cells
# of 8 bits a dimension.
EXACT_UP_TO = 100_000
TRAINED_ON = 40  # vectors a cell
CELLS_LOOKED_INTO = 64
REBUILT_FROM = 0.2  # of the passages: more changes than that, and cells no longer fit what is in them
READ_BYTES = 1 << 26  # at a time
WRITTEN_FROM = 0.01  # fewer changes are applied again at each opening, which takes less than a second

Ids: TypeAlias = NDArray[np.int64]


class Passages(Protocol):
    """The vectors of one generation of a database."""

    def count(self) -> int: ...

    def chunks(self, most: int | None = None) -> Iterator[tuple[Ids, Vectors]]:
        """Ids, shape (n,), and vectors, shape (n, dimension), of all passages, or of the first `most`, a
        chunk at a time. Ids are hashes: the first are a fair sample."""

    def changed_since(self, generation: int) -> Ids:
        """The ids that were added, replaced or removed after this generation."""

    def of(self, ids: Ids) -> tuple[Ids, Vectors]:
        """Those of `ids` that are there, and their vectors."""


class VectorFile:
    """The FAISS index of one generation of a database, in memory and on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._index: Any = None
        self.generation = -1  # of the passages that are in memory

    def refresh(self, generation: int, passages: Passages) -> None:
        """Make sure that the index is the one of this generation."""
        if self.generation == generation:
            return
        if self._index is None:
            self._index, self.generation = self._load()
        count, on_disk = passages.count(), self.generation
        changed = None if self._index is None or on_disk > generation else passages.changed_since(on_disk)
        if changed is None or len(changed) > REBUILT_FROM * count or _outgrown(self._index, count):
            self._index = _build(count, passages)
            self._save(generation)
        elif len(changed):
            _remove(self._index, changed)
            ids, vectors = passages.of(changed)
            if len(ids):
                _add(self._index, vectors, ids)
            if len(changed) > WRITTEN_FROM * count:
                self._save(generation)
        self.generation = generation

    @in_one_thread
    def search(self, query: Vectors, k: int, allowed: Sequence[int] | None) -> list[tuple[int, float]]:
        """The k nearest ids, of `allowed` where given, as (id, inner product); best first, ties by id."""
        import faiss  # noqa: PLC0415

        count = self._index.ntotal if allowed is None else len(allowed)
        if count == 0:
            return []
        parameters = None
        if allowed is not None:
            chosen = faiss.IDSelectorBatch(np.array(allowed, dtype=np.int64))
            if _exact(self._index):
                parameters = faiss.SearchParameters(sel=chosen)  # type: ignore[call-arg]
            else:  # every cell: a choice of few documents may lie in any
                parameters = faiss.SearchParametersIVF(sel=chosen, nprobe=self._index.nlist)  # type: ignore[call-arg]
        scores, ids = self._index.search(query.reshape(1, -1), min(k, count), params=parameters)
        found = [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _load(self) -> tuple[Any, int]:
        """The index on disk and its generation; nothing where it is not whole."""
        import faiss  # noqa: PLC0415

        try:
            with self._path.open("rb") as file:
                magic, written, digest = HEADER.unpack(file.read(HEADER.size))
                if magic != MAGIC or file_digest(file, "sha256").digest() != digest:
                    return None, -1
                file.seek(HEADER.size)
                # read where it belongs: faiss.deserialize_index would copy all of it twice
                return faiss.read_index(faiss.PyCallbackIOReader(file.read, READ_BYTES)), written  # type: ignore[attr-defined]
        except (OSError, struct.error):
            return None, -1

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


def _outgrown(index: Any, count: int) -> bool:
    """Whether the other kind fits clearly better: near the bound, no change of a document builds anew."""
    return count > 1.2 * EXACT_UP_TO if _exact(index) else count < 0.8 * EXACT_UP_TO


def _exact(index: Any) -> bool:
    import faiss  # noqa: PLC0415

    return isinstance(index, faiss.IndexIDMap)


def _build(count: int, passages: Passages) -> Any:
    """The kind of index by size, filled a chunk at a time."""
    import faiss  # noqa: PLC0415

    index: Any = None
    if count > EXACT_UP_TO:
        cells = 2 ** round(np.log2(2 * sqrt(count)))
        sample = np.concatenate([vectors for _, vectors in passages.chunks(TRAINED_ON * cells)])
        index = cells_of(cells, sample)
    for ids, vectors in passages.chunks():
        if index is None:
            index = faiss.IndexIDMap(faiss.IndexFlatIP(vectors.shape[1]))
        _add(index, vectors, ids)
    return faiss.IndexIDMap(faiss.IndexFlatIP(1)) if index is None else index


@in_one_thread
def _add(index: Any, vectors: Vectors, ids: Ids) -> None:
    index.add_with_ids(vectors, ids)


@in_one_thread
def cells_of(cells: int, sample: Vectors) -> Any:
    """An empty index of that many cells (IVF, 8 bits a dimension), trained on a sample."""
    import faiss  # noqa: PLC0415

    dimension = sample.shape[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        cells,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.nprobe = CELLS_LOOKED_INTO
    index.train(sample)
    return index


def _remove(index: Any, ids: Ids) -> None:
    import faiss  # noqa: PLC0415

    index.remove_ids(faiss.IDSelectorBatch(ids))

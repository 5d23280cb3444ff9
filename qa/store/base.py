"""The Store protocol: where a corpus lives once it is indexed.

A store keeps documents, passages and vectors and finds passages by vector or by words. It never
reads files, splits text or embeds: the indexer does, and hands over the result.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qa.types import Document, Passage, Skipped

Vectors: TypeAlias = NDArray[np.float32]
"""Unit-length rows, shape (n, dimension): inner product is cosine similarity."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A document ready to be stored: its passages and their vectors, row i for passage i."""

    document: Document
    passages: tuple[Passage, ...]
    vectors: Vectors  # (len(passages), dimension)


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What a list of documents shows, without the text."""

    id: str
    title: str
    date: str | None
    path: str
    sha256: str
    characters: int
    passages: int


class Store(Protocol):
    """Raises `BadIndex` where the storage is missing, damaged, or made with other settings."""

    shared: ClassVar[bool]
    """Whether documents of other folders, written by other machines, may be in it."""

    @property
    def generation(self) -> int:
        """Counts the committed changes; equal generations of one store hold equal content."""

    def put(self, items: Sequence[Indexed]) -> None:
        """Store these documents, replacing earlier versions of them. All or nothing."""

    def remove(self, document_ids: Collection[str]) -> None:
        """Remove these documents with their passages and vectors. All or nothing."""

    def documents(self) -> list[DocumentInfo]:
        """All documents, ordered by id."""

    def document(self, document_id: str) -> Document:
        """The whole document. Raises `KeyError` for an unknown id."""

    def passage_count(self, documents: Collection[str] | None = None) -> int:
        """How many passages there are, in all or in these documents."""

    def passages(self, passage_ids: Sequence[int]) -> list[tuple[Passage, str]]:
        """These passages with their text, in the order asked for."""

    def search_dense(
        self, query: Vectors, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        """The k passages nearest to `query`, shape (dimension,), as (passage id, cosine), best
        first, ties by id; only from `documents` where given."""

    def search_lexical(
        self, query: str, k: int, documents: Collection[str] | None = None
    ) -> list[tuple[int, float]]:
        """The k passages that share the most telling words with `query` (any text, any script) as
        (passage id, bm25 score, higher is better), best first, ties by id."""

    def keep_skipped(self, skipped: Sequence[Skipped]) -> None:
        """Remember what the last run could not take, in the place of what an earlier one could not."""

    def skipped(self) -> list[Skipped]:
        """What the last run could not take, ordered by path."""

    def close(self) -> None:
        """Release files and connections; closing twice is allowed."""

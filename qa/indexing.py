"""Folder → index: the only writer's story.

Files whose content is already in the index are left alone, new and changed ones are read, split,
embedded and stored, vanished ones are removed. Documents are stored in batches, each one transaction:
a run that is killed has stored whole documents, and the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from qa.corpus import Found, Skipped, load, passages, sha256, walk
from qa.embedder import Embedder
from qa.errors import BadCorpus, UnreadableFile
from qa.store.base import Indexed, Store
from qa.types import Document, Passage

BATCH_PASSAGES = 256  # embedded together: enough to sort by length, little enough to lose
PASSAGE_TOKENS = 180
OVERLAP_SENTENCES = 1

SETTINGS = {"passage_tokens": str(PASSAGE_TOKENS), "overlap_sentences": str(OVERLAP_SENTENCES)}
"""What must be equal for two runs to give the same passages; kept with the index."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. `seconds` since its start; `passages` embedded by it."""

    documents: int
    documents_in_all: int
    passages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `skipped` names each file that is not in the index, and why."""

    added: int
    updated: int
    removed: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    passages: int
    seconds: float


def index_folder(
    folder: Path, store: Store, embedder: Embedder, progress: Callable[[Progress], None] | None = None
) -> Report:
    """Bring `store` into step with `folder`.

    Raises `BadCorpus` where the folder is missing, or nothing in it can be read; the index then stays
    as it was.
    """
    begin = perf_counter()
    found, skipped = walk(folder)
    known = {info.id: (info.sha256, info.path) for info in store.documents()}
    if not found and not known:
        raise BadCorpus(_nothing(folder, skipped))

    changed: list[Found] = []
    unchanged: set[str] = set()
    for file in found:
        try:
            same = file.id in known and known[file.id] == (sha256(file.path), str(file.path))
        except OSError as error:
            skipped.append(Skipped(file.id, f"cannot be read: {error.strerror}"))
            continue
        if same:
            unchanged.add(file.id)
        else:
            changed.append(file)

    done = embedded = added = 0
    kept = set(unchanged)
    for batch in _batches(_documents(changed, skipped), embedder):
        items = _embed(batch, embedder)
        store.put(items)
        kept.update(item.document.id for item in items)
        added += sum(item.document.id not in known for item in items)
        done += len(items)
        embedded += sum(len(item.passages) for item in items)
        if progress:
            progress(Progress(done, len(changed), embedded, perf_counter() - begin))

    if not kept:
        raise BadCorpus(_nothing(folder, skipped))
    vanished = sorted(known.keys() - kept)
    if vanished:
        store.remove(vanished)
    return Report(
        added=added,
        updated=done - added,
        removed=len(vanished),
        unchanged=len(unchanged),
        skipped=tuple(sorted(skipped, key=lambda skip: skip.path)),
        passages=store.passage_count(),
        seconds=perf_counter() - begin,
    )


def _documents(files: Iterable[Found], skipped: list[Skipped]) -> Iterator[Document]:
    for file in files:
        try:
            yield load(file)
        except UnreadableFile as error:
            skipped.append(Skipped(file.id, str(error)))


def _batches(
    documents: Iterable[Document], embedder: Embedder
) -> Iterator[list[tuple[Document, tuple[Passage, ...]]]]:
    batch: list[tuple[Document, tuple[Passage, ...]]] = []
    for document in documents:
        parts = passages(document, embedder.count_tokens, PASSAGE_TOKENS, OVERLAP_SENTENCES)
        batch.append((document, parts))
        if sum(len(parts) for _, parts in batch) >= BATCH_PASSAGES:
            yield batch
            batch = []
    if batch:
        yield batch


def _embed(batch: list[tuple[Document, tuple[Passage, ...]]], embedder: Embedder) -> list[Indexed]:
    vectors = embedder.embed([document.text[p.start : p.end] for document, parts in batch for p in parts])
    ends = np.cumsum([len(parts) for _, parts in batch])
    return [
        Indexed(document, parts, vectors[end - len(parts) : end])
        for (document, parts), end in zip(batch, ends, strict=True)
    ]


def _nothing(folder: Path, skipped: list[Skipped]) -> str:
    reasons = "; ".join(f"{skip.path}: {skip.reason}" for skip in skipped[:3])
    return (
        f"No readable document in {folder}{f' ({reasons})' if reasons else ''}; expected .txt, .md, .html, "
        ".pdf or .docx files: qa index FOLDER"
    )

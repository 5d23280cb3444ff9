"""Folder → index: the only writer's story.

Files whose content is already in the index are left alone, new and changed ones are read, split,
embedded and stored, vanished ones are removed. Documents are stored in batches, each one transaction:
a run that is killed has stored whole documents, and the next run goes on from there.

What visitors uploaded (see `qa/uploads.py`) lies in a folder of its own beside the index, and is kept in
step as well; its documents have ids that start with "uploads/".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from qa.corpus import Found, Skipped, load, passages, sha256, walk
from qa.embedder import Embedder
from qa.errors import BadCorpus, BadIndex, UnreadableFile
from qa.store.base import Indexed, Store
from qa.types import Document, Passage

BATCH_PASSAGES = 256  # embedded together: enough to sort by length, little enough to lose
PASSAGE_TOKENS = 180
OVERLAP_SENTENCES = 1

SETTINGS = {
    "passage_tokens": str(PASSAGE_TOKENS),
    "overlap_sentences": str(OVERLAP_SENTENCES),
    "embedded": "title and passage",
}
"""What must be equal for two runs to give the same passages; kept with the index."""

LOCK = "index.lock"
UPLOADED = "uploads/"
"""What the ids of uploaded documents start with."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. `seconds` since its start; `passages` embedded by it.

    Where files are taken one at a time: `stage` is "reading", "splitting" or "embedding", `file` the name
    of the one in hand, `part` the share of it, 0 to 1, that is embedded.
    """

    documents: int
    documents_in_all: int
    passages: int
    seconds: float
    stage: str = ""
    file: str = ""
    part: float = 0.0

    @property
    def share(self) -> float:
        """How much of the run is done, 0 to 1."""
        return (self.documents + self.part) / max(1, self.documents_in_all)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `skipped` names each file that was not taken, and why; `ids` the documents that an
    upload added, in the order of its files; `passages` counts those now in the index."""

    added: int
    updated: int
    removed: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    passages: int
    seconds: float
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One of several parts of a folder, which different machines may index: the documents are divided by
    their ids. `number` counts from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """ "3/16" is the third of sixteen. Raises `ValueError`."""
        number, _, of = text.partition("/")
        part = cls(int(number), int(of))
        if not 1 <= part.number <= part.of:
            raise ValueError(text)
        return part

    def holds(self, document_id: str) -> bool:
        digest = hashlib.sha256(document_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.of == self.number - 1


@contextmanager
def alone(index: Path, *, wait: bool = False) -> Iterator[None]:
    """No two runs write one index at a time: the second waits, or raises `BadIndex` at once. The lock is
    the operating system's: it ends with the process, however that ends."""
    from filelock import FileLock, Timeout  # noqa: PLC0415

    lock = FileLock(index / LOCK)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise BadIndex(
            f"Another qa index is writing to {index}; wait until it is done, then: "
            f"qa index FOLDER --index {index}"
        ) from None
    except OSError as error:
        raise BadIndex(
            f"The index folder {index} cannot be written to ({error.strerror}); change its permissions, or "
            "choose another: qa index FOLDER --index DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()


def index_folder(
    folder: Path,
    store: Store,
    embedder: Embedder,
    progress: Callable[[Progress], None] | None = None,
    uploads: Path | None = None,
    part: Part | None = None,
) -> Report:
    """Bring `store` into step with `folder`, or with a part of it, and with the folder of uploads where one
    is given. Of a store that machines share, only the documents of this folder are looked at.

    Raises `BadCorpus` where the folder is missing, or nothing in it can be read; the index then stays
    as it was.
    """
    begin = perf_counter()
    found, skipped = walk(folder)
    own = {file.id for file in found}
    if uploads and uploads.is_dir():
        found, skipped, own = _with_uploads(found, skipped, uploads)
    infos = store.documents()
    if store.shared:
        infos = [info for info in infos if _lies_in(info.path, (folder, uploads))]
    if part:
        found = [file for file in found if part.holds(file.id)]
        infos = [info for info in infos if part.holds(info.id)]
    known = {info.id: (info.sha256, info.path) for info in infos}
    if not own and not known:
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

    if not kept & own and part is None:  # a part may be empty
        raise BadCorpus(_nothing(folder, skipped))
    vanished = sorted(known.keys() - kept)
    if vanished:
        store.remove(vanished)
    left_out = tuple(sorted(skipped, key=lambda skip: skip.path))
    store.keep_skipped(left_out)
    return Report(
        added=added,
        updated=done - added,
        removed=len(vanished),
        unchanged=len(unchanged),
        skipped=left_out,
        passages=store.passage_count(),
        seconds=perf_counter() - begin,
    )


def _lies_in(path: str, folders: Iterable[Path | None]) -> bool:
    place = Path(path).absolute()
    return any(place.is_relative_to(folder.absolute()) for folder in folders if folder is not None)


def _with_uploads(
    found: Sequence[Found], skipped: Sequence[Skipped], uploads: Path
) -> tuple[list[Found], list[Skipped], set[str]]:
    """The files of both folders, what is passed over, and the ids of the user's own files."""
    uploaded, passed_over = walk(uploads)
    ids = {UPLOADED + file.id for file in uploaded}
    # The user's folder may hold the index, and with it the uploads.
    own = [file for file in found if uploads.resolve() not in file.path.resolve().parents]
    clashing = [file for file in own if file.id in ids]
    return (
        [*(file for file in own if file.id not in ids)]
        + [Found(UPLOADED + file.id, file.path, file.size) for file in uploaded],
        [*skipped]
        + [Skipped(UPLOADED + skip.path, skip.reason) for skip in passed_over]
        + [Skipped(file.id, "an uploaded document has this name; rename the file") for file in clashing],
        {file.id for file in own} - ids,
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
    vectors = embedder.embed([text_to_embed(document, part) for document, parts in batch for part in parts])
    ends = np.cumsum([len(parts) for _, parts in batch])
    return [
        Indexed(document, parts, vectors[end - len(parts) : end])
        for (document, parts), end in zip(batch, ends, strict=True)
    ]


def text_to_embed(document: Document, passage: Passage) -> str:
    """The passage under its document's title, which says what "it" and "the study" are about."""
    text, title = document.text[passage.start : passage.end], document.title.removesuffix("…")
    return text if title in " ".join(text.split()) else f"{title}\n{text}"


def _nothing(folder: Path, skipped: list[Skipped]) -> str:
    reasons = "; ".join(f"{skip.path}: {skip.reason}" for skip in skipped[:3])
    return (
        f"No readable document in {folder}{f' ({reasons})' if reasons else ''}; expected .txt, .md, .html, "
        ".pdf or .docx files: qa index FOLDER"
    )

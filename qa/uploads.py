"""Documents that visitors add: files → <index>/uploads/ → index, one at a time; and their way out again.

A file is copied to a hidden name that reserves its own, then read, split, embedded and stored. It appears
under its name only once all of that has gone well, so that a run that is killed leaves nothing but the hidden
copy, which is passed over, and deleted after a day. `qa index` treats the folder as a second source beside
the user's own (see `qa/indexing.py`): uploads outlive it, and `--rebuild` embeds them again.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from time import perf_counter, time

import numpy as np

from qa.corpus import Found, Skipped, load, passages, sha256
from qa.corpus.formats import MEND, READERS
from qa.corpus.load import KINDS
from qa.embedder import Embedder
from qa.errors import BadCorpus, BadIndex, UnreadableFile
from qa.indexing import OVERLAP_SENTENCES, PASSAGE_TOKENS, UPLOADED, Progress, Report, text_to_embed
from qa.store.base import DocumentInfo, Indexed, Store, Vectors
from qa.types import Document, Passage

UPLOADS = "uploads"  # the folder within the index
LARGEST_UPLOAD = 50 * 2**20  # bytes of one file
LONGEST_TEXT = 10_000_000  # characters of one file, some 2,500 full pages: minutes of embedding, not hours
MOST_UPLOADS = 50  # files at a time
LARGEST_FOLDER = 5 * 2**30  # bytes of all uploads: visitors cannot fill the disk
LONGEST_NAME = 150  # bytes: room for a number, whatever the file system
PART = ".part-"  # how a hidden copy's name begins
PART_KEPT_SECONDS = 24 * 3600
SLICE_PASSAGES = 16  # embedded between two chances for a question to be embedded

_UNSAFE = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')  # what some file system does not take


class Uploads:
    """The uploaded files of one index. Threads may share it: one file at a time is read and embedded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._one_at_a_time = Lock()

    def add(
        self,
        files: Sequence[Path],
        store: Store,
        embedder: Embedder,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Copy these files into the uploads, and index them.

        What cannot be taken is named in `skipped` with the reason, and is not kept. Raises `BadCorpus`
        for no file or more than `MOST_UPLOADS`, `BadIndex` where the index cannot be written to; files
        stored before that stay.
        """
        if not 1 <= len(files) <= MOST_UPLOADS:
            raise BadCorpus(
                f"{len(files):,} files were given; expected 1 to {MOST_UPLOADS} at a time. "
                "Index many files as a folder: qa index FOLDER"
            )
        begin = perf_counter()
        ids: list[str] = []
        skipped: list[Skipped] = []
        embedded = 0
        for number, file in enumerate(files):
            name = safe_name(file.name)
            before = Progress(number, len(files), embedded, 0.0, file=name)

            def tell(stage: str, part: float = 0.0, count: int = 0, before: Progress = before) -> None:
                if progress:
                    seconds, passages = perf_counter() - begin, before.passages + count
                    progress(replace(before, passages=passages, seconds=seconds, stage=stage, part=part))

            with self._one_at_a_time:
                tell("reading")
                try:
                    item = self._add(file, name, store, embedder, tell)
                except UnreadableFile as error:
                    skipped.append(Skipped(name, str(error).replace(MEND, "then add it again")))
                except _AlreadyThere as there:
                    skipped.append(Skipped(name, f"{name} is already there as {there.document_id}"))
                else:
                    ids.append(item.document.id)
                    embedded += len(item.passages)
        if progress:
            progress(Progress(len(files), len(files), embedded, perf_counter() - begin))
        return Report(
            added=len(ids),
            updated=0,
            removed=0,
            unchanged=0,
            skipped=tuple(skipped),
            passages=store.passage_count(),
            seconds=perf_counter() - begin,
            ids=tuple(ids),
        )

    def remove(self, document_ids: Collection[str], store: Store) -> Report:
        """Take these documents out of the index, and delete the files of those that were uploaded.

        Files of the user's own folder are never touched: the next `qa index FOLDER` brings them back.
        Raises `BadIndex`.
        """
        begin = perf_counter()
        chosen = set(document_ids)
        leaving = [info for info in store.documents() if info.id in chosen]
        store.remove(document_ids)
        for info in filter(self.holds, leaving):
            try:
                Path(info.path).unlink(missing_ok=True)
            except OSError as error:
                raise BadIndex(
                    f"{info.id} is out of the index, but its file cannot be deleted ({error.strerror}); "
                    f"delete it, or the next qa index FOLDER adds it again: {info.path}"
                ) from error
        return Report(
            added=0,
            updated=0,
            removed=len(leaving),
            unchanged=0,
            skipped=(),
            passages=store.passage_count(),
            seconds=perf_counter() - begin,
        )

    def holds(self, document: DocumentInfo | Document) -> bool:
        """Whether the document's file is one of the uploads, and not one of the user's own folder."""
        return (
            document.id.startswith(UPLOADED) and Path(document.path).resolve().parent == self.folder.resolve()
        )

    def _add(
        self, file: Path, name: str, store: Store, embedder: Embedder, tell: Callable[..., None]
    ) -> Indexed:
        _check(file, name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = _size(self.folder)
            if held + file.stat().st_size > LARGEST_FOLDER:
                raise UnreadableFile(
                    f"{name} is too much: {held / 2**30:.1f} GB are uploaded, at most "
                    f"{LARGEST_FOLDER / 2**30:.1f} GB are kept; remove documents, {MEND}"
                )
            final, copy = self._reserve(name, {info.id for info in store.documents()})
        except OSError as error:
            raise BadIndex(
                f"{self.folder} cannot be written to ({error.strerror}); change its permissions, then add "
                f"{name} again"
            ) from error
        try:
            _copy(file, copy, name)
            _refuse_what_is_there(sha256(copy), store)
            found = Found(UPLOADED + final.name, copy, copy.stat().st_size)
            document = replace(load(found), path=str(final))
            _check_length(document, name)
            tell("splitting")
            parts = passages(document, embedder.count_tokens, PASSAGE_TOKENS, OVERLAP_SENTENCES)
            tell("embedding")
            item = Indexed(document, parts, _vectors(document, parts, embedder, tell))
            copy.replace(final)
            store.put([item])
        except BaseException:
            (copy if copy.exists() else final).unlink(missing_ok=True)
            raise
        return item

    def _reserve(self, name: str, taken: Collection[str]) -> tuple[Path, Path]:
        """A path in the uploads that is not taken, this name or the name with a number, and the hidden file
        that keeps it for us, now empty. Raises `OSError`."""
        for part in self.folder.glob(f"{PART}*"):
            if time() - part.stat().st_mtime > PART_KEPT_SECONDS:
                part.unlink(missing_ok=True)
        stem, suffix = Path(name).stem, Path(name).suffix
        number = 1
        while True:
            path = self.folder / (name if number == 1 else f"{stem} ({number}){suffix}")
            number += 1
            if UPLOADED + path.name in taken or path.exists():
                continue
            copy = path.with_name(PART + path.name)
            try:
                copy.open("xb").close()
            except FileExistsError:
                continue
            return path, copy


def safe_name(name: str) -> str:
    """The last part of a path that a stranger chose, as a file name that is safe on any system: not
    hidden, without control or direction characters, at most `LONGEST_NAME` bytes, its suffix kept."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Cn", "Co"})
    clean = _UNSAFE.sub("_", " ".join(shown.split())).rstrip(" .")
    stem, dot, suffix = clean.rpartition(".")
    if not dot:
        stem, suffix = clean, ""
    ending = (dot + suffix).encode()[:20].decode(errors="ignore")
    return _cut(stem.strip(" .") or "document", LONGEST_NAME - len(ending.encode())) + ending


def _cut(text: str, size: int) -> str:
    """The beginning of a text, at most `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore").rstrip(" .")


def _check(file: Path, name: str) -> None:
    """Raises `UnreadableFile` for what need not be copied to be refused."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise UnreadableFile(f"{name} cannot be opened ({error.strerror}); {MEND}") from error
    if not file.is_file():
        raise UnreadableFile(f"{name} is not a file; choose the files in it, {MEND}")
    if Path(name).suffix.lower() not in READERS:
        raise UnreadableFile(f"{name} is of an unknown type, expected {KINDS}; save it as one, {MEND}")
    if size == 0:
        raise UnreadableFile(f"{name} is empty, 0 bytes; choose the file that holds the text, {MEND}")
    if size > LARGEST_UPLOAD:
        raise UnreadableFile(
            f"{name} has {size / 2**20:,.0f} MB, at most {LARGEST_UPLOAD // 2**20} MB can be uploaded; split "
            f"it into smaller files, {MEND}"
        )


def _check_length(document: Document, name: str) -> None:
    if len(document.text) > LONGEST_TEXT:
        raise UnreadableFile(
            f"{name} holds {len(document.text):,} characters of text, at most {LONGEST_TEXT:,} can be added "
            f"here; split it into smaller files, {MEND.removesuffix(' again')}"
        )


def _size(folder: Path) -> int:
    """The bytes of the folder's files."""
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # removed meanwhile
            size += path.stat().st_size
    return size


def _copy(file: Path, copy: Path, name: str) -> None:
    try:
        shutil.copyfile(file, copy)
    except OSError as error:
        raise UnreadableFile(f"{name} cannot be copied ({error.strerror}); make room, {MEND}") from error


class _AlreadyThere(Exception):
    """The same bytes are in the index, as this document."""

    def __init__(self, document_id: str) -> None:
        super().__init__(document_id)
        self.document_id = document_id


def _refuse_what_is_there(digest: str, store: Store) -> None:
    for info in store.documents():
        if info.sha256 == digest:
            raise _AlreadyThere(info.id)


def _vectors(
    document: Document, parts: Sequence[Passage], embedder: Embedder, tell: Callable[..., None]
) -> Vectors:
    """The passages' vectors, shape (n, dimension)."""
    slices = [embedder.embed([])]
    for start in range(0, len(parts), SLICE_PASSAGES):
        texts = [text_to_embed(document, part) for part in parts[start : start + SLICE_PASSAGES]]
        slices.append(embedder.embed(texts))
        done = start + len(texts)
        tell("embedding", done / len(parts), done)
    return np.concatenate(slices)

"""Folder → files → Documents: the walk, the hash, and all that a document holds."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256 as new_sha256
from pathlib import Path
from textwrap import shorten

from qa.corpus.clean import hidden_ranges, without_markup
from qa.corpus.dates import stated_date
from qa.corpus.formats import MEND, READERS
from qa.corpus.lines import paragraphs
from qa.corpus.origin import body
from qa.corpus.split import sentences
from qa.errors import BadCorpus, UnreadableFile
from qa.types import Document, Range, Skipped

LARGEST_FILE = 512 * 2**20  # bytes, held in memory at once
LONGEST_TITLE = 120  # characters
KINDS = ".txt, .md, .html, .pdf or .docx"


@dataclass(frozen=True, slots=True)
class Found:
    """A file to be read. `id` is its path relative to the folder, with forward slashes; `size` in bytes."""

    id: str
    path: Path
    size: int


def walk(folder: Path) -> tuple[list[Found], list[Skipped]]:
    """The readable files below `folder`, and what is passed over, both ordered by path.

    Links to folders are followed, but no folder is read twice. Raises `BadCorpus` where `folder` is not
    a folder.
    """
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "missing"
        raise BadCorpus(f"{folder} is {what}; expected a folder with {KINDS} files: qa index FOLDER")
    found: list[Found] = []
    skipped: list[Skipped] = []
    visited: set[tuple[int, int]] = set()
    waiting, links = [folder], list[Path]()
    while waiting or links:
        current = waiting.pop() if waiting else links.pop(0)  # links last: a file keeps its own path
        try:
            place = current.stat()
            paths = sorted(current.iterdir()) if (place.st_dev, place.st_ino) not in visited else None
        except OSError as error:
            skipped.append(Skipped(_relative(folder, current), f"cannot be opened: {error.strerror}"))
            continue
        if paths is None:
            skipped.append(Skipped(_relative(folder, current), "a link to a folder that is read already"))
            continue
        visited.add((place.st_dev, place.st_ino))
        for path in paths:
            match _inspect(folder, path):
                case None:
                    (links if path.is_symlink() else waiting).append(path)
                case Found() as file:
                    found.append(file)
                case reason:
                    skipped.append(Skipped(_relative(folder, path), reason))
    return sorted(found, key=lambda file: file.id), sorted(skipped, key=lambda skip: skip.path)


def _inspect(folder: Path, path: Path) -> Found | str | None:
    """The file at `path`, or why it is not read; None for a folder."""
    if path.name.startswith("."):
        return "hidden"
    try:
        status = path.stat()
    except OSError as error:
        return "a link to nothing" if path.is_symlink() else f"cannot be opened: {error.strerror}"
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        return "not a file"
    if path.suffix.lower() not in READERS:
        return f"unknown type, expected {KINDS}"
    if status.st_size == 0:
        return "empty, 0 bytes"
    name = path.relative_to(folder).as_posix()
    if name != _relative(folder, path):
        return "its name is not valid Unicode"
    return Found(name, path, status.st_size)


def _relative(folder: Path, path: Path) -> str:
    """The path below the folder, printable whatever bytes its name holds."""
    return path.relative_to(folder).as_posix().encode("utf-8", "backslashreplace").decode()


def sha256(path: Path) -> str:
    """The hash of the file's bytes, in hexadecimal. Raises `OSError`."""
    digest = new_sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def load(found: Found) -> Document:
    """Read a file: its text, title, date, web address and pages, and which ranges are hidden and which are
    sentences.

    Raises `UnreadableFile` where the file is damaged, protected, too large, binary, or holds no text.
    """
    try:
        if found.path.stat().st_size > LARGEST_FILE:
            raise UnreadableFile(
                f"{found.id} is larger than {LARGEST_FILE // 2**20} MB; split it into smaller files, {MEND}"
            )
        data = found.path.read_bytes()
    except OSError as error:
        raise UnreadableFile(
            f"{found.id} cannot be opened ({error.strerror}); allow reading it, {MEND}"
        ) from error
    content = READERS[found.path.suffix.lower()](found.id, data)
    text = content.text
    if not text.strip():
        raise UnreadableFile(
            f"{found.id} holds no text; if it is a scan or pictures, run text recognition (OCR) on it, {MEND}"
        )
    hidden = hidden_ranges(text)
    readable = sentences(text, hidden)
    date, date_source = content.date, "metadata" if content.date else None
    if date is None and (stated := stated_date(text, datetime.now(UTC).date())):
        date, date_source = stated
    return Document(
        id=found.id,
        title=_shorten(content.title) if content.title else title_of(text, readable) or found.path.name,
        text=text,
        path=str(found.path),
        sha256=new_sha256(data).hexdigest(),
        date=date,
        pages=content.pages,
        hidden=hidden,
        sentences=readable,
        url=content.url,
        date_source=date_source,
    )


def title_of(text: str, readable: Sequence[Range] | None = None) -> str:
    """The text's headline, or where it has none its opening sentence, of its `readable` ranges."""
    begin = body(text)
    ranges = sentences(text, ()) if readable is None else readable
    opening = next((each for each in ranges if each[0] >= begin), None)
    if opening is None:
        return ""
    head = text[opening[0] : opening[0] + 20 * LONGEST_TITLE]
    return _shorten(_headline(head) or text[slice(*opening)])


_LINK = re.compile(r"\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_UNDERLINED = re.compile(
    r"\s*(?:={3,}[ \t]*\n)?[ \t]*(?P<line>[^\s=-][^\n]*?)[ \t]*\n[ \t]*(?:={3,}|-{3,})[ \t]*(?:\n|\Z)"
)


def _headline(head: str) -> str | None:
    """The first line of a text's beginning, if it stands like a headline: underlined, or short, no sentence,
    apart from the rest."""
    underlined = _UNDERLINED.match(head)
    if underlined and len(underlined["line"]) <= LONGEST_TITLE:
        return underlined["line"]
    opening = paragraphs(head)[:2]
    if len(opening) < 2:
        return None
    (start, end), (after, after_end) = opening
    line = head[start:end]
    apart = len(head[end:after].splitlines()) > 1 or after_end - after > 2 * len(line)
    if not apart or len(line) > LONGEST_TITLE or line[-1] in ".,;:!…" or not any(map(str.isalpha, line)):
        return None
    return line


def _shorten(title: str) -> str:
    plain = _LINK.sub(r"\1", without_markup(title)).strip(" *_`\n") or title
    words = " ".join(plain.split())
    return words if len(words) <= LONGEST_TITLE else shorten(words, LONGEST_TITLE, placeholder="…")

"""Bytes → text, title, date, web address and pages: one reader per format. The libraries behind them load
with the first file that needs them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from itertools import accumulate
from threading import Lock
from typing import Any
from zipfile import BadZipFile, ZipFile
from zlib import error as zlib_error

from qa.corpus.lines import paragraphs
from qa.corpus.origin import origin, web_address
from qa.errors import UnreadableFile

LARGEST_UNZIPPED = 200 * 2**20  # bytes: a Word file that claims more is a zip bomb
MOST_PAGES = 10_000
PAGE_BREAK = "\n\n"
SAMPLE = 2**15  # bytes or characters that tell an encoding, or text from binary
DOCX_TEMPLATE_STAMP = "2013-12-23T23:15:00"  # python-docx's template; no document was written then

MEND = "then run `qa index FOLDER` again"

_STATED_ADDRESS = "//link[@rel='canonical']/@href | //meta[@property='og:url']/@content"

_PDFIUM = Lock()  # PDFium must not be entered twice


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader gets out of a file. `title`, `date` (ISO 8601) and `url` as the file states them."""

    text: str
    title: str | None = None
    date: str | None = None
    pages: tuple[int, ...] | None = None
    url: str | None = None


def _read_text(name: str, data: bytes) -> Content:
    text = _decode(name, data)
    said = origin(text)
    return Content(text, date=_date(said.date), url=said.url)


def _read_markdown(name: str, data: bytes) -> Content:
    text = _decode(name, data)
    before_code = text.split("```", 1)[0]
    heading = re.search(r"^#[ \t]+(\S.{0,300}?)[ \t#]*\r?$", before_code, re.MULTILINE)
    said = origin(text)
    title = _tidy(said.title) or (heading[1] if heading else None)
    return Content(text, title=title, date=_date(said.date), url=said.url)


def _read_html(name: str, data: bytes) -> Content:
    from trafilatura import bare_extraction, load_html  # noqa: PLC0415

    page = _decode(name, data)
    if not re.search(r"<(?:html|body)\b", page, re.IGNORECASE):
        page = f"<html><body>{page}</body></html>"
    tree: Any = load_html(page)
    stated = [] if tree is None else tree.xpath(_STATED_ADDRESS)
    named = None if tree is None else _named(tree)
    main: Any = bare_extraction(
        page if tree is None else tree,
        include_comments=False,
        with_metadata=True,
        date_extraction_params={"original_date": True, "extensive_search": False},  # stated, not guessed
    )
    if main is None or not main.text:
        raise UnreadableFile(
            f"{name} has no main text that could be told from its menus; save the article itself, {MEND}"
        )
    url = next(filter(None, map(web_address, stated)), None)
    return Content(main.text, title=named or _tidy(main.title), date=_date(main.date), url=url)


def _named(tree: Any) -> str | None:
    """The heading with which the page's title begins, "Data types" in "Data types - A handbook": the first
    heading may be the handbook's on each of its pages."""
    title = _tidy(tree.findtext(".//head//title")) or ""
    headings = (_tidy(heading.text_content()) or "" for heading in tree.iter("h1", "h2"))
    begins = (h for h in headings if h and re.match(rf"{re.escape(h)}(?!\w)", title, re.IGNORECASE))
    return max(begins, key=len, default=None)


def _read_pdf(name: str, data: bytes) -> Content:
    from pypdfium2 import PdfDocument, PdfiumError  # noqa: PLC0415
    from pypdfium2.raw import FPDF_ERR_PASSWORD  # noqa: PLC0415

    with _PDFIUM:
        try:
            pdf = PdfDocument(data)
        except PdfiumError as error:
            if error.err_code == FPDF_ERR_PASSWORD:
                raise UnreadableFile(
                    f"{name} is protected by a password; save a copy without one, {MEND}"
                ) from error
            raise UnreadableFile(f"{name} is not a readable PDF; save it once more as PDF, {MEND}") from error
        try:
            if len(pdf) > MOST_PAGES:
                raise UnreadableFile(
                    f"{name} has {len(pdf)} pages, more than {MOST_PAGES}; split it into smaller files, "
                    f"{MEND}"
                )
            properties = pdf.get_metadata_dict()
            raw = list(_pdf_pages(pdf))
        except PdfiumError as error:
            raise UnreadableFile(
                f"{name} has a damaged page ({error}); save it once more as PDF, {MEND}"
            ) from error
        finally:
            pdf.close()
    pages = [_unwrap(page) for page in raw]
    starts = accumulate((len(page) + len(PAGE_BREAK) for page in pages[:-1]), initial=0)
    return Content(
        text=PAGE_BREAK.join(pages),
        title=_file_title(properties.get("Title")),
        date=_date(properties.get("CreationDate")),
        pages=tuple(starts),
    )


def _pdf_pages(pdf: Any) -> Iterator[str]:
    for i in range(len(pdf)):
        page = pdf[i]
        words = page.get_textpage()
        try:
            yield words.get_text_range()
        finally:
            words.close()
            page.close()


def _unwrap(page: str) -> str:
    """A page of PDF text with every paragraph on one line. PDFium writes U+FFFE for the hyphen and line
    break inside a word: the hyphen goes, but for a compound such as "UN-backed"."""
    page = re.sub(r"[^\S\r\n]+|[\x00-\x08\x0e-\x1b]", " ", page).replace("\ufffe", "\ufffe\n")
    joined = "\n".join(re.sub(r"\s+", " ", page[start:end]) for start, end in paragraphs(page))
    return re.sub(r"\ufffe\s*", "-", re.sub(r"(?<=[a-zà-ÿ])\ufffe\s*(?=[a-zà-ÿ])", "", joined))


def _read_docx(name: str, data: bytes) -> Content:
    import docx  # noqa: PLC0415

    try:
        with ZipFile(BytesIO(data)) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > LARGEST_UNZIPPED:
            raise UnreadableFile(
                f"{name} unpacks to {size // 2**20} MB, more than {LARGEST_UNZIPPED // 2**20} MB; "
                f"split it into smaller files, {MEND}"
            )
        word = docx.Document(BytesIO(data))
        text = "\n".join(_docx_blocks(word))
        properties = word.core_properties
        title, created, identifier = properties.title, properties.created, properties.identifier
        heading = next((p.text for p in word.paragraphs if _is_docx_title(p) and p.text.strip()), None)
    except _DAMAGED as error:
        raise UnreadableFile(
            f"{name} is no readable .docx (it is damaged, protected by a password, or an old .doc); "
            f"open it, save it as .docx, {MEND}"
        ) from error
    return Content(
        text,
        title=_file_title(title) or _tidy(heading),
        date=_date(created and created.isoformat()),
        url=web_address(identifier),
    )


def _docx_blocks(container: Any) -> Iterator[str]:
    """Paragraphs and table rows in document order, the cells of a row in one line."""
    from docx.table import _Cell  # noqa: PLC0415

    for block in container.iter_inner_content():
        if not hasattr(block, "rows"):
            if block.text.strip():
                yield block.text
            continue
        for row in block.rows:
            # row.cells would name a merged cell once per column, however many the file claims.
            cells = (" ".join(_docx_blocks(_Cell(cell, block))) for cell in row._tr.tc_lst)
            if filled := [cell for cell in cells if cell]:
                yield " | ".join(filled)


def _is_docx_title(paragraph: Any) -> bool:
    return paragraph.style is not None and paragraph.style.name in {"Title", "Heading 1"}


def _decode(name: str, data: bytes) -> str:
    """The text behind the bytes, line endings unchanged, without a byte order mark."""
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _is_binary(text):
            return text
    text = data.decode("utf-8", "replace")
    if b"\0" not in data and 20 * text.count("\ufffd") < len(text) and not _is_binary(text):
        return text  # a few damaged bytes: the rest can be read
    raise UnreadableFile(
        f"{name} is not text but binary data, or text in an unknown encoding; save it as UTF-8 text, {MEND}"
    )


def _encodings(data: bytes) -> Iterator[str]:
    """The encodings that the bytes may be in, most trustworthy first."""
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    if marked:
        yield marked
        return
    if b"\0" in data:  # text has NUL bytes only in UTF-16 and UTF-32
        sample = data[:SAMPLE]
        high, low = sample[0::2].count(0), sample[1::2].count(0)
        if 10 * min(high, low) < max(high, low) > len(sample) // 5:
            yield "utf-16-be" if high > low else "utf-16-le"
        return
    yield "utf-8"
    if _is_damaged_utf8(data):
        return
    from charset_normalizer import from_bytes  # noqa: PLC0415

    telling = re.search(rb"[\x80-\xff]", data)
    at = telling.start() if telling else 0
    start = data.rfind(b"\n", 0, at) + 1 if at > SAMPLE // 2 else 0  # 0: the head may name the encoding
    sample = data[start : start + SAMPLE]
    if start + SAMPLE < len(data):
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    for part in dict.fromkeys((sample, data)):
        if best := from_bytes(part).best():
            yield best.encoding


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether most bytes outside ASCII form UTF-8 sequences, which chance does not bring about."""
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return beyond_ascii > 10 * damaged


def _is_binary(text: str) -> bool:
    """Whether more than a twentieth is neither letters, signs nor white space."""
    sample = text[:SAMPLE]
    odd = sum(unicodedata.category(c) in {"Cc", "Cn", "Co"} and c not in "\t\n\r\f\v\x85" for c in sample)
    return 20 * odd > len(sample)


def _tidy(title: str | None) -> str | None:
    return " ".join(title.split()) or None if title else None


def _file_title(title: str | None) -> str | None:
    """A title from a file's properties, unless a program filled it in by itself."""
    tidy = _tidy(title)
    if not tidy or re.search(
        r"^(?:\W*untitled\W*|microsoft \w+ - .*|\S+\.\w{2,5}|\W*)$", tidy, re.IGNORECASE
    ):
        return None
    return tidy


def _date(stamp: str | None) -> str | None:
    """The day of "2016-05-19T…" or of PDF's "D:20160519…", as 2016-05-19; None for anything else."""
    parts = re.match(r"(?:D:)?((?:19|20)\d\d)-?(\d\d)-?(\d\d)", stamp or "")
    if not parts or (stamp or "").startswith(DOCX_TEMPLATE_STAMP):
        return None
    try:
        return date(*map(int, parts.groups())).isoformat()
    except ValueError:
        return None


# What zipfile, lxml and python-docx raise for a damaged file. RuntimeError: encrypted, or nested too deep.
_DAMAGED = (
    *(BadZipFile, zlib_error, EOFError, OSError, RuntimeError),
    *(SyntaxError, LookupError, ValueError, TypeError, AttributeError),
)

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)

READERS: dict[str, Callable[[str, bytes], Content]] = {
    ".txt": _read_text,
    ".md": _read_markdown,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": _read_pdf,
    ".docx": _read_docx,
}

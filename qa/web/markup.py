"""Words of documents and questions, made harmless in HTML.

Those words are hostile until proven otherwise: every one of them goes through `escape`, and stands in
an element of its own that isolates its writing direction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape as escape_html
from unicodedata import bidirectional
from urllib.parse import quote as url_quote

REPLACEMENT = "\ufffd"

_CONTROL = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r\f"} | {0x7F: 0x2421}
_SURROGATE = re.compile("[\ud800-\udfff]")


def escape(text: str) -> str:
    """Text that HTML shows as it is. Control characters, which HTML has no place for, become their
    pictures (␀); a lone surrogate, which no encoding carries, the replacement character."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)
    return escape_html(sendable(text), quote=True)


def sendable(text: str) -> str:
    """Text without the lone surrogates that UTF-8 cannot carry."""
    return _SURROGATE.sub(REPLACEMENT, text)


def isolated(text: str) -> str:
    """Text in an element that keeps its writing direction to itself."""
    return f"<bdi>{escape(text)}</bdi>"


def direction(text: str) -> str:
    """ "ltr" or "rtl", after the first letter: `dir="auto"` would not look into the text's own element."""
    letter = next((kind for kind in map(bidirectional, text) if kind in {"L", "R", "AL"}), "L")
    return "ltr" if letter == "L" else "rtl"


def address(document_id: str, start: int, end: int) -> str:
    """A place as a link within the page; `source.js` reads it."""
    return f"#{url_quote(sendable(document_id), safe='')}:{start}-{end}"


def original(document_id: str) -> str:
    """The link to a document's file, relative to the page; `files.py` serves it."""
    return f"original?document={url_quote(sendable(document_id), safe='')}"


def joined(facts: Iterable[str]) -> str:
    """Facts that are HTML already, those that are not empty."""
    return " · ".join(fact for fact in facts if fact)


def head(text: str, characters: int) -> str:
    """The beginning of a text, cut after a word."""
    if len(text) <= characters:
        return text
    return text[:characters].rsplit(maxsplit=1)[0] + " …"


def failure(sentence: str) -> str:
    """An error that can be mended, as the one sentence that says how."""
    return f'<div class="answer failure"><p dir="auto">{escape(sentence)}</p></div>'


DATE_SOURCES = {
    "metadata": "The file says so.",
    "dateline": "The head of the text says so.",
    "text": "The latest full date that the text names.",
}


def date(iso: str | None, source: str | None = None) -> str:
    """A document's date as a `time` element that tells on hover where it is from, or nothing where none is
    known. What is only the latest date of the text is marked: the document may be younger."""
    if not iso:
        return ""
    title = f' title="{escape(DATE_SOURCES[source])}"' if source in DATE_SOURCES else ""
    later = " or later" if source == "text" else ""
    return f'<time datetime="{escape(iso)}" dir="ltr"{title}>{escape(iso)}{later}</time>'

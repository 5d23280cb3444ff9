"""A document as HTML: its whole text, the cited words marked, what was not read folded. Lines that were
cut at a fixed width run on, for the page has a width of its own."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from qa.corpus import paragraphs
from qa.types import Citation, Document, Range
from qa.web.fragment import text_directive
from qa.web.markup import date, escape, isolated, joined, original, sendable

LEAST_PARAGRAPH = 100  # characters of a line, on average, from which on a line is a paragraph
SOURCE_CHARACTERS = 100_000  # of a document, around the cited words; more is shown as it is scrolled to
WHITE = " \t\r\n\f"  # what a page does not show: Python counts more as white space

_SINGLE_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")
_WRAP = re.compile(r"[ \t]*(?:\r\n|\r|\n)[ \t]*")


def source(document: Document, start: int, end: int, others: Iterable[Range] = ()) -> str:
    """A document with `[start, end)` marked strongly and the `others` lightly, hidden text folded.

    Of a long document, the `SOURCE_CHARACTERS` around the place, with buttons that bring more of it.
    Ranges outside the text are cut to it.
    """
    length = len(document.text)
    start = min(max(start, 0), length)
    end = min(max(end, start), length)
    first, last = _window(document.text, start, end)
    page = Citation(document, start, end).page if start < end else None
    facts = [isolated(document.id), f"page {page}" if page else "", date(document.date, document.date_source)]
    link = original(document.id) + (f"#page={page}" if page else "")
    return (
        '<article class="source"><header>'
        f'<h2 dir="auto">{escape(document.title)}</h2>'
        f'<p class="facts">{joined(facts)}</p>'
        '<button type="button" class="close" aria-label="Close the source">✕</button>'
        f'<div class="tools">{_STEPS if start < end else ""}{_COPY if start < end else ""}'
        f'<a class="original" href="{link}" target="_blank" rel="noopener">Open the file</a>{_web(document)}'
        f"</div>{_position(length, first) if last - first < length else ''}</header>"
        '<div class="text" tabindex="0" role="region" aria-label="Text of the source">'
        f"{_stretch(document, (first, last), (start, end), tuple(others))}</div></article>"
    )


def more(document: Document, at: int, way: str, cited: Range, others: Iterable[Range] = ()) -> str:
    """More of a long document: what stands before or after the offset `at`, or, for any other `way`,
    around it."""
    text, length = document.text, len(document.text)
    at = min(max(at, 0), length)
    if way == "before":
        window = _cut_at_line(text, max(0, at - SOURCE_CHARACTERS)), at
    elif way == "after":
        window = at, _cut_at_line(text, min(length, at + SOURCE_CHARACTERS))
    else:
        window = _window(text, at, at)
    return _stretch(document, window, cited, tuple(others))


def references(document: Document, start: int, end: int) -> dict[str, str]:
    """The quote with its reference, to be copied: as plain text, as Markdown, and as a link that
    opens the words where they come from: on the web where the document has an address, else in its file,
    relative to the page."""
    citation = Citation(document, start, end)
    quote = _flat(citation.quote)
    page = f"page {citation.page}" if citation.page else ""
    place = _flat(", ".join(filter(None, [document.title, document.date, page, document.id])))
    if document.url:
        link = f"{document.url}#{text_directive(document.text, start, end)}"
        source_, marked = f"{place}, {document.url}", f"[{_markdown(place)}]({_in_parentheses(link)})"
    else:
        fragment = f"page={citation.page}" if citation.page else text_directive(document.text, start, end)
        link, source_, marked = f"{original(document.id)}#{fragment}", place, _markdown(place)
    return {
        "text": f"“{quote}” ({source_})",
        "markdown": f"> {_markdown(quote)}\n>\n> {marked}",
        "link": link,
    }


_STEPS = (
    '<span class="steps"><button type="button" class="previous" aria-label="Previous citation">‹</button>'
    '<span class="step"></span>'
    '<button type="button" class="next" aria-label="Next citation">›</button></span>'
)
_COPY = (
    '<span class="copy" role="group" aria-label="Copy the quote with its reference">Copy '
    '<button type="button" value="text">text</button>'
    '<button type="button" value="markdown">Markdown</button>'
    '<button type="button" value="link">link</button></span>'
)


def _web(document: Document) -> str:
    if not document.url:
        return ""
    return (
        f'<a class="web" href="{escape(document.url)}" target="_blank" rel="noopener noreferrer">'
        "Open the web page</a>"
    )


def _position(length: int, first: int) -> str:
    """Where in a long document the reader is, and a way to any other place of it."""
    return (
        f'<label class="position">Position <input type="range" min="0" max="{length}" step="{length // 100}" '
        f'value="{first}" '
        'aria-label="Position in the document"><output></output></label>'
    )


def _stretch(document: Document, window: Range, cited: Range, others: Sequence[Range]) -> str:
    """A part of a document, with a button at each end where the document goes on."""
    first, last = window
    length = len(document.text)
    before = f'<button type="button" class="before" value="{first}">Show what stands before</button>'
    after = f'<button type="button" class="after" value="{last}">Show what follows</button>'
    return (
        (before if first > 0 else "")
        + f'<div class="stretch" data-first="{first}" data-last="{last}">'
        + _document_text(document, window, cited, others)
        + "</div>"
        + (after if last < length else "")
    )


def _cut_at_line(text: str, at: int) -> int:
    """The start of the line after `at`, where that is near."""
    if not 0 < at < len(text):
        return at
    line = text.find("\n", at, at + 2_000)
    return line + 1 if line >= 0 else at


def _flat(text: str) -> str:
    """A text on one line."""
    return " ".join(sendable(text).split())


def _in_parentheses(link: str) -> str:
    return link.replace("(", "%28").replace(")", "%29")


def _markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~-])", r"\\\1", text)


def _window(text: str, start: int, end: int) -> Range:
    """The stretch of a text to show around a place, cut at line ends where any are near."""
    if len(text) <= SOURCE_CHARACTERS:
        return 0, len(text)
    first = max(0, min((start + end - SOURCE_CHARACTERS) // 2, len(text) - SOURCE_CHARACTERS))
    last = first + SOURCE_CHARACTERS
    if first > 0:
        line = text.find("\n", first, min(start, first + 2_000))
        first = line + 1 if line >= 0 else first
    if last < len(text):
        line = text.rfind("\n", max(end, last - 2_000), last)
        last = line + 1 if line >= 0 else last
    return first, last


def _document_text(document: Document, window: Range, cited: Range, others: Sequence[Range]) -> str:
    """The text in runs, by turns readable and hidden; the hidden ones folded. Where the lines are whole
    paragraphs, they are set apart."""
    marks = [(cited, "cited"), *((other, "also") for other in others)]
    line_ends = document.text.count("\n", *window)
    apart = line_ends * LEAST_PARAGRAPH < window[1] - window[0]
    wraps = _wraps(document.text, window)
    runs, position = [], window[0]
    for start, end in [*_hidden_runs(document, window), (window[1], window[1])]:
        readable = _trimmed(document.text, position, start)
        if readable[0] < readable[1]:
            runs.append(
                f'<div class="run" dir="auto">{_marked(document, readable, marks, wraps, apart)}</div>'
            )
        if start < end:
            opened = " open" if max(start, cited[0]) < min(end, cited[1]) else ""
            runs.append(
                f'<details class="hidden-text"{opened}><summary>Not read: repeats, boilerplate '
                f'({end - start:,} characters)</summary><div class="run" dir="auto">'
                f"{_marked(document, (start, end), marks, wraps, apart)}</div></details>"
            )
        position = end
    return "".join(runs)


def _hidden_runs(document: Document, window: Range) -> list[Range]:
    """The hidden ranges within the window, those with only white space between them joined."""
    runs: list[Range] = []
    for start, end in sorted(document.hidden):
        start, end = max(start, window[0]), min(end, window[1])  # noqa: PLW2901
        if start >= end:
            continue
        if runs and not document.text[runs[-1][1] : start].strip():
            runs[-1] = runs[-1][0], max(end, runs[-1][1])
        else:
            runs.append((start, end))
    return runs


def _wraps(text: str, window: Range) -> list[Range]:
    """The line breaks within paragraphs, with the white space beside them."""
    first, last = window
    within = ((first + start, first + end) for start, end in paragraphs(text[first:last]))
    return [found.span() for start, end in within for found in _WRAP.finditer(text, start, end)]


def _run_on(text: str, start: int, end: int, wraps: Sequence[Range]) -> str:
    """The text with a space for each of the wraps that begins in it."""
    parts, position = [], start
    for first, last in wraps[bisect_left(wraps, start, key=lambda wrap: wrap[1]) :]:
        if first >= end:
            break
        parts += [text[position : max(first, start)], " " if first >= start else ""]
        position = min(last, end)
    return "".join([*parts, text[position:end]])


def _marked(
    document: Document, run: Range, marks: Sequence[tuple[Range, str]], wraps: Sequence[Range], apart: bool
) -> str:
    """A run of text, cut wherever a mark or a page starts or ends."""
    pages = {offset: number for number, offset in enumerate(document.pages or (), start=1)}
    edges = {edge for mark, _ in marks for edge in mark} | pages.keys()
    cuts = sorted({*run, *(edge for edge in edges if run[0] < edge < run[1])})
    html = []
    for start, end in pairwise(cuts):
        if start in pages:
            html.append(f'<span class="page">page {pages[start]}</span>')
        piece = escape(_run_on(document.text, start, end, wraps))
        if apart:
            piece = _SINGLE_LINE_END.sub('\n<span class="gap"></span>', piece)
        kind = next((kind for (first, last), kind in marks if first <= start and end <= last), None)
        html.append(f'<mark class="{kind}">{piece}</mark>' if kind else piece)
    return "".join(html)


def _trimmed(text: str, start: int, end: int) -> Range:
    """The range without the white space at its ends, but with the indent of its first line."""
    piece = text[start:end]
    leading = len(piece) - len(piece.lstrip(WHITE))
    indent = leading - 1 - piece.rfind("\n", 0, leading) if "\n" in piece[:leading] else leading
    return start + leading - indent, start + max(leading, len(piece.rstrip(WHITE)))

"""Answers and documents as HTML, by pure functions.

All HTML that holds words of a document or a question is made here. Those words are hostile until
proven otherwise: every one of them goes through `_escape`, and stands in an element of its own that
isolates its writing direction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from urllib.parse import quote as url_quote

from qa.types import Alternative, Answer, Citation, Document, Hit, Range

CONFIDENCE_WORDS = (
    (0.95, "almost certain"),
    (0.85, "very likely"),
    (0.65, "likely"),
    (0.40, "perhaps"),
    (0.00, "doubtful"),
)
"""What a confidence is called from which value on."""

NEAREST_PASSAGES = 3  # shown when the documents do not say
EXCERPT_CHARACTERS = 280
CONTEXT_CHARACTERS = 300  # of a sentence, on each side of the quote
LEAST_PARAGRAPH = 100  # characters of a line, on average, from which on a line is a paragraph
SOURCE_CHARACTERS = 100_000  # of a document, around the cited words

_CONTROL = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r\f"} | {0x7F: 0x2421}
_SINGLE_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")
REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def confidence_in_words(confidence: float) -> str:
    """A probability as the page says it: "very likely · 93 %"."""
    word = next(word for least, word in CONFIDENCE_WORDS if confidence >= least)
    return f"{word} · {_percent(confidence)} %"


def question(text: str) -> str:
    """What was asked, letter by letter."""
    return f'<p class="asked" dir="auto">{_escape(text)}</p>'


def failure(sentence: str) -> str:
    """An error that can be mended, as the one sentence that says how."""
    return f'<div class="answer failure"><p dir="auto">{_escape(sentence)}</p></div>'


def answer(answer: Answer, titles: Mapping[str, str]) -> str:
    """An answer with its citations, or why there is none and what comes nearest.

    `titles` names the documents of the hits by their ids; it is read only for an abstention.
    """
    return _found(answer) if answer else _not_found(answer, titles)


def source(document: Document, start: int, end: int, others: Iterable[Range] = ()) -> str:
    """A document with `[start, end)` marked strongly and the `others` lightly, hidden text folded.

    Of a long document, only the `SOURCE_CHARACTERS` around the place. Ranges outside the text are cut
    to it.
    """
    length = len(document.text)
    start = min(max(start, 0), length)
    end = min(max(end, start), length)
    first, last = _window(document.text, start, end)
    page = Citation(document, start, end).page if start < end else None
    facts = [
        f"<bdi>{_escape(document.id)}</bdi>",
        f"page {page}" if page else "",
        _escape(document.date or ""),
    ]
    note = (
        f'<p class="note">Shown: {last - first:,} of {length:,} characters, around the cited words.</p>'
        if last - first < length
        else ""
    )
    return (
        '<article class="source"><header>'
        f'<h2 dir="auto">{_escape(document.title)}</h2>'
        f'<p class="facts">{_joined(facts)}</p>'
        '<button type="button" class="close" aria-label="Close the source">✕</button>'
        f"{note}</header>"
        '<div class="text" tabindex="0" role="region" aria-label="Text of the source">'
        f"{_document_text(document, (first, last), (start, end), tuple(others))}</div></article>"
    )


def _found(answer: Answer) -> str:
    best, *further = answer.citations
    numbers = _numbered(answer)
    also = "".join(f"<li>{_place(citation, numbers)}</li>" for citation in further)
    return (
        '<div class="answer">'
        f'<p class="sentence" dir="auto">{_sentence(best)} {_link(best, numbers)}</p>'
        f'<p class="from">{_place(best, numbers)}</p>'
        + (f'<h3>Also says so</h3><ul class="places">{also}</ul>' if also else "")
        + _meta(answer)
        + _alternatives(answer.alternatives, numbers)
        + "</div>"
    )


def _not_found(answer: Answer, titles: Mapping[str, str]) -> str:
    nearest = "".join(_nearest(hit, titles) for hit in answer.hits[:NEAREST_PASSAGES])
    return (
        '<div class="answer none"><h3 class="verdict">The documents do not say.</h3>'
        + (f'<p class="reason" dir="auto">{_escape(answer.reason)}</p>' if answer.reason else "")
        + (f'<h3>Nearest passages</h3><ul class="nearest">{nearest}</ul>' if nearest else "")
        + _meta(answer)
        + "</div>"
    )


def _alternatives(alternatives: Sequence[Alternative], numbers: Mapping[tuple[str, int, int], int]) -> str:
    items = "".join(
        f'<li><p class="sentence" dir="auto">{_sentence(alternative.citations[0])} '
        + " ".join(_link(citation, numbers) for citation in alternative.citations)
        + f'</p><p class="from">{_confidence(alternative.confidence)} · '
        + f"{_title(alternative.citations[0])}</p></li>"
        for alternative in alternatives
        if alternative.citations
    )
    return f'<h3>The documents also say</h3><ul class="alternatives">{items}</ul>' if items else ""


def _nearest(hit: Hit, titles: Mapping[str, str]) -> str:
    passage = hit.passage
    title = titles.get(passage.document_id, passage.document_id)
    return (
        f'<li><a class="cite" href="{_address(passage.document_id, passage.start, passage.end)}">'
        f"<bdi>{_escape(title)}</bdi></a>"
        f'<p class="excerpt" dir="auto">{_escape(_head(hit.text, EXCERPT_CHARACTERS))}</p></li>'
    )


def _meta(answer: Answer) -> str:
    facts = [_confidence(answer.confidence) if answer else ""]
    passages = "1 passage" if answer.read == 1 else f"{answer.read:,} passages"
    seconds = answer.seconds.get("total")
    facts.append(f"read {passages}" + (f" in {seconds * 1000:,.0f} ms" if seconds is not None else ""))
    if answer.asked_as != answer.question:
        facts.append(f'<span class="asked-as">asked as: <bdi>{_escape(answer.asked_as)}</bdi></span>')
    return f'<p class="meta">{_joined(facts)}</p>'


def _confidence(confidence: float) -> str:
    meaning = f"Of answers shown with this confidence, about {_percent(confidence)} in 100 are right."
    return f'<span class="confidence" title="{meaning}">{confidence_in_words(confidence)}</span>'


def _percent(confidence: float) -> int:
    """Whole percent; never 0 or 100, which would claim certainty."""
    return min(99, max(1, round(confidence * 100)))


def _sentence(citation: Citation) -> str:
    """The quote in bold inside its sentence, in an element that isolates its writing direction."""
    left, right = citation.left, citation.right
    if len(left) > CONTEXT_CHARACTERS:
        left = "… " + left[-CONTEXT_CHARACTERS:]
    return (
        f"<bdi>{_escape(left)}<strong><mark>{_escape(citation.quote)}</mark></strong>"
        f"{_escape(_head(right, CONTEXT_CHARACTERS))}</bdi>"
    )


def _place(citation: Citation, numbers: Mapping[tuple[str, int, int], int]) -> str:
    page = f"page {citation.page}" if citation.page else ""
    facts = [_title(citation), page, _escape(citation.document.date or "")]
    return f"{_link(citation, numbers)} {_joined(facts)}"


def _title(citation: Citation) -> str:
    return f"<bdi>{_escape(citation.document.title)}</bdi>"


def _link(citation: Citation, numbers: Mapping[tuple[str, int, int], int]) -> str:
    """The number of a citation, linked to its place."""
    number = numbers[_key(citation)]
    label = _escape(f"[{number}] {citation.document.title}: show the source")
    address = _address(*_key(citation))
    return f'<a class="cite" href="{address}" aria-label="{label}" title="{label}">[{number}]</a>'


def _numbered(answer: Answer) -> dict[tuple[str, int, int], int]:
    """Numbers from 1, one for each place, in the order in which the places are shown."""
    citations = [*answer.citations, *(c for other in answer.alternatives for c in other.citations)]
    return {key: number for number, key in enumerate(dict.fromkeys(map(_key, citations)), start=1)}


def _key(citation: Citation) -> tuple[str, int, int]:
    return citation.document.id, citation.start, citation.end


def _address(document_id: str, start: int, end: int) -> str:
    """A place as a link within the page; `page.js` reads it."""
    return f"#{url_quote(_SURROGATE.sub(REPLACEMENT, document_id), safe='')}:{start}-{end}"


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
    runs, position = [], window[0]
    for start, end in [*_hidden_runs(document, window), (window[1], window[1])]:
        readable = _trimmed(document.text, position, start)
        if readable[0] < readable[1]:
            runs.append(f'<div class="run" dir="auto">{_marked(document, readable, marks, apart)}</div>')
        if start < end:
            opened = " open" if max(start, cited[0]) < min(end, cited[1]) else ""
            runs.append(
                f'<details class="hidden-text"{opened}><summary>Not read: repeats, boilerplate '
                f'({end - start:,} characters)</summary><div class="run" dir="auto">'
                f"{_marked(document, (start, end), marks, apart)}</div></details>"
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


def _marked(document: Document, run: Range, marks: Sequence[tuple[Range, str]], apart: bool) -> str:
    """A run of text, cut wherever a mark or a page starts or ends."""
    pages = {offset: number for number, offset in enumerate(document.pages or (), start=1)}
    edges = {edge for mark, _ in marks for edge in mark} | pages.keys()
    cuts = sorted({*run, *(edge for edge in edges if run[0] < edge < run[1])})
    html = []
    for start, end in pairwise(cuts):
        if start in pages:
            html.append(f'<span class="page">page {pages[start]}</span>')
        piece = _escape(document.text[start:end])
        if apart:
            piece = _SINGLE_LINE_END.sub('\n<span class="gap"></span>', piece)
        kind = next((kind for (first, last), kind in marks if first <= start and end <= last), None)
        html.append(f'<mark class="{kind}">{piece}</mark>' if kind else piece)
    return "".join(html)


def _trimmed(text: str, start: int, end: int) -> Range:
    """The range without the white space at its ends, but with the indent of its first line."""
    piece = text[start:end]
    leading = len(piece) - len(piece.lstrip())
    indent = leading - 1 - piece.rfind("\n", 0, leading) if "\n" in piece[:leading] else leading
    return start + leading - indent, start + max(leading, len(piece.rstrip()))


def _head(text: str, characters: int) -> str:
    """The beginning of a text, cut after a word."""
    if len(text) <= characters:
        return text
    return text[:characters].rsplit(maxsplit=1)[0] + " …"


def _joined(facts: Iterable[str]) -> str:
    return " · ".join(fact for fact in facts if fact)


def _escape(text: str) -> str:
    """Text that HTML shows as it is. Control characters, which HTML has no place for, become their
    pictures (␀); a lone surrogate, which no encoding carries, the replacement character."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)
    return escape(_SURROGATE.sub(REPLACEMENT, text), quote=True)

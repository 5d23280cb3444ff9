"""Text → sentences → passages, as ranges of the text.

Sentence boundaries come from sentencex, paragraph by paragraph. A passage is a window of whole sentences,
as many as fit the reader's measure; the next one begins with the last sentence of the one before, so that
no two neighbouring sentences are always apart.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from sentencex import get_sentence_boundaries

from qa.corpus.lines import paragraphs
from qa.types import Document, Passage, Range

LONGEST = 1000  # characters: what runs on without a full stop is cut, so that a sentence can be shown
COUNTED_AT_ONCE = 1024  # texts per call of the tokenizer, which keeps memory flat for huge documents

_BREAKS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_QUOTES = re.compile(r"[\"“”„«»‘()\[\]]")
_OPENING = re.compile(r"\s([\"“„«‘'(\[]+)\Z")
_NUMBERING = re.compile(r"\W*(?:\d{1,3}\W*)?")  # "1. ", which is no sentence but begins one

TokenCounter = Callable[[Sequence[str]], list[int]]


def sentences(text: str, hidden: Sequence[Range]) -> tuple[Range, ...]:
    """The readable sentences of `text` in order: trimmed, disjoint, outside the sorted ranges `hidden`,
    none longer than `LONGEST` characters. Together they hold every character that is neither hidden nor
    white space."""
    return tuple(
        sentence
        for start, end in outside(paragraphs(text), hidden)
        for sentence in _sentences(text, start, end)
    )


def passages(
    document: Document, count_tokens: TokenCounter, limit: int = 180, overlap: int = 1
) -> tuple[Passage, ...]:
    """Windows of whole sentences of at most `limit` word pieces, `overlap` sentences of which the next
    window repeats where they fit. No window spans a hidden range. A sentence that is longer than `limit`
    is cut between words, and inside a word only where there is no other way."""
    text = document.text
    pieces, counts = _within(text, document.sentences, count_tokens, limit)
    windows = [
        (pieces[first][0], pieces[last][1])
        for run in _runs(pieces, document.hidden)
        for first, last in _windows(counts, run, limit, overlap)
    ]
    # Sentences joined without a space may count for more together than apart: hence once more.
    windows, _ = _within(text, windows, count_tokens, limit)
    return tuple(Passage.at(document.id, start, end) for start, end in dict.fromkeys(windows))


def outside(ranges: Sequence[Range], hidden: Sequence[Range]) -> Iterator[Range]:
    """What is left of `ranges` without `hidden`, both sorted."""
    nearest = 0
    for start, end in ranges:
        while nearest < len(hidden) and hidden[nearest][1] <= start:
            nearest += 1
        cursor, i = start, nearest
        while i < len(hidden) and hidden[i][0] < end:
            if cursor < hidden[i][0]:
                yield cursor, hidden[i][0]
            cursor = max(cursor, hidden[i][1])
            i += 1
        if cursor < end:
            yield cursor, end


def _sentences(text: str, start: int, end: int) -> Iterator[Range]:
    for sentence in _split(text, start, end, None):
        if sentence[1] - sentence[0] <= LONGEST:
            yield sentence
        else:  # perhaps a quotation of many sentences, which the library keeps together
            for part in _split(text, *sentence, _QUOTES):
                yield from _cut(text, *part)


def _split(text: str, start: int, end: int, mask: re.Pattern[str] | None) -> Iterator[Range]:
    """The sentences between `start` and `end`, with the characters that match `mask` out of sight."""
    content = _BREAKS.sub(" ", text[start:end])
    if mask:
        content = mask.sub(" ", content)
    begin = 0
    for boundary in get_sentence_boundaries("en", content):
        stop = boundary["end_index"]
        if stop == len(content):
            break
        if opening := _OPENING.search(text[start + max(begin, stop - 4) : start + stop]):
            stop -= len(opening[1])  # an opening quote that was left with the sentence before
        if stop - begin <= 6 and _NUMBERING.fullmatch(content, begin, stop):
            continue
        yield from _trimmed(text, start + begin, start + stop)
        begin = stop
    yield from _trimmed(text, start + begin, end)


def _cut(text: str, start: int, end: int) -> Iterator[Range]:
    """Parts of at most `LONGEST` characters, cut between words where there is a space."""
    while end - start > LONGEST:
        window = text[start : start + LONGEST]
        space = max(window.rfind(" "), window.rfind("\n"))
        stop = start + (space if space > 0 else LONGEST)
        yield from _trimmed(text, start, stop)
        start = stop
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Range]:
    """The range without surrounding white space; nothing where there is nothing else."""
    content = text[start:end]
    stripped = content.strip()
    if stripped:
        start += len(content) - len(content.lstrip())
        yield start, start + len(stripped)


def _within(
    text: str, ranges: Sequence[Range], count_tokens: TokenCounter, limit: int
) -> tuple[list[Range], list[int]]:
    """The ranges and their counts, those over `limit` halved until they fit."""
    fitting: list[tuple[Range, int]] = []
    waiting = list(ranges)
    while waiting:
        counts = _count([text[start:end] for start, end in waiting], count_tokens)
        over: list[Range] = []
        for (start, end), count in zip(waiting, counts, strict=True):
            if count <= limit or end - start == 1:
                fitting.append(((start, end), count))
            else:
                over += _halves(text, start, end)
        waiting = over
    fitting.sort()
    return [piece for piece, _ in fitting], [count for _, count in fitting]


def _count(texts: list[str], count_tokens: TokenCounter) -> list[int]:
    return [
        count
        for i in range(0, len(texts), COUNTED_AT_ONCE)
        for count in count_tokens(texts[i : i + COUNTED_AT_ONCE])
    ]


def _halves(text: str, start: int, end: int) -> Iterator[Range]:
    """The range in two, cut at the space nearest to its middle."""
    middle = (start + end) // 2
    before, after = text.rfind(" ", start + 1, middle), text.find(" ", middle, end - 1)
    spaces = [space for space in (before, after) if space > 0]
    cut = min(spaces, key=lambda space: abs(space - middle)) if spaces else middle
    yield from _trimmed(text, start, cut)
    yield from _trimmed(text, cut, end)


def _runs(pieces: Sequence[Range], hidden: Sequence[Range]) -> Iterator[range]:
    """Indices of neighbouring pieces that have no hidden range between them."""
    starts = [start for start, _ in hidden]
    first = 0
    for i in range(1, len(pieces)):
        between = bisect_left(starts, pieces[i - 1][1])
        if between < len(starts) and starts[between] < pieces[i][0]:
            yield range(first, i)
            first = i
    if pieces:
        yield range(first, len(pieces))


def _windows(counts: Sequence[int], run: range, limit: int, overlap: int) -> Iterator[tuple[int, int]]:
    """First and last index of each window. Every window holds a piece that the one before does not."""
    first = run.start
    while True:
        stop, total = first + 1, counts[first]
        while stop < run.stop and total + counts[stop] <= limit:
            total += counts[stop]
            stop += 1
        yield first, stop - 1
        if stop == run.stop:
            return
        begin, total = stop, counts[stop]
        while begin > max(first + 1, stop - overlap) and total + counts[begin - 1] <= limit:
            begin -= 1
            total += counts[begin]
        first = begin

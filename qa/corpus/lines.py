"""Lines and paragraphs, with offsets.

In some texts every line is a paragraph, in others (mail, books, PDF) lines are cut at a fixed width. A
line break is taken for such a wrap, not for the end of a paragraph, where the text plainly runs on across
it, or where the line is full in a text that is wrapped throughout.
"""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import median

from qa.types import Range

NARROWEST, WIDEST = 40, 120  # characters: the widths at which people and programs wrap prose
RUNNING_ON = 0.25  # share of line breaks that plainly run on, from which a text counts as wrapped
FULL = 0.9  # of the usual width

ENDS_SENTENCE = re.compile(r"[.!?…:;。！？।؟۔]['\"’”»)\]\u200f]*\Z")
_STARTS_ITEM = re.compile(r"[-*+•·–—#>|]|\(?(?:\d{1,3}|[a-z])[.)]\s")
_TABULAR = re.compile(r"\t|\||\S {3,}\S")


def lines(text: str) -> list[Range]:
    """Every line, blank ones as empty ranges, without surrounding white space. All line breaks that
    `str.splitlines` knows count, among them \\r\\n, \\r and U+2028."""
    found, position = [], 0
    for line in text.splitlines(keepends=True):
        content = line.strip()
        start = position + (len(line) - len(line.lstrip()) if content else 0)
        found.append((start, start + len(content)))
        position += len(line)
    return found


def paragraphs(text: str) -> list[Range]:
    """The text's paragraphs in order, each trimmed, none empty. Together they hold every character
    that is not white space."""
    all_lines = lines(text)
    width = _wrap_width(text, all_lines)
    found: list[Range] = []
    before: Range = (0, 0)
    for line in all_lines:
        if line[0] == line[1]:
            pass
        elif before[0] < before[1] and _wraps(text, before, line, width):
            found[-1] = (found[-1][0], line[1])
        else:
            found.append(line)
        before = line
    return found


def _wrap_width(text: str, all_lines: list[Range]) -> float | None:
    """The usual length of a wrapped line; None where lines are paragraphs."""
    pairs, widths = 0, []
    for line, after in pairwise(all_lines):
        if line[0] < line[1] and after[0] < after[1]:
            pairs += 1
            if _runs_on(text, line, after):
                widths.append(line[1] - line[0])
    return median(widths) if pairs and len(widths) >= RUNNING_ON * pairs else None


def _wraps(text: str, line: Range, after: Range, width: float | None) -> bool:
    if _runs_on(text, line, after):
        return True
    if width is None or not _is_prose_line(text, line) or not _is_prose_line(text, after):
        return False
    first_word = text[after[0] : min(after[1], after[0] + WIDEST)].split(maxsplit=1)[0]
    return line[1] - line[0] + 1 + len(first_word) > FULL * width


def _runs_on(text: str, line: Range, after: Range) -> bool:
    first = text[after[0]]
    return (
        line[1] - line[0] >= NARROWEST
        and first.isalpha()
        and not first.isupper()
        and _is_prose_line(text, line)
        and _is_prose_line(text, after)
        and not ENDS_SENTENCE.search(text[line[1] - NARROWEST : line[1]])
    )


def _is_prose_line(text: str, line: Range) -> bool:
    """Short enough to be wrapped, no item of a list, no row of a table."""
    if line[1] - line[0] > WIDEST:
        return False
    content = text[line[0] : line[1]]
    return not _STARTS_ITEM.match(content) and not _TABULAR.search(content)

"""Words of a page as a text fragment, the part of a link that scrolls to them and marks them.

The form is `:~:text=[prefix-,]start[,end][,-suffix]` (WICG, URL Fragment Text Directives). A browser goes to
the first match, so that words which stand elsewhere before get the words around them as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote as url_quote

from qa.web.markup import sendable

LONGEST_WHOLE = 8  # words; longer quotes, and those across lines, are named by their two ends
END_WORDS = 4
CONTEXT = (0, 2, 4, 8)  # words on each side, as few as do


def text_directive(text: str, start: int, end: int) -> str:
    """The fragment for `text[start:end]`, which is widened to whole words: browsers match no others."""
    while 0 < start < len(text) and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while 0 < end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    lines = [line.split() for line in text[start:end].splitlines() if line.strip()] or [[]]
    first, last = lines[0], list[str]()
    if len(lines) > 1 or len(first) > LONGEST_WHOLE:
        first, last = first[:END_WORDS], lines[-1][-END_WORDS:]
    # A term may not go across the end of a block.
    left = text[text.rfind("\n", 0, start) + 1 : start].split()
    right = text[end:].partition("\n")[0].split()
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    for count in CONTEXT:
        before, after = left[len(left) - min(count, len(left)) :], right[:count]
        if _is_first(text[:end], start, before, first):
            break
    parts = [
        *([_encoded(before) + "-"] if before else []),
        _encoded(first),
        *([_encoded(last)] if last else []),
        *(["-" + _encoded(after)] if after else []),
    ]
    return ":~:text=" + ",".join(parts)


def _is_first(text: str, start: int, before: Sequence[str], words: Sequence[str]) -> bool:
    """Whether these words, with those before them, stand nowhere before `start`."""
    around, wanted = (r"\s+".join(map(re.escape, each)) for each in (before, words))
    pattern = rf"(?<!\w){around}\s*(?P<words>{wanted})(?!\w)"
    found = re.search(pattern, text, re.IGNORECASE)
    return found is None or found.start("words") >= start


def _encoded(words: Sequence[str]) -> str:
    """Percent-encoded: "-" and "," are signs of the form, "&" ends it."""
    return url_quote(sendable(" ".join(words)), safe="").replace("-", "%2D")

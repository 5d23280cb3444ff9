"""Logits → spans with document offsets and the null score.

A window is one run of the model over a question and a piece of a passage. Its null score is the
start and end logit of [CLS], the SQuAD 2.0 convention (Devlin et al. 2019, section 4.3). Scores stay
raw sums of logits: a softmax per passage would make every passage look equally sure of itself.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa.types import Passage, Span

MAX_ANSWER_TOKENS = 40
SPANS_PER_WINDOW = 5


@dataclass(frozen=True, slots=True)
class Window:
    """The model's view of one piece of a passage.

    `offsets` are character ranges in the passage's text, `starts_word` and `ends_word` tell where a
    span may begin and end, so that no answer cuts a word. All are of shape (context tokens,).
    """

    passage: Passage
    text: str  # of the passage
    start_logits: NDArray[np.float32]
    end_logits: NDArray[np.float32]
    offsets: NDArray[np.int64]  # (context tokens, 2)
    starts_word: NDArray[np.bool_]
    ends_word: NDArray[np.bool_]
    null_score: float


def window_spans(window: Window, limit: int = SPANS_PER_WINDOW) -> list[Span]:
    """The `limit` best spans of one window that do not overlap, best first.

    Every pair (start ≤ end, at most MAX_ANSWER_TOKENS tokens, whole words of one paragraph) is scored.
    """
    length = len(window.start_logits)
    if length == 0:
        return []
    starts = np.where(window.starts_word & ~_closes_quotation(window), window.start_logits, -np.inf)
    ends = np.where(window.ends_word, window.end_logits, -np.inf)
    scores = starts[:, None] + ends[None, :]  # (start, end)
    first, last = np.indices(scores.shape)
    paragraph = _paragraphs(window)
    scores[(last < first) | (last - first >= MAX_ANSWER_TOKENS)] = -np.inf
    scores[paragraph[first] != paragraph[last]] = -np.inf

    spans: list[Span] = []
    taken = np.zeros(length, dtype=bool)
    while len(spans) < limit:
        start, end = divmod(int(scores.argmax()), length)  # the first maximum: ties repeat
        score = float(scores[start, end])
        if score == -np.inf:
            break
        whole_end = _whole_compound(window, start, end)
        if not taken[end + 1 : whole_end + 1].any():
            end = whole_end
        qualified = _with_qualifier(window, start)
        if not taken[qualified:start].any():
            start = qualified
        opening, closing = _with_partners(window, start, end)
        if not taken[opening:start].any() and not taken[end + 1 : closing + 1].any():
            start, end = opening, closing
        taken[start : end + 1] = True
        base = window.passage.start
        first_said, last_said = _trimmed(window, _behind_heading(window, start, end), end)
        spans.append(
            Span(
                document_id=window.passage.document_id,
                start=base + int(window.offsets[first_said, 0]),
                end=base + int(window.offsets[last_said, 1]),
                score=score,
                null_score=window.null_score,
                passage_id=window.passage.id,
            )
        )
        scores[(first <= end) & (last >= start)] = -np.inf  # whatever overlaps it
    return spans


# "## A heading" is a paragraph of its own, and so is the dateline before a report: "PARIS (Reuters) - ".
_PARAGRAPH_ENDS = re.compile(
    r"\n\s*\n|\n(?=#{1,6} )|^#{1,6} .*\n"
    r"|^[A-Z][\w.'’-]*(?:,? [A-Z][\w.'’-]*){0,3}(?: \([A-Z][\w ./]{1,20}\))? [-–—] (?=[\"“'‘]?[A-Z].{60})",
    re.MULTILINE,
)
_CLOSING = re.compile(r"[\"'”’»](?!\S)")


def _paragraphs(window: Window) -> NDArray[np.int64]:
    """The number of each token's paragraph, shape (context tokens,)."""
    ends = [found.end() - 1 for found in _PARAGRAPH_ENDS.finditer(window.text)]
    return np.searchsorted(np.asarray(ends, dtype=np.int64), window.offsets[:, 0])


def _closes_quotation(window: Window) -> NDArray[np.bool_]:
    """Which tokens are the mark that ends a quotation, shape (context tokens,): no answer begins there."""
    return np.isin(window.offsets[:, 0], [found.start() for found in _CLOSING.finditer(window.text)])


_NUMBERED_HEADING = re.compile(  # "4.1 Termination", but not the "4.1 million people in" of a wrapped line
    r"(?:\A|(?<=\n\n)|(?<=[.;:!?”\"]\n))(?:\d{1,3}(?:\.\d{1,3})+|\d{1,3}[.)]|[IVX]{1,5}\.|§[ ]?\d+\w?)"
    r"[ \t]+[A-Z][^\s.!?;:,]*(?:[ \t]+[^\s.!?;:,]+){0,5}\n[ \t]*(?=[\"“(]?[A-Z])"
)


def _behind_heading(window: Window, start: int, end: int) -> int:
    """Where the span begins without the heading that it begins with and runs out of."""
    first, last = int(window.offsets[start, 0]), int(window.offsets[end, 1])
    if "\n" not in window.text[first:last]:  # most spans: the search costs more
        return start
    for found in _NUMBERED_HEADING.finditer(window.text):
        if found.start() <= first < found.end() < last:
            return int(np.searchsorted(window.offsets[:, 0], found.end()))
    return start


_INSIDE_COMPOUND = re.compile(r"[-‐‑]\w+$")
_REST_OF_COMPOUND = re.compile(r"(?:[-‐‑]\w+)+")


def _whole_compound(window: Window, start: int, end: int) -> int:
    """Where the span ends with the rest of "eight-month-old", of which it has "eight-month"."""
    first, last = int(window.offsets[start, 0]), int(window.offsets[end, 1])
    rest = _REST_OF_COMPOUND.match(window.text, last)
    if rest is None or not _INSIDE_COMPOUND.search(window.text[first:last]):
        return end
    tokens = np.flatnonzero(window.ends_word & (window.offsets[:, 1] == rest.end()))
    return int(tokens[0]) if len(tokens) else end


_QUALIFIER = re.compile(
    r"\b(?:(?:(?:no|not|well)\s+)?(?:(?:more|less|fewer|greater)\s+than|over|under)|at\s+(?:least|most)|up\s+to"
    r"|as\s+(?:many|much|few|little)\s+as|about|around|nearly|almost|roughly|approximately|some|only|an\s+estimated"
    r"|close\s+to)\s+$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[$€£¥]?\s?\d|(?:a\s+)?(?:half|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty"
    r"|fifty|sixty|seventy|eighty|ninety|dozens?|hundreds?|thousands?|millions?|billions?)\b",
    re.IGNORECASE,
)


def _with_qualifier(window: Window, start: int) -> int:
    """Where the span begins with the "more than" before its number: "200" for "more than 200" would be
    the documents' words, and yet not what they say."""
    at = int(window.offsets[start, 0])
    found = _QUALIFIER.search(window.text, max(0, at - 24), at) if _NUMBER.match(window.text, at) else None
    if found is None:
        return start
    tokens = np.flatnonzero(window.starts_word[:start] & (window.offsets[:start, 0] == found.start()))
    return int(tokens[0]) if len(tokens) else start


_QUOTATION = re.compile(
    r"“[^“”]*”|«[^«»]*»|\"[^\"]*\"|(?<!\w)‘[^‘\n]*?’(?!\w)|(?<!\w)'[^'\n]*?(?:\w'\w[^'\n]*?)*'(?!\w)"
)


def _with_partners(window: Window, start: int, end: int) -> tuple[int, int]:
    """The span with the mark right beside it that begins or ends a quotation, of which it holds the other
    mark between its words: 'Sea Guard' patrol, not Sea Guard' patrol."""
    first, last = int(window.offsets[start, 0]), int(window.offsets[end, 1])
    before, after = window.offsets[:start][-1:, 0], window.offsets[end + 1 :][:1, 1]
    for found in _QUOTATION.finditer(window.text, max(0, first - 1), last + 1):
        begin, stop = found.span()
        ends_twice = window.text.startswith(found.group()[-1], last)  # 'the dogs' home'
        if begin == first - 1 and stop < last and begin in before and not ends_twice:
            start -= 1
        elif begin > first and stop == last + 1 and stop in after:
            end += 1
    return start, end


_PARTNER = {"”": "“", "»": "«", '"': '"'}  # of the mark that ends a quotation, the one that begins it
_TRAILING = (",", ";", ":")


def _trimmed(window: Window, start: int, end: int) -> tuple[int, int]:
    """The span without a quotation mark at either end whose partner it lacks, and without a comma at its
    end: 'technical”' would be the documents' words, and yet no clean quote."""
    while start < end:
        (begin, after), (before, stop) = window.offsets[start].tolist(), window.offsets[end].tolist()
        said, first, last = (window.text[i:j] for i, j in ((begin, stop), (begin, after), (before, stop)))
        if last in _TRAILING or (last in _PARTNER and _lacks_partner(said, last)):
            end -= 1
        elif any(first == opening and _lacks_partner(said, closing) for closing, opening in _PARTNER.items()):
            start += 1
        else:
            break
    return start, end


def _lacks_partner(said: str, closing: str) -> bool:
    opening = _PARTNER[closing]
    return said.count(closing) % 2 == 1 if opening == closing else said.count(opening) != said.count(closing)


def best_spans(windows: Iterable[Window]) -> list[Span]:
    """The spans of all windows, best first; of spans that overlap in a document, only the best.

    Ordered by (gap, document, offset), so that the same logits always give the same list.
    """
    spans = [span for window in windows for span in window_spans(window)]
    spans.sort(key=lambda span: (-span.gap, span.document_id, span.start, span.end))
    taken: dict[str, list[Span]] = {}
    best: list[Span] = []
    for span in spans:
        others = taken.setdefault(span.document_id, [])
        if all(span.end <= other.start or span.start >= other.end for other in others):
            others.append(span)
            best.append(span)
    return best


def agreeing(spans: Sequence[Span], quote: Callable[[Span], str]) -> list[list[Span]]:
    """Spans grouped by what they say, each group and the groups themselves best first.

    A span joins the first group whose leading span says the same: equal words, or one holds the
    other's words in order ("William Spindler", "spokesman William Spindler").
    """
    groups: list[tuple[list[str], list[Span]]] = []
    for span in spans:
        words = answer_words(quote(span))
        if not words:
            continue
        for leading, members in groups:
            if holds(leading, words) or holds(words, leading):
                members.append(span)
                break
        else:
            groups.append((words, [span]))
    return [members for _, members in groups]


_PUNCTUATION = str.maketrans("", "", string.punctuation + "“”‘’«»–—…")
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def answer_words(text: str) -> list[str]:
    """The words that count when two answers are compared (SQuAD normalisation: lower case, no
    punctuation, no articles; Rajpurkar et al. 2016)."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def holds(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether `part` stands in `words` as one run."""
    n = len(part)
    return any(words[i : i + n] == part for i in range(len(words) - n + 1))

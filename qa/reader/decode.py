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
    start_logits: NDArray[np.float32]
    end_logits: NDArray[np.float32]
    offsets: NDArray[np.int64]  # (context tokens, 2)
    starts_word: NDArray[np.bool_]
    ends_word: NDArray[np.bool_]
    null_score: float


def window_spans(window: Window, limit: int = SPANS_PER_WINDOW) -> list[Span]:
    """The `limit` best spans of one window that do not overlap, best first.

    Every pair (start ≤ end, at most MAX_ANSWER_TOKENS tokens, whole words) is scored.
    """
    length = len(window.start_logits)
    if length == 0:
        return []
    starts = np.where(window.starts_word, window.start_logits, -np.inf)
    ends = np.where(window.ends_word, window.end_logits, -np.inf)
    scores = starts[:, None] + ends[None, :]  # (start, end)
    first, last = np.indices(scores.shape)
    scores[(last < first) | (last - first >= MAX_ANSWER_TOKENS)] = -np.inf

    spans: list[Span] = []
    while len(spans) < limit:
        start, end = divmod(int(scores.argmax()), length)  # the first maximum: ties repeat
        if scores[start, end] == -np.inf:
            break
        base = window.passage.start
        spans.append(
            Span(
                document_id=window.passage.document_id,
                start=base + int(window.offsets[start, 0]),
                end=base + int(window.offsets[end, 1]),
                score=float(scores[start, end]),
                null_score=window.null_score,
                passage_id=window.passage.id,
            )
        )
        scores[(first <= end) & (last >= start)] = -np.inf  # whatever overlaps it
    return spans


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

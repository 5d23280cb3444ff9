"""The values that walk through the house: documents, passages, hits, spans, citations, answers.

Every offset counts characters (Python code points) in `document.text`. A citation stores *where*,
never *what*: its quote is a slice, so it cannot disagree with the document it points into.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

Range = tuple[int, int]
"""A half-open character range (start, end) of `document.text`."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a corpus, with the text that all offsets count in.

    `id` is the path relative to the corpus folder, with forward slashes. `text` is a text file's
    decoded content unchanged, line endings included, or what was extracted from HTML, PDF or DOCX.
    `sha256` is the hash of the file's bytes. `pages` holds the offset at which each page starts
    (PDF only). `url` is the web address that the file says it is from (http or https).
    `hidden` ranges (boilerplate, repeats) are neither embedded nor read. `sentences`
    covers the readable text, in order and without overlap. `date_source` says where `date` is from:
    "metadata" of the file, the "dateline" at the head of the text, or the "text", whose latest full date
    it is.
    """

    id: str
    title: str
    text: str
    path: str
    sha256: str
    date: str | None = None
    pages: tuple[int, ...] | None = None
    hidden: tuple[Range, ...] = ()
    sentences: tuple[Range, ...] = ()
    url: str | None = None
    date_source: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is not read, and why. `path` is relative to the corpus folder."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence-aligned window of a document; its text is `document.text[start:end]`."""

    id: int
    document_id: str
    start: int
    end: int

    @staticmethod
    def at(document_id: str, start: int, end: int) -> Passage:
        """The passage at this place. Its id is a 63-bit hash of the place, so that the same
        passage has the same id in every store and in every run."""
        place = f"{document_id}\0{start}\0{end}".encode("utf-8", "surrogatepass")
        digest = blake2b(place, digest_size=8).digest()
        return Passage(int.from_bytes(digest, "big") >> 1, document_id, start, end)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that retrieval brought for a question. Ranks start at 1; None: not in that list."""

    passage: Passage
    text: str
    score: float
    dense_rank: int | None
    lexical_rank: int | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "document": self.passage.document_id,
            "start": self.passage.start,
            "end": self.passage.end,
            "text": self.text,
            "score": round(self.score, 6),
            "dense_rank": self.dense_rank,
            "lexical_rank": self.lexical_rank,
        }


@dataclass(frozen=True, slots=True)
class Span:
    """A candidate answer. `score` is start logit + end logit; `null_score` is the same sum for
    "not in this window". Raw logits: comparable across passages, never a softmax per passage."""

    document_id: str
    start: int
    end: int
    score: float
    null_score: float
    passage_id: int

    @property
    def gap(self) -> float:
        """How far the span beats "not here": the score that ranks spans (SQuAD 2.0 null threshold,
        Rajpurkar et al. 2018)."""
        return self.score - self.null_score


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document. Everything else is read off the document's text."""

    document: Document
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= len(self.document.text):
            raise ValueError(
                f"citation {self.start}-{self.end} lies outside {self.document.id!r}, "
                f"which has {len(self.document.text)} characters"
            )

    @property
    def quote(self) -> str:
        """The exact words."""
        return self.document.text[self.start : self.end]

    @property
    def sentence_range(self) -> Range:
        """The range of the sentence, or run of sentences, that holds the quote."""
        sentences = self.document.sentences
        first = bisect_right(sentences, self.start, key=lambda s: s[0]) - 1
        last = bisect_right(sentences, self.end - 1, key=lambda s: s[0]) - 1
        start = sentences[first][0] if first >= 0 else self.start
        end = sentences[last][1] if last >= 0 else self.end
        return min(start, self.start), max(end, self.end)

    @property
    def sentence(self) -> str:
        """The sentence that holds the quote, from its first to its last character."""
        start, end = self.sentence_range
        return self.document.text[start:end]

    @property
    def left(self) -> str:
        """The words of the sentence before the quote."""
        return self.document.text[self.sentence_range[0] : self.start]

    @property
    def right(self) -> str:
        """The words of the sentence after the quote."""
        return self.document.text[self.end : self.sentence_range[1]]

    @property
    def page(self) -> int | None:
        """The page the quote starts on, from 1; None where the format has no pages."""
        pages = self.document.pages
        return max(1, bisect_right(pages, self.start)) if pages else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "document": self.document.id,
            "title": self.document.title,
            "date": self.document.date,
            "date_source": self.document.date_source,
            "file": self.document.path,
            "url": self.document.url,
            "sha256": self.document.sha256,
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
            "sentence": self.sentence,
            "sentence_start": self.sentence_range[0],
        }


@dataclass(frozen=True, slots=True)
class Alternative:
    """A different answer that the documents also give, with the places that give it."""

    text: str
    confidence: float
    citations: tuple[Citation, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "citations": [citation.to_dict() for citation in self.citations],
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What the documents say to a question, or, when `bool(answer)` is False, why they do not.

    `text` is the quote of the best citation, or None. `citations` are the places that give this answer,
    best first; `items`, where a list was asked for, are its parts, each in its place, and those of
    the other places that answer too.
    `confidence` is the calibrated probability, 0 to 1, that the best span is right, also when it was too
    low to answer. `asked_as` is the question that was really asked: differs from `question` for a
    follow-up. `kind` is what was asked for (`qa.kinds`): of an "overview" or of "mentions" the citations
    are what was looked up, not one answer in several places, and `note` says what they are. `read` counts
    the passages read, `seconds` the wall time of each stage. `receipt` names what produced the answer
    (versions, weights, index), for `qa verify`.
    """

    question: str
    asked_as: str
    text: str | None
    confidence: float
    citations: tuple[Citation, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    reason: str | None = None
    hits: tuple[Hit, ...] = ()
    read: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    receipt: Mapping[str, str] = field(default_factory=dict)
    kind: str = "fact"
    note: str | None = None
    items: tuple[Citation, ...] = ()

    def __bool__(self) -> bool:
        return self.text is not None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, the same in Python, shell, web API and evaluation records."""
        return {
            "question": self.question,
            "asked_as": self.asked_as,
            "answered": bool(self),
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "reason": self.reason,
            "kind": self.kind,
            "note": self.note,
            "citations": [citation.to_dict() for citation in self.citations],
            "items": [item.to_dict() for item in self.items],
            "alternatives": [alternative.to_dict() for alternative in self.alternatives],
            "hits": [hit.to_dict() for hit in self.hits],
            "read": self.read,
            "seconds": {stage: round(value, 4) for stage, value in self.seconds.items()},
            "receipt": dict(self.receipt),
        }

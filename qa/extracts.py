"""Answers that are looked up rather than read: the openings of documents, the sentences with given words."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice

from qa import kinds
from qa.store.base import Store
from qa.types import Citation, Document, Range
from qa.words import content_words, stem, stems

MOST_DOCUMENTS = 20  # in one overview
OPENING = 3  # sentences, where one document is summed up
LEAST_WORDS = 8  # of a sentence that tells something
MOST_PASSAGES = 300  # looked through for mentions
MOST_MENTIONS = 20  # shown


def overview(
    about: str, store: Store, documents: Collection[str] | None
) -> tuple[tuple[Citation, ...], str] | None:
    """The opening sentences of the documents, and what they are an extract of; None where `about` names
    neither one of them nor all."""
    infos = [info for info in store.documents() if documents is None or info.id in documents]
    chosen = kinds.which(about, len(infos))
    if chosen is not None:
        infos = infos[chosen : chosen + 1]
    elif not kinds.is_everything(about):
        subject = stems(about) - {"articl", "document", "text", "stori"}
        infos = [info for info in infos if subject and subject <= stems(info.title)]
    if not infos:
        return None
    length = OPENING if len(infos) == 1 else 1
    citations = tuple(
        citation for info in infos[:MOST_DOCUMENTS] for citation in _opening(store.document(info.id), length)
    )
    if not citations:
        return None
    if len(infos) == 1:
        return citations, "An extract, not a summary: how the document begins."
    most = f"the first {MOST_DOCUMENTS} of " if len(infos) > MOST_DOCUMENTS else ""
    return citations, f"An extract, not a summary: how {most}{len(infos):,} documents begin."


def mentions(
    about: str, store: Store, documents: Collection[str] | None
) -> tuple[tuple[Citation, ...], str] | None:
    """The sentences that hold all words of `about`, in any form, and how many there are; None for none."""
    subject = [stem(word) for word in content_words(about)]
    if not subject:
        return None
    hits = [id_ for id_, _ in store.search_lexical(about, MOST_PASSAGES, documents)]
    places: dict[str, list[Range]] = {}
    for passage, _ in store.passages(hits):
        places.setdefault(passage.document_id, []).append((passage.start, passage.end))
    found = [
        citation
        for document_id in sorted(places)
        for citation in _sentences(store.document(document_id), places[document_id], about, set(subject))
    ]
    if not found:
        return None
    holding = len({citation.document.id for citation in found})
    every = store.documents() if documents is None else documents
    least = "at least " if len(hits) == MOST_PASSAGES else ""
    shown = f"; the first {MOST_MENTIONS} are shown" if len(found) > MOST_MENTIONS else ""
    sentences = "1 sentence" if len(found) == 1 else f"{len(found):,} sentences"
    note = f"“{about}”: {least}{sentences} in {holding:,} of {len(every):,} documents{shown}."
    return tuple(found[:MOST_MENTIONS]), note


def _opening(document: Document, count: int) -> Sequence[Citation]:
    """The first sentences that tell something, without the headline; where all are short, the first."""
    sentences = (Citation(document, start, end) for start, end in document.sentences)
    told = (each for each in sentences if each.quote.strip() != document.title)
    first = list(islice(told, 1))
    telling = (each for each in chain(first, told) if len(each.quote.split()) >= LEAST_WORDS)
    return list(islice(telling, count)) or first


def _sentences(
    document: Document, passages: Sequence[Range], about: str, subject: Collection[str]
) -> Iterator[Citation]:
    """The sentences of these passages that hold all of the words, quoted where they stand together."""
    together = re.compile(r"\W+".join(map(re.escape, about.split())), re.IGNORECASE)
    within: set[Range] = set()
    for start, end in passages:
        first = bisect_left(document.sentences, start, key=lambda sentence: sentence[0])
        last = bisect_left(document.sentences, end, key=lambda sentence: sentence[0])
        within.update(document.sentences[first:last])
    for start, end in sorted(within):
        sentence = document.text[start:end]
        if set(subject) <= {stem(word) for word in content_words(sentence)}:
            found = together.search(sentence)
            place = (start + found.start(), start + found.end()) if found else (start, end)
            yield Citation(document, *place)

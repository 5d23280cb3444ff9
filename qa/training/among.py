"""Questions beside the passages that the product's retrieval brings for them.

Given one paragraph the reader finds the words; of eight passages it often takes the wrong one. Here each
question of a folder is read with its own passage and with some that were retrieved and do not answer it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from qa.embedder import Embedder
from qa.engine import PASSAGES_READ
from qa.evaluation.questions import sample
from qa.evaluation.squad import ReadingQuestion
from qa.reader.model import WEIGHTS, tokenizer_of
from qa.retriever import retrieve
from qa.training.folders import Folder, indexed, tells
from qa.training.material import PIECE_TOKENS, QUESTION_TOKENS, Rows, Tokens, pieces, token_range
from qa.training.packing import Group, GroupOf, Window
from qa.types import Range

BROUGHT = 7  # of the passages that are retrieved, one of which may well be the question's own
BESIDE = 3  # read at a time
WITHOUT_OWN = 0.12  # of the times, a question that has an answer is read without its own passage
OWN, OTHER = 0, 1  # passage, in the origin of a window


@dataclass(frozen=True, slots=True)
class Among:
    """A question, the piece of its own passage that answers it or is the first, and what was retrieved
    beside, as tokens; `places` are (first, last) of `own`."""

    question: Tokens
    own: Tokens
    places: tuple[Range, ...]
    brought: Rows


def retrieved(folders: Iterable[Folder], embedder: Embedder, limit: int = 0) -> Iterator[Among]:
    """Every question with the passages that do not answer it, in the order of retrieval; `limit` takes that
    many questions of each folder, evenly spaced."""
    tokenizer = tokenizer_of(WEIGHTS)

    def tokens(text: str, most: int) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids[:most]

    for folder in folders:
        with indexed(folder.documents, embedder) as store:
            for asked in sample(folder.questions, limit or None):
                texts = [hit.text for hit in retrieve(asked.question, store, embedder, PASSAGES_READ)]
                others = [text for text in texts if not _answers(text, asked)]
                whole = tokenizer.encode(asked.context, add_special_tokens=False)
                found = (token_range(whole.offsets, start, end) for start, end in asked.places)
                piece, places = _piece(len(whole), [place for place in found if place])
                yield Among(
                    np.array(tokens(asked.question, QUESTION_TOKENS), np.uint16),
                    np.array(whole.ids[slice(*piece)], np.uint16),
                    places,
                    Rows.of(tokens(text, PIECE_TOKENS) for text in others[:BROUGHT]),
                )


def reading(found: Sequence[Among]) -> GroupOf:
    """A question beside some of what was brought, its own passage the last one, where it is there."""

    def group(number: int, random: Random) -> Group:
        asked = found[number]
        without = bool(asked.places) and random.random() < WITHOUT_OWN
        chosen = random.sample(range(len(asked.brought)), min(BESIDE, len(asked.brought)))
        windows = [Window(asked.question, asked.brought[i], [], (number, OTHER, 0)) for i in chosen]
        if without and windows:
            return windows
        return [*windows, Window(asked.question, asked.own, list(asked.places), (number, OWN, 0))]

    return group


def _answers(text: str, asked: ReadingQuestion) -> bool:
    """Whether the text is of the question's own passage, or holds the words of an answer."""
    return text in asked.context or asked.context in text or tells(text, asked.answers)


def _piece(length: int, places: Sequence[Range]) -> tuple[Range, tuple[Range, ...]]:
    """(first, last + 1) of the first piece that holds an answer, or else of the first, and the places in
    it, each once."""
    for begin, end in pieces(length):
        inside = {(first - begin, last - begin) for first, last in places if begin <= first and last < end}
        if inside:
            return (begin, end), tuple(sorted(inside))
    return pieces(length)[0], ()

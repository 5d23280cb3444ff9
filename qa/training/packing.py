"""Questions and passages → windows → rows of 512 tokens, without padding, as arrays.

A window is [CLS] question [SEP] piece of a passage [SEP]; several lie in a row, and no token sees another
window. All windows of a question are in one batch, for they share a softmax. Nothing here needs torch:
the processes that pack are light.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qa.errors import QAError
from qa.reader.rerank import AFTER, BEFORE, LONGEST, MARKED, TITLE_TOKENS
from qa.training.material import NEWS, Flags, Labels, Material, Numbers, Tokens
from qa.types import Range

ROW = 512  # tokens
CLS, SEP, MASK = 101, 102, 103  # of BERT's vocabulary
FIRST_WORD, VOCABULARY = 1_000, 30_522
PATIENCE = 8  # questions in a row that do not fit before a batch counts as full
SLACK = 12  # tokens; a place this tight is good enough
SHARE_VARIED = 0.4  # of the times, a question is asked in its variant, where it has one
NEAREST_NEWS = 4  # of the passages near a question about the news: those about the same affair
SEVERAL = 3  # passages beside a question's own, where it is read as the product reads
WITHOUT_OWN = 0.12  # of the times, a question that has an answer is read beside several without its own
MOST_CANDIDATES = 4  # of a question, read at a time
COMPARED = (2, 3, 3, 3, 3, 3, 3, 4, 4, 4)  # of a question side by side: most often as many as the product has
SHARE_SHUFFLED = 0.5  # of the times, later candidates come in the places of the third and fourth
LONGEST_MARKED = 60  # tokens of an answer that no reader found

Longs = NDArray[np.int64]


@dataclass(slots=True)
class Window:
    """`places` are (first, last) tokens of `body`: of the answer, or of candidates that are `right` or not.
    `titles` are places too, of what is not read as a passage."""

    question: Tokens
    body: Tokens
    places: list[Range]
    origin: tuple[int, int, int] = (-1, -1, -1)  # question, passage, first token of the passage in `body`
    right: list[bool] | None = None
    titles: list[Range] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.question) + len(self.body) + 3


Group = list[Window]
"""What is read for one question at a time."""
GroupOf = Callable[[int, Random], Group]


class Candidate(NamedTuple):
    """What may answer, of a passage under this title."""

    title: Tokens
    passage: int
    place: Range
    right: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of windows, one after the other. T tokens, W windows, Q questions."""

    ids: Numbers  # (T,) 0 where a row has nothing left
    positions: Numbers  # (T,) from each window's [CLS]
    types: Numbers  # (T,)
    sequences: Numbers  # (T,) number of the window, or of the rest of a row
    bounds: Numbers  # (sequences + 1,) where each begins, and where the last one ends
    starts: Longs  # (T,) the [CLS] of the token's window
    inside: Longs  # (body tokens,) where an answer may be
    inside_of: Longs  # (body tokens,) its question
    windows: Longs  # (W, 4): [CLS], first token of the body, number of its tokens, question
    origins: Longs  # (W, 3)
    places: Longs  # (places, 3): first token, last token, question
    right: Flags  # (places,) all but those of wrong candidates
    none: Longs  # questions that nothing here answers
    masked: Longs  # (M,) tokens that are hidden
    hidden: Longs  # (M,) what they are
    questions: int  # Q
    candidates: bool  # whether the places are those of candidates
    tokens: int = field(compare=False)  # without the rests


# What is read for a question


def windows(
    material: Material,
    question: Tokens,
    passage: int,
    places: Sequence[Range],
    random: Random,
    most: int = 2,
    number: int = -1,
) -> Group:
    """At most so many windows over a passage, and of a longer one, one that holds an answer among them."""
    body = material.passages[passage]
    found = [
        Window(
            question,
            body[begin:end],
            [(first - begin, last - begin) for first, last in places if begin <= first and last < end],
            (number, passage, begin),
        )
        for begin, end in material.pieces_of(passage)
    ]
    if len(found) <= most:
        return found
    random.shuffle(found)
    answering = [window for window in found if window.places]
    return (answering[:1] + [window for window in found if not window.places])[:most]


def reading(material: Material, negatives: float, nearest: Numbers | None = None, beside: int = 1) -> GroupOf:
    """A question with its own passage; and a share of the times, where there is an answer or it is about
    the news, beside passages that do not answer it, so many of `nearest`, (questions, n), −1 for none.
    Beside several, its own is now and then left out."""
    news = material.asks(NEWS)

    def group(question: int, random: Random) -> Group:
        asked = _asked(material, question, random)
        own, places = int(material.passage[question]), material.places_of(question)
        found = windows(material, asked, own, places, random, number=question)
        # An unanswerable question of SQuAD may well be answered by another paragraph.
        may = material.answerable[question] or news[question]
        if nearest is not None and may and random.random() < negatives:
            others = [passage for passage in nearest[question].tolist() if passage >= 0]
            others = others[:NEAREST_NEWS] if news[question] else others
            if beside > 1 and others and material.answerable[question] and random.random() < WITHOUT_OWN:
                found = []
            for passage in random.sample(others, min(beside, len(others))):
                found += windows(material, asked, passage, (), random, 1, question)
        return found

    return group


def cloze(material: Material) -> GroupOf:
    """A sentence that lacks a span with a passage that has it, or not."""

    def group(number: int, random: Random) -> Group:
        asked, passage = material.cloze[number], int(material.cloze_passage[number])
        return windows(material, asked, passage, material.cloze_places_of(number), random, 1, number)

    return group


def looking(material: Material, beside: Numbers) -> GroupOf:
    """A question with its own passage and those of `beside`, (questions, n), −1 for none; of the places of
    answers nothing is said."""

    def group(question: int, random: Random) -> Group:
        asked = material.questions[question]
        passages = [int(material.passage[question]), *(i for i in beside[question].tolist() if i >= 0)]
        return [
            window
            for passage in passages
            for window in windows(material, asked, passage, (), random, number=question)
        ]

    return group


def reranking(material: Material, found: Labels) -> GroupOf:
    """The candidates of a question, each in a window of its own."""

    def group(number: int, random: Random) -> Group:
        asked, candidates = _candidates(material, found, number, random, MOST_CANDIDATES)
        return [marked(material, asked, [each]) for each in candidates]

    return group


def comparing(material: Material, found: Labels) -> GroupOf:
    """The candidates of a question side by side in one window, in any order."""

    def group(number: int, random: Random) -> Group:
        asked, candidates = _candidates(material, found, number, random, random.choice(COMPARED))
        random.shuffle(candidates)
        return [marked(material, asked, candidates)]

    return group


def _candidates(
    material: Material, found: Labels, number: int, random: Random, most: int
) -> tuple[Tokens, list[Candidate]]:
    """A question with its first candidates, or some of the later ones. Where an answerable question has no
    right one among them, a later one takes the last place, or what the set accepts."""
    chosen = list(range(int(found.at[number]), int(found.at[number + 1])))
    question = int(found.question[chosen[0]])
    if len(chosen) > most and random.random() < SHARE_SHUFFLED:
        chosen[most - 2 :] = random.sample(chosen[most - 2 :], len(chosen) - most + 2)
    rows = [
        (int(found.passage[i]), (int(found.first[i]), int(found.last[i])), bool(found.right[i]))
        for i in chosen
    ]
    rows, later = rows[:most], rows[most:]
    if material.answerable[question] and not any(right for *_, right in rows):
        better = [row for row in later if row[2]]
        places = material.places_of(question)
        if not better and places:
            first, last = random.choice(places)
            if last - first < LONGEST_MARKED:
                better = [(int(material.passage[question]), (first, last), True)]
        if better:
            rows[most - 1 :] = better[:1]
    asked = _asked(material, question, random)
    untitled = random.random() < 0.5  # a document may have no title, or repeat it as its first words
    titles = [material.titles[passage] for passage, *_ in rows]
    return asked, [
        Candidate(title if len(title) or untitled else material.passages[row[0]][:TITLE_TOKENS], *row)
        for title, row in zip(titles, rows, strict=True)
    ]


def marked(material: Material, question: Tokens, candidates: Sequence[Candidate]) -> Window:
    """Candidates in their surroundings, as `qa.reader.rerank.side_by_side` lays them out: what stands before
    the first one's passage is the window's question, the titles of the others are in its body."""
    sep = np.array([SEP], np.uint16)
    head = np.concatenate([question, sep, candidates[0].title])
    body = sep[:0]
    places: list[Range] = []
    titles: list[Range] = []
    rights: list[bool] = []
    for title, passage, (first, last), right in candidates:
        begin = max(0, first - BEFORE)
        piece = material.passages[passage][begin : last + 1 + AFTER]
        if rights:
            if len(head) + len(body) + len(title) + len(piece) + 5 > LONGEST:
                break
            titles.append((len(body) + 1, len(body) + 1 + len(title)))
            body = np.concatenate([body, sep, title, sep])
        shift = len(body) - begin
        places.append((first + shift, last + shift))
        body = np.concatenate([body, piece])
        rights.append(right)
    origin = (-1, candidates[0].passage, candidates[0].place[0] - places[0][0])
    return Window(head, body, places, origin, rights, titles)


def _asked(material: Material, question: int, random: Random) -> Tokens:
    if random.random() < SHARE_VARIED:
        for variant in (material.noisy[question], material.hinted[question]):
            if len(variant):
                return variant
    return material.questions[question]


# Windows → batches


class Packed:
    """Windows in rows, each where it leaves least room, and which question each belongs to."""

    def __init__(self, rows: int) -> None:
        self.rows: list[list[tuple[Window, int]]] = [[] for _ in range(rows)]
        self.questions = 0
        self._left = [ROW] * rows

    def add(self, group: Group) -> bool:
        """Whether there was room for all windows of the question; else none of them is here."""
        taken: list[tuple[int, int]] = []
        for window in group:
            row = self._row_for(len(window))
            if row is None:
                for other, length in reversed(taken):
                    self._left[other] += length
                    self.rows[other].pop()
                return False
            self._left[row] -= len(window)
            self.rows[row].append((window, self.questions))
            taken.append((row, len(window)))
        self.questions += 1
        return True

    def _row_for(self, length: int) -> int | None:
        best = None
        for row, left in enumerate(self._left):
            if length <= left and (best is None or left < self._left[best]):
                best = row
                if left - length < SLACK:
                    break
        return best


def pack(groups: Iterable[Group], rows: int) -> Iterator[Packed]:
    """Batches of so many rows. What did not fit comes first in the next one. Raises `QAError` where a
    question does not even fit alone."""
    source = iter(groups)
    waiting: deque[Group] = deque()
    while True:
        packed = Packed(rows)
        left: list[Group] = []
        failed = 0
        while failed < PATIENCE:
            group = waiting.popleft() if waiting else next(source, None)
            if group is None:
                break
            if packed.add(group):
                failed = 0
            else:
                left.append(group)
                failed += 1
        if packed.questions:
            yield packed
        elif left:
            raise QAError(f"A question's windows do not fit in {rows} rows; expected more: edit rows")
        else:
            return
        waiting.extendleft(reversed(left))


def lay_out(packed: Packed, masks: np.random.Generator, share: float = 0.0) -> Batch:
    """The arrays of a batch; `share` of the words of the bodies are hidden, but none of an answer: of these,
    eight in ten are masked, one is another word, and one stays (Devlin et al., NAACL 2019)."""
    size = len(packed.rows) * ROW
    ids, positions, types, sequences = (np.zeros(size, np.int32) for _ in range(4))
    starts = np.zeros(size, np.int64)
    bounds, inside, inside_of, found, origins = [0], [], [], [], []
    places: list[tuple[int, int, int]] = []
    right: list[bool] = []
    hideable = np.zeros(size, bool)
    for row, members in enumerate(packed.rows):
        at = row * ROW
        for window, question in members:
            end, first = at + len(window), at + len(window.question) + 2
            body = slice(first, first + len(window.body))
            ids[at], ids[first - 1], ids[end - 1] = CLS, SEP, SEP
            ids[at + 1 : first - 1], ids[body] = window.question, window.body
            positions[at:end] = np.arange(len(window))
            types[first:end] = 1
            sequences[at:end], starts[at:end] = len(bounds) - 1, at
            inside.append(np.arange(body.start, body.stop))
            inside_of.append(np.full(len(window.body), question))
            found.append((at, first, len(window.body), question))
            origins.append(window.origin)
            hideable[body] = True
            for begin, last in window.titles:
                types[first + begin : first + last + 1] = 0
            for begin, last in window.places:
                place = slice(first + begin, first + last + 1)
                hideable[place] = False
                if window.right is not None:
                    types[place] = MARKED
                places.append((place.start, place.stop - 1, question))
            right += window.right or [True] * len(window.places)
            bounds.append(end)
            at = end
        if at < (row + 1) * ROW:  # the rest of the row is a sequence of its own, that nothing reads
            sequences[at : (row + 1) * ROW], starts[at : (row + 1) * ROW] = len(bounds) - 1, at
            bounds.append((row + 1) * ROW)
    answered = {question for (*_, question), ok in zip(places, right, strict=True) if ok}
    masked, hidden = _hide(ids, np.flatnonzero(hideable), masks, share)
    return Batch(
        ids,
        positions,
        types,
        sequences,
        np.array(bounds, np.int32),
        starts,
        np.concatenate(inside).astype(np.int64),
        np.concatenate(inside_of).astype(np.int64),
        np.array(found, np.int64),
        np.array(origins, np.int64),
        np.array(places, np.int64).reshape(-1, 3),
        np.array(right, bool),
        np.array([q for q in range(packed.questions) if q not in answered], np.int64),
        masked,
        hidden,
        packed.questions,
        any(window.right is not None for members in packed.rows for window, _ in members),
        sum(len(window) for members in packed.rows for window, _ in members),
    )


def _hide(ids: Numbers, words: Longs, masks: np.random.Generator, share: float) -> tuple[Longs, Longs]:
    """Hide some of the words in place; where, and what they were."""
    masked = words[masks.random(len(words)) < share] if share else words[:0]
    hidden = ids[masked].astype(np.int64)
    how = masks.random(len(masked))
    ids[masked[how < 0.8]] = MASK
    other = masked[how >= 0.9]
    ids[other] = masks.integers(FIRST_WORD, VOCABULARY, len(other))
    return masked, hidden


def stream(
    pool: Numbers,
    group_of: GroupOf,
    rows: int,
    seed: int,
    masked: float = 0.0,
    epochs: int | None = None,
    part: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches of the questions in the pool, in another order in each epoch, by default without end. `part`
    (n, of) takes every of-th question, for the n-th of several processes. The same arguments give the same
    batches."""
    worker, workers = part
    for epoch in count() if epochs is None else range(epochs):
        order = pool[np.random.default_rng((seed, epoch)).permutation(len(pool))][worker::workers]
        if not len(order):
            return
        random = Random(f"{seed} {epoch} {worker}")  # noqa: S311
        masks = np.random.default_rng((seed, epoch, worker))
        for packed in pack((group_of(int(number), random) for number in order), rows):
            yield lay_out(packed, masks, masked)

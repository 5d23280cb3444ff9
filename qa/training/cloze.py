"""Questions that ask for words which recur, made from documents alone.

A sentence of one passage in which a name, number or phrase is replaced by a question word is asked of
another passage of the same document that has it too (recurring span selection: Splinter; Ram et al., ACL
2021, "Few-Shot Question Answering by Pretraining Span Selection"). The reader warms up on them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from qa.types import Range

PASSAGES_TOGETHER = 40  # of a document
MOST_PASSAGES = 12  # that have the span: what is everywhere asks for nothing
SHARE_NAMES = 0.75  # of the sentences that have a name or number, in which that is asked for
SHARE_UNANSWERABLE = 0.2  # of the questions, asked once more of a passage that lacks the span

_NAME_OR_NUMBER = re.compile(
    r"(?:[A-Z][\w’'-]*)(?:\s(?:of |de |the )?[A-Z][\w’'-]*)*"
    r"|\d[\d,.]*\d(?:\s(?:million|billion|per cent|percent|euros|pounds|dollars))?"
)
_PHRASE = re.compile(r"[a-z]{4,}(?: [a-z]{4,}){1,2}")
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?]?")
_SENTENCE_LENGTH = range(40, 401)  # characters
_EMPTY_WORDS = """
the a an of in on at to and or for with by from as is was were are be been it its this that he she they
his her their we i you not but had has have which who what when where how why there than then also after
before into over about more most other such no only one two first
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())


@dataclass(frozen=True, slots=True)
class Cloze:
    """A question of the passage with this number; `places` are characters of it (none: no answer)."""

    question: str
    passage: int
    places: tuple[Range, ...]


def cloze_questions(passages: Sequence[str], random: Random) -> Iterator[Cloze]:
    """At most one for each sentence of these passages of one document, and some without an answer."""
    where: dict[str, list[tuple[int, int, int]]] = defaultdict(list)  # span → passage, start, end
    for number, text in enumerate(passages):
        for start, end in _spans(text):
            where[text[start:end]].append((number, start, end))
    recurring = {
        span: places
        for span, places in where.items()
        if 2 <= len({number for number, *_ in places}) <= MOST_PASSAGES
    }
    here: dict[int, list[Range]] = defaultdict(list)
    for places in recurring.values():
        for number, start, end in places:
            here[number].append((start, end))

    for number, text in enumerate(passages):
        for found in _SENTENCE.finditer(text):
            first, last = found.span()
            inside = [place for place in here[number] if first <= place[0] and place[1] <= last]
            if last - first not in _SENTENCE_LENGTH or not inside:
                continue
            names = [place for place in inside if not text[place[0]].islower()]
            start, end = random.choice(names if names and random.random() < SHARE_NAMES else inside)
            span = text[start:end]
            # A passage that repeats the whole sentence would be found without reading.
            others = sorted(
                {at for at, *_ in recurring[span] if at != number and found.group() not in passages[at]}
            )
            if not others:
                continue
            other = random.choice(others)
            asked = f"{text[first:start]} {_question_word(span, random)} {text[end:last]}"
            yield Cloze(asked, other, tuple((a, b) for at, a, b in recurring[span] if at == other))
            lacking = [at for at, each in enumerate(passages) if at != number and span not in each]
            if random.random() < SHARE_UNANSWERABLE and lacking:
                yield Cloze(asked, random.choice(lacking), ())


def _spans(text: str) -> Iterator[Range]:
    """The places of names, numbers and phrases; a name without the article or preposition before it."""
    for found in _NAME_OR_NUMBER.finditer(text):
        start, end = found.span()
        head, _, rest = found.group().partition(" ")
        if head.lower() in _EMPTY:
            start = end - len(rest.lstrip())
        if end - start >= 2:
            yield start, end
    for found in _PHRASE.finditer(text):
        if _EMPTY.isdisjoint(found.group().split()):
            yield found.span()


def _question_word(span: str, random: Random) -> str:
    if span[0].isdigit():
        return random.choice(["how many", "what", "when", "[MASK]"])
    if span[0].isupper():
        return random.choice(["who", "what", "which", "where", "[MASK]"])
    return random.choice(["what", "[MASK]"])

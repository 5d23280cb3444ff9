"""Words of English questions: which say nothing about where the answer stands, which are the same word."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache, lru_cache
from typing import Any

_WORDS = """
a about after all also an and any are as at be been before but by can could did do does for from had has
have he her his how i if in into is it its many may me more most much must not of off on or our out over
s said say says she should so t tell than that the their them then there these they this those to up was
we were what when where which while who whom whose why will with would you your
"""

FUNCTION_WORDS = frozenset(_WORDS.split())
"""Lower case. "us" is not among them: it may be the US."""

WORD = re.compile(r"\w+(?:['’.-]\w+)*")
IRREGULAR_PASTS = (
    r"became|began|broke|brought|built|came|chose|fell|found|gave|got|grew|held|knew|led|left|"
    r"lost|made|met|paid|put|rose|said|saw|sent|set|sold|spent|told|took|went|won|wrote"
)
"""Past tenses without -ed, for patterns."""
OFFICES = (
    r"spokes\w+|minister|president|chief|head|director|general|secretary|leader|commissioner|ambassador|envoy|analyst"
    r"|professor|mayor|judge|captain|commander|chair\w*|author|founder|manager|inspector|expert|lawyer|officer|official"
    r"|economist|historian|researcher|scientist|writer|journalist|reporter|senator|governor|premier|chancellor|pope|king"
    r"|queen|prince\w*|duke|bishop|engineer|architect|composer|painter|singer|actor|actress|player|coach|partner|counterpart"
    r"|master|keeper|teacher|nurse|pilot|farmer|owner|editor|doctor|physician|activist|politician|lawmaker|deputy|representative|coordinator|adviser|advisor"
)
"""What people are by office or trade, for patterns."""


def content_words(text: str) -> Iterator[str]:
    """The words that say what a text is about, as they stand there."""
    return (word for word in WORD.findall(text) if is_content(word))


def names_in(question: str) -> list[str]:
    """The names and numbers of a question, in lower case: its words after the first that begin with a
    capital or a digit ("Iran-Iraq" is two). None where it is all in capitals."""
    if question == question.upper():
        return []
    words = re.findall(r"\w+(?:['’]\w+)*", question)[1:]
    found = [_bare(word) for word in words if (word[0].isupper() or word[0].isdigit()) and is_content(word)]
    return [word for word in found if len(word) > 1]


_CARRIED = re.compile(r"\s\([^()]*\)\s*$")


def carrying(question: str, words: Collection[str]) -> str:
    """The question with words of the conversation behind it, in parentheses."""
    return f"{question.rstrip()} ({' '.join(words)})" if words else question


def without_carried(question: str) -> str:
    """The question before `carrying`."""
    return _CARRIED.sub("", question)


def is_content(word: str) -> bool:
    return _bare(word) not in FUNCTION_WORDS


@lru_cache(1 << 16)
def stem(word: str) -> str:
    """Words with the same stem are taken for the same word (Porter 2, by Snowball)."""
    return str(_stemmer().stemWord(_bare(word)))


def _bare(word: str) -> str:
    """Lower case, without a possessive's ending."""
    return re.sub(r"['’]s?$", "", word.lower())


def stems(text: str) -> set[str]:
    """Of the words that say what a text is about."""
    return {stem(word) for word in content_words(text)}


@cache
def _stemmer() -> Any:
    import snowballstemmer  # noqa: PLC0415

    return snowballstemmer.stemmer("english")

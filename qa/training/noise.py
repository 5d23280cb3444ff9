"""Questions as hurried people type them, and as a conversation leaves them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from qa.words import carrying

MOST_HINTS = 5
_HINT = re.compile(r"[A-Z]\w{2,}|\w{5,}")  # names and longer words, as people refer back to them


def noisy(question: str, random: Random) -> str:
    """The question as a hurried person types it: lower case, no question mark, or two letters swapped."""
    kind = random.randrange(3)
    if kind == 0:
        return question.lower()
    if kind == 1:
        return question.lower().rstrip("?").rstrip()
    letters = [i for i in range(len(question) - 1) if question[i : i + 2].isalpha()]
    if not letters:
        return question
    i = random.choice(letters)
    return question[:i] + question[i + 1] + question[i] + question[i + 2 :]


def hinted(question: str, text: str, answers: Sequence[str], random: Random) -> str:
    """The question with one to five words of the text behind it, as a follow-up carries words of the
    conversation. None of them is in the question or in an answer."""
    known = f"{question} {' '.join(answers)}".casefold()
    words = {word for word in _HINT.findall(text) if word.casefold() not in known}
    chosen = random.sample(sorted(words), min(random.randint(1, MOST_HINTS), len(words)))
    return carrying(question, chosen)

"""Questions as hurried people type them."""

from __future__ import annotations

from random import Random


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

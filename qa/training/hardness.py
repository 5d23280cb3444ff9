"""Which questions teach to read: those that repeat few words of the sentence that answers them."""

from __future__ import annotations

from collections.abc import Sequence

from qa.evaluation.squad import ReadingQuestion
from qa.words import content_words, stem


def hardest(questions: Sequence[ReadingQuestion], share: float) -> list[ReadingQuestion]:
    """All unanswerable questions, and this share of the answerable ones, in their order.

    A reader of questions that repeat their sentence learns to match words (Sugawara et al., EMNLP 2018);
    people who do not know the text ask in other words than it.
    """
    answerable = [question for question in questions if question.places]
    by_overlap = sorted(answerable, key=lambda question: (overlap(question), question.id))
    kept = {question.id for question in by_overlap[: round(share * len(by_overlap))]}
    return [question for question in questions if not question.places or question.id in kept]


def overlap(question: ReadingQuestion) -> float:
    """The share, 0 to 1, of the question's telling words that stand in the sentence of its answer; the
    highest where several places may be meant."""
    asked = {stem(word) for word in content_words(question.question)}
    if not asked:
        return 1.0
    return max(len(asked & _sentence(question.context, place)) / len(asked) for place in question.places)


def _sentence(text: str, place: tuple[int, int]) -> set[str]:
    """The stems of the words round a place, from full stop to full stop."""
    start = max(text.rfind(end, 0, place[0]) for end in (". ", "? ", "! ", "\n"))
    ends = [at for end in (". ", "? ", "! ", "\n") if (at := text.find(end, place[1])) >= 0]
    return {stem(word) for word in content_words(text[start + 1 : min(ends, default=len(text))])}

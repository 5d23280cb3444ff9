"""A follow-up is completed by rules; where it still leans on what was said, with the history's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from qa.conversation import rules
from qa.conversation.phrases import names, several
from qa.conversation.referents import Weights
from qa.conversation.rules import Turn
from qa.conversation.terms import Terms
from qa.embedder import Embedder
from qa.words import carrying, content_words, stem, stems

_POINTS_BACK = re.compile(
    r"^(?:and|but)\b|\b(?:he|him|his|she|her|hers|it|its|they|them|their|theirs|this|these|those|that(?=\W*$)"
    r"|there(?! (?:is|are))|ones?|same|such|others?|another|else|so(?=\W*$)|then|too|also|both|former"
    r"|latter)\b",
    re.IGNORECASE,
)
_TIME = "(?:hour|day|night|morning|evening|week|month|quarter|season|year|decade|century)"
_ANOTHER_TIME = re.compile(
    rf"(?:(?:previous|preceding|next|following|last) (?:\w+ )?{_TIME}"
    rf"|{_TIME} (?:before|after|earlier|later))$",
    re.IGNORECASE,
)
KEPT = 256  # questions


class Resolver:
    """Threads may share one; the classifier's weights are loaded with the first follow-up."""

    def __init__(self, embedder: Embedder) -> None:
        self.terms = Terms(embedder)
        self._weighed = lru_cache(KEPT)(
            self.terms.weigh
        )  # a conversation's turns are weighed again with each

    def resolve(self, question: str, history: Sequence[Turn]) -> str:
        """The question as it would be asked without the history; unchanged where it stands alone.

        Words that belong to it though no rule could place them follow in parentheses: they are searched
        and read with it. Raises `MissingWeights`.
        """
        resolved = rules.resolve(question, history, self._weights)
        if not history or not leans(question):
            return resolved
        if rules.asks_for_another(question):  # words of the last answer would lead back to it
            return resolved
        said = stems(resolved)
        words: dict[str, str] = {}
        for weighed in self._weighed(question, tuple(history)):
            stemmed = stem(weighed.word.text)
            known = stemmed in said or stemmed.isdigit()  # a part of a number says nothing
            if weighed.probability >= self.terms.threshold and not known:
                words.setdefault(stemmed, weighed.word.text)
        return carrying(resolved, words.values())

    def _weights(self, question: str, history: Sequence[Turn]) -> Weights:
        """The highest probability of each word, by its stem."""
        weights: dict[str, float] = {}
        for weighed in self._weighed(question, tuple(history)):
            stemmed = stem(weighed.word.text)
            weights[stemmed] = max(weighed.probability, weights.get(stemmed, 0.0))
        return weights


def repeats(quote: str, sentence: str, question: str, history: Sequence[Turn]) -> bool:
    """Whether a quote only says the last answer again though something else is asked about, which its
    sentence does not name: "12 euros", for "How much is admission?" and then for "And for children?". A year
    is not yet "the year before", which the sentence has to say. Who else did something is nobody of whom
    that was told."""
    if rules.asks_for_another(question):
        told = [said for _, answer in _told(history) if (said := stems(answer))]
        once_more = any(said <= stems(quote) for said in told) and not several(quote)
        return bool(told) and (once_more or stems(quote) <= set().union(*told))
    said = stems(history[-1][1]) if history else set()
    instead = rules.exchanged(question)
    about = stems(instead)
    another = _ANOTHER_TIME.search(instead)
    named = another[0].lower() in sentence.lower() if another else about <= stems(sentence)
    return bool(said and about) and said <= stems(quote) and not named


def _told(history: Sequence[Turn]) -> Sequence[Turn]:
    """The last turn, and before it those to which it asked for others."""
    first = len(history) - 1
    while first > 0 and rules.asks_for_another(history[first][0]):
        first -= 1
    return history[max(0, first) :]


def leans(question: str) -> bool:
    """Whether a question may need words of the history: it points back, or hardly says anything itself.

    Of CANARD's follow-ups that need words, 84 % do; of their stand-alone rewritings, fewer than one in
    three, most for a pronoun whose name they have.
    """
    bare = len(list(content_words(question))) <= 1 and not names(question)
    return bare or any(not rules.refers_within(question, match) for match in _POINTS_BACK.finditer(question))

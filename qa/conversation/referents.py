"""What a pronoun of a follow-up stands for: of all that the last turns named, the likeliest.

The subject of a question and what it asked for are taken up again more readily than its object, and that
than a place; what a pronoun stood for before it goes on to stand for (centering; Grosz, Joshi and
Weinstein 1995). How much more readily was set by eye, on the conversations of the evaluation and CANARD's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qa.conversation.phrases import AUXILIARY, names, phrases, role, several
from qa.words import FUNCTION_WORDS, content_words, stem

Weights = Mapping[str, float]
"""How likely the words of a history, by their stems, are to belong to a question, 0 to 1."""

FURTHER_BACK = 0.4  # what a turn back takes from how readily something is referred to

SORT = {
    **dict.fromkeys(("he", "him", "his"), "he"),
    **dict.fromkeys(("she", "her", "hers"), "she"),
    **dict.fromkeys(("they", "them", "their", "theirs"), "they"),
    **dict.fromkeys(("it", "its"), "it"),
}
_ASKED_FOR_A_THING = re.compile(
    r"(?:and\s+)?(?:\w+\s+)?(?:(?P<what>what|which)|(?P<who>whom?)|where)\b(?!.*\b(?:say|said|do|happens?|happened)\b)",
    re.IGNORECASE,
)
_NOMINAL = re.compile(  # an answer that names something, rather than telling it
    rf"(?!\W*(?:\d|(?:because|since|when|after|before|how|that|to|so)\b))(?!.*\b(?:{AUXILIARY}|to)\b)(?:\S+\s*){{1,8}}$",
    re.IGNORECASE | re.DOTALL,
)
_TO_A_PLACE = re.compile(r"^(?:in|at|to|from|off|on|near)\s+", re.IGNORECASE)
_SMALL = sorted(FUNCTION_WORDS - {"i", "may", "s", "t", "will"})  # unless they begin a sentence
_BEGINS_SMALL = re.compile(rf"^(?:{'|'.join(map(str.capitalize, _SMALL))})(?= )")
_TOGETHER = re.compile(r"\b(?:meet|met|join(?:ed)?|received?|talk(?:ed)?|spoke|speak|sign(?:ed)?)\b")
_TITLES = re.compile(
    r"^(?:(?:the|a|an|its|his|her|their|spokes(?:man|woman|person)|policy analyst|project leader|"
    r"foreign secretary|secretary[ -]general|secretary of state|president|minister|pope)\s+)+"
    r"(?=(?-i:[A-ZÀ-Þ]))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A turn whose question stands alone, and what its pronouns stood for, by SORT."""

    question: str
    answer: str
    referents: Mapping[str, str]

    def people(self) -> list[str]:
        """Whom the answer names, where the question asked for somebody."""
        asked_for = re.match(r"(?:and\s+)?(?:whom?|(?P<which>which))\b", self.question, re.IGNORECASE)
        in_answer = names(self.answer)
        # "Which group is Riccardo Fabiani with?" asks for no person: it names one.
        if not (asked_for and in_answer) or (
            asked_for["which"] and any(" " in name for name in names(self.question))
        ):
            return []
        return [bare(self.answer) if len(self.answer.split()) <= 6 else in_answer[0]]


def referent(pronoun: str, turns: Sequence[Resolved], weigh: Weights, used: Collection[str]) -> str | None:
    """What a pronoun stands for: of what the last turns named and what agrees with it, the likeliest, by
    where it was named, by what the pronoun stood for before, and by how likely its words are to belong
    to the question."""
    sort = SORT[pronoun]
    people = {name for turn in turns for name in turn.people()}
    same = next((turn.referents.get(sort) for turn in reversed(turns) if turn.referents), None)
    best, highest = None, 0.0
    for text, prior in _persons(turns) if sort in {"he", "she"} else _things(turns):
        if text in used or (sort == "it" and (several(text) or role(text))):
            continue
        words = [weigh.get(stem(word), 0.0) for word in content_words(text)] or [0.0]
        score = prior + (max(words) + sum(words) / len(words)) / 2 + 0.3 * (text == same)
        if sort == "they":
            many = several(text) or re.fullmatch(r"the [A-ZÀ-Þ].*s", text)  # "the Oak Ridge Boys"
            one_body = names(text) or text.startswith("the ")  # "the health office" may be "they"
            score += 0.7 if many else 0.0 if names(text) == [text] else -0.3 if one_body else -0.8
        if sort == "it" and text in people:
            score -= 0.6 if " " in text else 0.2
        if score > highest:
            best, highest = text, score
    return _both(best, turns[-1]) if best and sort == "they" and not several(best) else best


def _both(one: str, turn: Resolved) -> str:
    """Who met somebody, with whom they met: "Seraj and the Italian minister"."""
    if not _TOGETHER.search(turn.question):
        return one
    found, people = phrases(turn.question), turn.people()
    subject = next((phrase.text for phrase in found if phrase.about), None)
    met = dict.fromkeys(
        text
        for text in (*(phrase.text for phrase in found), *people)
        if text in {one, subject, *people} or role(text)
    )
    return " and ".join(met) if one in met and len(met) == 2 else one


def _persons(turns: Sequence[Resolved]) -> Iterator[tuple[str, float]]:
    """Who was named, the newest first, with how readily each is referred to."""
    for back, turn in enumerate(reversed(turns)):
        further = back * FURTHER_BACK
        for name in turn.people():
            yield name, 1 - further
        for name in names(turn.question):
            if not name.isupper() and f"the {name}" not in turn.question:
                yield name, (0.8 if " " in name else 0.3) - further


def _things(turns: Sequence[Resolved]) -> Iterator[tuple[str, float]]:
    """What was named, the newest first, with how readily each is referred to."""
    for back, turn in enumerate(reversed(turns)):
        further = back * FURTHER_BACK
        asked_for = _ASKED_FOR_A_THING.match(turn.question)
        thing = _TO_A_PLACE.sub("", bare(turn.answer))
        if asked_for and _NOMINAL.match(thing):
            common = 0.2 if thing[:1].islower() else 0.0  # "the coast guard", "the Verrin dam"
            yield _definite(thing), (1.6 if asked_for["what"] else 0.3 + common) - 2 * further
        else:
            told = next(iter(phrases(turn.answer)), None)
            if told and told.text[0].islower() and turn.answer.startswith(told.text) and several(told.text):
                yield told.text, 0.5 - further  # "rotten oak piles that …"
        for phrase in phrases(turn.question):
            if phrase.text[0].isdigit() and not several(phrase.text):
                continue
            prior = (
                0.1 if phrase.place else 0.3 if phrase.part else 0.6 if phrase.about or phrase.new else 0.5
            )
            prior += 0.2 * bool(names(phrase.text)) + 0.5 * (phrase.counted and several(phrase.text))
            yield _definite(phrase.text), prior - further


def _definite(phrase: str) -> str:
    """What was "a plant" is "the plant" from then on."""
    return re.sub(r"^an? ", "the ", phrase)


def bare(answer: str) -> str:
    """An answer as part of a question: without quotation marks, title or full stop, without the article of a
    name, and small where only the beginning of a sentence made it large ("More than 16,000")."""
    said = _BEGINS_SMALL.sub(lambda found: found[0].lower(), answer.strip(" .,;:\"“”'‘’"))
    bare = _TITLES.sub("", said)
    return said if said.startswith("the ") and bare.split()[-1:] and bare.split()[-1][0].islower() else bare

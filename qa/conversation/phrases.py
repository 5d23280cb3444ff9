"""The noun phrases of a question: what a later pronoun may stand for.

A tagger would have weights of its own, and a question has few shapes: a question word, an auxiliary, the
subject, a verb, the rest. The verb is taken to be the last word of the subject's run after "do" or a
modal, a participle after "be", the first word after "who".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from qa.words import FUNCTION_WORDS, IRREGULAR_PASTS, OFFICES

# A run of capitalised words, allowing "of", "de", "von der" and the like inside.
NAME = re.compile(
    r"[A-ZÀ-Þ][\w'’.-]*(?:\s+(?:(?:of|the|de|da|di|du|la|van|von|der|den|bin|al|without|and)\s+){0,2}[A-ZÀ-Þ][\w'’.-]*)*"
)
_TOKEN = re.compile(r"\w+(?:['’.-]\w+)*['’]?|[^\w\s]")
_POSSESSIVE = re.compile(r"['’]s?$")
_ASKING = frozenset({"who", "whom", "whose", "what", "which", "when", "where", "why", "how"})
_MODALS = frozenset({"do", "does", "did", "can", "could", "will", "would", "should", "may", "might", "must"})
_TO_BE = frozenset({"is", "are", "was", "were", "be", "been", "being", "has", "have", "had"})
_AUXILIARIES = _MODALS | _TO_BE
AUXILIARY = rf"(?:{'|'.join(sorted(_AUXILIARIES - {'be', 'been', 'being'}))})"
_MORE_FUNCTION_WORDS = """
between with within without until since during against through near under below above behind beside
as than no not ever still else other others another anything something nothing everything anyone someone
"""
_FUNCTION = (
    (FUNCTION_WORDS - {"say", "says", "said", "tell"})
    | {*_ASKING, *_AUXILIARIES}
    | {*_MORE_FUNCTION_WORDS.split()}
)
_ARTICLES = frozenset({"the", "a", "an"})
_BEFORE_A_VERB = frozenset({"that", "who", "which", "whom", "he", "she", "it", "they", "we", "you", "to"})
_NOT_NAMES = "since until below above under between within during name list tell give show"
_NO_NAMES = FUNCTION_WORDS | {*_NOT_NAMES.split()}
_PLACES = frozenset({"in", "at", "to", "from", "off", "near"})
_MEASURED = re.compile(r"many|much|long|tall|old|big|large|far|often|high|deep|wide|warm|strong")
PARTICIPLE = re.compile(
    rf"\w+(?:ed|ing)|{IRREGULAR_PASTS}|hurt|known|shown|kept|cut|read|caught|bought|taught|hit|given|taken|driven|stolen"
    r"|broken|written|spoken|chosen|hidden|fallen|eaten|beaten|seen|done|born|drawn|grown|thrown|flown",
    re.IGNORECASE,
)
_VERB_WITH_OF = re.compile(r"warn|think|speak|hear|die|consist|complain|approve|dream|dispose")
_WITH_BARE_OBJECT = re.compile(
    r"take (?:place|part|office|effect|power|action|charge)|(?:enter|leave) service|(?:enter|take) office"
    r"|set sail|join forces|hold talks|open fire|lose (?:money|power|control)|make (?:money|sense)"
)
_ADVERB = re.compile(
    r"\w+ly|\w+wide|first|later|longer|earlier|sooner|more|better|together|again|now|today|yesterday|worth|alone|away"
    r"|back|here",
    re.IGNORECASE,
)
_MANY = re.compile(r"people|men|women|children|police|(?!\w*(?:ss|us|is)$|news$|series$|species$)[a-z-]+s")
_ROLE = re.compile(rf"(?:\w+-)*(?:{OFFICES}|man|woman|boy|girl)s?")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of a question that name something. `about`: it is the subject; `counted`: it is asked how many
    there are; `place`: it says where; `part`: it stands after "of"; `new`: it is spoken of for the first
    time ("a plant")."""

    text: str
    about: bool = False
    counted: bool = False
    place: bool = False
    part: bool = False
    new: bool = False


def several(text: str) -> bool:
    """Whether a phrase speaks of more than one thing: an enumeration, or a plural before any "of"."""
    head = _head(text)
    if re.search(r",\s|\s(?:and|or)\s", head):
        return True
    last = head.split()[-1:]
    return bool(last) and _MANY.fullmatch(last[0]) is not None


def role(text: str) -> bool:
    """Whether a phrase names somebody by an office: "the secretary general of NATO"."""
    last = _head(text).split()[-1:]
    return bool(last) and _ROLE.fullmatch(last[0]) is not None


def _head(text: str) -> str:
    return re.split(r"\s+(?:of|in|for|from|with|between|at|on|to|that|who|which)\s", text, maxsplit=1)[0]


def phrases(question: str) -> list[Phrase]:
    """The noun phrases of a question, in its order; one that ends with "of" another, after the other."""
    return list(_Parser(question).parse())


class _Parser:
    def __init__(self, question: str) -> None:
        self.text = question
        self.tokens = [(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(question)]
        self.at = 0
        self.auxiliary = ""  # whose verb has not come yet: "do" for all that take a bare verb, "be"
        self.verb_passed = False  # behind the last run

    def parse(self) -> Iterator[Phrase]:
        yield from self._asked_for()
        whole: Phrase | None = None  # what may still go on with "of"
        begin, before = 0, ""
        subject = True
        while self.at < len(self.tokens):
            word = self._word()
            if self._ends_run() and word not in _ARTICLES:
                before = self._pass(word)
                goes_on = (
                    whole
                    and not self.verb_passed
                    and (
                        word == "of"
                        or (word in {",", "and"} and self._name_follows(whole))
                        or (word == "and" and " of " in whole.text and self._one_run_left())
                    )
                )
                if whole and not goes_on:
                    yield whole
                    whole = None
                if word in _AUXILIARIES:
                    subject = True
                continue
            start, about = self.tokens[self.at][1], subject and self.auxiliary != ""
            end = self._run()
            subject = subject and about and end is None
            if end is None:
                if whole:
                    yield whole
                whole = None
            elif whole and before == "of":
                yield Phrase(self.text[start:end], part=True)
                whole = replace(whole, text=self.text[begin:end])
            elif whole and before in {",", "and"}:
                whole = replace(whole, text=self.text[begin:end])
            else:
                if whole:
                    yield whole
                text = self.text[start:end]
                place = before in _PLACES and NAME.search(text.split()[-1]) is not None
                whole = Phrase(text, about=about, place=place, new=word in {"a", "an"})
                begin = start
            before = ""
        if whole:
            yield whole

    def _asked_for(self) -> Iterator[Phrase]:
        """Past the question word, and the phrase that belongs to it: "how many [people]"."""
        while self._word() in {"and", "but", "so", "then", ","}:
            self.at += 1
        ahead = 1 if self._word(1) in _ASKING and self._word() in _FUNCTION else 0
        asking = self._word(ahead)
        if asking not in _ASKING:
            return
        self.at += ahead + 1
        counts = asking == "how" and self._word() in {"many", "much"}
        if asking == "how" and _MEASURED.fullmatch(self._word()):
            self.at += 1
        begin = self.at
        if counts or asking in {"which", "what", "whose"}:
            while not self._ends_run():
                self.at += 1
        words = self.at - begin
        verb_next = self._word() not in _AUXILIARIES
        if verb_next and words > 1:  # "which tram line crosses the …", "what attracts fungus gnats"
            words = 1 if asking == "what" else words - 1
            self.at = begin + words - (asking == "what")
        if counts and words:
            counted = self.text[self.tokens[begin][1] : self.tokens[begin + words - 1][2]]
            yield Phrase(f"the {counted}", counted=True)
        if verb_next and not self._ends_run():
            self.at += 1

    def _run(self) -> int | None:
        """Past the run of words that begins here, or past its verb, where it has one; where the phrase
        ends that it holds, if any."""
        begin = self.at
        self.at += self._word() in _ARTICLES
        first = self.at
        while not self._ends_run():
            name = NAME.match(self.text, self.tokens[self.at][1])
            stop = name.end() if name else self.tokens[self.at][2]
            owner = False  # "Odile's gusts" are two phrases
            while not owner and self.at < len(self.tokens) and self.tokens[self.at][1] < stop:
                owner = _POSSESSIVE.search(self.tokens[self.at][0]) is not None
                self.at += 1
            if owner:
                break
        last = self.at  # the token after the phrase
        article = self.text[self.tokens[begin][1]].islower() and first > begin  # "The Verve" is a name
        verb = self._verb(first, article) if self.auxiliary else None
        self.verb_passed = verb is not None
        if verb is not None:
            last, self.at = verb, verb + 1
            self.auxiliary = ""
        elif self.auxiliary == "be" and self._word() not in {"of", "and"}:
            self.auxiliary = ""
        while (
            last > first
            and self.tokens[last - 1][0].islower()
            and _ADVERB.fullmatch(self.tokens[last - 1][0])
        ):
            last -= 1
        return None if last == first else self.tokens[last - 1][1] + len(self._bare(last - 1))

    def _verb(self, first: int, article: bool) -> int | None:
        """Which token of the run up to here is the verb that belongs to the auxiliary."""
        low = [i for i in range(first, self.at) if self.tokens[i][0][0].islower()]
        if self.auxiliary == "be":
            if low and low[0] > first and not article:  # "was The Verve successful"
                return low[0]
            low = [i for i in low if PARTICIPLE.fullmatch(self.tokens[i][0])]
            return low[-1] if low and not (low[-1] == first and article) else None
        if self._word() in _TO_BE:  # "must insulin be kept"
            return None
        while low and _ADVERB.fullmatch(self.tokens[low[-1]][0]):
            low.pop()
        if self._word() == "of" and low and not _VERB_WITH_OF.fullmatch(self.tokens[low[-1]][0]):
            low.pop()  # "the soldiers burn planks of …", "the price of …"
            article = article or not low
        if _WITH_BARE_OBJECT.fullmatch(" ".join(self.tokens[i][0] for i in low[-2:])):
            low.pop()
        return low[-1] if low and not (low[-1] == first and article) else None

    def _pass(self, word: str) -> str:
        """Past a word that no phrase holds, and past the bare verb after it; what the next phrase stands
        after."""
        self.at += 1
        if word in _MODALS:
            self.auxiliary = "do"
        elif word in _TO_BE:
            self.auxiliary = "be"
        elif word in _BEFORE_A_VERB and not self._ends_run() and self.tokens[self.at][0][0].islower():
            self.at += 1
            return ""
        return word

    def _name_follows(self, whole: Phrase) -> bool:
        """Whether an enumeration of names goes on here."""
        here = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
        return NAME.match(self.text, here) is not None and whole.text.split()[-1][:1].isupper()

    def _one_run_left(self) -> bool:
        """Whether what follows is one run of words, and the question ends with it."""
        rest = [word for word, *_ in self.tokens[self.at :]]
        words = [word for word in rest if word[:1].isalnum()]
        return bool(words) and rest[: len(words)] == words and not _FUNCTION & {w.lower() for w in words}

    def _ends_run(self) -> bool:
        word = self._word()
        return not word[:1].isalnum() or word in _FUNCTION

    def _word(self, ahead: int = 0) -> str:
        i = self.at + ahead
        return self.tokens[i][0].lower() if i < len(self.tokens) else ""

    def _bare(self, i: int) -> str:
        return _POSSESSIVE.sub("", self.tokens[i][0])


def names(text: str) -> list[str]:
    """Capitalised names, without the function words that are capitalised as a sentence's first word."""
    found = []
    for match in NAME.finditer(text):
        words = match.group().split()
        while words and match.start() == 0 and words[0].lower() in _NO_NAMES:
            words = words[1:]
        if words and words[0][0].isupper():
            found.append(re.sub(r"['’]s$", "", " ".join(words).rstrip(".,'’")))
    return found

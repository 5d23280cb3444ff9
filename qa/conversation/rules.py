"""History + follow-up → a question that stands alone.

"What did he confirm?" after "Who answered AFP by email?" → "William Spindler" is asked as "What did
William Spindler confirm?". Three ways of leaning on the history are mended, by rules over the words of
the last turns; everything else is left as it was asked:

- an ellipsis ("Where?", "And in 2016?") is completed with the previous question;
- a pronoun is replaced by what it refers to: the last answer, else the last name asked about;
- "there" becomes the last place, "that operation" the last thing so called.

Nothing is generated: every word of the result comes from the history or the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.words import FUNCTION_WORDS

Turn = tuple[str, str]
"""A question as it was really asked, and the answer's exact words; "" for an abstention."""

_WH = r"(?:who|whom|whose|what|which|when|where|why|how(?:\s+(?:many|much|long|often|far|old|big|large))?)"
_AUXILIARY = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must)"
_PERSONAL = {"he", "him", "she", "her", "they", "them", "it"}
_POSSESSIVE = {"his", "hers", "its", "their", "theirs"}
_BARE_DEMONSTRATIVE = re.compile(
    rf"\b(?:this|that|these|those)\b(?=\s*(?:[?.!,]|$|{_AUXILIARY}\b|happen\w*|mean\w*|take\b|compare\b|differ\b))",
    re.IGNORECASE,
)
_NAMED_DEMONSTRATIVE = re.compile(
    # "said that the mission": a conjunction, which demonstrates nothing
    rf"\b(?:this|that|these|those)\s+(?!(?:{'|'.join(sorted(FUNCTION_WORDS))})\b)(?P<noun>[a-z][\w-]+)",
    re.IGNORECASE,
)
_THERE = re.compile(
    r"(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )\bthere\b"
    r"(?!\s+(?:is|are|was|were|been|be|a|an|any|no|to)\b)",
    re.IGNORECASE,
)
_OPENING = re.compile(r"^(?:and|but|so|then|ok(?:ay)?|also)\b[\s,]*", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:what|how)\s+about\s+", re.IGNORECASE)
_ONLY_WH = re.compile(
    rf"^(?:(?:in|at|on|by|to|from|for|since|until)\s+)?{_WH}(?:\s+(?:exactly|else|so|not))?$", re.IGNORECASE
)
_WAS_THAT = re.compile(r"^(when|where|why|how) (?:is|was|were) (?:that|this)$", re.IGNORECASE)
_QUANTITY_WH = re.compile(r"^(?:how\s+(?:many|much)|which)\b\s*(?P<noun>[\w' -]*)$", re.IGNORECASE)
_LEADING_WH = re.compile(rf"^(?:(?:in|at|on|by|to|from|for)\s+)?{_WH}\b\s*", re.IGNORECASE)
_NO_NAMES = FUNCTION_WORDS | {"since", "until", "name", "list", "tell", "give", "show"}
_OF_SOMETHING = re.compile(r"^(?:his|her|its|their)\s|\w['’]s\s", re.IGNORECASE)  # "And the ship's name?"
_VERB = re.compile(rf"\b{_AUXILIARY}\b", re.IGNORECASE)
# A run of capitalised words, allowing "of", "de", "von der" and the like inside.
_NAME = re.compile(
    r"[A-ZÀ-Þ][\w'’.-]*(?:\s+(?:(?:of|the|de|da|di|du|la|van|von|der|den|bin|al|without|and)\s+){0,2}[A-ZÀ-Þ][\w'’.-]*)*"
)
_WH_PHRASE = re.compile(
    rf"^(?:which|what)\b.*?\b{_AUXILIARY}\b", re.IGNORECASE
)  # "Which Italian minister did"
_CLAUSE_AFTER_PLURAL = re.compile(
    r"\b\w+s\b.*\b(?:when|if|after|before|because|while|since)\s+$", re.IGNORECASE
)
_LOCATED = re.compile(rf"\b(?:in|at|to|from|off|near)\s+((?:the\s+)?{_NAME.pattern})")
_ATTRIBUTE = re.compile(
    rf"\bthe\s+(?P<name>{_NAME.pattern})\s+(?P<noun>[a-z][\w-]*(?<!ed))(?=[?.,!]|$)"
)  # at the end: "the Bonn takes …" has a verb there
_NOUN = re.compile(r"\b(?:the|an?)\s+[\w-]+", re.IGNORECASE)
_SEVERAL = re.compile(
    r"\b(?:people|men|women|children|(?!does|was|is|has)[a-z]+s)\b|\bthe\s+\w+", re.IGNORECASE
)
_FIRST_SEVERAL = re.compile(r"the\s+(?:[\w-]+\s+){0,2}?[a-z-]+s\b(?=\s)")  # "the patrols | take place"
_SUBJECT_NEXT = re.compile(rf"\b{_AUXILIARY}\s+$", re.IGNORECASE)  # "What did his ship …"
_QUOTED = re.compile(r"^[^\"“”]*[\"“][^\"”]*$")
_EXPLETIVE = re.compile(
    r"it\s+(?:takes?|took|costs?|known|clear|unclear|true|likely|unlikely|possible|doubtful|certain|hard|difficult"
    r"|easy|necessary|important)\s+(?:\w+\s+)?(?:that|whether|if|where|when|who|how|why|to)\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(?<=^how many )[a-z][\w-]+", re.IGNORECASE)
_COUNTABLE = re.compile(r"(?:[a-z][\w-]+ )?(?:people|men|women|children|[a-z][\w-]+s)")
_SAID_SO = re.compile(r"\bso(?=\s*[?.!]*$)", re.IGNORECASE)
_TITLES = re.compile(
    r"^(?:(?:the|a|an|its|his|her|their|spokes(?:man|woman|person)|policy analyst|project leader|"
    r"foreign secretary|secretary[ -]general|secretary of state|president|minister|pope)\s+)+(?=[A-ZÀ-Þ])",
    re.IGNORECASE,
)


def resolve(question: str, history: Sequence[Turn]) -> str:
    """The question as it would be asked without the history; unchanged where it stands alone."""
    turns: list[Turn] = []
    for asked, answer in history:  # a follow-up in the history leans on what came before it
        turns.append((_resolve(asked, turns), answer))
    return _resolve(question, turns)


def _resolve(question: str, history: Sequence[Turn]) -> str:
    asked = " ".join(question.split())
    if not history or not asked:
        return question
    completed = _complete(asked, history[-1])
    if completed is not None:
        return completed
    replaced = _refer(asked, history)
    return question if replaced == asked else replaced


def _complete(asked: str, last: Turn) -> str | None:
    """An ellipsis, completed with the previous question; None where the question has its own verb."""
    core = _WAS_THAT.sub(r"\1", _OPENING.sub("", asked).rstrip("?!. "))
    about = _ABOUT.sub("", core)
    previous = _OPENING.sub("", last[0]).rstrip("?!. ")
    if _ONLY_WH.match(core):
        return f"{_as_statement(core, previous, last[1])}?"
    quantity = _QUANTITY_WH.match(core)
    if quantity and len(core.split()) <= 4 and not _VERB.search(core) and not names(core):
        return f"{_as_statement(core, previous, last[1])}?"
    opened = about != core or core != asked.rstrip("?!. ")
    asks = _VERB.search(about) or re.match(_WH, about, re.IGNORECASE) or _OF_SOMETHING.search(about)
    if opened and not asks:
        return f"{_with_topic(previous, about)}?"
    return None


def _as_statement(wh: str, previous: str, answer: str) -> str:
    """ "Where" + "Who answered AFP by email" + "William Spindler" → "Where William Spindler answered AFP
    by email"; after "When did Seraj meet Minniti" → "Where did Seraj meet Minniti"."""
    said = _bare(answer)
    asked_for = re.match(rf"(?:who|what|which)\b(?:(?!\b{_AUXILIARY}\b).)*", previous, re.IGNORECASE)
    rest = _LEADING_WH.sub("", previous, count=1)
    auxiliary = re.search(rf"\b(?P<which>{_AUXILIARY})\b\s*(?P<after>.*)$", previous, re.IGNORECASE)
    if auxiliary is None:  # the question word is the subject, and the verb follows it
        rest = re.sub(r"^\S+\s+", "", rest) if re.match("which", previous, re.IGNORECASE) else rest
        return f"{wh} {said} {rest}" if asked_for and said else f"{wh} {rest}"
    which, after = auxiliary.group("which"), auxiliary.group("after")
    if asked_for is None or not said:
        return f"{wh} {which} {after}"
    subject_follows = re.match(r"(?:the|an?|his|her|its|their|he|she|they|it)\b|[A-ZÀ-Þ]", after)
    is_object = subject_follows and not re.match("who", previous, re.IGNORECASE)
    if which.lower() in {"do", "does", "did"} or is_object:
        return f"{wh} {which} {after} {said}"
    return f"{wh} {which} {said} {after}"


def _with_topic(previous: str, topic: str) -> str:
    """ "How many drowned in 2016" + "in 2015" → "How many drowned in 2015": a like phrase (a year, a
    preposition's, what is counted, a name) is exchanged, else the topic is added at the end."""
    year = re.compile(r"\b(?:1[89]|20)\d\d\b")
    if year.search(topic) and year.search(previous):
        return year.sub(year.search(topic).group(), previous)  # type: ignore[union-attr]
    preposition = re.match(r"(in|on|at|from|to|for|by|during|since|off)\s+", topic, re.IGNORECASE)
    if preposition:
        same = re.compile(rf"\b{preposition.group(1)}\s+[^?]*$", re.IGNORECASE)
        return same.sub(topic, previous) if same.search(previous) else f"{previous} {topic}"
    if _COUNTABLE.fullmatch(topic) and topic not in FUNCTION_WORDS and _COUNTED.search(previous):
        return _COUNTED.sub(topic, previous)
    names = [m for m in _NAME.finditer(previous) if m.start() > 0]
    if names and _NAME.match(topic):
        last = names[-1]
        return previous[: last.start()] + topic + previous[last.end() :]
    return f"{previous} {topic}"


def _refer(asked: str, history: Sequence[Turn]) -> str:
    """Pronouns and demonstratives replaced by what the last turns speak of."""
    used: set[str] = set()

    def pronoun(match: re.Match[str]) -> str:
        word = match.group().lower()
        if refers_within(asked, match):
            return match.group()
        if (
            word == "her"
            and re.match(r"\s+[a-z]", asked[match.end() :])
            and not _ends_object(asked, match.end())
        ):
            word = "hers"
        referent = _referent(word, history)
        if referent is None or referent in used:
            return match.group()
        used.add(referent)
        return f"{referent}'s" if word in _POSSESSIVE else referent

    words = "|".join(sorted(_PERSONAL | _POSSESSIVE))
    text = re.sub(rf"\b(?:{words})\b", pronoun, asked, flags=re.IGNORECASE)
    if _THERE.search(asked) and (place := _place(history)):
        text = _THERE.sub(f"in {place}", text, count=1)
    if text != asked:
        return text
    bare = _BARE_DEMONSTRATIVE.search(asked)
    if bare and not names(asked[: bare.start()]) and not _after_a_noun(asked[: bare.start()]):
        topic = history[-1][1] or _topic(history[-1][0])
        return asked[: bare.start()] + _bare(topic) + asked[bare.end() :]
    if _SAID_SO.search(asked):
        said = history[-1][1].strip(" .") or _topic(history[-1][0])
        return _SAID_SO.sub(lambda _: f"that {said}" if " " in said else said, asked)
    named = _NAMED_DEMONSTRATIVE.search(asked) or re.search(r"\bthe\s+(?P<noun>[a-z][\w-]+)", asked)
    if named and (thing := _called(named.group("noun"), history)):
        return asked[: named.start()] + thing + asked[named.end() :]
    return asked


def refers_within(asked: str, pronoun: re.Match[str]) -> bool:
    """Whether a pronoun means something that the question itself names ("What did Kerry say about his
    role", "Why did the captain sell his ship", "Where are migrants put when they land") or nothing at all
    ("How long did it take to land"), or stands in words that are quoted."""
    before = _WH_PHRASE.sub("", asked[: pronoun.start()])
    word = pronoun.group().lower()
    if names(before) or _QUOTED.search(before) or _EXPLETIVE.match(asked, pronoun.start()):
        return True
    if word in _POSSESSIVE or word == "her":
        owner = _SEVERAL if word in {"their", "theirs"} else _NOUN
        return owner.search(before) is not None and not _SUBJECT_NEXT.search(before)
    return word in {"they", "them"} and _CLAUSE_AFTER_PLURAL.search(before) is not None


def _after_a_noun(before: str) -> bool:
    """Whether "that" after these words begins a relative clause: "the house that was raided"."""
    last = before.split()[-1:]
    return bool(last) and last[0].lower() not in FUNCTION_WORDS


def _referent(pronoun: str, history: Sequence[Turn]) -> str | None:
    """What a pronoun stands for: a name in the last answer, else the last name that was asked about."""
    find = _person if pronoun in {"he", "him", "his", "she", "her", "hers"} else _thing
    found = (find(question, answer) for question, answer in reversed(history))
    topic = _topic(history[-1][0])
    several = _FIRST_SEVERAL.match(topic) if pronoun in {"they", "them", "their", "theirs"} else None
    return next((name for name in found if name), None) or (several.group() if several else topic) or None


def _person(question: str, answer: str) -> str | None:
    in_answer, in_question = names(answer), names(question)
    # "Which group is Riccardo Fabiani with?" asks for no person: it names one.
    full = next((name for name in in_question if " " in name), None)
    asked_for = re.match(r"(?:and\s+)?(?:who|(?P<which>which))\b", question, re.IGNORECASE)
    if in_answer and asked_for and not (asked_for["which"] and full):
        return _bare(answer) if len(answer.split()) <= 6 else in_answer[0]
    return full or next(iter(in_question), None)


def _thing(question: str, answer: str) -> str | None:
    asked_for = re.match(r"(?:and\s+)?(?:what|which)\b", question, re.IGNORECASE)
    if asked_for and answer and len(answer.split()) <= 8:
        return _bare(answer)
    counted = re.match(r"(?:and\s+)?how many\s+(?P<what>[a-z][\w-]*)", question, re.IGNORECASE)
    if counted:
        return f"the {counted.group('what')}"
    places = {place.removeprefix("the ") for place in _LOCATED.findall(question)}
    attributes = _attributes(question)
    named = [attributes.get(name, name) for name in names(question)]
    return next(iter([name for name in named if name not in places][::-1] or named[::-1]), None)


def _attributes(question: str) -> dict[str, str]:
    """Names that only describe a noun, with it: "Italian" → "the Italian minister"."""
    found = _ATTRIBUTE.finditer(question)
    return {m["name"]: m.group() for m in found if m["noun"].lower() not in FUNCTION_WORDS}


def _place(history: Sequence[Turn]) -> str | None:
    for question, answer in reversed(history):
        if answer and re.match(
            r"(?:and\s+)?(?:in\s+which|where|to\s+where|from\s+where)", question, re.IGNORECASE
        ):
            return re.sub(r"^(?:in|at|to|from|off|on)\s+", "", answer, flags=re.IGNORECASE)
        located = _LOCATED.findall(question) or _LOCATED.findall(answer)
        if located:
            return str(located[-1])
    return None


def _called(noun: str, history: Sequence[Turn]) -> str | None:
    """The last thing in the history that was called so: "that operation" → "Operation Sophia"; after
    "Which operation …?" → the answer."""
    for question, answer in reversed(history):
        asked_for = re.match(r"(?:\w+\s+)?(?:which|what)\s+(?P<what>[\w' -]*)", question, re.IGNORECASE)
        if answer and asked_for and noun.lower() in asked_for.group("what").lower().split():
            return _bare(answer)
        if 1 < len(answer.split()) <= 6 and noun.lower() in answer.lower().split():
            return answer
        for name in (*reversed(names(answer)), *reversed(names(question))):
            words = name.lower().split()
            if len(words) > 1 and noun.lower() in words:
                return name
    return None


def names(text: str) -> list[str]:
    """Capitalised names, without the function words that are capitalised as a sentence's first word."""
    found = []
    for match in _NAME.finditer(text):
        words = match.group().split()
        while words and match.start() == 0 and words[0].lower() in _NO_NAMES:
            words = words[1:]
        if words and words[0][0].isupper():
            found.append(re.sub(r"['’]s$", "", " ".join(words).rstrip(".,'’")))
    return found


def _topic(question: str) -> str:
    """What a question speaks of, without its question word and auxiliary."""
    rest = _LEADING_WH.sub("", question.rstrip("?!. "), count=1)
    return re.sub(rf"^{_AUXILIARY}\b\s*", "", rest, flags=re.IGNORECASE)


def _bare(answer: str) -> str:
    """An answer as part of a question: without quotation marks, title or full stop."""
    return _TITLES.sub("", answer.strip(" .,;:\"“”'‘’"))


def _ends_object(asked: str, at: int) -> bool:
    """Whether "her" here is an object ("told her about"), not a possessive ("her plan")."""
    return bool(
        re.match(r"\s+(?:about|to|in|on|at|for|with|when|why|how|after|before)\b", asked[at:], re.IGNORECASE)
    )

"""History + follow-up → a question that stands alone.

"What did he confirm?" after "Who answered AFP by email?" → "William Spindler" is asked as "What did
William Spindler confirm?". Three ways of leaning on the history are mended, by rules over the words of
the last turns; everything else is left as it was asked:

- an ellipsis ("Where?", "And in 2016?") is completed with the previous question;
- a pronoun is replaced by what it stands for (`referents.py`);
- "there" becomes the last place, "that operation" the last thing so called.

Nothing is generated: every word of the result comes from the history or the question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from qa.conversation.phrases import AUXILIARY, NAME, PARTICIPLE, names, phrases, several
from qa.conversation.referents import SORT, Resolved, Weights, bare, referent
from qa.words import FUNCTION_WORDS

Turn = tuple[str, str]
"""A question as it was really asked, and the answer's exact words; "" for an abstention."""

_WH = r"(?:who|whom|whose|what|which|when|where|why|how(?:\s+(?:many|much|long|often|far|old|big|large))?)"
_PREPOSITION = "in|at|on|by|to|from|for|since|until|between|under|with|of"
_PRONOUN = re.compile(rf"\b(?:{'|'.join(SORT)})\b", re.IGNORECASE)
_POSSESSIVE = {"his", "hers", "its", "their", "theirs"}
_BARE_DEMONSTRATIVE = re.compile(
    rf"\b(?:this|that|these|those)\b(?=\s*(?:[?.!,]|$|{AUXILIARY}\b|happen\w*|mean\w*|take\b|compare\b|differ\b))",
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
_ELSE = re.compile(
    rf"(?:(?:{_PREPOSITION})\s+)?(?P<wh>whom?|what|when|where|why|how)\s+else|(?:which|what)\s+others?(?:\s+ones)?"
    r"|any(?:one|body|thing|where)\s+else|any\s+others?|others",
    re.IGNORECASE,
)
_WAS_THAT = re.compile(r"^(when|where|why|how) (?:is|was|were) (?:that|this)$", re.IGNORECASE)
_ONLY_WH_PHRASE = re.compile(  # "How many people?", "In which minute?"
    rf"^(?:(?:(?:{_PREPOSITION})\s+)?(?:how\s+(?:many|much)|which)|(?:{_PREPOSITION})\s+what)\b"
    r"(?P<noun>(?:\s+[\w'-]+){0,2})$",
    re.IGNORECASE,
)
_LEADING_WH = re.compile(rf"^(?:(?:in|at|on|by|to|from|for)\s+)?{_WH}\b\s*", re.IGNORECASE)
_OF_SOMETHING = re.compile(r"^(?:his|her|its|their)\s|\w['’]s\s", re.IGNORECASE)  # "And the ship's name?"
_VERB = re.compile(rf"\b{AUXILIARY}\b", re.IGNORECASE)
_WH_PHRASE = re.compile(
    rf"^(?:which|what)\b.*?\b{AUXILIARY}\b", re.IGNORECASE
)  # "Which Italian minister did"
_CLAUSE_AFTER_PLURAL = re.compile(
    r"\b\w+s\b.*\b(?:when|if|after|before|because|while|since)\s+$", re.IGNORECASE
)
_LOCATED = re.compile(rf"\b(?:in|at|to|from|off|near)\s+((?:the\s+)?{NAME.pattern})")
_NOUN = re.compile(r"\b(?:the|an?)\s+[\w-]+", re.IGNORECASE)
_SEVERAL = re.compile(
    r"\b(?:people|men|women|children|(?!does|was|is|has)[a-z]+s)\b|\bthe\s+\w+", re.IGNORECASE
)
_SUBJECT_NEXT = re.compile(rf"\b{AUXILIARY}\s+$", re.IGNORECASE)  # "What did his ship …"
_QUOTED = re.compile(r"^[^\"“”]*[\"“][^\"”]*$")
_EXPLETIVE = re.compile(
    r"it\s+(?:takes?|took|costs?|known|clear|unclear|true|likely|unlikely|possible|doubtful|certain|hard|difficult"
    r"|easy|necessary|important)\s+(?:\w+\s+)?(?:that|whether|if|where|when|who|how|why|to)\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(?<=^how many )[a-z][\w-]+", re.IGNORECASE)
_COUNTABLE = re.compile(r"(?:[a-z][\w-]+ )?(?:people|men|women|children|[a-z][\w-]+s)")
_ASKED_FOR_NOUN = re.compile(
    rf"(?:\w+\s+)?(?:which|what)\s+(?P<what>(?:(?!\b{AUXILIARY}\b)[\w' -])*)", re.IGNORECASE
)
_WHEN = re.compile(
    r"at (?:first|last)|in the (?:end|beginning)|(?:last|this|next) (?:year|month|week)"
    r"|the (?:year|month|week|day) (?:before|after)|today|yesterday|tomorrow|now",
    re.IGNORECASE,
)
_SAID_SO = re.compile(r"\bso(?=\s*[?.!]*$)", re.IGNORECASE)


def resolve(
    question: str, history: Sequence[Turn], weigh: Callable[[str, Sequence[Turn]], Weights] | None = None
) -> str:
    """The question as it would be asked without the history; unchanged where it stands alone. Of several
    things that a pronoun may stand for, those whose words `weigh` finds likely are preferred."""
    turns: list[Resolved] = []
    for at, (asked, answer) in enumerate((*history, (question, ""))):  # one in the history leans on others
        weights = partial(weigh, asked, history[:at]) if weigh else dict
        resolved, referents = _resolve(asked, turns, weights)
        turns.append(Resolved(resolved, answer, referents))
    return turns[-1].question


def _resolve(
    question: str, turns: Sequence[Resolved], weigh: Callable[[], Weights]
) -> tuple[str, Mapping[str, str]]:
    asked = " ".join(question.split())
    if not turns or not asked:
        return question, _within(asked)
    completed = _complete(asked, turns[-1])
    if completed is not None:
        return completed, {}
    replaced, referents = _refer(asked, turns, weigh)
    return (question if replaced == asked else replaced), referents


def _complete(asked: str, last: Resolved) -> str | None:
    """An ellipsis, completed with the previous question; None where the question has its own verb."""
    core = _WAS_THAT.sub(r"\1", _core(asked))
    previous = _core(last.question)
    if not previous:
        return None
    if another := _for_another(core, previous):
        return f"{another}?"
    if _ONLY_WH.match(core):
        statement = _as_statement(core, previous, last.answer)
        counted = next((each.text for each in phrases(previous) if several(each.text)), None)
        if core.lower() == "how many" and counted and statement.endswith(counted):
            statement = (
                f"{core} {re.sub('^the ', '', counted)} {statement[len(core) : -len(counted)].strip()}"
            )
        return f"{statement}?"
    only = _ONLY_WH_PHRASE.match(core)
    if only and not names(core) and not _asks(only["noun"].split()):
        return f"{_as_statement(core, previous, last.answer)}?"
    topic = exchanged(asked)
    return f"{_with_topic(previous, topic)}?" if topic else None


def _core(question: str) -> str:
    """The question without "And" before it and its mark behind it."""
    return _OPENING.sub("", question).rstrip("?!. ")


def asks_for_another(asked: str) -> bool:
    """Whether an ellipsis asks for more answers than the last one: "Who else?", "Any others?"."""
    return _ELSE.fullmatch(_core(asked)) is not None


def _for_another(core: str, previous: str) -> str | None:
    """ "Who else" + "Who spoke at the harbour" → "Who else spoke at the harbour"; after "Which ships sank",
    "Which other ships sank". None where it is no such ellipsis, or the previous question asked for a thing of
    another kind."""
    wanted = _ELSE.fullmatch(core)
    asked = re.match(
        rf"(?:(?:{_PREPOSITION})\s+)?(?P<wh>whom?|what|which|when|where|why|how)\b", previous, re.IGNORECASE
    )
    if not wanted or not asked:
        return None
    if re.search(r"\b(?:else|other)\b", previous):
        return previous
    wh, rest = asked["wh"].lower(), previous[asked.end() :]
    follows = rest.split()[:1]
    verb = not follows or re.fullmatch(AUXILIARY, follows[0]) or PARTICIPLE.fullmatch(follows[0])
    of_a_sort = wh == "which" or (wh == "what" and not verb)
    mine = (wanted["wh"] or wh).lower()
    if of_a_sort:
        return f"{asked[0]} other{rest}" if mine in {"who", "whom", "what", wh} else None
    return f"{asked[0]} else{rest}" if mine[:3] == wh[:3] else None


def exchanged(asked: str) -> str:
    """What an ellipsis asks about instead of what was asked about before: "And for children?" → "for
    children". "" where the question has its own verb."""
    core = _core(asked)
    about = _ABOUT.sub("", core)
    opened = about != core or core != asked.rstrip("?!. ")
    asks = _VERB.search(about) or re.match(_WH, about, re.IGNORECASE) or _OF_SOMETHING.search(about)
    return about if opened and not asks else ""


def _asks(words: Sequence[str]) -> bool:
    """Whether what follows a question word has a verb: "people watched", "rangers guard it"."""
    verb = any(PARTICIPLE.fullmatch(word) for word in words[1:])
    return verb or any(word.lower() in FUNCTION_WORDS or _VERB.fullmatch(word) for word in words)


def _as_statement(wh: str, previous: str, answer: str) -> str:
    """ "Where" + "Who answered AFP by email" + "William Spindler" → "Where William Spindler answered AFP
    by email"; after "When did Seraj meet Minniti" → "Where did Seraj meet Minniti"."""
    said = bare(answer)
    asked_for = re.match(rf"(?:whom?|what|which)\b(?:(?!\b{AUXILIARY}\b).)*", previous, re.IGNORECASE)
    rest = _LEADING_WH.sub("", previous, count=1)
    auxiliary = re.search(rf"\b(?P<which>{AUXILIARY})\b\s*(?P<after>.*)$", previous, re.IGNORECASE)
    if auxiliary is None:  # the question word is the subject, and the verb follows it
        rest = re.sub(r"^\S+\s+", "", rest) if re.match("which", previous, re.IGNORECASE) else rest
        return f"{wh} {said} {rest}" if asked_for and said else f"{wh} {rest}"
    which, after = auxiliary.group("which"), auxiliary.group("after")
    if asked_for is None or not said:
        return f"{wh} {which} {after}"
    subject_follows = re.match(r"(?:the|an?|his|her|its|their|he|she|they|it)\b|[A-ZÀ-Þ]", after)
    is_object = subject_follows and not re.match(r"who\b", previous, re.IGNORECASE)
    if which.lower() in {"do", "does", "did"} or is_object:
        return f"{wh} {which} {after} {said}"
    return f"{wh} {which} {said} {after}"


def _with_topic(previous: str, topic: str) -> str:
    """ "How many drowned in 2016" + "in 2015" → "How many drowned in 2015": a like phrase (a year, a
    preposition's, a time, what is counted, a participle, a name, a thing) is exchanged, else the topic is
    added at the end."""
    year = re.compile(r"\b(?:1[89]|20)\d\d\b")
    if year.search(topic) and year.search(previous):
        return year.sub(year.search(topic).group(), previous)  # type: ignore[union-attr]
    if _WHEN.fullmatch(topic) and _WHEN.search(previous):
        return _WHEN.sub(topic, previous)
    preposition = re.match(r"(in|on|at|from|to|for|by|during|since|off)\s+", topic, re.IGNORECASE)
    if preposition:
        same = re.compile(rf"\b{preposition.group(1)}\s+[^?]*$", re.IGNORECASE)
        return same.sub(lambda _: topic, previous) if same.search(previous) else f"{previous} {topic}"
    if _COUNTABLE.fullmatch(topic) and topic not in FUNCTION_WORDS and _COUNTED.search(previous):
        return _COUNTED.sub(topic, previous)
    done, last = topic.partition(" ")[0], previous.rpartition(" ")[2]
    if PARTICIPLE.fullmatch(done) and PARTICIPLE.fullmatch(last):
        return f"{previous.removesuffix(last)}{topic}"
    named = [m for m in NAME.finditer(previous) if m.start() > 0]
    if named and NAME.match(topic):
        return previous[: named[-1].start()] + topic + previous[named[-1].end() :]
    found = [phrase for phrase in phrases(previous) if not phrase.part]
    if found and topic.lower().startswith(("the ", "a ", "an ")) and not _WHEN.fullmatch(topic):
        heads = [(re.split(r"\sof\s", each.text, maxsplit=1)[0], each.about) for each in found]
        alike = [each for each in heads if bool(names(each[0])) == bool(names(topic))] or heads
        exchanged = next((head for head, about in alike if about), alike[-1][0])
        return topic.join(previous.rsplit(exchanged, 1))
    return f"{previous} {topic}"


def _refer(
    asked: str, turns: Sequence[Resolved], weigh: Callable[[], Weights]
) -> tuple[str, Mapping[str, str]]:
    """Pronouns and demonstratives replaced by what the last turns speak of; what the pronouns stood for."""
    referents = _within(asked)

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
        meant = referent(word, turns, weigh(), referents.values())
        if meant is None:
            return match.group()
        referents[SORT[word]] = meant
        return f"{meant}'s" if word in _POSSESSIVE else meant

    text = _PRONOUN.sub(pronoun, asked)
    if _THERE.search(asked) and (place := _place(turns)):
        text = _THERE.sub(f"in {place}", text, count=1)
    return (text, referents) if text != asked else (_demonstrated(asked, turns), {})


def _within(asked: str) -> dict[str, str]:
    """What the pronouns stand for that mean something which the question itself names, by SORT."""
    found: dict[str, str] = {}
    for match in _PRONOUN.finditer(asked):
        if refers_within(asked, match) and (named := names(asked[: match.start()])):
            found[SORT[match.group().lower()]] = named[-1]
    return found


def _demonstrated(asked: str, turns: Sequence[Resolved]) -> str:
    """ "That", "so", "that mission" and "the mission" replaced by what they point at."""
    last = turns[-1]
    alone = _BARE_DEMONSTRATIVE.search(asked)
    if alone and not names(asked[: alone.start()]) and not _after_a_noun(asked[: alone.start()]):
        topic = last.answer or _topic(last.question)
        return asked[: alone.start()] + bare(topic) + asked[alone.end() :]
    if _SAID_SO.search(asked):
        said = last.answer.strip(" .") or _topic(last.question)
        return _SAID_SO.sub(lambda _: f"that {said}" if " " in said else said, asked)
    named = _NAMED_DEMONSTRATIVE.search(asked) or re.search(r"\bthe\s+(?P<noun>[a-z][\w-]+)", asked)
    if named and (thing := _called(named.group("noun"), turns)):
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


def _place(turns: Sequence[Resolved]) -> str | None:
    for question, answer in ((turn.question, turn.answer) for turn in reversed(turns)):
        if answer and re.match(
            r"(?:and\s+)?(?:in\s+which|where|to\s+where|from\s+where)", question, re.IGNORECASE
        ):
            return re.sub(r"^(?:in|at|to|from|off|on)\s+", "", answer, flags=re.IGNORECASE)
        located = _LOCATED.findall(question) or _LOCATED.findall(answer)
        if located:
            return str(located[-1])
    return None


def _called(noun: str, turns: Sequence[Resolved]) -> str | None:
    """The last thing in the history that was called so: "that operation" → "Operation Sophia"; after
    "Which operation …?" → the answer."""
    for question, answer in ((turn.question, turn.answer) for turn in reversed(turns)):
        asked_for = _ASKED_FOR_NOUN.match(question)
        if answer and asked_for and noun.lower() in asked_for.group("what").lower().split():
            return bare(answer)
        if 1 < len(answer.split()) <= 6 and noun.lower() in answer.lower().split():
            return answer
        for name in (*reversed(names(answer)), *reversed(names(question))):
            words = name.lower().split()
            if len(words) > 1 and noun.lower() in words:
                return name
    return None


def _topic(question: str) -> str:
    """What a question speaks of, without its question word and auxiliary."""
    rest = _LEADING_WH.sub("", question.rstrip("?!. "), count=1)
    return re.sub(rf"^{AUXILIARY}\b\s*", "", rest, flags=re.IGNORECASE)


def _ends_object(asked: str, at: int) -> bool:
    """Whether "her" here is an object ("told her about"), not a possessive ("her plan")."""
    return bool(
        re.match(r"\s+(?:about|to|in|on|at|for|with|when|why|how|after|before)\b", asked[at:], re.IGNORECASE)
    )

"""Who or what a name stands for, where a document says so beside it.

A text that brings in a name says what it is: "Frontex is the agency …", "Ada Quill, the mayor of Ellin,",
"the mayor Ada Quill", "World Food Programme (WFP)". A contract fixes its terms: “"Vessel" means any ship …”,
“Ellin Shipping Ltd (the "Carrier")”. These few forms (appositions, copulas and acronyms, as Hearst 1992 used
them for kinds of things) are looked for round every place of the name; the words that define are quoted.
Where none is found the question is read for like any other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from qa.store.base import Store
from qa.types import Citation, Passage
from qa.words import FUNCTION_WORDS, OFFICES

CONFIDENCE = 0.9  # by eye, 92 found for names of SQuAD's training paragraphs: some 85 say what the name is
MOST_PASSAGES = 50  # that hold the name, looked through

_THING = (
    r"agency|organi[sz]ation|group|company|firm|bank|party|union|mission|operation|ship|vessel|warship|boat|submarine"
    r"|aircraft|NGO|charity|foundation|institute|university|college|school|hospital|newspaper|magazine|network|movement"
    r"|militia|army|force|police|court|council|committee|commission|parliament|government|ministry|office|department"
    r"|city|town|village|port|island|river|lake|mountain|province|region|state|country|capital|airport|station|museum"
    r"|church|castle|bridge|dam|treaty|agreement|act|law|programme|program|project|software|system|language|book|novel"
    r"|film|song|album|team|club|league|tournament|festival|award|prize|disease|drug|vaccine|species|planet|star|satellite"
)
_HEAD = rf"(?:(?i:{OFFICES})|{_THING})"  # a thing with a capital is part of a name: "Vassar College"
_NO_VERB = r"(?:(?<=\bwho )|(?<=\bwhich )|(?<=\bthat )|(?!\b(?:is|are|was|were|has|have|had)\b))"
_NO_NOUN = r"(?:who|which|where|when|while|for|at|in|on|to|by|with|from|and|or|was|is|has|had|as)"
_STOP = r"[,.;:)]|\s+(?:and|but)\b|$"
_END = rf"(?={_STOP}|\s+(?:which|who|that|where)\b)"
_THAT_IS = (  # with the clause that tells it from others, where that is short: a pump that lifts water
    rf"(?P<what>(?:an?|the|one of)\s(?:[^,.;()]{{3,160}}?(?={_STOP})|[^,.;()]{{3,90}}?{_END}))"
)


def definitions(about: str, store: Store, documents: Collection[str] | None) -> list[tuple[Citation, ...]]:
    """What the documents say that `about` is, each with the places that say so in these words, the plainest
    forms first; empty where none says it. A term that is fixed is what it is fixed as."""
    name = re.sub(r"^(?:the|an?)\s+", "", about, flags=re.IGNORECASE)
    hits = [id_ for id_, _ in store.search_lexical(name, MOST_PASSAGES, documents)]
    named = re.compile(_words(_singular(name)), re.IGNORECASE)
    passages = [passage for passage, text in store.passages(hits) if named.search(text)]
    return _found(_terms(name), passages, store) or _found(_forms(name), passages, store)


def _singular(name: str) -> str:
    return name[:-1] if len(name) > 3 and name.endswith("s") else name


def _words(name: str) -> str:
    return r"\s+".join(map(re.escape, name.split()))


def _found(forms: Iterator[str], passages: Sequence[Passage], store: Store) -> list[tuple[Citation, ...]]:
    compiled = [re.compile(form) for form in forms]
    found: dict[str, dict[tuple[str, int], tuple[int, Citation]]] = {}
    for passage in passages:
        document = store.document(passage.document_id)
        text = document.text[passage.start : passage.end]
        for rank, form in enumerate(compiled):
            for match in form.finditer(text):
                start, end = _defining(text, match)
                citation = Citation(document, passage.start + start, passage.start + end)
                same = found.setdefault(" ".join(citation.quote.casefold().split()), {})
                same.setdefault((document.id, citation.start), (rank, citation))
    ordered = sorted(
        (sorted(places.values(), key=_order) for places in found.values()),
        key=lambda places: (places[0][0], -len(places), _order(places[0])),
    )
    return [tuple(citation for _, citation in places) for places in ordered]


_BEGINS = r"(?:\A|(?<=[.!?]\s)|(?<=\n)|(?<=[“\"]))[ \t]*"

# What a term means, to the end of its sentence, with the points (a), (b) that it is put in.
_POINT = r"(?:\s+(?:and|or))?\s+\(?\w{1,4}[.)]\s"
_MEANT = (
    rf"(?P<what>[^\s:;.](?:[^.;]|;(?={_POINT})|\.(?=\S|\s+[a-z])|(?<=\.[a-z])\.){{2,600}}?)"
    rf"(?=;(?!{_POINT})|(?<!\.[a-z])\.(?=\s+[^a-z]|\s*\Z)|(?<![:;])(?<!;\sor)(?<!;\sand)\n\s*\n"
    r"|(?<![:;])\n(?=[ \t]*(?:[-*•#|]|\d{1,3}[.)])\s)|\s*\Z)"
)
_SOME = r"(?=(?:an?|the|any|all|each|every|either|those|one|such|whoever|whatever)\s)"
_MEANS = r"(?:means|shall\s+mean|denotes|stands\s+for|(?:is|shall\s+be)\s+defined\s+(?:as|to\s+mean))"
_OF_WHAT = r"(?:\s+(?:of|for|in|to)\s+[^.;:,\"“”]{1,50}?)?(?:,[^.;:,\"“”]{1,40},)?"
_COMPANY = r"(?:Inc|Ltd|LLC|LLP|PLC|Corp|Corporation|Company|Limited|GmbH|AG|BV)\b"
_PARTY = (
    r"(?<!\ba )(?<!\ban )(?<!\bthe )[A-Z][\w&’'-]*"
    r"(?:,?\s+(?:[A-Z]|Inc|Ltd|Corp|Co|St)\.|\s+(?:[A-Z&][\w&’'-]*|of|and|the|for|de|van|von)|,\s+(?:LLC|LLP|PLC))+"
    r"(?:,\s+(?:an?|whose|having|located|registered|incorporated|organi[sz]ed|with\s+(?:its|offices))\s"
    r"[^();\"“”]{3,160}?)?"
)


def _terms(name: str) -> Iterator[str]:
    """Patterns of texts that fix what their terms mean, the surest first; the words that define are the group
    `what`."""
    term = rf"\b(?i:{_words(_singular(name))}s?)\b"
    quoted = rf"[\"“‘'*_]{{1,3}}{term}[\"”’'*_]{{1,3}}"
    or_so = r"(?:\s+\([^()]{1,60}\))?"  # "You" (or "Your") means
    form = r"(?:\s+(?:an?\s+)?(?!which\b|that\b)\w+)?"  # "Source" form means; to "modify" a work means
    means = rf"(?:also\s+|only\s+)?(?:{_MEANS}|refers\s+to|shall\s+refer\s+to):?\s+(?:that\s+)?"
    yield rf"(?:{quoted}|\(or\s+{quoted}\)){or_so}{form}{_OF_WHAT}(?:,\s+which)?\s+{means}{_MEANT}"
    yield rf"{_BEGINS}(?:(?:The|An?)\s+)?{quoted}{or_so}\s+(?:is|are)\s+(?!one\b){_SOME}{_MEANT}"
    short = r"\((?:(?:hereinafter|each|together|collectively),?\s+)?"
    yield rf"(?P<what>{_PARTY}),?\s+{short}(?:the|an?)\s+{quoted}\)"
    yield rf"(?=[A-Z][^()]{{,200}}\b{_COMPANY})(?P<what>{_PARTY}),?\s+{short}{quoted}\)"
    some = r"(?P<what>(?i:the|an?|any|all|each|every|such|certain)\s[^,.;:()\"“”]{3,200}?)"
    opens = rf"(?:{_BEGINS}|(?<=[,;:(]\s))(?:(?:and|or)\s+)?"
    yield rf"{opens}{some},?\s+{short}(?:the|an?)\s+{quoted}\)"
    number = r"(?:(?:\(?\d+(?:\.\d+)*[.)]?|\(?[a-z]\))\s+)?"
    yield rf"{_BEGINS}{number}(?:The\s+)?{term}{_OF_WHAT}\s+{_MEANS}\s+{_SOME}{_MEANT}"
    one = r"(?P<what>(?:An?|Any|The)\s\S+\s[^.;:]{3,250}?)(?<!\band)"
    called = r"(?:also\s+)?(?:called|termed|known\s+as|referred\s+to\s+as)\s+(?:the\s+|an?\s+)?"
    yield rf"{_BEGINS}{one},?\s+(?:is|are)\s+{called}{quoted}"
    marked = rf"(?:(?:[-*•]|\d+(?:\.\d+)*[.)]?)[ \t]+(?:{quoted}|{term})|{quoted})"
    yield rf"(?:(?<=\n)|\A)[ \t]*{marked}{or_so}[ \t]*(?::|\s[–—-])[*_]*\s+{_MEANT}"


def _forms(name: str) -> Iterator[str]:
    """Patterns of texts that say it by the way, the surest first: the words that define are the group `what`,
    or end the group `loose`."""
    letters = rf"(?i:{_words(name)})"
    named = rf"(?:[A-Z][\w.’'-]*[ ])*\b{letters}\b"
    if re.fullmatch(r"[A-Z][A-Z&-]+", name):  # World Food Programme (WFP)
        joined = (
            r"(?!(?:The|An?|Its|In|By|From|At|For)\s)"
            r"(?:[A-Z][\w’'-]*\s+(?:(?:of|for|the|and|on|in|without)\s+)*)+[A-Z][\w’'-]*"
        )
        yield rf"(?P<what>{joined})\s+\({letters}\)"
    alone = r"(?<!\bin )(?<!\bon )(?<!\bat )(?<!\bof )(?<!\bduring )(?<!\bsince )(?<!\bunder )(?<!\bthe )"
    yield rf"{_BEGINS}(?:The\s+|An?\s+)?{named}(?:\s+\([A-Z]+\))?\s+(?:is|was|are|were)\s+{_THAT_IS}"
    yield rf"{alone}{named},\s+(?:who|which)\s+(?:is|was|are|were)\s+{_THAT_IS}"
    yield (
        rf"(?P<what>\b(?:the|an?)\s+(?:[\w’'-]+\s+){{0,3}}{_HEAD}\s+of\s+[^,.;]{{3,90}}?),\s+{named}(?=[,.;])"
    )
    yield (
        rf"(?P<loose>\b(?:\w+-)?{_HEAD}(?:\s+{_HEAD})*(?:\s+(?:of|for)\s+(?:the\s+)?[A-Z][\w’']*)?)"
        rf"\s+(?:the\s+)?(?=[A-Z\d]){named}"
    )
    yield (
        rf"(?P<what>\b(?i:the|an?|its|his|her|their)\s+(?:[\w’'-]+\s+){{0,4}}{_HEAD}),\s+(?:the\s+)?{named}(?=[,.;])"
    )
    yield rf"['‘“\"]{letters}['’”\"]\s+(?P<what>(?!{_NO_NOUN}\b)(?:[\w-]+\s+){{0,2}}{_HEAD})\b"
    yield rf"(?P<loose>[\w.’' -]{{3,60}}?),\s+(?:also\s+)?(?:known as|called|named)\s+(?:the\s+)?{named}"
    yield (
        rf"{alone}(?=[A-Z\d]){named}(?:\s+\([A-Z]+\))?,\s+(?P<what>(?:(?:an?|one of|in charge of|head of)\s"
        rf"|(?:the|his|her|its|their|former)\s+(?:[\w’'-]+\s+){{0,3}}{_HEAD}\b"
        rf"|(?!{_NO_NOUN}\b)(?=[a-z])(?:[\w’'-]+\s+){{0,3}}{_HEAD}\b"
        rf"|(?:[A-Z][\w’'-]*\s+){{0,3}}{_HEAD}\s+(?:of|for|at)\s)(?:{_NO_VERB}[^,.;:()—–]){{0,90}}){_END}"
    )
    yield rf"{named}\s+\((?P<what>(?:an?|the)\s(?:[\w’'-]+\s+){{0,4}}{_HEAD}\b[^()]{{0,60}})\)"


_DETERMINERS = ("a", "an", "the", "its", "his", "her", "their")
_WORDS_BEFORE = re.compile(r"(?:[\w.’'-]+\s+){0,6}\Z")
_NEAR = 120  # characters: as many words are never longer
_ABBREVIATION = re.compile(r"(?:[A-Z]\.)+|(?:Dr|Mr|Mrs|Ms|St|Gen|Lt|Col|Sgt|Prof|Rev)\.")
_BEFORE_A_TITLE = frozenset(
    ("former", "then", "acting", "new", "veteran", "retired", "late", "outgoing", "chief", "deputy")
)


def _defining(text: str, match: re.Match[str]) -> tuple[int, int]:
    """The range of the words that define; of loose ones, the noun phrase that they end with."""
    if "what" in match.re.groupindex:
        return match.span("what")
    start, end = match.span("loose")
    start = _WORDS_BEFORE.search(text, max(0, start - _NEAR), start).start()  # type: ignore[union-attr]
    words = list(re.finditer(r"\S+", text[start:end]))
    first = len(words) - 1
    for at in range(len(words) - 1, -1, -1):
        word, after = words[at][0], words[at + 1][0] if at + 1 < len(words) else ""
        if word.lower() in _DETERMINERS:
            first = at
            break
        whole = word.strip("“”\"',;:().") == word or _ABBREVIATION.fullmatch(word) or word.endswith("s'")
        joins = word in ("of", "for", "and") and at and re.fullmatch(rf"(?:\w+-)?{_HEAD}", words[at - 1][0])
        a_verb = word[0].islower() and after[:1].isupper() and word not in _BEFORE_A_TITLE
        if after and not joins and (not whole or a_verb or word.lower() in FUNCTION_WORDS):
            break
        if "\n" in text[start + words[at].end() : start + words[first].start()]:
            break
        first = at
    return start + words[first].start(), end


def _order(place: tuple[int, Citation]) -> tuple[int, str, int]:
    rank, citation = place
    return rank, citation.document.id, citation.start

"""Which ones of a sort are named: "Which defence ministers are named?", "Which ships are mentioned by name?"

A reader answers from one place; the names of a sort stand in many. They are looked for beside the words
for the sort, in the forms in which a text brings in a name: "Defence Minister Ada Quill", "Ada Quill, the
minister of defence,", "the rescue ship, the Grey Gull,", "the 'Grey Gull' rescue ship" (appositions;
Hearst 1992). Where none is found the question is read for like any other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from qa.store.base import Store
from qa.types import Citation, Document
from qa.words import FUNCTION_WORDS, OFFICES, stem, stems

CONFIDENCE = 0.9  # by eye, of 88 names of 30 sorts in 60 news reports some 85 are of the sort
MOST_PASSAGES = 300  # that speak of the sort, looked through
MOST_NAMES = 20  # shown

_GAP = r"[^\S\n]+"  # within a line: the next may be another paragraph
_NAME = (
    rf"[A-Z][\w’'-]*(?:{_GAP}(?:[A-Z]\.{_GAP})*(?:(?:de|del|der|van|von|bin|ibn|al|el|la|le){_GAP}){{0,2}}"
    r"[A-Z][\w’'-]*)*"
)
_SEVERAL = rf"{_NAME}(?:,{_GAP}{_NAME})*(?:,?{_GAP}and{_GAP}{_NAME})?"
_ONE = rf"(?:the|an?|its|his|her|their|one{_GAP}of{_GAP}the){_GAP}"
_SIDE = re.compile(r",\s+(?:and\s+)?|\s+and\s+")  # between things of a series
_NO_NOUN = rf"(?:{'|'.join(sorted(FUNCTION_WORDS))})"
_WORD = re.compile(r"\w+")
_OFFICE = re.compile(rf"\b(?:{OFFICES})s?\b", re.IGNORECASE)
_COUNTERPART = re.compile(rf"\bcounterpart,?{_GAP}(?P<name>{_NAME})")
_PLACE = re.compile(r"(?:\s+|^)(?:in|on|at|from|near|off|for|of)\s+(?=(?:the\s+)?[A-Z])")

_SAME_OFFICE = {
    "minister": "secretary",
    "ministers": "secretary",
    "secretary": "minister",
    "secretaries": "minister",
}
_SPELT = {"defence": "defense", "defense": "defence"}


def named(
    about: str, store: Store, documents: Collection[str] | None
) -> tuple[tuple[Citation, ...], str] | None:
    """The names of the `about`, in the plural, that the documents bring in as such, each at one place, in the
    order of the documents, and how many there are; None for none. Where it is said whose they are ("ships of
    Ellin", "Dutch ministers"), that stands in the same sentence."""
    sort, *where = _PLACE.split(about.strip(), maxsplit=1)
    whose = re.match(r"(?:[A-Z][\w’'-]*\s+)*", sort)[0]  # type: ignore[index]
    sort, needed = sort.removeprefix(whose), stems(" ".join([whose, *where]))
    kinds = [(kind, _spellings(kind)) for kind in _SIDE.split(sort.casefold())]
    asked = " ".join(word for _, spellings in kinds for same in spellings for word in same)
    hits = [id_ for id_, _ in store.search_lexical(asked, MOST_PASSAGES, documents)]
    passages = store.passages(hits)
    sources = {id_: store.document(id_) for id_ in {passage.document_id for passage, _ in passages}}
    written: dict[str, set[str]] = {}
    for _, text in passages:
        for word in _WORD.findall(text.casefold()):
            written.setdefault(stem(word), set()).add(word)

    found: dict[tuple[str, int], Citation] = {}
    for kind, spellings in kinds:
        words = [sorted(set().union(*(written.get(stem(word), ()) for word in same))) for same in spellings]
        if not words or not all(words):
            continue
        any_number, *of_one = map(
            re.compile, _forms(r"[\s-]".join(f"(?:{'|'.join(same)})" for same in words))
        )
        for passage, _ in passages:
            document = sources[passage.document_id]
            for form in (any_number, *of_one):
                for match in form.finditer(document.text, passage.start, passage.end):
                    if form in of_one and match["sort"].casefold() == kind:
                        continue
                    brought_in = [*_each(document, *match.span("names"))]
                    for place in (*brought_in, *_counterparts(brought_in[0], match.end())):
                        if _is_name(place) and (not needed or needed <= stems(place.sentence)):
                            found[document.id, place.start] = place
    names = _distinct([found[place] for place in sorted(found)])
    if not names:
        return None
    shown = f"; the first {MOST_NAMES} are shown" if len(names) > MOST_NAMES else ""
    number = "1 name stands" if len(names) == 1 else f"{len(names)} names stand"
    which = "these words" if " " in about else "this word"
    return tuple(names[:MOST_NAMES]), f"“{about}”: {number} beside {which}{shown}."


def _forms(sort: str) -> Iterator[str]:
    """Patterns in which the group `names` is one name; in the first, where the sort may be in the plural,
    also several."""
    sort = rf"(?<![\w’'-])(?P<sort>(?i:{sort}))\b"
    described = rf"(?:{_ONE})?(?:(?!{_NO_NOUN}\b)[\w’'-]+{_GAP}){{0,3}}{sort}(?!{_GAP}[A-Z])"
    of = rf"(?:{_GAP}(?:of|for){_GAP}(?:the{_GAP})?{_NAME})?"
    yield rf"{sort}{_GAP}(?P<names>{_SEVERAL})"
    yield rf"{sort}{of},{_GAP}(?:the{_GAP})?(?P<names>{_NAME})(?=[,.;])"
    named = rf"(?P<names>{_NAME})(?:{_GAP}\([A-Z]+\))?"
    yield rf"{named},{_GAP}{described}"
    yield rf"{named},?{_GAP}(?:(?:who|which){_GAP})?(?:is|was){_GAP}{described}"
    yield rf"['‘“\"](?P<names>{_NAME})['’”\"]{_GAP}(?:[\w-]+{_GAP}){{0,2}}{sort}"


def _spellings(sort: str) -> list[list[str]]:
    """For each word of the sort, it and those that may stand in its place: the singular where the stemmer
    does not know it (spokesmen, spokespeople), "defense", for a foreign minister the foreign secretary."""
    words = _WORD.findall(sort)
    found = []
    for word in words:
        singular = re.sub(r"people\b", "person", re.sub(r"men\b", "man", word))
        same_office = _SAME_OFFICE.get(word, word) if len(words) == 2 else word
        # No set: the words are searched for, and results repeat in another process.
        found.append(list(dict.fromkeys((word, singular, _SPELT.get(word, word), same_office))))
    return found


def _each(document: Document, start: int, end: int) -> Iterator[Citation]:
    """The names between the commas, without a possessive's ending."""
    begin = start
    for found in [*_SIDE.finditer(document.text, start, end), None]:
        stop = found.start() if found else end
        name = re.sub(r"['’]s?$", "", document.text[begin:stop])
        yield Citation(document, begin, begin + len(name))
        begin = found.end() if found else end


def _counterparts(place: Citation, begin: int) -> Iterator[Citation]:
    """Who is brought in as the counterpart of the one at the place, after `begin` in its sentence: of the
    same sort, unless another office was named in between."""
    document, (_, end) = place.document, place.sentence_range
    found = _COUNTERPART.search(document.text, begin, end)
    if found and not _OFFICE.search(document.text, begin, found.start()):
        yield Citation(document, *found.span("name"))


def _is_name(place: Citation) -> bool:
    """Not in "In Aldmoor, the mayor …", and not in a sentence whose letters are all capitals."""
    before = place.document.text[max(0, place.start - 12) : place.start]
    where = place.quote.startswith(("In ", "At ")) or re.search(r"\b(?:in|at)\s+$", before, re.I)
    return not where and place.sentence != place.sentence.upper()


def _distinct(places: list[Citation]) -> list[Citation]:
    """Each name once, where it is first given in full."""
    kept: list[Citation] = []
    for place in sorted(places, key=lambda each: -len(each.quote)):  # stable
        words = f" {place.quote.casefold()} "
        if not any(words in f" {other.quote.casefold()} " for other in kept):
            kept.append(place)
    return [place for place in places if place in kept]

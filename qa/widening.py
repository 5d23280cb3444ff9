"""From the span that answers to what the question asked for: the enumeration, the clause, the sentence.

The reader was taught to give the fewest words that answer. A list is asked for as a whole, an explanation
as a clause, and no single word decides between yes and no. What is added are the words round the span as
they stand; a quote is never composed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from qa.kinds import Kind
from qa.types import Alternative, Citation

# Atomic and looked for near the quote alone: a long line of names would take for ever.
_AROUND = 600  # characters
_NAME = (
    r"(?>(?:(?:the|an?|his|her|its|their)\s+(?:[\w’'-]+\s+){0,2})?"
    r"[A-Z0-9][\w’'-]*(?:\s+(?:(?:of|the|de|del|der|von|al)\s+)*[A-Z0-9][\w’'-]*)*(?:\s+\([A-Z]+\))?)"
)
_ENUMERATION = re.compile(rf"{_NAME}(?:,\s+{_NAME})*(?:,?\s+(?:and|or)\s+{_NAME})")
AND_ALSO = "along with|as well as|but also"  # what these add belongs to a list
_GOES_ON = re.compile(rf",?\s+(?:{AND_ALSO})\s+")

_CLAUSE_BEGINS = re.compile(
    r"[;:—–“\"]\s*|(?<!\w)['‘](?=\w)|,\s+(?!and\b|or\b)|,\s+and\s+(?=(?-i:[A-Z]))|\s[-]\s"
    r"|\b(?:because|since|as|after|before|when|while|although|though|that|who|which|where|so that|given that"
    r"|said|says|told \w+|stressing|adding|saying)\s+",
    re.IGNORECASE,
)
_CLAUSE_ENDS = re.compile(
    r"[,;:—–”\"]|[.!?](?=\W|$)|\s[-]\s|(?<=\w)['’](?=[\s.,;]|$)"
    r"|\s(?=(?:because|since|as|after|before|when|while|although|though|which|who|where|but)\b)"
)
_IS_CLAUSE = re.compile(
    r"(?:to|by|because|in order|due|for|after|as|through|so|owing|thanks|out of)\b", re.IGNORECASE
)
_LONGEST_LEFT = 12  # words that a clause may begin before its span


def enumeration(citation: Citation) -> Citation:
    """The whole enumeration of names or numbers that the quote is a part of within its sentence, and what
    "as well as" or "but also" adds; the quote itself where it is in none and nothing is added."""
    document = citation.document
    first, last = citation.sentence_range
    near = max(first, citation.start - _AROUND), min(last, citation.end + _AROUND)
    start, end = citation.start, citation.end
    for found in _ENUMERATION.finditer(document.text, *near):
        if found.start() <= start and end <= found.end():
            start, end = found.span()
            break
    if added := _GOES_ON.match(document.text, end, near[1]):
        ends = _CLAUSE_ENDS.search(document.text, added.end(), near[1])
        end = ends.start() if ends else near[1]
    return _trimmed(citation, start, end)


def clause(citation: Citation) -> Citation:
    """The clause that the quote stands in, from mark or conjunction to mark or conjunction."""
    document = citation.document
    first, last = citation.sentence_range
    first, last = max(first, citation.start - _AROUND), min(last, citation.end + _AROUND)
    begins = [found.end() for found in _CLAUSE_BEGINS.finditer(document.text, first, citation.start)]
    start = max([first, *begins])
    long = len(document.text[start : citation.start].split()) > _LONGEST_LEFT
    if long or _IS_CLAUSE.match(document.text, citation.start):
        start = citation.start
    end = citation.end
    if not _CLAUSE_ENDS.match(document.text, max(end - 1, 0)):
        found = _CLAUSE_ENDS.search(document.text, end, last)
        end = found.start() if found else last
    return _trimmed(citation, start, end)


def sentence(citation: Citation) -> Citation:
    """The sentence that the quote stands in."""
    return _trimmed(citation, *citation.sentence_range)


def _trimmed(citation: Citation, start: int, end: int) -> Citation:
    text = citation.document.text
    while start < citation.start and text[start].isspace():
        start += 1
    while end > citation.end and text[end - 1].isspace():
        end -= 1
    return Citation(citation.document, start, end)


WIDER: Mapping[Kind, Callable[[Citation], Citation]] = {
    "list": enumeration,
    "explanation": clause,
    "yes/no": sentence,
}
"""What is quoted in the place of the span, by the kind of the question."""


def widened(
    places: Sequence[Sequence[Citation]], probabilities: Sequence[float], kind: Kind
) -> list[Alternative]:
    """The answers, each with the places that give it, in the words that a question of this kind asks for,
    the likeliest first.

    Where two spans were found in what is now one quote, it is as likely to be right as both together.
    """
    wider = WIDER.get(kind)
    found: list[Alternative] = []
    for cited, probability in zip(places, probabilities, strict=True):
        quotes = tuple(dict.fromkeys(map(wider, cited))) if wider else tuple(cited)
        overlapping = (i for i, other in enumerate(found) if _overlap(other.citations[0], quotes[0]))
        same = next(overlapping, None) if wider else None
        if same is None:
            found.append(Alternative(quotes[0].quote, probability, quotes))
        else:
            other = found[same]
            found[same] = Alternative(other.text, other.confidence + probability, other.citations)
    return sorted(found, key=lambda answer: -answer.confidence)  # stable: of equals, the reader's order


def _overlap(one: Citation, other: Citation) -> bool:
    return one.document.id == other.document.id and one.start < other.end and other.start < one.end

"""What not to read: repeats, the furniture of web pages, and lines of nothing but markup.

Nothing is deleted: the ranges are marked, so offsets stay those of the source text. The rules know no
site and are made to err on the side of reading: they apply only to a text that is mostly prose (a list, a
table or a poem is left alone), a first copy always stays, a near copy is marked only where it says nothing
that the first does not say, and the opening line stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from zlib import crc32

from qa.corpus.lines import paragraphs
from qa.types import Range

PROSE_SHARE = 0.5  # of a text's characters in paragraphs of prose, from which the rules apply
TELLING_WORDS, TELLING_CHARACTERS = 6, 40  # a shorter line may rightly repeat: "Status: open", "SMITH:"
LABEL_WORDS, LABEL_CHARACTERS = 4, 40
FOOTER_WORDS, FOOTER_CHARACTERS = 30, 250
NEAR_WORDS = 12  # the shortest paragraph that is compared for near copies
SHINGLE = 4  # words
SKETCH = 8  # smallest shingle hashes kept of a paragraph (bottom-k sketch, Broder 1997)
NEAR = 0.8  # of a near copy's shingles stand in the first copy

_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?…。！？।؟۔]['\"’”»)\]]*\Z")
_COUNTER = re.compile(r"[-–—\s]*\d{1,9}[-–—\s]*|(?:page\s+)?\d+\s*(?:/|of)\s*\d+|page\s+\d+", re.IGNORECASE)
_YEAR = re.compile(r"\D*(?:19|20)\d\d\D*")
_COPYRIGHT = re.compile(
    r"©|copyright\s*(?:©|\(c\)|\d{4}|by\b)|all rights reserved(?:[^\w\s]|\Z)", re.IGNORECASE
)
_RESERVED = re.compile(r"\ball rights reserved\W*\Z", re.IGNORECASE)
_SITE = re.compile(r"\b[\w-]+\.[a-z]{2,6}\b", re.IGNORECASE)

_PICTURE = r"!\[[^\[\]\s]*(?:\s+[^\[\]\s]+){0,4}\]\([^()]*\)"  # a longer alternative text may tell something
_MARKUP = re.compile(
    r"(?P<code>^[ \t]*(?P<fence>```|~~~).*?(?:^[ \t]*(?P=fence)|\Z))"  # is shown, and so may be asked about
    r"|<!--(?:(?!-->|<!--).)*-->|</?[a-z][\w-]*(?:\s[^<>]{0,2000})?/?>"
    rf"|{_PICTURE}|\[\s*(?:{_PICTURE}\s*)+\](?:\([^()]*\)|\[[^\[\]]*\])",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)

# The words with which web pages lead elsewhere.
_LEADS_ON = set(
    re.findall(
        r"\w+",
        """advertisement back comments continue follow latest more next popular previous read recommended
        related share skip sponsored subscribe tags top topics trending watch""",
    )
)
_BESIDE = set(
    re.findall(
        r"\w+",
        """a about all and article articles by content coverage for from here in more news of on page photos
        reading stories story this to us video videos""",
    )
)


@dataclass(frozen=True, slots=True)
class _Paragraph:
    start: int
    end: int
    words: int
    key: bytes  # equal for paragraphs with the same words
    foreign: int  # words with a letter outside ASCII
    ends_sentence: bool

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def prose(self) -> bool:
        return self.ends_sentence and (self.words >= 8 or self.size >= 2 * TELLING_CHARACTERS)

    @property
    def telling(self) -> bool:
        return self.words >= TELLING_WORDS or (self.words > 0 and self.size >= TELLING_CHARACTERS)


def hidden_ranges(text: str) -> tuple[Range, ...]:
    """The paragraphs of `text` that are repeats, boilerplate or markup, as sorted, disjoint ranges."""
    page = [_describe(text, start, end) for start, end in paragraphs(text)]
    markup = set(_markup(text, page))
    hidden: set[int] = set()
    told = [p for i, p in enumerate(page) if i not in markup]
    if sum(p.size for p in told if p.prose) >= PROSE_SHARE * sum(p.size for p in told):
        hidden |= {*_copies(page), *_near_copies(text, page)}
        hidden |= {*_cut_off(text, page), *_counters(text, page), *_copyright(text, page)}
        hidden |= set(_link_headings(text, page))
        hidden |= set(_closing_labels(text, page, hidden))
        hidden |= set(_foreign_lines(text, page, hidden))
        hidden.discard(0)
    return tuple((page[i].start, page[i].end) for i in sorted(hidden | markup))


def without_markup(text: str) -> str:
    """The text with blanks in the place of tags, comments and pictures, but for those in code."""
    return _MARKUP.sub(lambda found: found[0] if found["code"] else " " * len(found[0]), text)


def _markup(text: str, page: list[_Paragraph]) -> Iterator[int]:
    """Lines in which nothing is left without it."""
    without = without_markup(text)
    for i, line in enumerate(page):
        left = without[line.start : line.end]
        if not _WORD.search(left) and left != text[line.start : line.end]:
            yield i


def _describe(text: str, start: int, end: int) -> _Paragraph:
    words = _words(text[start:end])
    return _Paragraph(
        start=start,
        end=end,
        words=len(words),
        key=blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=8).digest(),
        foreign=sum(not word.isascii() for word in words),
        ends_sentence=bool(_SENTENCE_END.search(text[max(start, end - 8) : end])),
    )


def _words(content: str) -> list[str]:
    return _WORD.findall(content.casefold())


def _copies(page: list[_Paragraph]) -> Iterator[int]:
    """Second and later copies of a line or paragraph."""
    seen: set[bytes] = set()
    for i, paragraph in enumerate(page):
        if paragraph.telling:
            if paragraph.key in seen:
                yield i
            seen.add(paragraph.key)


def _near_copies(text: str, page: list[_Paragraph]) -> Iterator[int]:
    """Paragraphs that only leave out words of an earlier one. One that adds a single word may say
    something else, and stays. Candidates come from shared sketch hashes, so that the work grows with the
    length of the text, not with its square."""
    first_with: dict[int, int] = {}
    for i, paragraph in enumerate(page):
        if paragraph.words < NEAR_WORDS:
            continue
        words = _words(text[paragraph.start : paragraph.end])
        shingles = _shingles(words)
        sketch = [shingles[0], *sorted(set(shingles))[:SKETCH]]
        earlier = Counter(first_with[shingle] for shingle in sketch if shingle in first_with)
        for j, _ in earlier.most_common(2):
            first = page[j]
            if paragraph.size <= first.size <= 4 * paragraph.size and _adds_nothing(
                words, shingles, _words(text[first.start : first.end])
            ):
                yield i
                break
        else:
            for shingle in sketch:
                first_with.setdefault(shingle, i)


def _shingles(words: list[str]) -> list[int]:
    return [
        crc32(" ".join(words[i : i + SHINGLE]).encode("utf-8", "surrogatepass"))
        for i in range(len(words) - SHINGLE + 1)
    ]


def _adds_nothing(words: list[str], shingles: list[int], first: list[str]) -> bool:
    """Whether `words` is `first` with some words left out and perhaps its last word cut short."""
    known = set(_shingles(first))
    if sum(shingle in known for shingle in shingles) < NEAR * len(shingles):
        return False
    rest = iter(first)
    *whole, last = words
    return all(word in rest for word in whole) and any(
        word == last or (word.startswith(last) and not last.isdigit()) for word in rest
    )


def _cut_off(text: str, page: list[_Paragraph]) -> Iterator[int]:
    """Lines with which the next line begins, up to a word cut short: the preview of a caption."""
    for i, (line, after) in enumerate(pairwise(page)):
        if not line.ends_sentence and LABEL_WORDS <= line.words < after.words and line.size < after.size:
            words = _words(text[line.start : line.end])
            full = _words(text[after.start : after.start + 2 * line.size])
            last = len(words) - 1
            if full[:last] == words[:last] and len(full) > last and full[last].startswith(words[last]):
                yield i


def _counters(text: str, page: list[_Paragraph]) -> Iterator[int]:
    """Lone numbers amid prose: page numbers, how often something was seen or shared. A year may be a
    heading, and a number beside a short line may be its value: these stay."""
    for i, line in enumerate(page):
        content = text[line.start : line.end] if line.size <= LABEL_CHARACTERS else ""
        if _COUNTER.fullmatch(content) and not _YEAR.fullmatch(content):
            beside = [page[j] for j in (i - 1, i + 1) if 0 <= j < len(page)]
            if all(p.telling for p in beside) and any(p.prose for p in beside):
                yield i


def _copyright(text: str, page: list[_Paragraph]) -> Iterator[int]:
    """Short lines that begin with a copyright or end with the rights reserved."""
    for i, line in enumerate(page):
        if line.words <= FOOTER_WORDS and line.size <= FOOTER_CHARACTERS:
            content = text[line.start : line.end]
            if _COPYRIGHT.match(content) or _RESERVED.search(content[-30:]):
                yield i


def _link_headings(text: str, page: list[_Paragraph]) -> Iterator[int]:
    """Labels over a list of links: what follows is no sentence, and either stands in the text again, as
    links do, or the label itself leads on ("Related", "Read more")."""
    copies = Counter(p.key for p in page if p.telling)
    for i, (line, after) in enumerate(pairwise(page)):
        if _is_label(text, line) and not after.ends_sentence:
            words = _words(text[line.start : line.end])
            if copies[after.key] > 1 or (_LEADS_ON.intersection(words) and _only_leads_on(words)):
                yield i


def _closing_labels(text: str, page: list[_Paragraph], hidden: set[int]) -> Iterator[int]:
    """The labels a page closes with, if one of them leads on. A signature or a list does not."""
    closing: list[int] = []
    for i in reversed(range(len(page))):
        if i in hidden:
            continue
        if not _is_label(text, page[i]):
            break
        closing.append(i)
    openings = (_words(text[page[i].start : page[i].end])[0] for i in closing)
    if len(closing) <= LABEL_WORDS and any(word in _LEADS_ON for word in openings):
        yield from closing


def _foreign_lines(text: str, page: list[_Paragraph], hidden: set[int]) -> Iterator[int]:
    """Lines in another language or script that are no sentence, and name a site or stand beside other
    furniture: invitations to follow, choices of language. What tells a language apart is the share of
    words with letters outside ASCII."""
    words, foreign = sum(p.words for p in page), sum(p.foreign for p in page)
    for i, line in enumerate(page):
        if (
            line.ends_sentence
            or not LABEL_WORDS <= line.words <= FOOTER_WORDS
            or line.size > FOOTER_CHARACTERS
        ):
            continue
        if words - line.words < 10 * line.words:  # too little else to tell the document's language
            continue
        elsewhere = (foreign - line.foreign) / (words - line.words)
        if abs(line.foreign / line.words - elsewhere) >= 0.5 and (
            {i - 1, i + 1} & hidden or _SITE.search(text, line.start, line.end)
        ):
            yield i


def _is_label(text: str, line: _Paragraph) -> bool:
    content = text[line.start : line.end] if line.size <= LABEL_CHARACTERS else ""
    return (
        0 < line.words <= LABEL_WORDS
        and content[:1].isupper()
        and all(character.isalpha() or character in " '’-&" for character in content)
    )


def _only_leads_on(words: Iterable[str]) -> bool:
    return all(word in _LEADS_ON or word in _BESIDE for word in words)

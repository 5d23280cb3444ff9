"""Questions to start with, and questions to go on with: made from the documents, kept only if answered.

Sentences that speak of a person, a number or a date are turned round into questions by a few general
patterns. Each question is then asked; it is suggested only where the answer is likely to be right and
stands in the very sentence that the question was made from.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock, main_thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from qa.errors import QAError
from qa.words import FUNCTION_WORDS, IRREGULAR_PASTS

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.types import Answer, Citation, Document, Range

LEAST_CONFIDENCE = 0.6  # of a suggested question's answer, which must also stand in the right sentence
STARTERS, STARTERS_TRIED, STARTERS_SECONDS = 5, 40, 20.0
FOLLOWING, FOLLOWING_TRIED, FOLLOWING_SECONDS = 3, 8, 4.0
DOCUMENTS_SAMPLED = 20
SENTENCES_SAMPLED = 60  # of a document
LONGEST_SENTENCE, LONGEST_QUESTION = 300, 110  # characters
REMEMBERED = 200  # answers whose next questions are kept

NAME = r"[A-Z][\w’'-]+(?: (?:(?:of|de|van|von|al|bin|der|den|la) )?[A-Z][\w’'-]+){1,3}"
OFFICE = (
    r"spokes\w+|minister|president|chief|head|director|general|secretary|leader|commissioner|ambassador|"
    r"professor|mayor|judge|captain|commander|chair\w*|author|founder|manager|inspector"
)
AUXILIARY = r"(?:was|were|is|are|has|have|had|will|would|can|could|did)"
PAST = rf"(?:[a-z]{{3,}}ed|{IRREGULAR_PASTS})"
NO_ROLE = (  # "Mira Voss, said the archive, …"
    rf"(?:an?|on|in|at|of|to|by|for|from|with|who|which|where|when|but|and|or|as|if|{AUXILIARY}|{PAST}|"
    r"next|near|close|off|under|over|above|below|behind|about|into|now|then|once|later|also|not|both|all|"
    r"one|two|says?) "
)
NOT_COUNTED = r"(?!(?:after|before|when|while|and|or|of|in|on|at|as|to|by|for|from|with|the) )"
ACTOR = rf"The (?:(?!(?:{AUXILIARY}|be|been|being)\b)[a-z][\w’'-]* ){{1,5}}?"  # who did it, not what was done
DATE = (
    r"(?:on \w+day|(?:in|on|since|by) (?:\d{1,2} )?(?:January|February|March|April|May|June|July|August|"
    r"September|October|November|December)(?: \d{1,2})?(?:,? (?:1\d|20)\d\d)?|(?:in|since) (?:1\d|20)\d\d)"
)
REST = r"(?P<rest>[^,;:.()“”\"]{6,70}?)"
END = r"(?=[,;.]| (?:and|but|which|who|that|as|while|after|before|when) |$)"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question with the sentence that it was made from."""

    question: str
    document_id: str
    sentence: Range


class Suggestions:
    """What to ask an index. One background thread asks; results are kept until the index changes."""

    def __init__(self, qa: QA) -> None:
        self._qa = qa
        self._thread = ThreadPoolExecutor(1, "suggestions")
        self._lock = Lock()
        self._generation = -1
        self._futures: dict[Any, Future[tuple[str, ...]]] = {}

    def starters(self) -> Future[tuple[str, ...]]:
        """At most `STARTERS` questions that the documents answer; none where none was found in time."""
        return self._begun("starters", self._make_starters)

    def following(self, answer: Answer, documents: Collection[str] | None = None) -> Future[tuple[str, ...]]:
        """At most `FOLLOWING` questions on what stands near the words that answered; only from `documents`
        where given."""
        chosen = None if documents is None else tuple(sorted(documents))
        return self._begun((answer.asked_as, chosen), lambda: self._make_following(answer, chosen))

    def following_again(
        self, asked_as: str, documents: Collection[str] | None = None
    ) -> Future[tuple[str, ...]]:
        """The same where only the question is at hand: it is asked once more."""
        chosen = None if documents is None else tuple(sorted(documents))
        return self._begun(
            (asked_as, chosen),
            lambda: self._make_following(self._qa.ask(asked_as, documents=chosen), chosen),
        )

    def close(self) -> None:
        """Make no more; what is being made is finished first."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _begun(self, key: Any, make: Callable[[], tuple[str, ...]]) -> Future[tuple[str, ...]]:
        generation = self._qa.store.generation
        with self._lock:
            if generation != self._generation or len(self._futures) > REMEMBERED:
                self._generation, self._futures = generation, {}
            if key not in self._futures:
                self._futures[key] = self._thread.submit(_or_none, make)
            return self._futures[key]

    def _make_starters(self) -> tuple[str, ...]:
        infos = [info for info in self._qa.documents() if info.passages]
        step = max(1, len(infos) // DOCUMENTS_SAMPLED)
        chosen = infos[::step][:DOCUMENTS_SAMPLED]
        per_document = [_questions(self._qa.document(info.id)) for info in chosen]
        return self._answered(
            _by_turns(per_document), STARTERS, STARTERS_TRIED, STARTERS_SECONDS, asked=(), documents=None
        )

    def _make_following(self, answer: Answer, documents: tuple[str, ...] | None) -> tuple[str, ...]:
        if not answer:
            return ()
        near = _by_distance(answer.citations[0])
        return self._answered(
            _questions(answer.citations[0].document, near, skip=answer.citations[0].sentence_range),
            FOLLOWING,
            FOLLOWING_TRIED,
            FOLLOWING_SECONDS,
            asked=(answer.question, answer.asked_as),
            documents=documents,
        )

    def _answered(
        self,
        candidates: Iterable[Candidate],
        wanted: int,
        tried: int,
        seconds: float,
        asked: Collection[str],
        documents: Collection[str] | None,
    ) -> tuple[str, ...]:
        """The first `wanted` candidates that are answered well from their own sentence."""
        end = monotonic() + seconds
        kept: list[str] = []
        used: set[tuple[str, Range]] = set()
        for number, candidate in enumerate(candidates):
            if len(kept) == wanted or number == tried or monotonic() > end or not main_thread().is_alive():
                break  # the last of these: the server is ending and waits for this thread
            source = candidate.document_id, candidate.sentence
            if source in used or candidate.question in asked:
                continue
            answer = self._qa.ask(candidate.question, documents=documents)
            if answer.confidence >= LEAST_CONFIDENCE and any(
                _stands_in(citation, candidate) for citation in answer.citations
            ):
                kept.append(candidate.question)
                used.add(source)
        return tuple(kept)


def _or_none(make: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return make()
    except QAError:  # the index changed or went away meanwhile; whoever asks is told
        return ()
    except Exception:
        logging.getLogger(__name__).exception("Questions could not be suggested")
        return ()


def _stands_in(citation: Citation, candidate: Candidate) -> bool:
    start, end = candidate.sentence
    return citation.document.id == candidate.document_id and start <= citation.start and citation.end <= end


def _questions(
    document: Document, sentences: Iterable[Range] | None = None, skip: Range | None = None
) -> Iterator[Candidate]:
    """The questions that these sentences answer; by default a sample of all."""
    if sentences is None:
        step = max(1, len(document.sentences) // SENTENCES_SAMPLED)
        sentences = document.sentences[::step]
    for start, end in sentences:
        if end - start > LONGEST_SENTENCE or (start, end) == skip:
            continue
        for question in turned_round(document.text[start:end]):
            yield Candidate(question, document.id, (start, end))


def turned_round(sentence: str) -> list[str]:
    """The questions that a sentence plainly answers, by its names, numbers and dates."""
    words = " ".join(sentence.split())
    found = (
        _ask(make, match) for pattern, make in PATTERNS for match in [re.search(pattern, words)] if match
    )
    return [question for question in found if question]


def _ask(make: Callable[[Mapping[str, str]], str], match: re.Match[str]) -> str | None:
    question = make(match.groupdict())
    known = [word for word in re.findall(r"\w{3,}", question.lower()) if word not in FUNCTION_WORDS]
    # A question without words of its own would be about anything.
    return question if len(known) >= 2 and len(question) <= LONGEST_QUESTION else None


PATTERNS: tuple[tuple[str, Callable[[Mapping[str, str]], str]], ...] = (
    # "Mira Voss, head of the archive, …"
    (
        rf"\b{NAME}, (?:the )?(?P<role>(?!{NO_ROLE})[a-z][\w’' -]{{8,60}}),",
        lambda found: f"Who is the {found['role']}?",
    ),
    # "… according to the State Archive's director Mira Voss"
    (
        rf"\b(?P<role>[A-Z][\w’'-]* (?:[\w’'-]+ ){{0,2}}(?i:{OFFICE})) {NAME}",
        lambda found: f"Who is {_the(found['role'])}?",
    ),
    # "The treaty of Aldmoor was signed by Mira Voss"
    (
        rf"^(?P<thing>(?:The|A|An) [\w’' -]{{4,60}}?) (?P<be>was|were) (?P<rest>\w+ed) by {NAME}",
        lambda found: f"By whom {found['be']} {_lower(found['thing'])} {found['rest']}?",
    ),
    # "… some 3,800 people were rescued near the coast"
    (
        rf"\b\d[\d,. ]*(?: thousand| million| billion)? (?P<what>{NOT_COUNTED}(?:[a-z]+ )?"
        rf"(?:[a-z]{{3,}}s|people|men|women|children)) (?P<verb>{AUXILIARY}|{PAST}) {REST}{END}",
        lambda found: f"How many {found['what']} {found['verb']} {found['rest']}?",
    ),
    # "The bridge was opened to the public in 1871"
    (
        rf"(?:^|, )(?P<thing>(?:[Tt]he|[Aa]n?) [\w’' -]{{3,60}}?|{NAME}) (?P<be>was|were) "
        rf"(?P<rest>\w+(?:ed|n|t)(?: (?!in |on |since |by )[\w’'-]+){{0,5}}) {DATE}\b",
        lambda found: f"When {found['be']} {_lower(found['thing'])} {found['rest']}?",
    ),
    # "Mira Voss founded the archive"
    (
        rf"^(?:{NAME} |{ACTOR})(?P<verb>(?!said|told){PAST}) "
        rf"(?!(?:by|from|in|on|at) )(?!.*\b{AUXILIARY}\b){REST}{END}",
        lambda found: f"Who {found['verb']} {found['rest']}?",
    ),
    # "Mira Voss said that …"
    (
        rf"(?P<who>{NAME}) (?:said|told|announced|added|warned|confirmed)\b",
        lambda found: f"What did {found['who']} say?",
    ),
)
"""How a sentence is turned round; the first patterns give the better questions."""


def _lower(thing: str) -> str:
    """The subject of a sentence, no longer at its start."""
    return re.sub(r"^(?:The|An?)\b", lambda article: article[0].lower(), thing)


def _the(role: str) -> str:
    """An office as a question names it: "the State Archive’s director"."""
    return f"the {re.sub(r'^(?:The|An?|Its|Their|His|Her) ', '', role)}"


def _by_turns(sources: Iterable[Iterator[Candidate]]) -> Iterator[Candidate]:
    """One of each source, then one more of each, so that every document has its turn."""
    waiting = list(sources)
    while waiting:
        left = []
        for source in waiting:
            if (candidate := next(source, None)) is not None:
                yield candidate
                left.append(source)
        waiting = left


def _by_distance(citation: Citation) -> list[Range]:
    """The sentences of the citation's document, those near its words first."""
    sentences = citation.document.sentences
    return sorted(sentences, key=lambda range_: (abs(range_[0] - citation.start), range_))[:SENTENCES_SAMPLED]

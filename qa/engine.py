"""The story of a question: resolve, retrieve, read, decide, cite.

question ─▶ resolve ─▶ retrieve ─▶ read ─▶ re-rank ─▶ decide ─▶ Answer(citations)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from itertools import compress
from pathlib import Path
from threading import Event
from time import perf_counter
from types import TracebackType

from qa import confidence, definitions, extracts, kinds, listing, names, widening
from qa.conversation import Resolver, Turn, repeats
from qa.embedder import Embedder
from qa.errors import BadIndex, BadQuestion, QAError
from qa.indexing import SETTINGS, Part, Progress, Report, alone, index_folder
from qa.reader import Reader, Reranker
from qa.retriever import retrieve
from qa.store import Address
from qa.store.base import DocumentInfo, Store
from qa.types import Alternative, Answer, Citation, Document, Hit, Skipped, Span
from qa.uploads import UPLOADS, Uploads
from qa.version import __version__
from qa.watching import watch

INDEX = Path("index")
SEEDS = Path("seeds")
PASSAGES_READ = 12
MOST_PASSAGES_READ = 100
MOST_QUESTION_CHARACTERS = 1_000
MOST_TRIES = 10  # where the documents change while they are read
MOST_CITATIONS = 5  # of one answer
MOST_ALTERNATIVES = 3
LIKELY_ENOUGH_TO_SHOW = 0.05  # a different answer beside the best one


TALK = (
    "I quote what the documents say: ask about something in them, for example who did something, when, "
    "where, why or how many; which documents mention a name; or what they are about."
)


class _Changed(Exception):
    """A document was removed or replaced between finding words in it and citing them."""


class QA:
    """Answers questions from one index. Threads may share it; models load with the first question."""

    def __init__(self, store: Store, embedder: Embedder, reader: Reader, folder: Path = INDEX) -> None:
        """`folder` is where the index, and what belongs to it, is kept."""
        self.folder = folder
        self.uploads = Uploads(folder / UPLOADS)
        self.store = store
        self.embedder = embedder
        self.reader = reader
        self.reranker = Reranker()
        self.resolver = Resolver(embedder)
        self.calibration = confidence.load_calibration()

    @classmethod
    def open(cls, index: str | Path = INDEX) -> QA:
        """The corpus that was indexed in this folder, or at milvus://HOST:PORT/NAME. Raises `BadIndex`,
        `MissingWeights`."""
        embedder, reader, address = Embedder(), Reader(), Address(str(index))
        return cls(address.open(_settings(embedder)), embedder, reader, address.folder)

    @classmethod
    def build(
        cls,
        folder: str | Path,
        index: str | Path = INDEX,
        progress: Callable[[Progress], None] | None = None,
    ) -> QA:
        """Index a folder of documents, or bring its index up to date, and open it.

        Raises `BadCorpus` where nothing can be read, `BadIndex`, `MissingWeights`.
        """
        update(folder, index, progress)
        return cls.open(index)

    def ask(
        self,
        question: str,
        *,
        history: Sequence[tuple[str, str | None]] = (),
        k: int = PASSAGES_READ,
        documents: Collection[str] | None = None,
        min_confidence: float | None = None,
    ) -> Answer:
        """The exact words that answer the question, with their places; or why there are none.

        `history` holds the earlier turns as (question, `Answer.text`), oldest first. `k` passages are read.
        `documents` restricts the answer to these ids. `min_confidence`, 0 to 1, replaces the default
        threshold (`QA.min_confidence`). Raises `BadQuestion`.
        """
        self._check(question, k, documents)
        begin = perf_counter()
        wanted, asked_as = kinds.wanted(question), question
        turns = [(asked, told or "") for asked, told in history]
        if wanted.leans(question):
            asked_as = self.resolver.resolve(question, turns)
            wanted = kinds.wanted(asked_as)
        if wanted.kind != "overview" and kinds.says_nothing(asked_as):
            wanted = kinds.Wanted("talk")
        for _ in range(MOST_TRIES):
            try:
                found = self._looked_up(wanted, question, asked_as, documents, min_confidence)
                if found is not None:
                    return replace(found, seconds={"total": perf_counter() - begin})
                hits = retrieve(asked_as, self.store, self.embedder, k, documents)
                retrieved = perf_counter()
                spans = self.reader.read(asked_as, [(hit.passage, hit.text) for hit in hits])
                read = perf_counter()
                answer = self._decide(
                    question, turns, asked_as, wanted, hits, spans, documents, min_confidence
                )
            except _Changed:  # another thread removed or replaced what was just read
                continue
            break
        else:
            raise BadIndex(
                f"The documents of the index at {self.folder} change while they are read; ask again when "
                "the other run is done: qa ask …"
            )
        end = perf_counter()
        seconds = {"retrieve": retrieved - begin, "read": read - retrieved, "total": end - begin}
        return replace(answer, seconds=seconds)

    def search(
        self, question: str, *, k: int = PASSAGES_READ, documents: Collection[str] | None = None
    ) -> tuple[Hit, ...]:
        """The k passages nearest to the question, best first, without reading them. Raises `BadQuestion`."""
        self._check(question, k, documents)
        return retrieve(question, self.store, self.embedder, k, documents)

    def documents(self) -> list[DocumentInfo]:
        """What is indexed, ordered by id."""
        return self.store.documents()

    def document(self, document_id: str) -> Document:
        """A document with its text. Raises `BadQuestion` for an unknown id."""
        try:
            return self.store.document(document_id)
        except KeyError:
            raise BadQuestion(_unknown([document_id])) from None

    def skipped(self) -> list[Skipped]:
        """The files that the last `qa index` could not take, and why, ordered by path."""
        return self.store.skipped()

    def add(self, files: Sequence[str | Path], progress: Callable[[Progress], None] | None = None) -> Report:
        """Copy files into <index>/uploads/ and index them, each with the id uploads/NAME.

        A name that is taken gets a number; what cannot be read, is too large or is already there is named
        in `Report.skipped` and not kept. Questions asked meanwhile are answered from what is stored. Raises
        `BadCorpus` for no or too many files, `BadIndex`, `MissingWeights`.
        """
        return self.uploads.add([Path(file) for file in files], self.store, self.embedder, progress)

    def remove(self, document_ids: Collection[str]) -> Report:
        """Take documents out of the index; of uploaded ones, the file is deleted as well.

        Files of the indexed folder stay, and the next `qa index FOLDER` takes them in again. Raises
        `BadQuestion` for an unknown id, and then removes none; `BadIndex`.
        """
        self._check_known(document_ids)
        return self.uploads.remove(document_ids, self.store)

    @property
    def passage_count(self) -> int:
        """How many passages the index holds."""
        return self.store.passage_count()

    @property
    def min_confidence(self) -> float:
        """The confidence below which `ask` abstains unless told otherwise."""
        return self.calibration.threshold

    def warm(self) -> None:
        """Load the models now rather than with the first question."""
        self.embedder.embed(["warm"])
        self.reader.warm()
        self.reranker.warm()

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> QA:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, question: str, k: int, documents: Collection[str] | None) -> None:
        if not any(character.isalnum() for character in question):
            found = "is empty" if not question.strip() else f"{question.strip()[:20]!r} has no words"
            raise BadQuestion(f'The question {found}; ask in words, for example: qa ask "Who …?"')
        if len(question) > MOST_QUESTION_CHARACTERS:
            raise BadQuestion(
                f"The question has {len(question):,} characters, at most {MOST_QUESTION_CHARACTERS:,} can be "
                'asked; ask for one thing at a time: qa ask "Who …?"'
            )
        if not 1 <= k <= MOST_PASSAGES_READ:
            raise BadQuestion(
                f"k is {k}; expected 1 to {MOST_PASSAGES_READ} passages: qa ask --k {PASSAGES_READ} …"
            )
        if documents is not None:
            if not documents:
                raise BadQuestion("No document is chosen; choose at least one, or leave the choice out.")
            self._check_known(documents)

    def _check_known(self, documents: Collection[str]) -> None:
        unknown = set(documents) - {info.id for info in self.documents()}
        if unknown:
            raise BadQuestion(_unknown(sorted(unknown)))

    def _looked_up(
        self,
        wanted: kinds.Wanted,
        question: str,
        asked_as: str,
        documents: Collection[str] | None,
        min_confidence: float | None,
    ) -> Answer | None:
        """The answer to a question that nothing need be read for; None where it must be read for."""
        base = Answer(question, asked_as, None, 0.0, kind=wanted.kind, receipt=self._receipt())
        if wanted.kind == "talk":
            return replace(base, reason=TALK)
        try:
            if wanted.kind == "definition" and self._threshold(min_confidence) <= definitions.CONFIDENCE:
                said = [
                    Alternative(places[0].quote, definitions.CONFIDENCE, places[:MOST_CITATIONS])
                    for places in definitions.definitions(wanted.about, self.store, documents)
                ]
                return _of(base, said[0], said[1 : 1 + MOST_ALTERNATIVES]) if said else None
            look_up = {"overview": extracts.overview, "mentions": extracts.mentions}.get(wanted.kind)
            named = wanted.kind == "list" and wanted.about
            if named and self._threshold(min_confidence) <= names.CONFIDENCE:
                look_up = names.named
            found = look_up(wanted.about, self.store, documents) if look_up else None
        except KeyError:  # of `Store.document`
            raise _Changed from None
        if found is None:
            return None
        citations, note = found
        return replace(
            base,
            text=citations[0].quote,
            confidence=names.CONFIDENCE if named else 1.0,
            citations=citations,
            note=note,
            items=citations if named and len(citations) > 1 else (),
        )

    def _decide(
        self,
        question: str,
        turns: Sequence[Turn],
        asked_as: str,
        wanted: kinds.Wanted,
        hits: Sequence[Hit],
        spans: Sequence[Span],
        documents: Collection[str] | None,
        min_confidence: float | None,
    ) -> Answer:
        """The best answer if it is likely enough to be right, and what else the documents say."""
        answers = confidence.candidates(spans, hits)
        ids = sorted({span.document_id for places in answers for span in places})
        sources = {document_id: self._source(document_id, hits) for document_id in ids}
        cited = [
            [Citation(sources[span.document_id], span.start, span.end) for span in places[:MOST_CITATIONS]]
            for places in answers
        ]
        new = [
            not repeats(best.quote, best.sentence, question, turns)
            and not (wanted.kind == "list" and listing.adds_nothing(best.quote, asked_as))
            for best, *_ in cited
        ]
        answers, cited = list(compress(answers, new)), list(compress(cited, new))
        known = confidence.features(asked_as, answers, hits, sources, self.reranker)
        found = widening.widened(cited, self.calibration.probabilities(known), wanted.kind)
        if wanted.kind == "list":
            found = listing.side_by_side(found)
        threshold = self._threshold(min_confidence)
        best = found[0].confidence if found else 0.0
        base = Answer(
            question=question,
            asked_as=asked_as,
            text=None,
            confidence=best,
            hits=tuple(hits),
            read=len(hits),
            receipt=self._receipt(),
            kind="fact" if wanted.kind == "mentions" else wanted.kind,
        )
        if not found or best < threshold:
            whole = len(hits) == self.store.passage_count(documents)
            reason = self._reason(hits, best, threshold, whole)
            if wanted.kind == "mentions":
                reason = f"No sentence mentions “{wanted.about}”. {reason}"
            return replace(base, reason=reason)

        sentence = found[0].citations[0].sentence_range
        others = [
            other
            for other in found[1 : 1 + MOST_ALTERNATIVES]
            # Another part of the sentence that answers is no different answer.
            if other.confidence >= LIKELY_ENOUGH_TO_SHOW and other.citations[0].sentence_range != sentence
        ]
        items = listing.listed(found, self.calibration.items) if wanted.kind == "list" else ()
        return replace(_of(base, found[0], others), items=items)

    def _threshold(self, min_confidence: float | None) -> float:
        return self.min_confidence if min_confidence is None else min_confidence

    def _reason(self, hits: Sequence[Hit], best: float, threshold: float, whole: bool) -> str:
        """Why there is no answer, in one sentence."""
        if not hits:
            return "No passage of the documents is near this question."
        titles = dict.fromkeys(self._source(hit.passage.document_id, hits).title for hit in hits[:3])
        speak = "; ".join(f"“{title}”" for title in titles)
        read = f"all {len(hits)} passages were read" if whole else f"{len(hits)} passages were read"
        claimed, asked_for = confidence.in_percent(best, threshold)
        return (
            f"The nearest passages are in {speak}, but none answers this ({read}; the likeliest words would "
            f"be right with {claimed}%, and {asked_for}% is asked for)."
        )

    def _source(self, document_id: str, hits: Sequence[Hit]) -> Document:
        """A document in which what was found stands where it was found. Raises `_Changed`."""
        try:
            document = self.store.document(document_id)
        except KeyError:
            raise _Changed from None
        for hit in hits:
            passage = hit.passage
            if passage.document_id == document_id and document.text[passage.start : passage.end] != hit.text:
                raise _Changed
        return document

    def _receipt(self) -> dict[str, str]:
        return {
            "qa": __version__,
            "reader": self.reader.fingerprint,
            **self.reranker.fingerprints,
            "embedder": f"{self.embedder.id}:{self.embedder.fingerprint}",
            "index": str(self.store.generation),
        }


def _of(base: Answer, best: Alternative, others: Sequence[Alternative]) -> Answer:
    return replace(
        base,
        text=best.text,
        confidence=best.confidence,
        citations=best.citations,
        alternatives=tuple(others),
    )


def update(
    folder: str | Path,
    index: str | Path = INDEX,
    progress: Callable[[Progress], None] | None = None,
    part: Part | None = None,
) -> Report:
    """Bring the index of a folder, or of a part of it, into step with it, creating it where there is none.

    One run at a time writes an index in a folder; any number may write one in Milvus. Raises `BadCorpus`
    where nothing can be read, `BadIndex`, `MissingWeights`.
    """
    embedder, address = Embedder(), Address(str(index))
    store = address.create(_settings(embedder))
    try:
        with nullcontext() if address.shared else alone(address.folder):
            source = Path(folder).absolute() if address.shared else Path(folder)
            return index_folder(source, store, embedder, progress, address.folder / UPLOADS, part)
    finally:
        store.close()


def watch_folder(
    folder: str | Path,
    index: str | Path,
    tell: Callable[[Report | QAError], None],
    progress: Callable[[Progress], None] | None = None,
    stop: Event | None = None,
    part: Part | None = None,
) -> None:
    """Keep the index of a folder in step with it until `stop` is set; see `qa.watching.watch`."""
    embedder, address = Embedder(), Address(str(index))
    store, beside = address.create(_settings(embedder)), address.folder
    beside.mkdir(exist_ok=True)
    try:
        source = Path(folder).absolute() if address.shared else Path(folder)
        watch(source, beside, store, embedder, beside / UPLOADS, tell, progress, stop, part)
    finally:
        store.close()


def open_default(index: str | Path = INDEX, progress: Callable[[Progress], None] | None = None) -> QA:
    """The index in this folder; where it is ./index and not there yet, built from ./seeds first."""
    if Address(str(index)) == Address(str(INDEX)) and not Address(str(index)).exists() and SEEDS.is_dir():
        return QA.build(SEEDS, index, progress)
    return QA.open(index)


def ask(
    question: str,
    *,
    history: Sequence[tuple[str, str | None]] = (),
    k: int = PASSAGES_READ,
    documents: Collection[str] | None = None,
    min_confidence: float | None = None,
) -> Answer:
    """`QA.ask` on ./index, which is built from ./seeds when there is none and stays open."""
    return _kept_open(INDEX.resolve()).ask(
        question, history=history, k=k, documents=documents, min_confidence=min_confidence
    )


@cache
def _kept_open(index: Path) -> QA:  # noqa: ARG001 (the key: another working directory, another index)
    return open_default()


def _settings(embedder: Embedder) -> dict[str, str]:
    return {"embedder": embedder.id, "weights": embedder.fingerprint, **SETTINGS}


def _unknown(ids: Sequence[str]) -> str:
    return f"No document {', '.join(map(repr, ids[:3]))} in the index; list them with: qa documents"

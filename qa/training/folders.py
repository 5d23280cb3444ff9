"""Folders of documents with questions to ask of them end to end, as the product meets them.

The documents are paragraphs of SQuAD's articles, or news reports of our own, all of them held out of what
the reader learns from. Of the questions that are asked, some have no answer in their folder: they were
written to look answerable (Rajpurkar et al. 2018), or the paragraph that answers is withheld, or they are
about another folder's articles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from qa import confidence
from qa.embedder import Embedder
from qa.engine import PASSAGES_READ
from qa.evaluation.questions import Question, QuestionSet, read_questions, sample, write_paragraphs
from qa.evaluation.run import quote_right
from qa.evaluation.squad import learned, together
from qa.indexing import index_folder
from qa.kinds import wanted
from qa.reader import Reader
from qa.retriever import retrieve
from qa.store import LocalStore
from qa.training import written
from qa.types import Citation, Document, Hit, Span
from qa.widening import WIDER

QUESTIONS_PER_FOLDER = 320
SHARE_ANSWERABLE = 0.6
SHARE_WITHHELD = 0.1  # of a folder's paragraphs
SEED = 13


@dataclass(frozen=True, slots=True)
class Folder:
    """Documents and questions of a set."""

    source: str
    asked: QuestionSet


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a question: the passages read, the candidate answers, each as the places that give it,
    the citation of each one's best place, and whether it is right."""

    question: Question
    hits: tuple[Hit, ...]
    answers: list[list[Span]]
    cited: list[Citation]
    right: tuple[bool, ...]

    @property
    def documents(self) -> dict[str, Document]:
        """Those that are cited, by their ids."""
        return {citation.document.id: citation.document for citation in self.cited}


def ask(folder: QuestionSet, embedder: Embedder, reader: Reader) -> Iterator[Asked]:
    """Index the folder for the while, and ask its questions in their order; those for which no passage
    holds a word are left out."""
    with indexed(folder.paragraphs, embedder) as store:
        for question in folder.questions:
            hits = retrieve(question.question, store, embedder, PASSAGES_READ)
            spans = reader.read(question.question, [(hit.passage, hit.text) for hit in hits])
            answers = confidence.candidates(spans, hits)
            if not answers:
                continue
            cited = [
                Citation(store.document(places[0].document_id), places[0].start, places[0].end)
                for places in answers
            ]
            wider = WIDER.get(wanted(question.question).kind)
            shown = [wider(citation) for citation in cited] if wider else cited
            right = tuple(
                citation.document.id in question.documents and quote_right(citation.quote, question)
                for citation in shown
            )
            yield Asked(question, hits, answers, cited, right)


@contextmanager
def indexed(documents: Mapping[str, str], embedder: Embedder) -> Iterator[LocalStore]:
    """An index of these documents, for the while."""
    with TemporaryDirectory() as temporary:
        write_paragraphs(documents, Path(temporary, "documents"))
        store = LocalStore.create(Path(temporary, "index"), {})
        index_folder(Path(temporary, "documents"), store, embedder)
        yield store
        store.close()


def held_out_folders(sets: Sequence[Path]) -> list[Folder]:
    """Those of sets in SQuAD's form, then those of the news. Raises `BadQuestion` where a file cannot be
    read."""
    return [*(folder for path in sets for folder in of_set(path)), *of_news()]


def of_set(path: Path) -> Iterator[Folder]:
    """Those of one set. Raises `BadQuestion` where the file cannot be read."""
    for number, asked in enumerate(of_articles(read_questions(path))):
        if not learned(number):
            yield Folder(path.name, asked)


def of_news(questions: int | None = QUESTIONS_PER_FOLDER) -> Iterator[Folder]:
    """Those of the news, with at most so many questions each; with all of them where None."""
    _, development = written.divide(written.reports())
    unread = written.never_read(development)
    for begin in range(0, len(unread), written.REPORTS_PER_FOLDER):
        asked = written.question_set(unread[begin : begin + written.REPORTS_PER_FOLDER])
        yield Folder("news", replace(asked, questions=sample(asked.questions, questions)))


def of_articles(found: QuestionSet) -> list[QuestionSet]:
    """The held-out articles, in folders of some 200 paragraphs, with the questions to ask there."""
    random = Random(SEED)  # noqa: S311 (a sample, no secret)
    articles: dict[str, list[str]] = {}
    for id_ in found.paragraphs:
        articles.setdefault(article_of(id_), []).append(id_)
    folders = together({title: len(ids) for title, ids in articles.items()})
    about: dict[str, list[Question]] = {title: [] for folder in folders for title in folder}
    # Unanswerable questions carry no document; SQuAD lists them with their paragraph's others.
    article = ""
    for question in found.questions:
        article = article_of(question.documents[0]) if question.documents else article
        if article in about:
            about[article].append(question)

    return [_folder(titles, articles, about, found.paragraphs, random) for titles in folders]


def _folder(
    titles: Sequence[str],
    articles: Mapping[str, Sequence[str]],
    about: Mapping[str, Sequence[Question]],
    paragraphs: Mapping[str, str],
    random: Random,
) -> QuestionSet:
    ids = [id_ for title in titles for id_ in articles[title]]
    withheld = set(random.sample(ids, round(SHARE_WITHHELD * len(ids))))
    there = {id_: paragraphs[id_] for id_ in ids if id_ not in withheld}
    mine = [question for title in titles for question in about[title]]
    answerable = [question for question in mine if question.answerable and question.documents[0] in there]
    unanswerable = [
        [question for question in mine if not question.answerable],
        [
            _without_answer(question)
            for question in mine
            if question.answerable and question.documents[0] in withheld and not _told(question, there)
        ],
        [
            _without_answer(question)
            for title in about.keys() - set(titles)
            for question in about[title]
            if question.answerable
        ],
    ]
    kinds = [sorted(kind, key=lambda question: question.id) for kind in unanswerable if kind]
    each = round(QUESTIONS_PER_FOLDER * (1 - SHARE_ANSWERABLE) / max(1, len(kinds)))
    asked = _sample(answerable, round(QUESTIONS_PER_FOLDER * SHARE_ANSWERABLE), random)
    for kind in kinds:
        asked += _sample(kind, each, random)
    return QuestionSet(tuple(asked), there)


def _without_answer(question: Question) -> Question:
    return replace(question, answerable=False, answers=(), documents=())


def _told(question: Question, paragraphs: Mapping[str, str]) -> bool:
    """Whether other paragraphs hold the answer's words too: then it may be answerable after all."""
    article = article_of(question.documents[0])
    return any(
        tells(text, question.answers) for id_, text in paragraphs.items() if article_of(id_) == article
    )


def tells(text: str, answers: Iterable[str]) -> bool:
    """Whether the text holds the words of an answer: it may well answer then."""
    return any(answer.casefold() in text.casefold() for answer in answers)


def _sample(questions: Sequence[Question], n: int, random: Random) -> list[Question]:
    return random.sample(list(questions), min(n, len(questions)))


def article_of(document_id: str) -> str:
    return document_id.split("/", 1)[0]

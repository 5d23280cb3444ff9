"""Ask every question of a file once and record what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Protocol

from qa.engine import INDEX, PASSAGES_READ, QA, open_default
from qa.errors import BadQuestion
from qa.evaluation import report
from qa.evaluation.metrics import exact_match, f1, first_rank, item_f1, item_recall, says
from qa.evaluation.questions import (
    SEED_QUESTIONS,
    WHOLE_DOCUMENTS,
    Question,
    read_questions,
    sample,
    write_paragraphs,
)
from qa.evaluation.record import Place, Record, write_records
from qa.indexing import Progress as Indexed
from qa.types import Answer, Citation, Document, Hit

OUT = Path("runs/eval")
LIST_RIGHT = 0.8  # item F1: two of three items, not one of two
RETRIEVED = 10  # hits looked at for recall@10

Progress = Callable[[int, int], None]
"""Called with (questions asked, questions in all)."""


class Asker(Protocol):
    """What the evaluation needs of `qa.engine.QA`."""

    def ask(
        self,
        question: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        k: int = PASSAGES_READ,
        documents: Collection[str] | None = None,
        min_confidence: float | None = None,
    ) -> Answer: ...

    def search(
        self, question: str, *, k: int, documents: Collection[str] | None = None
    ) -> tuple[Hit, ...]: ...

    def document(self, document_id: str, /) -> Document: ...


def run_file(
    questions_file: Path | None,
    index: Path | None,
    out: Path = OUT,
    *,
    k: int = PASSAGES_READ,
    min_confidence: float | None = None,
    limit: int | None = None,
    qa: Asker | None = None,
    progress: Progress | None = None,
    index_progress: Callable[[Indexed], None] | None = None,
) -> dict[str, Any]:
    """Ask the questions of a file (by default the packaged ones about the seeds), write
    `records.jsonl` and `summary.json` to `out`, return the summary.

    SQuAD files are asked of their own paragraphs, indexed in a temporary folder; `qa` and `index`
    are left alone. Other questions are asked of `qa`, or of the index at `index`. `limit` asks that
    many, evenly spaced over the file. Raises `QAError` for what a user can mend.
    """
    path = questions_file or SEED_QUESTIONS
    found = read_questions(path)
    questions = sample(found.questions, limit)
    settings = {
        "questions": path.name,
        "in_file": len(found.questions),
        "asked": len(questions),
        "k": k,
        "min_confidence": min_confidence,
    }

    def run_on(asker: Asker) -> dict[str, Any]:
        records = evaluate(asker, questions, k=k, min_confidence=min_confidence, progress=progress)
        return save(records, out, settings)

    if found.paragraphs:
        with TemporaryDirectory(prefix="qa-eval-") as scratch:
            write_paragraphs(found.paragraphs, Path(scratch, "corpus"))
            with QA.build(Path(scratch, "corpus"), Path(scratch, "index"), index_progress) as own:
                return run_on(own)
    if qa is not None:
        return run_on(qa)
    with open_default(index or INDEX, index_progress) as opened:
        return run_on(opened)


def save(records: Iterator[Record], out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Write `records.jsonl`, then `summary.json`, each complete or not at all; return the summary."""
    report.prepare(out)
    summary = report.summary(list(write_records(records, out / "records.jsonl")), settings)
    report.write(summary, out)
    return summary


def evaluate(
    qa: Asker,
    questions: Sequence[Question],
    *,
    k: int = PASSAGES_READ,
    min_confidence: float | None = None,
    progress: Progress | None = None,
) -> Iterator[Record]:
    """One record per question, in order. Raises `BadQuestion`, before anything is asked, where a
    question's documents are not in the index."""
    _check_documents(qa, questions)
    if questions:
        qa.ask(questions[0].question, k=k)  # loads the models, which is no part of any question's time
    for done, question in enumerate(questions, start=1):
        yield ask(qa, question, k=k, min_confidence=min_confidence)
        if progress:
            progress(done, len(questions))


def ask(
    qa: Asker, question: Question, *, k: int = PASSAGES_READ, min_confidence: float | None = None
) -> Record:
    """Ask one question and measure the answer."""
    started = perf_counter()
    answer = qa.ask(question.question, history=question.history, k=k, min_confidence=min_confidence)
    total = perf_counter() - started

    # What it would have answered: the confidence is a claim about that span, so it needs a verdict too.
    willing = (
        answer if answer else qa.ask(question.question, history=question.history, k=k, min_confidence=0.0)
    )
    best = _place(willing.citations[0]) if willing.citations else None

    hits = qa.search(answer.asked_as, k=RETRIEVED)
    from_accepted = [hit.passage.document_id in question.documents for hit in hits]
    holds_answer = [
        accepted and any(item_recall(hit.text, [wording]) for wording in question.answers)
        for accepted, hit in zip(from_accepted, hits, strict=True)
    ]

    citations = [_place(citation) for citation in answer.citations]
    cited = [place["document"] in question.documents for place in citations]
    text_right = _text_right(answer, question)
    document_right = bool(cited) and cited[0]
    whole = question.answerable and question.kind in WHOLE_DOCUMENTS
    return Record(
        id=question.id,
        question=question.question,
        kind=question.kind,
        answerable=question.answerable,
        near_miss=question.near_miss,
        conversation=question.conversation,
        history=[list(turn) for turn in question.history],
        standalone=question.asked_as,
        answers=list(question.answers),
        items=list(question.items),
        documents=list(question.documents),
        asked_as=answer.asked_as,
        answered=bool(answer),
        text=answer.text,
        confidence=round(answer.confidence, 6),
        reason=answer.reason,
        citations=citations,
        alternatives=[alternative.text for alternative in answer.alternatives],
        best=best,
        retrieved=[hit.passage.document_id for hit in hits],
        read=answer.read,
        exact_match=float(text_right) if whole else exact_match(answer.text, question.answers),
        f1=float(text_right) if whole else f1(answer.text, question.answers),
        right=(text_right and document_right) if question.answerable else not answer,
        text_right=text_right if question.answerable else None,
        document_right=document_right if question.answerable else None,
        any_document_right=any(cited) if question.answerable else None,
        item_f1=item_f1(_items(answer), question.items),
        best_right=best is not None
        and best["document"] in question.documents
        and _text_right(willing, question),
        document_rank=first_rank(from_accepted),
        answer_rank=first_rank(holds_answer),
        verbatim=all(_stands(qa, citation) for citation in _all_citations(answer)),
        seconds={
            **{stage: round(value, 4) for stage, value in answer.seconds.items()},
            "total": round(total, 4),
        },
    )


def _text_right(answer: Answer, question: Question) -> bool:
    """The answer says an accepted answer; what more or what else counts depends on the kind of question:
    the items of a list (F1 from 0.8 on), any sentence with the deciding words for yes or no, each of the
    different answers that documents give, just these documents for an overview or for mentions."""
    if question.kind in WHOLE_DOCUMENTS:
        return {citation.document.id for citation in answer.citations} == set(question.documents)
    if question.kind == "comparison":
        said = [answer.text or "", *(alternative.text for alternative in answer.alternatives)]
        return item_recall("; ".join(said), question.items) == 1
    if question.items:
        return (item_f1(_items(answer), question.items) or 0) >= LIST_RIGHT
    return quote_right(answer.text, question)


def quote_right(quote: str | None, question: Question) -> bool:
    """The quote says an accepted answer; for yes or no, it is any with the deciding words."""
    if question.kind == "yes/no" and any(item_recall(quote, [words]) for words in question.answers):
        return True
    return says(quote, question.answers)


def _items(answer: Answer) -> list[str]:
    return [item.quote for item in answer.items] or ([answer.text] if answer.text else [])


def _place(citation: Citation) -> Place:
    return {
        "document": citation.document.id,
        "start": citation.start,
        "end": citation.end,
        "quote": citation.quote,
    }


def _all_citations(answer: Answer) -> Iterator[Citation]:
    yield from answer.citations
    for alternative in answer.alternatives:
        yield from alternative.citations


def _stands(qa: Asker, citation: Citation) -> bool:
    # Against the document as stored, not the one the citation carries.
    return qa.document(citation.document.id).text[citation.start : citation.end] == citation.quote


def _check_documents(qa: Asker, questions: Sequence[Question]) -> None:
    first_asked_of = {
        document: question for question in reversed(questions) for document in question.documents
    }
    for document, question in sorted(first_asked_of.items()):
        try:
            qa.document(document)
        except (KeyError, BadQuestion) as error:
            raise BadQuestion(
                f"Question {question.id!r} expects its answer in {document!r}, which is not in the index: "
                "index the folder that the questions are about with qa index FOLDER --index DIR."
            ) from error

"""Question files: our JSON lines, or SQuAD v1.1 / v2.0 JSON, whose paragraphs are the corpus.

One line of our form:

    {"id": "nato-1", "question": "Who leads NATO?", "kind": "who", "answerable": true,
     "answers": ["Jens Stoltenberg", "Stoltenberg"], "documents": ["000.txt"]}

and where they apply: `near_miss` (unanswerable, though the documents touch on it), `conversation`
(a name for the conversation it belongs to), `history` ([[question, answer], ...], oldest first),
`asked_as` (a person's rewriting of a follow-up into a question that stands alone) and `items` (what
a complete list names). In SQuAD's form a question may have a `kind` too. Either form may be gzipped;
the content decides, not the file's name.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from qa.errors import BadCorpus, BadQuestion

Asked = TypeVar("Asked")

SEED_QUESTIONS = Path(__file__).with_name("seed_questions.jsonl")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what is known about its answer. `answers` are the accepted wordings, empty
    where the documents do not answer; `documents` the ids of the documents that hold the answer."""

    id: str
    question: str
    kind: str
    answerable: bool
    answers: tuple[str, ...]
    documents: tuple[str, ...]
    near_miss: bool = False
    conversation: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    asked_as: str | None = None
    items: tuple[str, ...] = ()


WHOLE_DOCUMENTS = ("overview", "mentions")
"""Kinds of question that are answered by naming the right documents, whatever is quoted of them."""


def kept_aside(key: str) -> bool:
    """Whether a question belongs to the third that nothing is tuned with."""
    return sha256(key.encode()).digest()[0] % 3 == 0


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions and, for SQuAD, the paragraphs they are asked of: document id → text."""

    questions: tuple[Question, ...]
    paragraphs: Mapping[str, str] = field(default_factory=dict)


def read_questions(path: Path) -> QuestionSet:
    """The questions of a file. Raises `BadQuestion` or `BadCorpus` with the place of the first fault."""
    text = _decode(path)
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "data" in whole:
        found = _squad(whole["data"], path.name)
    else:
        found = QuestionSet(tuple(_lines(text, path.name)))
    if not found.questions:
        raise BadQuestion(f"{path} holds no question: {FORMS}.")
    repeated, times = Counter(question.id for question in found.questions).most_common(1)[0]
    if times > 1:
        raise BadQuestion(f"{path.name} has {times} questions with the id {repeated!r}: each needs its own.")
    return found


def sample(questions: Sequence[Asked], limit: int | None) -> tuple[Asked, ...]:
    """At most `limit` questions, evenly spaced over the file, in its order."""
    if limit is None or limit >= len(questions):
        return tuple(questions)
    if limit < 1:
        raise BadQuestion(f"A limit of {limit} leaves no question to ask: give 1 or more.")
    return tuple(questions[i * len(questions) // limit] for i in range(limit))


def write_paragraphs(paragraphs: Mapping[str, str], folder: Path) -> None:
    """Write each paragraph to `folder` as the text file that its id names, character for character."""
    for document_id, text in paragraphs.items():
        path = folder / document_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))


FORMS = (
    "expected one JSON object per line (id, question, kind, answerable, answers, documents) "
    "or SQuAD JSON (data, paragraphs, qas)"
)


def _decode(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadQuestion(
            f"Cannot read the question file {path} ({error.strerror}): give qa eval a readable file."
        ) from error
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise BadQuestion(f"{path} is a damaged gzip file ({error}): unpack or fetch it again.") from error
    except UnicodeDecodeError as error:
        raise BadQuestion(f"{path} is not UTF-8 text: {FORMS}.") from error


# Our form


KEYS = {key.name for key in fields(Question)}
REQUIRED = ("id", "question", "kind", "answerable", "answers", "documents")


def _lines(text: str, name: str) -> Iterator[Question]:
    # Not splitlines(): JSON strings may hold U+2028 and the like unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _question(line, f"{name}, line {number}")


def _question(line: str, place: str) -> Question:
    try:
        given = json.loads(line)
    except ValueError as error:
        raise BadQuestion(f"{place} is not JSON ({error}): {FORMS}.") from error
    if not isinstance(given, dict):
        raise BadQuestion(f"{place} is JSON but not an object: {FORMS}.")
    if missing := [key for key in REQUIRED if key not in given]:
        raise BadQuestion(f"{place} lacks {', '.join(missing)}: {FORMS}.")
    if unknown := sorted(given.keys() - KEYS):
        raise BadQuestion(f"{place} has the unknown key {unknown[0]!r}: known are {', '.join(sorted(KEYS))}.")

    question = Question(
        id=_text(given, "id", place),
        question=_text(given, "question", place),
        kind=_text(given, "kind", place),
        answerable=_flag(given, "answerable", place),
        answers=_texts(given, "answers", place),
        documents=_texts(given, "documents", place),
        near_miss=_flag(given, "near_miss", place),
        conversation=_text(given, "conversation", place) if given.get("conversation") is not None else None,
        history=_history(given.get("history"), place),
        asked_as=_text(given, "asked_as", place) if given.get("asked_as") is not None else None,
        items=_texts(given, "items", place),
    )
    told = question.answers or question.kind in WHOLE_DOCUMENTS
    if question.answerable and not (told and question.documents):
        raise BadQuestion(f"{place} is answerable but lacks answers or documents: give at least one of each.")
    if not question.answerable and (question.answers or question.items):
        raise BadQuestion(f"{place} is not answerable and yet has answers: leave them out or set answerable.")
    if question.answerable and question.near_miss:
        raise BadQuestion(f"{place} is answerable and a near miss: only unanswerable questions can be one.")
    return question


def _text(given: Mapping[str, Any], key: str, place: str) -> str:
    value = given[key]
    if not isinstance(value, str) or not value.strip():
        raise BadQuestion(f"{place}: {key} is {value!r}, expected a string that is not blank.")
    return value


def _flag(given: Mapping[str, Any], key: str, place: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise BadQuestion(f"{place}: {key} is {value!r}, expected true or false.")
    return value


def _texts(given: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    values = given.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise BadQuestion(f"{place}: {key} is {values!r}, expected a list of strings.")
    return tuple(dict.fromkeys(values))


def _history(turns: Any, place: str) -> tuple[tuple[str, str], ...]:
    turns = turns or []
    if not isinstance(turns, list) or not all(
        isinstance(turn, list) and len(turn) == 2 and all(isinstance(words, str) for words in turn)
        for turn in turns
    ):
        raise BadQuestion(f"{place}: history is {turns!r}, expected [[question, answer], ...], oldest first.")
    return tuple((asked, answered) for asked, answered in turns)


# SQuAD (Rajpurkar et al. 2016, 2018)


def _squad(articles: Any, name: str) -> QuestionSet:
    paragraphs: dict[str, str] = {}
    ids: dict[str, str] = {}  # text → document id: a paragraph that occurs twice is one document
    per_folder: Counter[str] = Counter()
    questions: list[Question] = []
    for article in _list(articles, f"{name}: data"):
        title = str(article.get("title", ""))
        for paragraph in _list(article.get("paragraphs"), f"{name}: article {title!r}: paragraphs"):
            context = paragraph.get("context")
            place = f"{name}: article {title!r}"
            if not isinstance(context, str) or not context.strip() or not _encodable(context):
                raise BadCorpus(
                    f"{place} has a paragraph whose context is not readable text: SQuAD needs it."
                )
            if context not in ids:
                folder = article_folder(title)
                ids[context] = f"{folder}/{per_folder[folder.casefold()]:04}.txt"
                per_folder[folder.casefold()] += 1
                paragraphs[ids[context]] = context
            asked = _list(paragraph.get("qas"), f"{place}: qas")
            questions += [_squad_question(qa, ids[context], place) for qa in asked]
    return QuestionSet(tuple(questions), paragraphs)


def _squad_question(qa: Mapping[str, Any], document_id: str, place: str) -> Question:
    if missing := [key for key in ("id", "question") if key not in qa]:
        raise BadQuestion(
            f"{place} has a question without {missing[0]}: SQuAD needs id, question and answers."
        )
    place = f"{place}: question {qa['id']!r}"
    impossible = _flag(qa, "is_impossible", place)
    # `answers` of an impossible question stays empty: SQuAD keeps the tempting ones apart.
    given = [] if impossible else _list(qa.get("answers"), f"{place}: answers")
    answers = tuple(dict.fromkeys(_text(answer, "text", place) for answer in given if "text" in answer))
    if not impossible and not answers:
        raise BadQuestion(f"{place} has no answer and is not marked is_impossible: give one of the two.")
    return Question(
        id=_text(qa, "id", place),
        question=_text(qa, "question", place),
        kind=str(qa.get("kind") or ("unanswerable" if impossible else "fact")),
        answerable=not impossible,
        answers=answers,
        documents=() if impossible else (document_id,),
        # Written by people who saw the paragraph, to look answerable (Rajpurkar et al. 2018).
        near_miss=impossible,
    )


def _list(value: Any, place: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadQuestion(f"{place} is not a list of objects, as SQuAD has it: {FORMS}.")
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def article_folder(title: str) -> str:
    """A folder name for an article. At most 60 characters: 240 bytes in any script; never hidden."""
    return re.sub(r"[^\w-]+", "_", title).strip("_")[:60] or "article"

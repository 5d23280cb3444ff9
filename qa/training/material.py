"""What there is to learn from, as one file of numbers, and which candidates are right.

The file holds the questions of all training sets and their passages as token ids, so that a machine
with a GPU needs no texts. Which candidate says an accepted answer is decided over the texts again.
"""

from __future__ import annotations

import io
import lzma
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa.errors import QAError
from qa.evaluation.metrics import says
from qa.evaluation.questions import sample
from qa.evaluation.squad import ReadingQuestion, data_set, divide, never_read, read_set
from qa.reader.model import STRIDE_TOKENS, WEIGHTS, tokenizer_of
from qa.reader.rerank import TITLE_TOKENS
from qa.training import written
from qa.training.cloze import PASSAGES_TOGETHER, Cloze, cloze_questions
from qa.training.noise import hinted, noisy
from qa.types import Range

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

SQUAD, NATURAL, REWORDED, NEWS = "squad_train_v2.0", "qed_nq_train", "reworded", "news"
SETS = (SQUAD, "squadshifts_amazon_reviews", "squadshifts_reddit", NATURAL, "fairytaleqa_train")
PIECE_TOKENS = 320  # of a passage that are read at a time
QUESTION_TOKENS = 64
CLOZE_TOKENS = 56
LONGEST_PLACE = 250  # tokens; what is longer teaches no span
SHARE_NOISY, SHARE_HINTED = 0.25, 0.25  # of the questions that have such a variant too
CANDIDATES = 6  # kept of a question

Tokens = NDArray[np.uint16]
Numbers = NDArray[np.int32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of token ids, one after the other: row i is `values[at[i]:at[i + 1]]`."""

    values: Tokens
    at: Numbers  # (rows + 1,)

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Rows:
        kept = [np.asarray(row, dtype=np.uint16) for row in rows]
        at = np.cumsum([0, *map(len, kept)]).astype(np.int32)
        return cls(np.concatenate(kept) if kept else np.zeros(0, np.uint16), at)

    def __len__(self) -> int:
        return len(self.at) - 1

    def __getitem__(self, row: int) -> Tokens:
        return self.values[self.at[row] : self.at[row + 1]]


@dataclass(frozen=True)
class Material:
    """Questions and passages by their numbers. Places are (number, first, last token of the passage)."""

    passages: Rows
    titles: Rows  # (passages,) of their documents; empty where a set has none
    half: Numbers  # (passages,) 0 or 1: those of one article are in one half
    questions: Rows
    noisy: Rows  # (questions,) a variant as a hurried person types it, or empty
    hinted: Rows  # (questions,) a variant with words of the passage behind it, or empty
    passage: Numbers  # (questions,)
    source: Numbers  # (questions,) of `sources`
    wording: Numbers  # (questions,) the same number for the same words
    held_out: Flags  # (questions,)
    answerable: Flags  # (questions,)
    places: Numbers  # (places, 3)
    cloze: Rows
    cloze_passage: Numbers  # (cloze questions,)
    cloze_places: Numbers  # (places, 3)
    sources: NDArray[np.str_]
    continues: Flags  # (vocabulary,) word pieces that go on with a word
    digest: NDArray[np.str_] = field(default_factory=lambda: np.array(""))  # of the texts

    @cached_property
    def learned_from(self) -> Numbers:
        """The questions that are not held out."""
        return np.flatnonzero(~self.held_out).astype(np.int32)

    def asks(self, *sources: str) -> Flags:
        """Which questions come from these sets, shape (questions,)."""
        return np.isin(self.sources[self.source], sources)

    def places_of(self, question: int) -> list[Range]:
        return _rows_of(self.places, self._places_at, question)

    def cloze_places_of(self, question: int) -> list[Range]:
        return _rows_of(self.cloze_places, self._cloze_places_at, question)

    def pieces_of(self, passage: int) -> list[Range]:
        """The token ranges (first, last + 1) that cover the passage."""
        return pieces(len(self.passages[passage]))

    @cached_property
    def _places_at(self) -> NDArray[np.int64]:
        return np.searchsorted(self.places[:, 0], np.arange(len(self.questions) + 1))

    @cached_property
    def _cloze_places_at(self) -> NDArray[np.int64]:
        return np.searchsorted(self.cloze_places[:, 0], np.arange(len(self.cloze) + 1))

    def write(self, path: Path) -> None:
        arrays: dict[str, NDArray[Any]] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Rows):
                arrays[each.name], arrays[f"{each.name}_at"] = value.values, value.at
            else:
                arrays[each.name] = value
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(lzma.compress(buffer.getvalue(), preset=6))
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> Material:
        """What `write` wrote. Raises `QAError` where it is damaged."""
        try:
            stored = np.load(io.BytesIO(lzma.decompress(path.read_bytes())))
            found: dict[str, Any] = {each.name: stored[each.name] for each in fields(cls)}
            for name, values in found.items():
                if f"{name}_at" in stored:
                    found[name] = Rows(values, stored[f"{name}_at"])
            return cls(**found)
        except (OSError, EOFError, ValueError, KeyError, lzma.LZMAError) as error:
            raise QAError(
                f"{path} cannot be read ({error}); remove it and make it again: "
                "qa train CONFIG --out DIR --stage material"
            ) from error


@dataclass(frozen=True)
class Labels:
    """Candidates, those of a question side by side and the best first; all of shape (candidates,)."""

    question: Numbers
    passage: Numbers
    first: Numbers  # token of the passage
    last: Numbers
    right: Flags

    @cached_property
    def at(self) -> NDArray[np.int64]:
        """Where each question's candidates begin, and where the last one's end; (questions + 1,)."""
        changes = np.flatnonzero(np.diff(self.question)) + 1
        return np.concatenate([[0] if len(self.question) else [], changes, [len(self.question)]]).astype(int)

    @property
    def pool(self) -> Numbers:
        """The questions, as `at` counts them."""
        return np.arange(len(self.at) - 1, dtype=np.int32)

    @classmethod
    def read(cls, path: Path) -> Labels:
        with np.load(path) as stored:
            return cls(**{each.name: stored[each.name] for each in fields(cls)})


@dataclass(frozen=True, slots=True)
class Texts:
    """The questions of all sets, always in the same order; `sources` and `held_out` go with them."""

    questions: list[ReadingQuestion] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    held_out: list[bool] = field(default_factory=list)
    reports: dict[str, tuple[int, str]] = field(default_factory=dict)  # of the news: number and title

    def add(self, found: Sequence[ReadingQuestion], source: str, held_out: bool = False) -> None:
        self.questions.extend(found)
        self.sources.extend([source] * len(found))
        self.held_out.extend([held_out] * len(found))

    def digest(self) -> str:
        """SHA-256 of the questions, their passages and places."""
        digest = sha256()
        for q in self.questions:
            digest.update(repr((q.id, q.question, q.context, q.places)).encode())
        return digest.hexdigest()

    def passages(self) -> list[str]:
        """Each once, in the order in which they are first asked about."""
        return list(dict.fromkeys(question.context for question in self.questions))


def read_texts(limit: int = 0) -> Texts:
    """The sets of QA_DATA and our own; `limit` takes that many questions of each, evenly spaced. Raises
    `BadQuestion` where a set cannot be read."""
    most = limit or None
    texts = Texts()
    for name in SETS:
        found = read_set(data_set("train", name))
        if name == SQUAD:
            train, aside = divide(found)
            unread = never_read(found)
            unread_texts = {question.context for question in unread}
            train += [question for question in aside if question.context not in unread_texts]
            texts.add(sample(train, most), name)
            texts.add(sample(unread, most), name, held_out=True)
            texts.add(sample(written.reworded(train), most), REWORDED)
        else:
            texts.add(sample(found, most), name)
    every = written.reports()
    for number, report in enumerate(every):
        texts.reports[report.id] = number, report.text.strip().split("\n", 1)[0]
    aside_reports = {report.id for report in written.never_read(written.divide(every)[1])}
    for held_out in (False, True):
        reports = [report for report in every if (report.id in aside_reports) == held_out]
        asked = written.reading_questions(sample(reports, most))
        texts.add(sample(asked, most), NEWS, held_out)
    return texts


def make_material(texts: Texts) -> Material:
    """Token ids and places of all the texts. Each question's variants depend on its id alone."""
    tokenizer = tokenizer_of(WEIGHTS)
    passages = texts.passages()
    number = {text: i for i, text in enumerate(passages)}
    encoded = tokenizer.encode_batch(passages, add_special_tokens=False)
    offsets = [encoding.offsets for encoding in encoded]
    asked = texts.questions

    articles = [(SQUAD if s == REWORDED else s, q.article) for s, q in _with_sets(texts)]
    of_article = {article: i for i, article in enumerate(dict.fromkeys(articles))}
    halves = np.random.default_rng(3).permutation(len(of_article)) % 2
    half = np.zeros(len(passages), np.int32)
    titles = [""] * len(passages)
    for (source, name), question in zip(articles, asked, strict=True):
        at = number[question.context]
        half[at] = halves[of_article[source, name]]
        if source == NEWS:  # reports about one affair stand side by side
            report, titles[at] = texts.reports[name]
            half[at] = report // written.REPORTS_PER_FOLDER % 2

    clozes = list(_clozes(texts, number))
    sources = list(dict.fromkeys(texts.sources))
    wordings: dict[str, int] = {}
    variants = [_variants(question) for question in asked]
    return Material(
        passages=Rows.of(encoding.ids for encoding in encoded),
        titles=_encoded(tokenizer, titles, TITLE_TOKENS),
        half=half,
        questions=_encoded(tokenizer, [question.question for question in asked], QUESTION_TOKENS),
        noisy=_encoded(tokenizer, [noisy for noisy, _ in variants], QUESTION_TOKENS),
        hinted=_encoded(tokenizer, [hinted for _, hinted in variants], QUESTION_TOKENS),
        passage=np.array([number[question.context] for question in asked], np.int32),
        source=np.array([sources.index(source) for source in texts.sources], np.int32),
        wording=np.array([wordings.setdefault(q.question, len(wordings)) for q in asked], np.int32),
        held_out=np.array(texts.held_out, bool),
        answerable=np.array([bool(question.places) for question in asked], bool),
        places=_places((offsets[number[question.context]], question.places) for question in asked),
        cloze=_encoded(tokenizer, [cloze.question for cloze in clozes], CLOZE_TOKENS),
        cloze_passage=np.array([cloze.passage for cloze in clozes], np.int32),
        cloze_places=_places((offsets[cloze.passage], cloze.places) for cloze in clozes),
        sources=np.array(sources),
        continues=_continues(tokenizer),
        digest=np.array(texts.digest()),
    )


def pieces(length: int) -> list[Range]:
    """Token ranges (first, last + 1) that cover so many tokens and overlap by the stride."""
    step = PIECE_TOKENS - STRIDE_TOKENS
    return [
        (begin, min(begin + PIECE_TOKENS, length)) for begin in range(0, max(length - STRIDE_TOKENS, 1), step)
    ]


def token_range(offsets: Sequence[Range], start: int, end: int) -> Range | None:
    """The first and last token that have one of the characters `start` to `end`."""
    first = bisect_right(offsets, start, key=lambda token: token[1])
    last = bisect_left(offsets, end, key=lambda token: token[0]) - 1
    return (first, last) if first <= last else None


def labels(
    texts: Texts,
    material: Material,
    question: Numbers,
    passage: Numbers,
    first: Numbers,
    last: Numbers,
) -> Labels:
    """Which candidates say an accepted answer, as `qa eval` decides; of those that say the same only the
    best, and of each question the first six. All of shape (candidates,), a question's side by side.

    Accepted is what the same words find anywhere: the passages around may answer as well. Raises `QAError`
    where these are not the texts that the material was made of.
    """
    if texts.digest() != str(material.digest):
        raise QAError(
            "The questions of QA_DATA are not those that the material was made of; name the folder that "
            "it was made from: QA_DATA=DIR qa train CONFIG --out DIR --stage labels"
        )
    accepted: dict[int, set[str]] = defaultdict(set)
    for wording, asked in zip(material.wording.tolist(), texts.questions, strict=True):
        accepted[wording].update(asked.answers)
    passages = texts.passages()
    used = np.unique(passage).tolist()
    encoded = tokenizer_of(WEIGHTS).encode_batch([passages[i] for i in used], add_special_tokens=False)
    offsets = {i: encoding.offsets for i, encoding in zip(used, encoded, strict=True)}

    kept: list[int] = []
    right: list[bool] = []
    said: set[str] = set()
    before = -1
    rows = zip(*(x.tolist() for x in (question, passage, first, last)), strict=True)
    for i, (asked_, where, begin, end) in enumerate(rows):
        if asked_ != before:
            before, said = asked_, set()
        text = passages[where][offsets[where][begin][0] : offsets[where][end][1]]
        if len(said) == CANDIDATES or text.lower() in said:
            continue
        said.add(text.lower())
        kept.append(i)
        answers = accepted[int(material.wording[asked_])] if material.answerable[asked_] else ()
        right.append(says(text, sorted(answers)))
    return Labels(question[kept], passage[kept], first[kept], last[kept], np.array(right, bool))


def _with_sets(texts: Texts) -> Iterator[tuple[str, ReadingQuestion]]:
    return zip(texts.sources, texts.questions, strict=True)


def _variants(question: ReadingQuestion) -> tuple[str, str]:
    """(noisy, hinted), either or both of them empty."""
    random = Random(question.id)  # noqa: S311 (a sample, no secret)
    u = random.random()
    if u < SHARE_NOISY:
        return noisy(question.question, random), ""
    if u > 1 - SHARE_HINTED:
        return "", hinted(question.question, question.context, question.answers, random)
    return "", ""


def _clozes(texts: Texts, number: dict[str, int]) -> Iterator[Cloze]:
    """From documents of several passages that are not held out."""
    documents: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for (source, question), held_out in zip(_with_sets(texts), texts.held_out, strict=True):
        if not held_out and source not in (REWORDED, NATURAL):
            documents[source, question.article].setdefault(number[question.context], question.context)
    random = Random(5)  # noqa: S311
    for passages in documents.values():
        numbers = list(passages)
        for begin in range(0, len(numbers), PASSAGES_TOGETHER):
            together = numbers[begin : begin + PASSAGES_TOGETHER]
            for cloze in cloze_questions([passages[i] for i in together], random):
                yield Cloze(cloze.question, together[cloze.passage], cloze.places)


def _places(found: Iterable[tuple[Sequence[Range], Iterable[Range]]]) -> Numbers:
    """For each question, its passage's offsets and its places in characters → rows of `places`."""
    return _numbers(
        (number, *tokens)
        for number, (offsets, places) in enumerate(found)
        for start, end in places
        if (tokens := token_range(offsets, start, end)) and tokens[1] - tokens[0] < LONGEST_PLACE
    )


def _numbers(rows: Iterable[tuple[int, ...]]) -> Numbers:
    return np.array(list(rows), np.int32).reshape(-1, 3)


def _rows_of(rows: Numbers, at: NDArray[np.int64], number: int) -> list[Range]:
    return [(first, last) for _, first, last in rows[at[number] : at[number + 1]].tolist()]


def _encoded(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> Rows:
    found: list[Encoding] = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return Rows.of(encoding.ids[:most] for encoding in found)


def _continues(tokenizer: Tokenizer) -> Flags:
    vocabulary = tokenizer.get_vocab()
    flags = np.zeros(len(vocabulary), bool)
    flags[[id_ for piece, id_ in vocabulary.items() if piece.startswith("##")]] = True
    return flags

"""Sets in SQuAD's form, each question with its paragraph; the articles that are held out of training."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from qa.errors import BadQuestion
from qa.evaluation.questions import article_folder

HELD_OUT = 0.1  # of a set's articles
PARAGRAPHS_TOGETHER = 200


@dataclass(frozen=True, slots=True)
class ReadingQuestion:
    """A question, a passage, and the character ranges where the answer may stand (empty: no answer)."""

    id: str
    question: str
    context: str
    article: str
    places: tuple[tuple[int, int], ...]

    @property
    def answers(self) -> tuple[str, ...]:
        """The accepted wordings; empty where the passage does not answer."""
        return tuple(dict.fromkeys(self.context[start:end] for start, end in self.places))


def data_folder() -> Path:
    """The folder of data sets: QA_DATA, or shared/data beside the checkout."""
    return Path(os.environ.get("QA_DATA") or Path(__file__).parents[3] / "shared" / "data")


def data_set(part: str, name: str) -> Path:
    """The file of a set; `part` is "train", to learn from, or "eval"."""
    return data_folder() / part / f"{name}.json.gz"


def held_out(articles: Iterable[str]) -> list[str]:
    """The tenth of a set's articles that is for development and calibration, but for those of the folders
    that the reader learns from: the same ones for everybody, in a fixed order (SHA-256 of the title)."""
    order = sorted(set(articles), key=lambda title: sha256(title.encode()).hexdigest())
    return order[: math.ceil(HELD_OUT * len(order))]


def read_set(path: Path) -> list[ReadingQuestion]:
    """The questions of a SQuAD file, may be gzipped. Raises `BadQuestion` where it cannot be read."""
    try:
        content = path.read_bytes()
        whole = json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
        return [
            ReadingQuestion(
                str(qa["id"]),
                qa["question"].strip(),
                paragraph["context"],
                article_folder(str(article.get("title", ""))),
                () if qa.get("is_impossible") else _places(qa),
            )
            for article in whole["data"]
            for paragraph in article["paragraphs"]
            for qa in paragraph["qas"]
        ]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadQuestion(
            f"{path} cannot be read as SQuAD JSON ({error!r}); "
            "name the folder of the data sets: QA_DATA=DIR qa …"
        ) from error


def divide(questions: Sequence[ReadingQuestion]) -> tuple[list[ReadingQuestion], list[ReadingQuestion]]:
    """(training, development) questions, divided by article; a paragraph of both is development only."""
    aside = set(held_out(question.article for question in questions))
    contexts = {question.context for question in questions if question.article in aside}
    train = [q for q in questions if q.article not in aside and q.context not in contexts]
    return train, [question for question in questions if question.article in aside]


def learned(folder: int) -> bool:
    """Whether the reader learns from the folder of this number, counted from 0, of `together`."""
    return folder % 2 == 1


def together(paragraphs: Mapping[str, int]) -> list[list[str]]:
    """The held-out articles in folders of some 200 paragraphs, those left over in none; how many each of all
    articles has is given."""
    folders: list[list[str]] = []
    here: list[str] = []
    for article in held_out(paragraphs):
        here.append(article)
        if sum(paragraphs[each] for each in here) >= PARAGRAPHS_TOGETHER:
            folders.append(here)
            here = []
    return folders


def never_read(questions: Sequence[ReadingQuestion]) -> list[ReadingQuestion]:
    """Those of the held-out articles that the reader does not learn from."""
    _, aside = divide(questions)
    paragraphs = Counter(article for article, _ in {(each.article, each.context) for each in questions})
    folders = enumerate(together(paragraphs))
    read = {article for number, folder in folders if learned(number) for article in folder}
    return [question for question in aside if question.article not in read]


def _places(qa: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """Every place that the set gives: one per annotator, or all the candidates of an uncertain one."""
    places = set()
    for answer in qa["answers"]:
        starts = answer.get("all_starts") or qa.get("all_starts") or [answer["answer_start"]]
        places |= {(start, start + len(answer["text"])) for start in starts}
    return tuple(sorted(places))

"""Follow-ups with the question that a person made of them: CANARD (Elgohary et al. 2019), TREC CAsT."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.conversation import Turn
from qa.errors import BadQuestion
from qa.words import stems


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A question, what was said before it, and how a person asked it without that."""

    dialogue: str
    question: str
    history: tuple[Turn, ...]
    rewrite: str

    @property
    def carried(self) -> set[str]:
        """The stems of the history's words that belong to the question and that it does not say."""
        return self.carried_by(self.rewrite)

    def carried_by(self, resolved: str) -> set[str]:
        """The stems that a resolved question takes from the history."""
        before = stems(" ".join(part for turn in self.history for part in turn))
        said, meant = stems(self.question), stems(resolved)
        return (meant & before) - said


def read_rewrites(path: Path) -> list[Rewrite]:
    """Raises `BadQuestion` where the file is not such a set."""
    try:
        items = json.loads(gzip.decompress(path.read_bytes()))["items"]
        return [
            Rewrite(_dialogue(item), item["question"], tuple(_history(item)), item["rewrite"])
            for item in items
        ]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BadQuestion(
            f"{path} is not a set of rewritten questions ({error!r}); set QA_DATA to the folder that has it"
        ) from error


def _dialogue(item: dict[str, Any]) -> str:
    return str(item.get("dialog_id") or f"{item['year']} {item['id'].rsplit('_', 1)[0]}")


def _history(item: dict[str, Any]) -> Iterable[Turn]:
    if "history_questions" in item:
        answers = [" ".join(words.split(" | ")) for words in item["history_answer_tokens"]]
        return zip(item["history_questions"], answers, strict=True)
    said: list[Any] = item["history"]
    if "dialog_id" in item:  # CANARD: title, section, question, answer, question, answer, …
        return zip(said[::2], said[1::2], strict=True)
    turns: list[Turn] = []  # TREC CAsT: questions, since 2021 with the passages that were given
    for part in said:
        if isinstance(part, str):
            turns.append((part, ""))
        else:
            turns[-1] = (turns[-1][0], str(part["answer_passage"]))
    return turns


@dataclass(frozen=True, slots=True)
class Overlap:
    """Precision, recall and F1 of carried words, counted over all questions; 0 to 1."""

    precision: float
    recall: float
    f1: float


def overlap(found: Sequence[Set[str]], expected: Sequence[Set[str]]) -> Overlap:
    right = sum(len(a & b) for a, b in zip(found, expected, strict=True))
    precision = right / max(sum(map(len, found)), 1)
    recall = right / max(sum(map(len, expected)), 1)
    return Overlap(precision, recall, 2 * precision * recall / max(precision + recall, 1e-9))

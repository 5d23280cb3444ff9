"""Which words of a conversation belong to the question that is asked next.

A token classifier after QuReTeC (Voskarides et al., SIGIR 2020): the frozen embedder reads question and
history in one pass, and a small head, two transformer layers and one linear layer, says of each word of
the history how likely it is to belong to the question.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.computing import in_one_thread
from qa.conversation.rules import Turn
from qa.embedder import Embedder
from qa.errors import MissingWeights
from qa.reader.weights import read_tensors
from qa.words import WORD, is_content, stem, stems

if TYPE_CHECKING:
    import torch

WEIGHTS = Path(__file__).parent.parent / "weights" / "conversation"
MOST_TOKENS = 128  # of question and history together: one short pass
MOST_PART_TOKENS = 32  # of one question or answer of the history
DISTANCES = 8  # turns further back than this count as this far

QUESTION, ASKED, ANSWERED = 0, 1, 2  # the parts of a conversation


@dataclass(frozen=True, slots=True)
class Word:
    """A content word of the history: `turn` counts from 0, `part` is ASKED or ANSWERED, `start` and `end`
    are its place there, `token` the position of its first piece in the layout."""

    turn: int
    part: int
    start: int
    end: int
    text: str
    token: int


@dataclass(frozen=True, slots=True)
class Layout:
    """[CLS] question [SEP] oldest turn [SEP] … newest turn [SEP]; the arrays have one entry a token."""

    ids: list[int]
    parts: list[int]
    distances: list[int]  # 0: the question, 1: the newest turn
    words: list[Word]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A word of the history and how likely it is to belong to the question, 0 to 1."""

    word: Word
    probability: float


class Terms:
    """Weighs the words of a history. The weights are loaded with the first follow-up; threads may share
    one."""

    def __init__(self, embedder: Embedder, weights: Path = WEIGHTS) -> None:
        self._embedder = embedder
        self._folder = weights

    @in_one_thread
    def weigh(self, question: str, history: Sequence[Turn]) -> list[Weighed]:
        """Every content word of the history that the question does not say itself, in the history's
        order. Raises `MissingWeights`."""
        layout = lay_out(question, history, self._embedder)
        if not layout.words:
            return []
        import torch  # noqa: PLC0415

        states = torch.from_numpy(self._embedder.token_states([layout.ids])[0]).float()
        with torch.inference_mode():
            logits = self._head(
                states[None],
                torch.tensor([layout.parts]),
                torch.tensor([layout.distances]),
            )[0]
        probabilities = torch.sigmoid(logits).tolist()
        return [Weighed(word, probabilities[word.token]) for word in layout.words]

    @property
    def threshold(self) -> float:
        """How likely a word must be to be carried over; chosen on dialogues held out of training."""
        return float(self._config["threshold"])

    @cached_property
    def _config(self) -> dict[str, Any]:
        return dict(json.loads(_file(self._folder, "config.json").read_text(encoding="utf-8")))

    @cached_property
    def _head(self) -> torch.nn.Module:
        try:
            head = new_head(self._config["width"], self._config["layers"])
            head.load_state_dict(read_tensors(_file(self._folder, "model.safetensors")))
        except MissingWeights:
            raise
        except Exception as error:  # safetensors, JSON and torch each raise their own kinds
            raise MissingWeights(
                f"The conversation weights in {self._folder} are damaged ({error}); install the package "
                "again: pip install --force-reinstall --no-deps ."
            ) from error
        return head.eval()


def new_head(width: int, layers: int, dropout: float = 0.0) -> torch.nn.Module:
    """states (n, tokens, 384), parts and distances (n, tokens), padding (n, tokens) → logits (n, tokens)."""
    import torch  # noqa: PLC0415

    class Head(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = torch.nn.Linear(Embedder.dimension, width)
            self.part = torch.nn.Embedding(3, width)
            self.distance = torch.nn.Embedding(DISTANCES + 1, width)
            layer = torch.nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            self.layers = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
            self.score = torch.nn.Linear(width, 1)

        def forward(
            self,
            states: torch.Tensor,
            parts: torch.Tensor,
            distances: torch.Tensor,
            padding: torch.Tensor | None = None,
        ) -> torch.Tensor:
            mixed = self.project(states) + self.part(parts) + self.distance(distances)
            mixed = self.layers(mixed, src_key_padding_mask=padding)
            return self.score(mixed)[..., 0]  # type: ignore[no-any-return]

    return Head()


def lay_out(question: str, history: Sequence[Turn], embedder: Embedder) -> Layout:
    """Tokens and words. Where the history is too long, the first turn, which often names the topic, and
    the newest ones are kept."""
    cls, sep = embedder.special_tokens
    asked = embedder.pieces(question)[: MOST_TOKENS // 2]
    ids = [cls, *(piece[0] for piece in asked), sep]
    parts, distances = [QUESTION] * len(ids), [0] * len(ids)
    said = stems(question)

    pieces = [
        [(ASKED, embedder.pieces(q)[:MOST_PART_TOKENS]), (ANSWERED, embedder.pieces(a)[:MOST_PART_TOKENS])]
        for q, a in history
    ]
    lengths = [len(q[1]) + len(a[1]) + 1 for q, a in pieces]
    words: list[Word] = []
    for turn in _fitting(lengths, MOST_TOKENS - len(ids)):
        distance = min(len(history) - turn, DISTANCES)
        for part, tokens in pieces[turn]:
            text = history[turn][part - ASKED]
            first = {start: len(ids) + i for i, (_, start, _) in enumerate(tokens)}
            words += [
                Word(turn, part, match.start(), match.end(), match.group(), first[match.start()])
                for match in WORD.finditer(text)
                if match.start() in first and is_content(match.group()) and stem(match.group()) not in said
            ]
            ids += [piece[0] for piece in tokens]
            parts += [part] * len(tokens)
            distances += [distance] * len(tokens)
        ids.append(sep)
        parts.append(ANSWERED)
        distances.append(distance)
    return Layout(ids, parts, distances, words)


def _fitting(lengths: Sequence[int], room: int) -> list[int]:
    """The turns that fit, in order: the first one and the newest."""
    if not lengths:
        return []
    kept, room = [], room - lengths[0]
    for turn in range(len(lengths) - 1, 0, -1):
        if lengths[turn] > room:
            break
        room -= lengths[turn]
        kept.append(turn)
    return ([0] if room >= 0 else []) + kept[::-1]


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise MissingWeights(
            f"The conversation {name} is missing from {folder}; install the package again: "
            "pip install --force-reinstall --no-deps ."
        )
    return folder / name

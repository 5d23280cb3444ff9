"""A second look at the reader's candidates: each one marked, in its own surroundings, and scored again.

The reader weighs every span of a passage at once; which of its best ones answers is easier to tell with
one of them in view (RECONSIDER: span-focused cross-attention; Iyer et al., NAACL 2021), and under the
title of its document, which tells whom or what the passage is about. The re-ranker is the reader's
encoder trained on: its candidate has a token type of its own, and its score is the reader's, start plus
end logit relative to [CLS]. It shares the shipped reader's word embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qa.reader.model import QUESTION_TOKENS, WEIGHTS, encoder, fingerprint, require, tokenizer_of

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

RERANKER = WEIGHTS.with_name("reranker")
TITLE_TOKENS = 16
BEFORE, AFTER = 40, 24  # tokens of the passage that are read beside a candidate
MARKED = 2  # token type of a candidate's tokens
TOKEN_TYPES = 3


class Place(NamedTuple):
    """A candidate: `text[start:end]`, of a document of this title."""

    title: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marked:
    """[CLS] question [SEP] title [SEP] words before, candidate, words after [SEP]."""

    ids: list[int]
    types: list[int]
    first: int  # tokens of the candidate
    last: int


def mark(tokenizer: Tokenizer, question: str, place: Place) -> Marked:
    """A question with one candidate."""
    asked = tokenizer.encode(question, add_special_tokens=False).ids[:QUESTION_TOKENS]
    title = tokenizer.encode(place.title.removesuffix("…"), add_special_tokens=False).ids[:TITLE_TOKENS]
    body = tokenizer.encode(place.text, add_special_tokens=False)
    inside = [i for i, (a, b) in enumerate(body.offsets) if a < place.end and b > place.start]
    first, last = inside[0], inside[-1]
    begin = max(0, first - BEFORE)
    piece = body.ids[begin : last + 1 + AFTER]
    cls, sep = tokenizer.encode("").ids
    head = [cls, *asked, sep, *title, sep]
    shift = len(head) - begin
    types = [0] * len(head) + [1] * (len(piece) + 1)
    types[first + shift : last + 1 + shift] = [MARKED] * (last - first + 1)
    return Marked([*head, *piece, sep], types, first + shift, last + shift)


def batch(marked: Sequence[Marked]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, token types and attention mask, each of shape (candidates, width)."""
    width = max(len(each.ids) for each in marked)
    ids, types, mask = (np.zeros((len(marked), width), dtype=np.int64) for _ in range(3))
    for row, each in enumerate(marked):
        n = len(each.ids)
        ids[row, :n], types[row, :n], mask[row, :n] = each.ids, each.types, 1
    return ids, types, mask


def span_scores(model: Any, marked: Sequence[Marked]) -> torch.Tensor:
    """Start plus end logit of each candidate, relative to [CLS]; of shape (candidates,)."""
    import torch  # noqa: PLC0415

    ids, types, mask = (torch.from_numpy(array) for array in batch(marked))
    output = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
    starts, ends = output.start_logits.float(), output.end_logits.float()  # (candidates, width)
    rows = torch.arange(len(marked))
    first, last = torch.tensor([(each.first, each.last) for each in marked]).T
    scores: torch.Tensor = starts[rows, first] - starts[:, 0] + ends[rows, last] - ends[:, 0]
    return scores


class Reranker:
    """Scores candidates. The model is loaded with the first question; threads may share one."""

    def __init__(self, weights: Path = RERANKER) -> None:
        """Raises `MissingWeights` where a file of the weights is not there."""
        self.weights = weights
        require(weights, ("config.json", "model.safetensors"), "re-ranker")
        self._lock = Lock()

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the weights' SHA-256."""
        return fingerprint(self.weights)

    def warm(self) -> None:
        """Load the model now rather than with the first question."""
        with self._lock:
            _ = self._model, self._tokenizer

    def scores(self, question: str, candidates: Sequence[Place]) -> list[float]:
        """How well each candidate answers, in logits; 0: as well as none."""
        import torch  # noqa: PLC0415

        if not candidates:
            return []
        with self._lock, torch.inference_mode():
            marked = [mark(self._tokenizer, question, candidate) for candidate in candidates]
            scores: list[float] = span_scores(self._model, marked).tolist()
            return scores

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return tokenizer_of(WEIGHTS)

    @cached_property
    def _model(self) -> Any:
        return encoder(self.weights, "re-ranker")

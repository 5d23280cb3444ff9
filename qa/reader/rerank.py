"""A second look at the reader's candidates: each one marked, in its own surroundings, and scored again.

The reader weighs every span of a passage at once; which of its best ones answers is easier to tell with
one of them in view (RECONSIDER: span-focused cross-attention; Iyer et al., NAACL 2021), and under the
title of its document, which tells whom or what the passage is about. The re-ranker is the reader's
encoder trained on: its candidate has a token type of its own, and its score is the reader's, start plus
end logit relative to [CLS]. The comparer is another one, which reads all candidates in one sequence, so
that each is weighed in view of the others. Both share the shipped reader's word embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qa.computing import in_one_thread
from qa.reader.model import QUESTION_TOKENS, WEIGHTS, encoder, fingerprint, require, tokenizer_of

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

RERANKER, COMPARER = WEIGHTS.with_name("reranker"), WEIGHTS.with_name("comparer")
TITLE_TOKENS = 16
BEFORE, AFTER = 40, 40  # tokens of the text that are read beside a candidate
LONGEST = 512  # tokens of a sequence; candidates that do not fit are not looked at
MARKED = 2  # token type of a candidate's tokens
TOKEN_TYPES = 3


class Place(NamedTuple):
    """A candidate: `text[start:end]`, of a document of this title."""

    title: str
    text: str
    start: int
    end: int


class Looks(NamedTuple):
    """How well a candidate answers, in logits; 0: as well as none."""

    reranked: float  # alone
    compared: float  # beside the other candidates


@dataclass(frozen=True, slots=True)
class Marked:
    """[CLS] question [SEP] title [SEP] words before, candidate, words after [SEP] title [SEP] … [SEP]"""

    ids: list[int]
    types: list[int]
    places: list[tuple[int, int]]  # first and last token of each candidate
    head: int  # tokens before the first title


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
    ahead = [cls, *asked, sep, *title, sep]
    shift = len(ahead) - begin
    types = [0] * len(ahead) + [1] * (len(piece) + 1)
    types[first + shift : last + 1 + shift] = [MARKED] * (last - first + 1)
    return Marked([*ahead, *piece, sep], types, [(first + shift, last + shift)], len(asked) + 2)


def side_by_side(marked: Sequence[Marked]) -> Marked:
    """Candidates of one question in one sequence, the first of them that fit."""
    head = marked[0].head
    found = Marked(marked[0].ids[:head], marked[0].types[:head], [], head)
    for each in marked:
        shift = len(found.ids) - head
        if len(each.ids) + shift > LONGEST:
            break
        found.ids.extend(each.ids[head:])
        found.types.extend(each.types[head:])
        found.places.extend((first + shift, last + shift) for first, last in each.places)
    return found


def batch(marked: Sequence[Marked]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, token types and attention mask, each of shape (candidates, width)."""
    width = max(len(each.ids) for each in marked)
    ids, types, mask = (np.zeros((len(marked), width), dtype=np.int64) for _ in range(3))
    for row, each in enumerate(marked):
        n = len(each.ids)
        ids[row, :n], types[row, :n], mask[row, :n] = each.ids, each.types, 1
    return ids, types, mask


def span_scores(model: Any, marked: Sequence[Marked]) -> torch.Tensor:
    """Start plus end logit of each candidate, relative to its sequence's [CLS]; of shape (candidates,)."""
    import torch  # noqa: PLC0415

    ids, types, mask = (torch.from_numpy(array) for array in batch(marked))
    output = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
    starts, ends = output.start_logits.float(), output.end_logits.float()  # (sequences, width)
    places = [(row, first, last) for row, each in enumerate(marked) for first, last in each.places]
    rows, first, last = torch.tensor(places).T
    scores: torch.Tensor = starts[rows, first] - starts[rows, 0] + ends[rows, last] - ends[rows, 0]
    return scores


class Reranker:
    """Scores candidates. The models are loaded with the first question; threads may share one."""

    def __init__(self, weights: Path = RERANKER, comparer: Path = COMPARER) -> None:
        """Raises `MissingWeights` where a file of the weights is not there."""
        self.weights, self.comparer = weights, comparer
        for folder, what in ((weights, "re-ranker"), (comparer, "comparer")):
            require(folder, ("config.json", "model.safetensors"), what)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """The first 16 hex digits of the weights' SHA-256, of both models."""
        return {"reranker": fingerprint(self.weights), "comparer": fingerprint(self.comparer)}

    @in_one_thread
    def warm(self) -> None:
        """Load the models now rather than with the first question."""
        _ = self._models, self._tokenizer

    @in_one_thread
    def scores(self, question: str, candidates: Sequence[Place]) -> list[Looks]:
        """Of each candidate, in their order; what a sequence has no room for counts for one logit less than
        the lowest there."""
        import torch  # noqa: PLC0415

        if not candidates:
            return []
        with torch.inference_mode():
            reranker, comparer = self._models
            marked = [mark(self._tokenizer, question, candidate) for candidate in candidates]
            alone = span_scores(reranker, marked).tolist()
            beside = span_scores(comparer, [side_by_side(marked)]).tolist()
        beside += [min(beside) - 1] * (len(alone) - len(beside))
        return [Looks(*scores) for scores in zip(alone, beside, strict=True)]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return tokenizer_of(WEIGHTS)

    @cached_property
    def _models(self) -> tuple[Any, Any]:
        return encoder(self.weights, "re-ranker"), encoder(self.comparer, "comparer")

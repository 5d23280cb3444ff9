"""The encoder over packed rows in plain torch, and what is learned with it.

The same BERT as in transformers (Devlin et al., NAACL 2019; MiniLM: Wang et al., NeurIPS 2020), but for
rows in which windows lie side by side. Weights are in 32 bits; the arithmetic is in bf16 on a GPU, and on a
processor that has it. On a GPU the attention is flash attention over sequences of various lengths (Dao,
ICLR 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from qa.minilm import weights_folder
from qa.reader.decode import MAX_ANSWER_TOKENS, SPANS_PER_WINDOW
from qa.reader.weights import read_tensors
from qa.training.packing import ROW, Batch

WIDTH, HEADS = 384, 12
NORM = 1e-12
NOWHERE = -1e4  # score where no span may be
ALIGNED = 16  # bytes; each array of a batch begins at a multiple

_EMBEDDINGS = {
    "position": "bert.embeddings.position_embeddings.weight",
    "kind": "bert.embeddings.token_type_embeddings.weight",
    "embedded_scale": "bert.embeddings.LayerNorm.weight",
    "embedded_shift": "bert.embeddings.LayerNorm.bias",
    "out": "qa_outputs.weight",
    "out_bias": "qa_outputs.bias",
}
_LAYER = {
    "attended": "attention.output.dense.weight",
    "attended_bias": "attention.output.dense.bias",
    "attended_scale": "attention.output.LayerNorm.weight",
    "attended_shift": "attention.output.LayerNorm.bias",
    "wide": "intermediate.dense.weight",
    "wide_bias": "intermediate.dense.bias",
    "narrow": "output.dense.weight",
    "narrow_bias": "output.dense.bias",
    "narrow_scale": "output.LayerNorm.weight",
    "narrow_shift": "output.LayerNorm.bias",
}
_PROJECTED = ("query", "key", "value")


@dataclass(frozen=True, slots=True)
class Inputs:
    """A `Batch` as tensors of one device, of the same shapes."""

    ids: Tensor
    positions: Tensor
    types: Tensor
    sequences: Tensor
    bounds: Tensor
    starts: Tensor
    inside: Tensor
    inside_of: Tensor
    windows: Tensor
    origins: Tensor
    places: Tensor
    right: Tensor
    none: Tensor
    masked: Tensor
    hidden: Tensor
    questions: int
    candidates: bool

    @classmethod
    def of(cls, batch: Batch, device: str) -> Inputs:
        """By one copy: fifteen, each pinned anew, took half of a step on a GPU."""
        values = {each.name: getattr(batch, each.name) for each in fields(cls)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        sizes = [-(-array.nbytes // ALIGNED) * ALIGNED for array in arrays.values()]
        begins = np.cumsum([0, *sizes]).tolist()
        host = torch.empty(begins.pop(), dtype=torch.uint8, pin_memory=device == "cuda")
        for begin, array in zip(begins, arrays.values(), strict=True):
            host.numpy()[begin : begin + array.nbytes] = array.reshape(-1).view(np.uint8)
        there = host.to(device, non_blocking=True)
        for begin, (name, array) in zip(begins, arrays.items(), strict=True):
            part = there[begin : begin + array.nbytes]
            values[name] = part.view(torch.from_numpy(array).dtype).view(array.shape)
        return cls(**values)


def pretrained() -> dict[str, Tensor]:
    """The embedder's own encoder, named as a reader's. Raises `MissingWeights`."""
    stored = read_tensors(weights_folder() / "model.safetensors")
    return {f"bert.{name}": weight for name, weight in stored.items()}


class Encoder(nn.Module):
    """BERT with start and end logits. The word embeddings are frozen, and no part of its state."""

    words: Tensor
    layers: Any  # each an nn.ParameterDict
    out: Tensor
    out_bias: Tensor

    def __init__(self, weights: Mapping[str, Tensor], words: Tensor, token_types: int = 2) -> None:
        """`weights` have transformers' names; logits and token types that they lack begin at random, the
        latter near that of the passage. `words` are of shape (vocabulary, 384), and their type is that of
        the arithmetic."""
        super().__init__()
        self.register_buffer("words", words, persistent=False)
        logits = {"qa_outputs.weight": 0.02 * torch.randn(2, WIDTH), "qa_outputs.bias": torch.zeros(2)}
        weights = {**logits, **weights}
        kinds = weights[_EMBEDDINGS["kind"]].float()
        if (more := token_types - len(kinds)) > 0:
            new = kinds[1:] + 0.02 * torch.randn(more, WIDTH)
            weights = {**weights, _EMBEDDINGS["kind"]: torch.cat([kinds, new])}
        for short, name in _EMBEDDINGS.items():
            self.register_parameter(short, _parameter(weights[name]))
        layers = 1 + max(
            int(name.split(".")[3]) for name in weights if name.startswith("bert.encoder.layer.")
        )
        self.layers = nn.ModuleList()
        for number in range(layers):
            prefix = f"bert.encoder.layer.{number}."
            layer = nn.ParameterDict({short: _parameter(weights[prefix + n]) for short, n in _LAYER.items()})
            for short, kind in (("projected", "weight"), ("projected_bias", "bias")):
                parts = [weights[f"{prefix}attention.self.{part}.{kind}"].float() for part in _PROJECTED]
                layer[short] = _parameter(torch.cat(parts))
            self.layers.append(layer)

    def forward(self, inputs: Inputs, dropout: float = 0.0) -> Tensor:
        """The last states, shape (T, 384)."""
        p = dropout if self.training else 0.0
        fused = _fused(self.words.device.type)
        embeddings = (self.words, self.position, self.kind, self.embedded_scale, self.embedded_shift)
        x = fused.embed(inputs.ids, inputs.positions, inputs.types, *embeddings, p)
        for layer in self.layers:
            projected = fused.project(x, layer["projected"], layer["projected_bias"])
            attended = _attention(projected, inputs)
            x = fused.finish(x, attended, *(layer[short] for short in _LAYER), p)
        return x  # type: ignore[no-any-return]

    def logits(self, states: Tensor) -> Tensor:
        """Start and end logits, shape (T, 2), in 32 bits."""
        return functional.linear(states.float(), self.out, self.out_bias)

    def state(self) -> dict[str, Tensor]:
        """The weights by transformers' names, in 32 bits on the processor; the word embeddings are not
        among them."""
        found = {name: getattr(self, short) for short, name in _EMBEDDINGS.items()}
        for number, layer in enumerate(self.layers):
            prefix = f"bert.encoder.layer.{number}."
            found |= {prefix + name: layer[short] for short, name in _LAYER.items()}
            for short, kind in (("projected", "weight"), ("projected_bias", "bias")):
                for part, weight in zip(_PROJECTED, layer[short].chunk(3), strict=True):
                    found[f"{prefix}attention.self.{part}.{kind}"] = weight
        return {name: weight.detach().float().cpu().clone() for name, weight in found.items()}


class WarmUp(nn.Module):
    """An encoder with a head that guesses hidden words."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.dense = _parameter(0.02 * torch.randn(WIDTH, WIDTH))
        self.dense_bias = _parameter(torch.zeros(WIDTH))
        self.scale = _parameter(torch.ones(WIDTH))
        self.shift = _parameter(torch.zeros(WIDTH))
        self.bias = _parameter(torch.zeros(len(encoder.words)))

    def words(self, states: Tensor) -> Tensor:
        """Logits over the vocabulary, of shape (n, vocabulary), for n states."""
        x = functional.gelu(functional.linear(states.float(), self.dense, self.dense_bias))
        x = functional.layer_norm(x, (WIDTH,), self.scale, self.shift, NORM)
        words = self.encoder.words
        return functional.linear(x.to(words.dtype), words).float() + self.bias


# The encoder's parts


def _parameter(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach().float().clone())


def _norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return functional.layer_norm(x.float(), (WIDTH,), scale, shift, NORM).to(x.dtype)


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return functional.linear(x, weight.to(x.dtype), bias.to(x.dtype))


def _rows(matrix: Tensor, numbers: Tensor) -> Tensor:
    """`matrix[numbers]` as a product, for the sake of its gradient: where thousands of tokens share a row, a
    GPU would add them up one by one."""
    one_hot = numbers[:, None] == torch.arange(len(matrix), device=numbers.device)
    return one_hot.to(matrix.dtype) @ matrix


def _embed(
    ids: Tensor,
    positions: Tensor,
    types: Tensor,
    words: Tensor,
    position: Tensor,
    kind: Tensor,
    scale: Tensor,
    shift: Tensor,
    p: float,
) -> Tensor:
    x = words[ids].float() + _rows(position, positions) + _rows(kind, types)
    return functional.dropout(_norm(x, scale, shift).to(words.dtype), p, p > 0)


def _finish(
    x: Tensor,
    attended: Tensor,
    out: Tensor,
    out_bias: Tensor,
    out_scale: Tensor,
    out_shift: Tensor,
    wide: Tensor,
    wide_bias: Tensor,
    narrow: Tensor,
    narrow_bias: Tensor,
    narrow_scale: Tensor,
    narrow_shift: Tensor,
    p: float,
) -> Tensor:
    """What follows a layer's attention. The arguments are in the order of `_LAYER`."""
    x = _norm(x + functional.dropout(_linear(attended, out, out_bias), p, p > 0), out_scale, out_shift)
    y = _linear(functional.gelu(_linear(x, wide, wide_bias)), narrow, narrow_bias)
    return _norm(x + functional.dropout(y, p, p > 0), narrow_scale, narrow_shift)


class _Fused(NamedTuple):
    embed: Any
    project: Any
    finish: Any


@cache
def _fused(device: str) -> _Fused:
    """Compiled on a GPU, where that makes training twice as fast. All batches are of one shape."""
    parts = (_embed, _linear, _finish)
    return _Fused(*(torch.compile(part, dynamic=False) for part in parts) if device == "cuda" else parts)


def _attention(projected: Tensor, inputs: Inputs) -> Tensor:
    """Each token attends to its own window; (T, 3 · 384) → (T, 384)."""
    if projected.is_cuda:
        q, k, v = projected.view(-1, 3, HEADS, WIDTH // HEADS).unbind(1)
        flash = torch.ops.aten._flash_attention_forward
        found = flash(q, k, v, inputs.bounds, inputs.bounds, ROW, ROW, 0.0, False, False)[0]
        return found.reshape(-1, WIDTH)  # type: ignore[no-any-return]
    q, k, v = projected.view(-1, ROW, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
    sequences = inputs.sequences.view(-1, ROW)
    same = sequences[:, None, :, None] == sequences[:, None, None, :]
    found = functional.scaled_dot_product_attention(q, k, v, attn_mask=same)
    return found.permute(0, 2, 1, 3).reshape(-1, WIDTH)


# What is learned, and what is found


def reading_loss(logits: Tensor, inputs: Inputs) -> Tensor:
    """Mean over the questions of −log P(start) P(end), marginal over the places of the answer.

    A question's windows share one softmax (shared normalisation; Clark & Gardner, ACL 2018). Logits are
    relative to each window's [CLS], so that what is normalised is the gap by which the product ranks
    spans; one null option of score 0 stands for "none of them answers".
    """
    gaps = _relative(logits, inputs)
    starts, ends = _whole(gaps, inputs)
    first, last, question = inputs.places.unbind(1)
    scores = torch.cat([gaps[first, 0] + gaps[last, 1], gaps.new_zeros(len(inputs.none))])
    chosen = _logsumexp(scores, torch.cat([question, inputs.none]), inputs.questions)
    return (starts + ends - chosen).mean()


def taught_loss(logits: Tensor, told: Tensor, inputs: Inputs) -> Tensor:
    """Mean over the questions of the cross-entropy of where the answer starts and of where it ends, or that
    there is none, with what another reader's logits `told`, (T, 2), say (Hinton et al. 2015); normalised as
    in `reading_loss`."""
    gaps, of_told = _relative(logits, inputs), _relative(told, inputs)
    total = gaps.new_zeros(())
    for at, (whole, whole_told) in enumerate(zip(_whole(gaps, inputs), _whole(of_told, inputs), strict=True)):
        now = gaps[:, at].index_select(0, inputs.inside) - whole.index_select(0, inputs.inside_of)
        was = of_told[:, at].index_select(0, inputs.inside) - whole_told.index_select(0, inputs.inside_of)
        total = total - (was.exp() * now).sum() + ((-whole_told).exp() * whole).sum()  # null: a gap of 0
    return total / inputs.questions


def reranking_loss(logits: Tensor, inputs: Inputs) -> Tensor:
    """Mean over the questions of −log P(a right candidate is chosen), or none where none is right. The
    candidates of a question and "none of them", of score 0, share one softmax."""
    gaps = _relative(logits, inputs)
    n = inputs.questions
    zeros = gaps.new_zeros(n)
    first, last, question = inputs.places.unbind(1)
    scores = gaps[first, 0] + gaps[last, 1]
    everything = torch.cat([question, torch.arange(n, device=gaps.device)])
    whole = _logsumexp(torch.cat([scores, zeros]), everything, n)
    right = torch.cat([scores[inputs.right], zeros[: len(inputs.none)]])
    chosen = _logsumexp(right, torch.cat([question[inputs.right], inputs.none]), n)
    return (whole - chosen).mean()


def warm_up_loss(model: WarmUp, states: Tensor, inputs: Inputs) -> Tensor:
    """The loss of reading plus the mean cross-entropy of the hidden words."""
    guessed = functional.cross_entropy(model.words(states[inputs.masked]), inputs.hidden)
    return reading_loss(model.encoder.logits(states), inputs) + guessed


def best_spans(
    logits: Tensor, inputs: Inputs, continues: Tensor, most: int = SPANS_PER_WINDOW
) -> tuple[Tensor, Tensor, Tensor]:
    """The best spans of each window that do not overlap: score relative to [CLS], first and last token of
    the body, each of shape (windows, most). They cut no word, by `continues`, (vocabulary,). Where a window
    has fewer, the score is `NOWHERE` or less."""
    gaps = _relative(logits, inputs)
    at, lengths = inputs.windows[:, 1:2], inputs.windows[:, 2:3]
    tokens = torch.arange(int(lengths.max()), device=gaps.device)
    where = (at + tokens).clamp(max=len(gaps) - 1)  # (windows, longest)
    outside = tokens >= lengths
    going_on = continues[inputs.ids[where].long()] & ~outside
    last_of_word = functional.pad(~going_on[:, 1:], (0, 1), value=True)
    starts = gaps[where, 0].masked_fill(outside | going_on, 2 * NOWHERE)
    ends = gaps[where, 1].masked_fill(outside | ~last_of_word, 2 * NOWHERE)
    ends = functional.pad(ends, (0, MAX_ANSWER_TOKENS - 1), value=2 * NOWHERE)
    scores = starts[:, :, None] + ends.unfold(1, MAX_ANSWER_TOKENS, 1)  # (windows, first, length - 1)
    firsts = tokens[None, :, None]
    lasts = firsts + torch.arange(MAX_ANSWER_TOKENS, device=gaps.device)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(most):
        best, which = scores.flatten(1).max(1)
        first = which // MAX_ANSWER_TOKENS
        last = first + which % MAX_ANSWER_TOKENS
        found.append((best, first, last))
        overlapping = (firsts <= last[:, None, None]) & (lasts >= first[:, None, None])
        scores = scores.masked_fill(overlapping, 2 * NOWHERE)
    best, first, last = (torch.stack(each, 1) for each in zip(*found, strict=True))
    return best, first, last


def _whole(gaps: Tensor, inputs: Inputs) -> list[Tensor]:
    """log Σ exp of all places where the answer may start, and of those where it may end, the null option
    among them; each of shape (questions,)."""
    nulls = torch.arange(inputs.questions, device=gaps.device)
    of = torch.cat([inputs.inside_of, nulls])
    return [
        _logsumexp(
            torch.cat([side.index_select(0, inputs.inside), torch.zeros_like(nulls, dtype=side.dtype)]),
            of,
            inputs.questions,
        )
        for side in gaps.unbind(1)
    ]


def _relative(logits: Tensor, inputs: Inputs) -> Tensor:
    """Logits over those of the window's [CLS], shape (T, 2)."""
    return logits - logits.index_select(0, inputs.starts)


def _logsumexp(values: Tensor, groups: Tensor, n: int) -> Tensor:
    """log Σ exp of the values of each group, shape (n,)."""
    top = values.new_zeros(n).scatter_reduce(0, groups, values.detach(), "amax", include_self=False)
    return top + values.new_zeros(n).index_add(0, groups, (values - top.index_select(0, groups)).exp()).log()

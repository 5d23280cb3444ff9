"""Linear layers that multiply in 8 bits while they train, for processors that have no bf16.

SwitchBack (Wortsman et al., NeurIPS 2023): the output and the gradient of the input are products of
8-bit integers, each row with its own scale; the gradient of the weights, which sums over all tokens,
stays in 32 bits, and so do the weights themselves.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(rows, weight)
        return (_multiply(rows, weight.t()) + bias).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows, weight = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, gradients[0].shape[-1])
        inward = _multiply(gradient, weight).view(*gradients[0].shape[:-1], -1)
        return inward, gradient.t() @ rows, gradient.sum(0)


def _multiply(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a @ b, (m, k) by (k, n), with a scale for each row of a and each column of b."""
    (left, row), (right, column) = _quantise(a, 1), _quantise(b, 0)
    return torch._int_mm(left, right.contiguous()).float() * row * column


def _quantise(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    scale = x.abs().amax(dim, keepdim=True).clamp_min(1e-12) / 127
    return (x / scale).round().to(torch.int8), scale


class EightBitLinear(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product: torch.Tensor = _Product.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return product


def in_eight_bits(model: nn.Module) -> None:
    """All linear layers but the last, whose output is the answer; the weights stay where they are."""
    layers = [module for module in model.modules() if type(module) is nn.Linear]
    for layer in layers[:-1]:
        layer.__class__ = EightBitLinear

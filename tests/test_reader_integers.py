"""Linear layers as products of 8-bit integers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from qa.reader.integers import IntegerLinear, in_integers
from qa.reader.model import WEIGHTS, Reader
from qa.reader.weights import load
from qa.types import Passage

floats = st.floats(-50, 50, width=32)


@given(arrays(np.float32, (5, 24), elements=floats), arrays(np.float32, (7, 24), elements=floats))
def test_a_product_is_as_near_as_half_a_step_of_each_number_allows(x: np.ndarray, w: np.ndarray) -> None:
    linear = _linear(w)

    found = IntegerLinear(linear)(torch.from_numpy(x)).numpy()

    exact = linear(torch.from_numpy(x)).detach().numpy()
    steps = np.abs(x).max(axis=1, keepdims=True) / 127, np.abs(w).max(axis=1) / 127
    # |x w - x' w'| <= |x - x'| |w| + |x'| |w - w'|, each at most half a step off, a little more where the
    # 16-bit scale of the weights rounds.
    bound = 0.51 * steps[0] * np.abs(w).sum(axis=1) + np.abs(x).sum(axis=1, keepdims=True) * 0.62 * steps[1]
    assert np.all(np.abs(found - exact) <= bound + 24 * 50 * 50 * 1e-5)


@given(arrays(np.float32, (4, 16), elements=floats))
def test_what_stands_beside_a_token_does_not_change_its_product(x: np.ndarray) -> None:
    layer = IntegerLinear(_linear(np.linspace(-1, 1, 8 * 16, dtype=np.float32).reshape(8, 16)))
    tokens = torch.from_numpy(x)

    together = layer(tokens[None])

    alone = torch.stack([layer(token[None])[0] for token in tokens])
    assert torch.equal(together, alone[None])


def test_a_token_of_zeros_gives_the_bias() -> None:
    layer = IntegerLinear(_linear(np.ones((3, 4), dtype=np.float32)))
    assert torch.equal(layer(torch.zeros(1, 4)), layer.bias[None])


def test_all_layers_but_the_head_are_replaced() -> None:
    model = in_integers(load(WEIGHTS, torch.float32))
    left = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    assert left == ["qa_outputs"]
    assert sum(isinstance(module, IntegerLinear) for module in model.modules()) == 6 * 6


@pytest.mark.slow
@pytest.mark.parametrize("processor", [{"avx512_vnni": True}, {}, {"amx_bf16": True}])
def test_a_passage_has_the_same_answer_in_every_arithmetic(
    monkeypatch: pytest.MonkeyPatch, processor: dict[str, object]
) -> None:
    text = (
        "The Bourbon Argos picked up 107 people aboard the inflatable boat 26 nautical miles off Libya on "
        "Tuesday. Its crew initially counted 11 corpses on the dinghy's floor."
    )
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    reader = Reader()
    passages = [(Passage.at("d", 0, len(text)), text)]
    assert [
        text[span.start : span.end]
        for question in ("Which ship picked up 107 people?", "How many corpses were counted?")
        for span in reader.read(question, passages)[:1]
    ] == ["The Bourbon Argos", "11"]


def _linear(weight: np.ndarray) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
    return linear

"""Weights kept in 8 bits each."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForQuestionAnswering

from qa.minilm import word_embeddings
from qa.reader.weights import WORDS, load, quantised, write_tensors


@given(
    arrays(
        np.float32, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-50, 50, width=32)
    )
)
def test_a_stored_weight_is_at_most_about_half_a_step_from_the_weight(matrix: np.ndarray) -> None:
    whole, scale = quantised(torch.from_numpy(matrix))

    back = (whole.float() * scale.float()).numpy()
    step = np.abs(matrix).max(axis=1, keepdims=True) / 127
    # 16-bit scales round by 1/2048 at most: up to 127/2048 of a step for the largest weight of a row,
    # and where a whole row is tinier than they can tell from 0, by that.
    assert np.all(np.abs(back - matrix) <= 0.57 * step + 127 * 6e-8)


def test_a_model_that_was_saved_answers_as_before(tmp_path: Path) -> None:
    model = _small_model()
    save(model, tmp_path)

    again = load(tmp_path, torch.float32)

    ids = torch.arange(1, 20)[None]
    assert torch.allclose(model(ids).start_logits, again(ids).start_logits, atol=0.05)
    assert not again.training


def test_what_is_stored_is_a_quarter_of_the_size(tmp_path: Path) -> None:
    model = _small_model()
    save(model, tmp_path)

    plain = 4 * sum(weight.numel() for weight in model.parameters())
    assert (tmp_path / "model.safetensors").stat().st_size < 0.35 * plain  # the header counts in a small one


def test_a_file_that_lacks_a_weight_is_refused_rather_than_filled_with_random_numbers(tmp_path: Path) -> None:
    save(_small_model(), tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    del stored["qa_outputs.weight"]
    save_file(stored, tmp_path / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ValueError, match=r"qa_outputs\.weight"):
        load(tmp_path, torch.float32)


def test_word_embeddings_that_are_not_stored_are_the_embedders(tmp_path: Path) -> None:
    small = BertConfig(hidden_size=384, num_hidden_layers=1, num_attention_heads=4, intermediate_size=8)
    model = BertForQuestionAnswering(small)
    small.save_pretrained(tmp_path)
    own = {name: weight for name, weight in model.state_dict().items() if name != WORDS}
    write_tensors(own, tmp_path / "model.safetensors")

    assert torch.equal(load(tmp_path, torch.float32).get_parameter(WORDS), word_embeddings())


def save(model: BertForQuestionAnswering, folder: Path) -> None:
    model.config.save_pretrained(folder)
    write_tensors(model.state_dict(), folder / "model.safetensors")


def _small_model() -> BertForQuestionAnswering:
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=100,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        num_labels=2,
    )
    return BertForQuestionAnswering(config).eval()

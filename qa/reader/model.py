"""Weights → start and end logits.

The reader is a BERT encoder with one linear layer that scores each token as the start and as the end
of the answer (`AutoModelForQuestionAnswering`). A passage longer than the model's window is read in
windows that overlap; the question is never truncated away, only the passage is cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.computing import arithmetic, in_one_thread, multiplies_integers
from qa.errors import MissingWeights
from qa.reader.decode import Window, best_spans
from qa.reader.weights import load
from qa.types import Passage, Span

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

WEIGHTS = Path(__file__).parent.parent / "weights" / "reader"
WINDOW_TOKENS = 384  # the length the weights were trained at
STRIDE_TOKENS = 128  # overlap of two windows over one passage
QUESTION_TOKENS = 128
BATCH_WINDOWS = 4  # more of them leave a processor's caches


class Reader:
    """Finds spans that answer a question. The model is loaded with the first question; threads may
    share one reader."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        """Raises `MissingWeights` where a file of the weights is not there."""
        self.weights = weights
        require(weights, ("config.json", "model.safetensors", "tokenizer.json"), "reader")

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the weights' SHA-256."""
        return fingerprint(self.weights)

    @in_one_thread
    def warm(self) -> None:
        """Load the model now rather than with the first question."""
        _ = self._model, self._tokenizer

    @in_one_thread
    def read(self, question: str, passages: Sequence[tuple[Passage, str]]) -> list[Span]:
        """The spans of these passages that answer best, best first, none overlapping another in its
        document. Every span has a score, however low: whether to believe it is not decided here."""
        return best_spans(self._windows(question, passages))

    def _windows(self, question: str, passages: Sequence[tuple[Passage, str]]) -> Iterator[Window]:
        import torch  # noqa: PLC0415

        pieces = [
            (passage, text, piece)
            for passage, text in passages
            for piece in _encode(self._tokenizer, question, text)
        ]
        # Batches of like length waste no work on padding; the order is fixed, so results repeat.
        pieces.sort(key=lambda item: (len(item[2]), item[0].document_id, item[0].start))
        for i in range(0, len(pieces), BATCH_WINDOWS):
            batch = pieces[i : i + BATCH_WINDOWS]
            width = max(len(piece) for *_, piece in batch)
            ids, types, mask = (np.zeros((len(batch), width), dtype=np.int64) for _ in range(3))
            for row, (*_, piece) in enumerate(batch):
                ids[row, : len(piece)] = piece.ids
                types[row, : len(piece)] = piece.type_ids
                mask[row, : len(piece)] = 1
            with torch.inference_mode():
                output = self._model(
                    input_ids=torch.from_numpy(ids),  # (batch, width)
                    token_type_ids=torch.from_numpy(types),
                    attention_mask=torch.from_numpy(mask),
                )
            starts = output.start_logits.float().numpy()  # (batch, width)
            ends = output.end_logits.float().numpy()
            for row, (passage, text, piece) in enumerate(batch):
                yield _window(passage, text, piece, starts[row], ends[row])

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return tokenizer_of(self.weights)

    @cached_property
    def _model(self) -> Any:
        return encoder(self.weights, "reader")


def require(weights: Path, names: Sequence[str], what: str) -> None:
    """Raises `MissingWeights` where one of the files is not in the folder."""
    for name in names:
        if not (weights / name).is_file():
            raise MissingWeights(
                f"The {what}'s {name} is missing from {weights}; install the package again: "
                "pip install --force-reinstall --no-deps ."
            )


def fingerprint(weights: Path) -> str:
    """The first 16 hex digits of the SHA-256 of the weights in this folder."""
    with (weights / "model.safetensors").open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:16]


def tokenizer_of(weights: Path) -> Tokenizer:
    from tokenizers import Tokenizer  # noqa: PLC0415

    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def encoder(weights: Path, what: str) -> Any:
    """The model of these weights in the arithmetic that is fast here. Raises `MissingWeights` where
    they are damaged."""
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    from qa.reader.integers import in_integers  # noqa: PLC0415

    try:
        model = load(weights, arithmetic())
    except MissingWeights:  # the embedder's, which says so itself
        raise
    except Exception as error:  # safetensors, JSON and torch each raise their own kinds
        raise MissingWeights(
            f"The {what}'s weights in {weights} are damaged ({error}); install the package "
            "again: pip install --force-reinstall --no-deps ."
        ) from error
    return in_integers(model) if multiplies_integers() else model


def _encode(tokenizer: Tokenizer, question: str, text: str) -> Iterator[Encoding]:
    """[CLS] question [SEP] piece of text [SEP], as many as cover the text."""
    head = tokenizer.encode(question, add_special_tokens=False)
    head.truncate(QUESTION_TOKENS)
    body = tokenizer.encode(text, add_special_tokens=False)
    room = WINDOW_TOKENS - len(head) - 3
    body.truncate(room, stride=STRIDE_TOKENS)
    for piece in (body, *body.overflowing):
        yield tokenizer.post_process(head, piece)


def _window(passage: Passage, text: str, piece: Encoding, starts: Any, ends: Any) -> Window:
    context = np.flatnonzero(np.asarray(piece.sequence_ids, dtype=np.float64) == 1)
    offsets = np.asarray(piece.offsets, dtype=np.int64)[context].reshape(-1, 2)
    words = np.asarray(piece.word_ids, dtype=np.float64)[context]
    change = np.flatnonzero(np.diff(words))
    starts_word = np.zeros(len(context), dtype=bool)
    ends_word = np.zeros(len(context), dtype=bool)
    if len(context):
        starts_word[0] = ends_word[-1] = True
        starts_word[change + 1] = True
        ends_word[change] = True
    return Window(
        passage=passage,
        text=text,
        start_logits=starts[context],
        end_logits=ends[context],
        offsets=offsets,
        starts_word=starts_word,
        ends_word=ends_word,
        null_score=float(starts[0] + ends[0]),
    )

"""For each question, the passages that our embedder finds near it: what it is read beside.

A reader that has only seen the passage a question was written about believes every passage (Clark &
Gardner, ACL 2018). Those that retrieval brings and that do not answer are the ones to learn from.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from qa.embedder import Embedder
from qa.training.material import Material, Numbers, Rows, Tokens

NEAREST = 16  # passages that are looked at
SILENT = 12  # of them, at most, that do not tell
BESIDE = 3  # in which candidates are looked for
AT_ONCE = 4_096  # questions: their scores over all passages fit in a GPU's memory
TEXTS_AT_ONCE = {"cpu": 8, "cuda": 512}
TOKENS = 254  # of a text that count, as the embedder has it


def nearest_passages(material: Material, device: str) -> tuple[Numbers, Numbers]:
    """(passages that tell no accepted answer, shape (questions, 12); passages whatever they tell, shape
    (questions, 3)), nearest first, without the question's own; −1 for none.

    Held-out questions have none, and held-out passages are near nothing. What the same words find elsewhere
    is accepted too.
    """
    import torch  # noqa: PLC0415

    asked = material.learned_from
    known = np.unique(material.passage[asked])
    embedder = Embedder(device)
    passages, questions = (
        torch.from_numpy(_embedded(rows, numbers, embedder, TEXTS_AT_ONCE[device])).to(device)
        for rows, numbers in ((material.passages, known), (material.questions, asked))
    )
    texts = {passage: _as_text(material.passages[passage]) for passage in known.tolist()}
    accepted: dict[int, set[str]] = defaultdict(set)
    for question in asked.tolist():
        own = texts[int(material.passage[question])]
        answers = {own[first : last + 1] for first, last in material.places_of(question)}
        accepted[int(material.wording[question])] |= answers

    silent = np.full((len(material.questions), SILENT), -1, np.int32)
    beside = np.full((len(material.questions), BESIDE), -1, np.int32)
    for begin in range(0, len(asked), AT_ONCE):
        part = asked[begin : begin + AT_ONCE].tolist()
        scores = questions[begin : begin + AT_ONCE] @ passages.T  # (questions, passages)
        rows = known[scores.topk(min(NEAREST, len(known)), dim=1).indices.cpu().numpy()].tolist()
        for question, row in zip(part, rows, strict=True):
            others = [passage for passage in row if passage != material.passage[question]]
            answers = accepted[int(material.wording[question])]
            quiet = [p for p in others if not any(answer in texts[p] for answer in answers)][:SILENT]
            silent[question, : len(quiet)] = quiet
            beside[question, : len(others[:BESIDE])] = others[:BESIDE]
    return silent, beside


def _embedded(rows: Rows, numbers: Numbers, embedder: Embedder, at_once: int) -> NDArray[np.float32]:
    """Unit vectors of some of the rows, shape (numbers, 384)."""
    vectors = np.zeros((len(numbers), embedder.dimension), np.float32)
    cls, sep = embedder.special_tokens
    order = np.argsort([len(rows[number]) for number in numbers.tolist()], kind="stable")
    for begin in range(0, len(order), at_once):
        few = order[begin : begin + at_once]
        texts = [[cls, *rows[number][:TOKENS].tolist(), sep] for number in numbers[few].tolist()]
        vectors[few] = [states.mean(axis=0) for states in embedder.token_states(texts)]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def _as_text(tokens: Tokens) -> str:
    """A character for each token, so that one run of tokens is soon found in another."""
    return "".join(map(chr, tokens.tolist()))

"""For each training question, the passages that our embedder brings and that do not answer it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from qa.embedder import Embedder
from qa.evaluation.squad import ReadingQuestion

NEAREST = 12
CHUNK = 1024  # questions at a time: their scores over all passages fit in memory


def tells(text: str, answers: Iterable[str]) -> bool:
    """Whether the text holds the words of an answer: it may well answer then."""
    return any(answer.casefold() in text.casefold() for answer in answers)


def mine(
    questions: Sequence[ReadingQuestion], device: str, cache: Path, nearest: int = NEAREST
) -> dict[str, list[str]]:
    """Question id → texts, nearest first. Kept in `cache`, and read from there for the same questions.

    Passages that tell an answer are left out, one that the same question has elsewhere too.
    """
    import torch  # noqa: PLC0415

    texts = sorted({question.context for question in questions})
    key = sha256(repr([(q.id, q.question, q.context, q.places) for q in questions]).encode()).hexdigest()
    if cache.is_file():
        kept = json.loads(cache.read_text(encoding="utf-8"))
        if kept["questions"] == key:
            return {id_: [texts[i] for i in places] for id_, places in kept["passages"].items()}

    answers: dict[str, set[str]] = {}
    for question in questions:
        answers.setdefault(question.question, set()).update(question.answers)
    embedder = Embedder(device)
    passages = torch.from_numpy(embedder.embed(texts)).to(device)  # (passages, 384)
    found: dict[str, list[int]] = {}
    for at in range(0, len(questions), CHUNK):
        part = questions[at : at + CHUNK]
        vectors = torch.from_numpy(embedder.embed([q.question for q in part])).to(device)
        rows = (vectors @ passages.T).topk(min(nearest, len(texts)), dim=1).indices.tolist()
        for question, row in zip(part, rows, strict=True):
            found[question.id] = [
                i
                for i in row
                if texts[i] != question.context and not tells(texts[i], answers[question.question])
            ]
    temporary = cache.with_suffix(".tmp")
    temporary.write_text(json.dumps({"questions": key, "passages": found}), encoding="utf-8")
    os.replace(temporary, cache)  # noqa: PTH105
    return {id_: [texts[i] for i in places] for id_, places in found.items()}

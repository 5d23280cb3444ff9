"""Question → hits: what is near in meaning (dense) and what shares its words (lexical), fused.

Neither list alone is enough: BM25 finds names and numbers that embeddings blur, embeddings find
paraphrases. They are fused by a weighted sum of their scores, each as a share of the list's best (Bruch,
Gai and Ingber, TOIS 2023): unlike a sum of reciprocal ranks, it knows a clear first from a narrow one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from qa.embedder import Embedder
from qa.store.base import Store
from qa.types import Hit

CANDIDATES = 300  # of each list
MEANING = 0.65  # weight of the dense score, the lexical one has the rest (benchmarks/fusion.py)

Ranking: TypeAlias = Sequence[tuple[int, float]]
"""(passage id, score), best first."""


@dataclass(frozen=True, slots=True)
class Rankings:
    """The passages for one question by meaning, by words, and by both."""

    dense: Ranking
    lexical: Ranking
    fused: Ranking


def retrieve(
    question: str, store: Store, embedder: Embedder, k: int, documents: Collection[str] | None = None
) -> tuple[Hit, ...]:
    """The k passages most likely to answer, best first; only from `documents` where given.

    A corpus (or choice of documents) of at most k passages is returned whole, so that "the documents
    do not say" rests on every passage.
    """
    found = rankings(question, store, embedder, max(k, CANDIDATES), documents)
    dense_rank = {passage_id: rank for rank, (passage_id, _) in enumerate(found.dense, start=1)}
    lexical_rank = {passage_id: rank for rank, (passage_id, _) in enumerate(found.lexical, start=1)}
    score = dict(found.fused[:k])
    return tuple(
        Hit(passage, text, score[passage.id], dense_rank.get(passage.id), lexical_rank.get(passage.id))
        for passage, text in store.passages(list(score))
    )


def rankings(
    question: str, store: Store, embedder: Embedder, depth: int, documents: Collection[str] | None = None
) -> Rankings:
    """The first `depth` passages of each search, and all of them fused."""
    dense = store.search_dense(embedder.embed([question])[0], depth, documents)
    lexical = store.search_lexical(question, depth, documents)
    return Rankings(dense, lexical, fuse(dense, lexical, depth))


def fuse(dense: Ranking, lexical: Ranking, depth: int, meaning: float = MEANING) -> list[tuple[int, float]]:
    """Both lists, cut at `depth`, in one order, best first, ties by id. Scores are 0 to 1 at most."""
    by_meaning, unlike = _shares(dense, depth)
    by_words, wordless = _shares(lexical, depth)
    score = {
        passage_id: meaning * by_meaning.get(passage_id, unlike)
        + (1 - meaning) * by_words.get(passage_id, wordless)
        for passage_id in by_meaning | by_words
    }
    return sorted(score.items(), key=lambda pair: (-pair[1], pair[0]))


def _shares(ranking: Ranking, depth: int) -> tuple[dict[int, float], float]:
    """Each score as a share of the best, and the share of a passage that the list does not hold: nothing
    where the list is complete, at most that of its last where it was cut."""
    best = ranking[0][1] if ranking else 0.0
    if best <= 0:
        return dict.fromkeys((passage_id for passage_id, _ in ranking), 0.0), 0.0
    shares = {passage_id: max(0.0, score) / best for passage_id, score in ranking}
    return shares, max(0.0, ranking[-1][1]) / best if len(ranking) >= depth else 0.0

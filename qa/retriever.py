"""Question → hits: what is near in meaning (dense) and what shares its words (lexical), fused.

Neither list alone is enough: BM25 finds names and numbers that embeddings blur, embeddings find
paraphrases. They are fused by reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009), which needs
no common scale.
"""

from __future__ import annotations

from collections.abc import Collection

from qa.embedder import Embedder
from qa.store.base import Store
from qa.types import Hit

CANDIDATES = 50  # of each list; what stands lower in both cannot reach the first places
RRF_K = 60  # the constant of the paper


def retrieve(
    question: str, store: Store, embedder: Embedder, k: int, documents: Collection[str] | None = None
) -> tuple[Hit, ...]:
    """The k passages most likely to answer, best first; only from `documents` where given.

    A corpus (or choice of documents) of at most k passages is returned whole, so that "the documents
    do not say" rests on every passage.
    """
    depth = max(k, CANDIDATES)
    dense = store.search_dense(embedder.embed([question])[0], depth, documents)
    lexical = store.search_lexical(question, depth, documents)
    dense_rank = {passage_id: rank for rank, (passage_id, _) in enumerate(dense, start=1)}
    lexical_rank = {passage_id: rank for rank, (passage_id, _) in enumerate(lexical, start=1)}
    score = {
        passage_id: sum(
            1 / (RRF_K + ranks[passage_id]) for ranks in (dense_rank, lexical_rank) if passage_id in ranks
        )
        for passage_id in dense_rank | lexical_rank
    }
    best = sorted(score, key=lambda passage_id: (-score[passage_id], passage_id))[:k]
    return tuple(
        Hit(passage, text, score[passage.id], dense_rank.get(passage.id), lexical_rank.get(passage.id))
        for passage, text in store.passages(best)
    )

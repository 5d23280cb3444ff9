"""The re-ranker and the comparer: how candidates are marked, and what their scores say."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa.errors import MissingWeights
from qa.reader import Reranker
from qa.reader.model import WEIGHTS, tokenizer_of
from qa.reader.rerank import (
    AFTER,
    BEFORE,
    COMPARER,
    LONGEST,
    MARKED,
    RERANKER,
    TITLE_TOKENS,
    Place,
    batch,
    mark,
    side_by_side,
)

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
    [(first, last)] = found.places

    marked = [i for i, kind in enumerate(found.types) if kind == MARKED]
    assert marked == list(range(first, last + 1))
    assert TOKENIZER.decode(found.ids[first : last + 1]) == " ".join(chosen)
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
    [(first, last)] = plain.places
    assert titled.places == [(first + len(extra), last + len(extra))]


@given(
    st.lists(st.sampled_from(["William Spindler", "AFP", "117", "Giusi Nicolini"]), min_size=1, max_size=20)
)
def test_candidates_side_by_side_are_what_each_is_alone_one_after_the_other_as_far_as_there_is_room(
    quotes: list[str],
) -> None:
    alone = [mark(TOKENIZER, "Who?", candidate(quote)) for quote in quotes]
    together = side_by_side(alone)
    head = 1 + len(TOKENIZER.encode("Who?", add_special_tokens=False)) + 1
    looked_at = alone[: len(together.places)]
    assert together.ids == [*alone[0].ids[:head], *(i for each in looked_at for i in each.ids[head:])]
    assert together.types == [*alone[0].types[:head], *(t for each in looked_at for t in each.types[head:])]
    for (first, last), each in zip(together.places, looked_at, strict=True):
        [(begin, end)] = each.places
        assert together.ids[first : last + 1] == each.ids[begin : end + 1]
    assert len(together.ids) <= LONGEST
    if len(looked_at) < len(alone):
        assert len(together.ids) + len(alone[len(looked_at)].ids) - head > LONGEST


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
        looks = reranker.scores(question, [candidate(name) for name in names])
        for scores in zip(*looks, strict=True):
            assert max(range(3), key=scores.__getitem__) == right


@pytest.mark.slow
def test_a_candidates_score_depends_on_the_others_only_where_it_is_compared_with_them() -> None:
    reranker = Reranker()
    one, two = candidate("William Spindler"), candidate("Sunday")
    together = reranker.scores("Who emailed?", [one, two])
    alone = [reranker.scores("Who emailed?", [each])[0] for each in (one, two)]
    assert [looks.reranked for looks in together] == pytest.approx([x.reranked for x in alone], abs=0.02)
    assert abs(together[0].compared - alone[0].compared) > 0.1
    assert reranker.scores("Who emailed?", []) == []


@pytest.mark.slow
def test_what_there_is_no_room_to_compare_counts_for_less_than_what_there_is() -> None:
    many = [candidate("William Spindler")] * 20
    room = len(side_by_side([mark(TOKENIZER, "Who emailed?", each) for each in many]).places)
    compared = [looks.compared for looks in Reranker().scores("Who emailed?", many)]
    assert compared[room:] == [min(compared[:room]) - 1] * (20 - room)


@pytest.mark.parametrize(("place", "model"), [(0, "re-ranker"), (1, "comparer")])
def test_missing_and_damaged_weights_are_named_with_what_mends_them(
    tmp_path: Path, place: int, model: str
) -> None:
    folders = [RERANKER, COMPARER]
    folders[place] = tmp_path
    with pytest.raises(MissingWeights, match=rf"{model}'s config\.json is missing.*pip install"):
        Reranker(*folders)
    folders[place] = tmp_path / "damaged"
    shutil.copytree((RERANKER, COMPARER)[place], folders[place])
    (folders[place] / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(MissingWeights, match=rf"{model}'s weights.*damaged.*pip install"):
        Reranker(*folders).warm()

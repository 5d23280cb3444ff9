"""The re-ranker: how a candidate is marked, what its scores say, and how it is taught."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from qa.errors import MissingWeights
from qa.reader import Reranker
from qa.reader.model import WEIGHTS, tokenizer_of
from qa.reader.rerank import AFTER, BEFORE, MARKED, RERANKER, TITLE_TOKENS, Marked, Place, batch, mark
from qa.training.folders import REPORTS_PER_FOLDER as FOLDER
from qa.training.rerank import Candidate, Settings, collect, group_loss, learned_from, train
from qa.training.written import NewsReport, ReportQuestion

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


class Scripted:
    """Gives each candidate the score that its second token names; the rest of its logits do not count."""

    def __call__(self, input_ids: torch.Tensor, **_: torch.Tensor) -> SimpleNamespace:
        logits = torch.full(input_ids.shape, 50.0)
        logits[:, 0] = 1.0
        logits[:, 1] = 1.0 + input_ids[:, 1] / 2
        return SimpleNamespace(start_logits=logits, end_logits=logits)


def test_the_loss_is_that_of_choosing_a_right_candidate_or_none_where_none_is() -> None:
    def item(score: int, right: bool, length: int = 4) -> tuple[Marked, bool]:
        return Marked([101, score] + [7] * (length - 2), [0] * length, 1, 1), right

    groups = [
        [item(3, True), item(1, False, 6), item(2, True)],
        [item(2, False), item(1, False, 9)],
    ]
    loss, tokens = group_loss(Scripted(), groups)

    first = math.log(1 + math.e**3 + math.e + math.e**2) - math.log(math.e**3 + math.e**2)
    second = math.log(1 + math.e**2 + math.e)
    assert float(loss) == pytest.approx((first + second) / 2, abs=1e-5)
    assert tokens == 4 + 6 + 4 + 4 + 9


def test_where_only_a_later_candidate_is_right_it_is_learned_from_in_the_last_ones_place() -> None:
    def found(*right: bool) -> list[Candidate]:
        return [Candidate(Place("", str(number), 0, 1), each) for number, each in enumerate(right)]

    def texts(candidates: Sequence[Candidate]) -> list[str]:
        return [each.place.text for each in candidates]

    assert texts(learned_from(found(False, False, False, True, True), 3)) == ["0", "1", "3"]
    assert texts(learned_from(found(False, True, False, True), 3)) == ["0", "1", "2"]
    assert texts(learned_from(found(False, False, False, False), 3)) == ["0", "1", "2"]
    assert texts(learned_from(found(False), 3)) == ["0"]


def report(number: int) -> NewsReport:
    text = TEXT.replace("AFP", f"Daily {number}")
    who = ReportQuestion(f"Who told Daily {number}?", "who", ((text.index("William"), text.index(" told")),))
    near = (text.index("Pope"), text.index(" pleaded"))
    return NewsReport(f"a{number:02}", text, (who, ReportQuestion("Who told Reuters?", "who", (), near)))


@pytest.mark.slow
def test_what_is_learned_from_is_found_once_and_the_weights_lack_what_the_reader_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = [report(number) for number in range(FOLDER + 8)]
    monkeypatch.setattr("qa.training.written.reports", lambda: reports)
    config = Settings(base=str(WEIGHTS), squad=0, eight_bits=False, steps=2, questions_per_step=2)
    items = collect(config, tmp_path)
    told, missed = items[:2]
    assert (told.question[:14], missed.question) == ("Who told Daily", "Who told Reuters?")
    right = next(each.place for each in told.candidates if each.right)
    assert "Spindler" in right.text[right.start : right.end]
    assert right.title.startswith("Spokesman William Spindler told")
    assert not any(c.right for c in missed.candidates)

    kept = tmp_path / "candidates.jsonl"
    lines = kept.read_text(encoding="utf-8").splitlines(keepends=True)
    kept.write_text(lines[0] + lines[1][:40], encoding="utf-8")
    assert collect(config, tmp_path) == items  # after a kill in its second part

    train(items[:6], config, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert not any("word_embeddings" in name for name in stored)
    place = candidate("William Spindler")
    first = Reranker(tmp_path).scores("Who told AFP?", [place])

    again = replace(config, begin_with=str(tmp_path), steps=1, learning_rate=0.0)
    train(items[:6], again, tmp_path / "again")
    assert Reranker(tmp_path / "again").scores("Who told AFP?", [place]) == pytest.approx(first, abs=0.05)
    away = replace(again, learning_rate=0.1, interpolation=0.0, interpolation_base=str(tmp_path))
    train(items[:6], away, tmp_path / "back")
    assert Reranker(tmp_path / "back").scores("Who told AFP?", [place]) == pytest.approx(first, abs=0.05)

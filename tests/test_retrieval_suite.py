"""Fusion of the two searches, and the suite that measures them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from qa.cli import main
from qa.errors import BadQuestion
from qa.evaluation import retrieval_suite
from qa.retriever import fuse


def test_what_both_searches_bring_comes_before_what_one_brings() -> None:
    fused = fuse([(1, 0.9), (2, 0.88)], [(2, 10.0), (3, 9.0)], depth=300)
    assert [passage_id for passage_id, _ in fused] == [2, 1, 3]


def test_a_clear_first_weighs_more_than_a_narrow_one() -> None:
    narrow = dict(fuse([(1, 0.61), (2, 0.6)], [(2, 9.0), (1, 3.0)], depth=300))
    assert narrow[2] > narrow[1]  # by rank alone, they would be equal
    clear = dict(fuse([(1, 0.9), (2, 0.3)], [(2, 3.1), (1, 3.0)], depth=300))
    assert clear[1] > clear[2]


def test_fusion_loses_no_passage_and_orders_ties_by_id() -> None:
    assert fuse([(5, -0.1), (4, -0.2)], [], depth=300) == [(4, 0.0), (5, 0.0)]
    assert fuse([], [], depth=300) == []
    assert [i for i, _ in fuse([(9, 0.5), (3, 0.5)], [], depth=300)] == [3, 9]


def test_what_a_cut_list_leaves_out_may_be_as_good_as_its_last() -> None:
    whole = dict(fuse([(1, 1.0)], [(2, 4.0), (3, 2.0)], depth=3))
    cut = dict(fuse([(1, 1.0)], [(2, 4.0), (3, 2.0)], depth=2))
    assert cut[1] > whole[1]


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    docs = [
        {"id": "1", "title": "The frigate", "text": "The Moskva is docked in the port of Messina."},
        {"id": "2", "title": "The mission", "text": "Sophia comprises five vessels and 1,200 soldiers."},
        {"id": "3", "title": "The weather", "text": "It rained all day over the hills of the north."},
    ]
    queries = [
        {"id": "q1", "text": "Where is the Moskva docked?"},
        {"id": "q2", "text": "How many vessels does Sophia have?", "split": "validation"},
        {"id": "q3", "text": "Who trains?", "split": "train"},
    ]
    qrels = {"q1": {"1": 1}, "q2": {"2": 1}, "q3": {"3": 1}}
    path = tmp_path / "small.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"docs": docs, "queries": queries, "qrels": qrels}).encode()))
    return path


def test_figures_agree_with_those_by_hand() -> None:
    relevant = {"a": {"1": 1}, "b": {"2": 1}}
    run = {"a": {"1": 0.0, "9": -1.0}, "b": {"9": 0.0, "2": -1.0}}  # first and second place
    figures = retrieval_suite.figures(relevant, run)
    assert figures["R@1"] == 0.5
    assert figures["R@5"] == 1
    assert figures["RR@10"] == pytest.approx((1 + 1 / 2) / 2)
    assert figures["nDCG@10"] == pytest.approx((1 + 0.6309) / 2, abs=1e-4)


def test_the_training_split_is_not_reported(small_set: Path) -> None:
    assert list(retrieval_suite.read_set(small_set).questions) == ["q1", "q2"]
    assert "q3" in retrieval_suite.read_set(small_set, split="train").questions


def test_what_is_no_retrieval_set_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(b"nothing")
    for name in ("x.json.gz", "missing.json.gz"):
        with pytest.raises(BadQuestion, match=r"cannot be read as a retrieval set.*QA_DATA"):
            retrieval_suite.read_set(tmp_path / name)


def test_the_suite_prints_a_table_and_leaves_records(
    small_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["eval", "--suite", "retrieval", str(small_set), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "3 documents, 3 passages, 2 questions" in printed
    assert all(word in printed for word in ("dense", "lexical", "fused", "nDCG@10"))
    records = [json.loads(line) for line in (out / "small" / "records.jsonl").read_text().splitlines()]
    assert [record["rank"]["fused"] for record in records] == [1, 1]
    assert json.loads((out / "retrieval.json").read_text())["small"]["fused"]["R@1"] == 1

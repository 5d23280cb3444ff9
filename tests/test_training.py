"""Training: what is set aside, what the loss says, and that a killed run loses nothing."""

import copy
import gzip
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from qa.errors import BadQuestion, QAError
from qa.evaluation.squad import ReadingQuestion, divide, read_set
from qa.reader.model import WEIGHTS
from qa.reader.weights import load
from qa.training import loop
from qa.training.hardness import hardest, overlap
from qa.training.noise import MOST_HINTS, hinted, noisy
from qa.training.switchback import EightBitLinear, in_eight_bits
from qa.training.train import (
    Config,
    Window,
    _interpolation_base,
    group_loss,
    read_config,
    train,
)

TEXT = "The mill stands in Harlow. It was built by Ann Reed in 1820."


def squad(path: Path, articles: int = 6) -> Path:
    data = [
        {
            "title": f"Mill {a}",
            "paragraphs": [
                {
                    "context": f"{TEXT} Mill number {a}.",
                    "qas": [
                        {
                            "id": f"{a}-who",
                            "question": "Who built the mill?",
                            "is_impossible": False,
                            "answers": [{"text": "Ann Reed", "answer_start": 43}],
                        },
                        {
                            "id": f"{a}-why",
                            "question": "Why burn?",
                            "is_impossible": True,
                            "answers": [],
                        },
                    ],
                }
            ],
        }
        for a in range(articles)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps({"data": data}).encode()))
    return path


def test_held_out_articles_are_never_trained_on(tmp_path: Path) -> None:
    questions = read_set(squad(tmp_path / "set.json.gz", articles=20))
    train, development = divide(questions)
    assert {q.article for q in development} & {q.article for q in train} == set()
    assert len({q.article for q in development}) == 2
    assert len(train) + len(development) == len(questions)


def test_places_are_those_of_the_answer(tmp_path: Path) -> None:
    question = read_set(squad(tmp_path / "set.json.gz"))[0]
    assert [question.context[s:e] for s, e in question.places] == ["Ann Reed"]


def test_a_damaged_set_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(b"\x1f\x8bdamaged")
    with pytest.raises(BadQuestion, match="cannot be read"):
        read_set(tmp_path / "x.json.gz")


def test_noise_repeats_with_its_seed() -> None:
    from random import Random

    assert [noisy("Who built it?", Random(i)) for i in range(9)] == [
        noisy("Who built it?", Random(i)) for i in range(9)
    ]


def test_hints_come_from_the_passage_and_give_no_answer_away() -> None:
    from random import Random

    text = "Ann Reed built the Harbour Bridge after Mayor Ortega resigned."
    seen = set()
    for seed in range(40):
        asked = hinted("Who built the bridge?", text, ["Ann Reed"], Random(seed))
        assert asked.startswith("Who built the bridge? (")
        words = asked.removesuffix(")").split("(")[1].split()
        assert 1 <= len(words) <= MOST_HINTS
        seen |= set(words)
    assert seen == {"Harbour", "after", "Mayor", "Ortega", "resigned"}
    assert hinted("Who?", "It is so.", [], Random(1)) == "Who?"


class Scores:
    """A model with given logits, the same for start and end."""

    def __init__(self, rows: list[list[float]]) -> None:
        self.logits = torch.tensor(rows)

    def __call__(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(start_logits=self.logits, end_logits=self.logits)


def test_the_softmax_spans_all_windows_of_a_question_and_one_null() -> None:
    model = Scores([[1.0, 0, 3.0, 2.0], [0.5, 0, 1.5, 0.0]])
    group = [Window([1, 2, 3, 4], (2, 4), [(2, 2)]), Window([1, 2, 3, 4], (2, 4), [])]
    loss, tokens = group_loss(model, [group], True, "cpu")
    whole = math.log(1 + math.exp(2) + math.exp(1) + math.exp(1) + math.exp(-0.5))
    assert float(loss) == pytest.approx(2 * (whole - 2), abs=1e-5)
    assert tokens == 8


def test_the_loss_is_marginal_over_the_places_of_an_answer() -> None:
    model = Scores([[0.0, 0, 1.0, 2.0]])
    loss, _ = group_loss(model, [[Window([1, 2, 3, 4], (2, 4), [(2, 2), (3, 3)])]], True, "cpu")
    whole = math.log(1 + math.e + math.exp(2))
    assert float(loss) == pytest.approx(2 * whole - math.log(math.exp(2) + math.exp(4)), abs=1e-5)


def test_an_unknown_setting_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("epoch = 1\n")
    with pytest.raises(QAError, match="not a training configuration"):
        read_config(tmp_path / "c.toml")


def test_an_unknown_set_of_our_own_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("written = { nwes = 1 }\n")
    with pytest.raises(QAError, match="expected news or reworded"):
        read_config(tmp_path / "c.toml")


def test_the_rate_rises_stays_level_and_falls_to_nothing() -> None:
    config = Config(warm_up=0.1, decay=0.25)
    rates = [loop.rate(step, 100, config) for step in range(100)]
    assert rates[0] == 0.1
    assert rates[10:76] == [1.0] * 66
    assert rates[75:] == sorted(rates[75:], reverse=True)
    assert 0 < rates[-1] < 0.05


def test_a_run_may_be_made_longer_only_while_its_rate_is_level(tmp_path: Path) -> None:
    for decay, may in ((0.25, True), (1.0, False)):
        out = tmp_path / str(decay)
        out.mkdir()
        loop.keep_config(Config(steps=100, decay=decay), out)
        (out / "checkpoint.pt").touch()
        with nullcontext() if may else pytest.raises(QAError, match="run of other settings"):
            loop.keep_config(Config(steps=200, decay=decay), out)
        with pytest.raises(QAError, match="run of other settings"):
            loop.keep_config(Config(steps=100, decay=decay, seed=1), out)


def test_products_in_eight_bits_are_close_to_those_in_floats_and_so_are_their_gradients() -> None:
    torch.manual_seed(3)
    plain = torch.nn.Linear(96, 64)
    short = copy.deepcopy(plain)
    in_eight_bits(torch.nn.Sequential(short, torch.nn.Linear(64, 2)))
    assert type(short) is EightBitLinear
    x = torch.randn(5, 40, 96)
    results = []
    for layer in (plain, short):
        given = x.clone().requires_grad_()
        out = layer(given)
        out.sin().sum().backward()
        assert given.grad is not None
        results.append([out.detach(), given.grad, layer.weight.grad, layer.bias.grad])
    for exact, near in zip(*results, strict=True):
        assert 0 < float((exact - near).norm() / exact.norm()) < 0.02


def test_a_run_in_eight_bits_without_a_compiler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(QAError, match=r"no-such-compiler.*eight_bits"):
        loop.view_in_eight_bits(torch.nn.Linear(2, 2))


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights_and_learns(tmp_path: Path) -> None:
    squad(tmp_path / "train" / "tiny.json.gz")
    config = tmp_path / "c.toml"
    config.write_text(
        'sets = ["tiny"]\nheld_out = ""\nepochs = 6\nquestions_per_step = 4\ncheckpoint_steps = 2\n'
        "dropout = 0.1\naveraging = 0.5\nnoise = 0.3\nlearning_rate = 0.0003\n"
    )

    def start(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "qa", "train", str(config), "--out", str(tmp_path / out)],
            env={**os.environ, "QA_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )

    assert start("whole").wait() == 0
    killed = start("killed")
    while not (tmp_path / "killed" / "checkpoint.pt").exists():
        assert killed.poll() is None
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    assert start("killed").wait() == 0
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("whole", "killed")]
    assert weights[0] == weights[1]
    assert json.loads((tmp_path / "whole" / "training.json").read_text())["loss"] < 3


def test_weights_may_be_moved_back_towards_others_than_the_base() -> None:
    config = Config(base="all-MiniLM-L6-v2", interpolation=0.5, interpolation_base=str(WEIGHTS))
    others = [p.detach() for p in load(WEIGHTS, torch.float32).parameters()]
    kept = _interpolation_base(config, SimpleNamespace(device="cpu"))
    assert all(torch.equal(a, b) for a, b in zip(kept, others, strict=True))
    assert _interpolation_base(Config(), SimpleNamespace()) == []


@pytest.mark.slow
def test_interpolated_weights_lie_between_the_base_and_the_trained_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squad(tmp_path / "train" / "tiny.json.gz")
    monkeypatch.setenv("QA_DATA", str(tmp_path))
    base = {name: p.detach() for name, p in load(WEIGHTS, torch.float32).named_parameters()}
    moved = {}
    for share in (0.0, 0.5, 1.0):
        config = Config(
            ["tiny"], "", str(WEIGHTS), steps=2, questions_per_step=4, learning_rate=3e-3, interpolation=share
        )
        train(config, tmp_path / str(share))
        now = load(tmp_path / str(share), torch.float32).named_parameters()
        moved[share] = sum(float((p.detach() - base[name]).abs().sum()) for name, p in now)
    assert moved[0.0] < 0.1 * moved[0.5]
    assert 0.4 < moved[0.5] / moved[1.0] < 0.6  # 8 bits round small steps away


def asked(question: str, answer: str | None) -> ReadingQuestion:
    places = () if answer is None else ((TEXT.index(answer), TEXT.index(answer) + len(answer)),)
    return ReadingQuestion(question, question, TEXT, "Mill", places)


def test_the_questions_kept_are_those_that_share_fewest_words_with_their_sentence() -> None:
    near = asked("Who built it in 1820?", "Ann Reed")
    far = asked("What is the name of the constructor?", "Ann Reed")
    between = asked("Who built the grinder?", "Ann Reed")
    none = asked("Why was it built in 1820?", None)
    assert overlap(far) < overlap(between) < overlap(near) == 1
    assert hardest([near, far, none, between], 2 / 3) == [far, none, between]
    assert hardest([near, far, none, between], 1) == [near, far, none, between]

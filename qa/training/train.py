"""Fine-tune the reader.

A question's windows, those of its own passage and of passages that do not answer it, share one
softmax (shared normalisation; Clark & Gardner 2018). Each window's logits are taken relative to its
[CLS], so that what is normalised is the very gap by which the product ranks spans, and one null
option of score 0 stands for "none of them answers".
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.embedder import weights_folder
from qa.errors import QAError
from qa.evaluation.questions import sample
from qa.evaluation.squad import ReadingQuestion, data_folder, divide, read_set
from qa.reader.model import QUESTION_TOKENS, STRIDE_TOKENS, WEIGHTS
from qa.reader.weights import load, save
from qa.training import loop, written
from qa.training.hardness import hardest
from qa.training.negatives import mine
from qa.training.noise import hinted, noisy

if TYPE_CHECKING:
    import torch

SHARED = ("bert.embeddings.word_embeddings.weight", "bert.embeddings.position_embeddings.weight")
"""The weights of the reader that the re-ranker has too."""
NEAREST_BESIDE = 4  # passages: those of the same report, and of the others about its affair
WINDOWS_AT_ONCE = {"cpu": 8, "cuda": 256}  # a processor is slower on what leaves its caches


@dataclass(frozen=True, slots=True)
class Config:
    """One run. Rates per step; `negatives` are passages per question beside its own."""

    sets: list[str] = field(default_factory=lambda: ["squad_train_v2.0"])
    held_out: str = "squad_train_v2.0"  # the set whose articles are divided
    base: str = "all-MiniLM-L6-v2"  # or a folder of reader weights, to go on from
    most: dict[str, int] = field(default_factory=dict)  # questions of a set, evenly spaced; else all
    written: dict[str, int] = field(default_factory=dict)  # news, reworded: how often in an epoch
    reports_from: int = 0  # the news reports from this number on
    beside: int = 1  # of the passages nearest to a question about the news, those that it is read with
    epochs: int = 2
    questions_per_step: int = 32
    learning_rate: float = 1e-4
    warm_up: float = 0.06  # share of all steps
    decay: float = 1.0  # share of all steps, the last ones, in which the rate falls to 0 (Hägele et al. 2024)
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float = 0.0  # of the hidden states; the attention's would cost a quarter of the speed
    window_tokens: int = 384
    negatives: int = 0
    shared_normalisation: bool = True
    noise: float = 0.0  # share of questions
    hints: float = 0.0  # share of questions that carry words of their passage, as follow-ups do
    hardest: float = 1.0  # share of each set's answerable questions, those that say least of their sentence
    averaging: float = 0.0  # decay of the running mean of the weights; 0: the last weights
    interpolation: float = 1.0  # share of the trained weights in what is written, others have the rest:
    interpolation_base: str = ""  # a folder of reader weights; empty: the base
    freeze_embeddings: bool = False  # of words and positions, which the re-ranker shares
    eight_bits: bool = False  # where there is no bf16: products of 8-bit integers (qa/training/switchback.py)
    seed: int = 13
    limit: int = 0  # questions; 0: all
    steps: int = 0  # at most; 0: as many as the epochs have
    checkpoint_steps: int = 500


@dataclass(frozen=True, slots=True)
class Window:
    """[CLS] question [SEP] piece [SEP]; `context` is the range of the piece's tokens."""

    ids: list[int]
    context: tuple[int, int]
    places: list[tuple[int, int]]  # first and last token of each place of the answer


@dataclass(frozen=True, slots=True)
class Others:
    """Passages that do not answer a question, and how many of them are read with it at a time."""

    read: int = 0
    texts: list[str] = field(default_factory=list)


def read_config(path: Path) -> Config:
    """Raises `QAError` where the file is no TOML or names what no run has."""
    try:
        config = Config(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise QAError(f"{path} is not a training configuration ({error}); see benchmarks/training") from error
    if unknown := sorted(config.written.keys() - {"news", "reworded"}):
        raise QAError(f"{path}: written has {unknown[0]!r}; expected news or reworded; edit {path}")
    if min(config.epochs, config.questions_per_step, config.checkpoint_steps) < 1:
        raise QAError(
            f"{path}: epochs, questions_per_step and checkpoint_steps must be 1 or more; edit {path}"
        )
    return config


def train(
    config: Config,
    out: Path,
    device: str = "cpu",
    progress: Callable[[int, int, float, float], None] | None = None,
) -> dict[str, Any]:
    """Train, write weights, tokenizer and settings to `out`, return the figures of the run.

    A run that was killed goes on from its last checkpoint and ends with the same weights.
    `progress` gets (step, steps, loss, tokens per second).
    """
    import torch  # noqa: PLC0415

    if device == "cuda" and not torch.cuda.is_available():
        raise QAError("No CUDA device was found; train on the processor: qa train … --device cpu")
    out.mkdir(parents=True, exist_ok=True)
    loop.keep_config(config, out)
    torch.manual_seed(config.seed)
    questions, others = _material(config, device, out)
    windows = Windows(WEIGHTS / "tokenizer.json", config.window_tokens)
    model = _model(config).to(device).train()
    if device == "cpu":
        model.set_attn_implementation("eager")  # a tenth faster there than the fused attention
    base = _interpolation_base(config, model)

    def loss(reader: Any, chosen: Sequence[int], epoch: int) -> tuple[torch.Tensor, int]:
        asked = [questions[i] for i in chosen]
        groups = [_group(q, others.get(q.id, Others()), windows, config, epoch) for q in asked]
        return group_loss(reader, groups, config.shared_normalisation, device)

    figures = loop.run(config, out, model, len(questions), loss, device, progress)
    if base:
        loop.move_back(model, base, config.interpolation)
    save(model, out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(WEIGHTS / name, out / name)
    (out / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def group_loss(
    model: Any, groups: Sequence[Sequence[Window]], shared: bool, device: str
) -> tuple[torch.Tensor, int]:
    """Mean negative log-likelihood of the groups, marginal over the places of the answer; tokens read."""
    import torch  # noqa: PLC0415
    from torch.nn import functional  # noqa: PLC0415

    if not shared:
        groups = [[window] for group in groups for window in group]
    flat = [(g, window) for g, group in enumerate(groups) for window in group]
    flat.sort(key=lambda item: len(item[1].ids))  # windows of like length read together: little padding
    at_once = WINDOWS_AT_ONCE[device]
    logits = [
        _relative_logits(model, [window for _, window in flat[i : i + at_once]], device)
        for i in range(0, len(flat), at_once)
    ]
    width = len(flat[-1][1].ids)
    starts, ends = (
        torch.cat(
            [functional.pad(chunk[at], (0, width - chunk[at].shape[1]), value=-1e9) for chunk in logits]
        )
        for at in (0, 1)
    )  # (windows, width)
    n = len(groups)
    of = torch.tensor([g for g, _ in flat], device=device)
    null = torch.arange(n, device=device)
    zeros = starts.new_zeros(n)
    whole = sum(
        logsumexp(torch.cat([x.logsumexp(1), zeros]), torch.cat([of, null]), n) for x in (starts, ends)
    )
    rows = [(row, s, e, g) for row, (g, w) in enumerate(flat) for s, e in w.places]
    answered = {g for *_, g in rows}
    none = torch.tensor([g for g in range(n) if g not in answered], device=device, dtype=torch.long)
    where = torch.tensor(rows, device=device, dtype=torch.long).reshape(-1, 4)
    scores = starts[where[:, 0], where[:, 1]] + ends[where[:, 0], where[:, 2]]
    right = logsumexp(torch.cat([scores, zeros[: len(none)]]), torch.cat([where[:, 3], none]), n)
    return (whole - right).mean(), sum(len(window.ids) for _, window in flat)


def _relative_logits(model: Any, windows: Sequence[Window], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Start and end logits relative to [CLS], each of shape (windows, width); −1e9 outside the piece."""
    import torch  # noqa: PLC0415

    width = max(len(window.ids) for window in windows)
    ids, types, mask, context = (np.zeros((len(windows), width), dtype=np.int64) for _ in range(4))
    for row, window in enumerate(windows):
        n, (first, end) = len(window.ids), window.context
        ids[row, :n], mask[row, :n] = window.ids, 1
        types[row, first:n] = 1
        context[row, first:end] = 1
    inputs = [torch.from_numpy(a).to(device) for a in (ids, types, mask, context)]
    output = model(input_ids=inputs[0], token_type_ids=inputs[1], attention_mask=inputs[2])
    outside = ~inputs[3].bool()
    starts, ends = (
        (x.float() - x.float()[:, :1]).masked_fill(outside, -1e9)
        for x in (output.start_logits, output.end_logits)
    )
    return starts, ends


def logsumexp(values: torch.Tensor, groups: torch.Tensor, n: int) -> torch.Tensor:
    """log Σ exp of the values of each group, shape (n,)."""
    top = values.new_zeros(n).scatter_reduce(0, groups, values.detach(), "amax", include_self=False)
    return top + values.new_zeros(n).index_add(0, groups, (values - top[groups]).exp()).log()


class Windows:
    """Questions and passages → windows as the product reads them; each passage is tokenised once."""

    def __init__(self, tokenizer: Path, window_tokens: int) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415

        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._cls, self._sep = self._tokenizer.encode("").ids
        self._length = window_tokens
        self._passages: dict[str, tuple[list[int], list[tuple[int, int]]]] = {}

    def of(self, question: str, text: str, places: Sequence[tuple[int, int]]) -> list[Window]:
        """As many windows as cover the text; a place that a window cuts is not in it."""
        if text not in self._passages:
            encoded = self._tokenizer.encode(text, add_special_tokens=False)
            self._passages[text] = (encoded.ids, encoded.offsets)
        body, offsets = self._passages[text]
        head = self._tokenizer.encode(question, add_special_tokens=False).ids[:QUESTION_TOKENS]
        room = self._length - len(head) - 3
        first = len(head) + 2
        windows = []
        for begin in range(0, max(len(body) - STRIDE_TOKENS, 1), room - STRIDE_TOKENS):
            piece = body[begin : begin + room]
            inside = []
            for start, end in places:
                tokens = [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
                if tokens and begin <= tokens[0] and tokens[-1] < begin + len(piece):
                    inside.append((first + tokens[0] - begin, first + tokens[-1] - begin))
            ids = [self._cls, *head, self._sep, *piece, self._sep]
            windows.append(Window(ids, (first, first + len(piece)), inside))
        return windows


def _group(
    question: ReadingQuestion, others: Others, windows: Windows, config: Config, epoch: int
) -> list[Window]:
    random = Random(f"{config.seed} {epoch} {question.id}")  # noqa: S311
    asked = noisy(question.question, random) if random.random() < config.noise else question.question
    if config.hints and random.random() < config.hints:
        asked = hinted(asked, question.context, question.answers, random)
    group = windows.of(asked, question.context, question.places)
    for text in random.sample(others.texts, min(others.read, len(others.texts))):
        group += windows.of(asked, text, ())
    return group


def _material(config: Config, device: str, out: Path) -> tuple[list[ReadingQuestion], dict[str, Others]]:
    """All questions of an epoch; and by their ids, what is read beside them."""
    questions = _questions(config)
    others = _negatives(config, questions, device, out)
    for asked, beside in _written(config, device, out):
        questions += asked
        others |= beside
    return questions, others


def _questions(config: Config) -> list[ReadingQuestion]:
    questions: list[ReadingQuestion] = []
    for name in config.sets:
        part = read_set(data_folder() / "train" / f"{name}.json.gz")
        part = divide(part)[0] if name == config.held_out else part
        part = part if config.hardest == 1 else hardest(part, config.hardest)
        questions += sample(part, config.most.get(name))
    if config.limit:
        questions = questions[:: max(len(questions) // config.limit, 1)][: config.limit]
    return questions


def _written(
    config: Config, device: str, out: Path
) -> Iterator[tuple[list[ReadingQuestion], dict[str, Others]]]:
    """Our own questions, as often as an epoch has them; each repeat has ids of its own."""
    for name, times in config.written.items():
        beside: dict[str, list[str]] = {}
        if name == "news":
            questions = written.reading_questions(written.to_learn_from(config.reports_from))
            beside = mine(questions, device, out / "beside.json", NEAREST_BESIDE)
        else:
            originals = read_set(data_folder() / "train" / f"{config.held_out}.json.gz")
            questions = written.reworded(divide(originals)[0])
        for number in range(times):
            yield (
                [replace(question, id=f"{question.id}~{number}") for question in questions],
                {f"{id_}~{number}": Others(config.beside, texts) for id_, texts in beside.items()},
            )


def _negatives(
    config: Config, questions: Sequence[ReadingQuestion], device: str, out: Path
) -> dict[str, Others]:
    if not config.negatives:
        return {}
    mined = mine(questions, device, out / "negatives.json")
    return {id_: Others(config.negatives, texts) for id_, texts in mined.items()}


def _model(config: Config) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch  # noqa: PLC0415
    from transformers import AutoModelForQuestionAnswering  # noqa: PLC0415

    dropout: dict[str, Any] = {"hidden_dropout_prob": config.dropout, "attention_probs_dropout_prob": 0.0}
    if config.base == "all-MiniLM-L6-v2":
        model = AutoModelForQuestionAnswering.from_pretrained(
            weights_folder(), dtype=torch.float32, local_files_only=True, **dropout
        )
    else:
        model = load(Path(config.base), torch.float32, **dropout)
    if config.freeze_embeddings:
        for name in SHARED:
            model.get_parameter(name).requires_grad_(False)
    return model


def _interpolation_base(config: Config, model: Any) -> list[torch.Tensor]:
    """The weights that those in training are moved back towards in the end; none where they are not."""
    if config.interpolation == 1:
        return []
    if config.interpolation_base:
        model = _model(replace(config, base=config.interpolation_base)).to(model.device)
    return [weight.detach().clone() for weight in loop.trained(model)]

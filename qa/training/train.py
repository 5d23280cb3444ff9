"""Training, stage by stage: the warm-up, the reader, and the re-ranker of what readers find.

Two readers learn from one half of the articles each. What they say of the other half, which they have not
read, is what the reader learns to say as well as what is right, and the candidates that they find there are
what the re-ranker learns from: what a reader knows by heart teaches nothing. Each
stage leaves one file or folder in the run's folder, and is skipped where that is there. A run that was
killed goes on from its last checkpoint and ends with the same weights.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from qa.computing import arithmetic
from qa.errors import QAError
from qa.minilm import word_embeddings
from qa.reader.model import WEIGHTS
from qa.reader.rerank import COMPARER, RERANKER, TOKEN_TYPES
from qa.reader.weights import read_tensors, write_tensors
from qa.training import material as texts
from qa.training import packed, packing
from qa.training.config import STAGES, Config, keep_config
from qa.training.fit import Loop, Progress
from qa.training.material import Flags, Labels, Material, Numbers
from qa.training.nearest import nearest_passages
from qa.training.packed import Encoder, Inputs, WarmUp
from qa.training.packing import Batch, GroupOf

ENDS = 3  # times that the reader goes on without its teachers, in other orders
AMONG_SEVERAL = 0.5  # share of a reader's steps, the last ones: questions beside several passages
READING_FIRST = 0.85  # share of the re-ranker's batches that are plain reading, at the beginning
READING_UNTIL = 0.6  # share of its steps: then there is none left
FOUND = 8  # candidates of a question that are kept

_NEEDS = {
    "warm-up": ("material",),
    "halves": ("material", "warm-up"),
    "taught": ("material", "warm-up", "halves"),
    "reader": ("material", "taught"),
    "candidates": ("material", "halves"),
    "labels": ("material", "candidates"),
    "reranker": ("material", "warm-up", "labels"),
    "comparer": ("material", "taught", "labels"),
}


def train(
    config: Config,
    out: Path,
    device: str = "cpu",
    stages: Sequence[str] = tuple(STAGES),
    progress: Progress | None = None,
) -> None:
    """Run the stages, in their order, those that are done left out. The weights are in `out`/reader,
    `out`/reranker and `out`/comparer.

    Raises `QAError` where there is no GPU, a stage before is missing, or `out` is another run's.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise QAError("No CUDA device was found; train on the processor: qa train … --device cpu")
    keep_config(config, out)
    torch.set_float32_matmul_precision("high")  # of what is not in bf16 on a GPU
    run = Run(config, out, device, progress or (lambda *_: None))
    for stage, do in _STAGES.items():
        if stage in stages and not run.leaves(stage).exists():
            for before in _NEEDS.get(stage, ()):
                if not run.leaves(before).exists():
                    raise QAError(
                        f"{stage} needs {STAGES[before]}, which is not in {out}; make it first: "
                        f"qa train CONFIG --out {out} --stage {before}"
                    )
            torch.manual_seed(config.seed + list(STAGES).index(stage))
            do(run)


@dataclass(frozen=True)
class Run:
    """Settings, folder and device of a run, and what all stages read."""

    config: Config
    out: Path
    device: str
    progress: Progress

    def leaves(self, stage: str) -> Path:
        return self.out / STAGES[stage]

    @cached_property
    def loop(self) -> Loop:
        return Loop(self.out, self.device, self.config.checkpoint_steps, self.progress)

    @cached_property
    def material(self) -> Material:
        return Material.read(self.leaves("material"))

    @cached_property
    def nearest(self) -> tuple[Numbers, Numbers]:
        """(silent, beside) as of `nearest_passages`, found once and kept."""
        path = self.out / "nearest.npz"
        if not path.exists():
            silent, beside = nearest_passages(self.material, self.device)
            _write_arrays(path, {"silent": silent, "beside": beside})
        with np.load(path) as stored:
            return stored["silent"], stored["beside"]

    @cached_property
    def words(self) -> Tensor:
        """The embedder's word embeddings, (vocabulary, 384), in the floating point of the arithmetic."""
        dtype = torch.bfloat16 if self.device == "cuda" else arithmetic()
        return word_embeddings().to(self.device, dtype)

    def encoder(self, weights: Mapping[str, Tensor], token_types: int = 2) -> Encoder:
        return Encoder(weights, self.words, token_types).to(self.device)

    def half(self, number: int) -> Path:
        """The reader that has read nothing of this half of the articles."""
        return self.out / f"half-{number}.safetensors"

    def ends(self) -> list[Path]:
        """The readers whose mean is kept."""
        return [self.out / f"reader-{number}.safetensors" for number in range(ENDS)]

    def pools(self) -> list[Numbers]:
        """The questions to learn from about each half."""
        learned = self.material.learned_from
        half = self.material.half[self.material.passage[learned]]
        return [learned[half == number] for number in (0, 1)]

    def inputs(self, batch: Batch) -> Inputs:
        return Inputs.of(batch, self.device)

    def batches(
        self,
        pool: Numbers,
        group_of: GroupOf,
        seed: int,
        masked: float = 0.0,
        epochs: int | None = None,
    ) -> Iterator[Batch]:
        """As `packing.stream` makes them, in as many processes and rows as the settings have."""
        if not len(pool):
            raise QAError(
                "There is nothing to learn from; name the folder of the data sets: QA_DATA=DIR qa …"
            )
        make = partial(
            packing.stream, pool, group_of, self.config.rows, self.config.seed + seed, masked, epochs
        )
        if not self.config.workers:
            return make()
        loader = DataLoader(
            _Parts(make),
            batch_size=None,
            num_workers=self.config.workers,
            prefetch_factor=6,
            collate_fn=_same,
            multiprocessing_context="fork",
            generator=torch.Generator(),  # or a run that goes on would have drawn once more
        )
        return iter(loader)


# The stages


def _material(run: Run) -> None:
    texts.make_material(texts.read_texts(run.config.limit)).write(run.leaves("material"))


def _warm_up(run: Run) -> None:
    """The embedder's encoder learns to find what recurs, and to guess words that are hidden."""
    material, config = run.material, run.config
    model = WarmUp(run.encoder(packed.pretrained())).to(run.device)
    pool = np.arange(len(material.cloze), dtype=np.int32)
    batches = run.batches(pool, packing.cloze(material), 1, config.masked)

    def loss(batch: Batch) -> Tensor:
        inputs = run.inputs(batch)
        return packed.warm_up_loss(model, model.encoder(inputs, config.dropout), inputs)

    run.loop.fit("warm-up", model, batches, config.warm_up_steps, config.warm_up_rate, loss)
    _write_between(model.encoder, run.leaves("warm-up"))
    run.loop.checkpoint("warm-up").unlink(missing_ok=True)


def _halves(run: Run) -> None:
    """Two readers, each of what the other half of the articles is not."""
    steps = run.config.half_steps
    for number, pool in enumerate(reversed(run.pools())):
        batches = _alone_then_among(run, [pool], steps, 3 + number)
        start = run.leaves("warm-up")
        _read(run, run.half(number), start, batches, steps, run.config.rate, 3 + number)


def _taught(run: Run) -> None:
    """Of all questions, those of both halves in turn, taught by the reader that has not read the half."""
    half = run.material.half[run.material.passage]
    taught_by = [run.encoder(read_tensors(run.half(number))).eval() for number in (0, 1)]

    def told(batch: Batch, inputs: Inputs) -> Tensor:
        teacher = taught_by[half[batch.origins[0, 0]]]
        with torch.no_grad():
            logits: Tensor = teacher.logits(teacher(inputs))
        return logits

    steps = run.config.taught_steps
    batches = _alone_then_among(run, run.pools(), steps, 2)
    _read(run, run.leaves("taught"), run.leaves("warm-up"), batches, steps, run.config.rate, 2, told)


def _reader(run: Run) -> None:
    """It goes on without a teacher, by turns beside one passage and beside several, three times from the same
    start. What is kept is the mean of what it became (model soups; Wortsman et al., ICML 2022)."""
    steps, rate = run.config.reader_steps, run.config.last_rate
    for number, path in enumerate(run.ends()):
        batches = _by_turns(run, [run.material.learned_from], 20 + number)
        _read(run, path, run.leaves("taught"), batches, steps, rate, 20 + number)
    _write_weights(
        run.encoder(_mean(run.ends())), run.leaves("reader"), WEIGHTS, ("config.json", *_TOKENIZER)
    )


def _candidates(run: Run) -> None:
    """What the reader that has not read a half of the articles finds there."""
    asked = run.material.asks(texts.SQUAD, texts.NATURAL, texts.REWORDED, texts.NEWS)
    found = []
    for number, pool in enumerate(run.pools()):
        encoder = run.encoder(read_tensors(run.half(number))).eval()
        others = pool[asked[pool]]
        chosen = np.random.default_rng(run.config.seed).permutation(others)[: run.config.candidate_questions]
        found.append(_find(run, encoder, chosen, 5 + number))
    _write_arrays(
        run.leaves("candidates"), {name: np.concatenate([f[name] for f in found]) for name in found[0]}
    )


def _labels(run: Run) -> None:
    with np.load(run.leaves("candidates")) as stored:
        found = [stored[name] for name in ("question", "passage", "first", "last")]
    known = texts.labels(texts.read_texts(run.config.limit), run.material, *found)
    _write_arrays(run.leaves("labels"), vars(known))


def _reranker(run: Run) -> None:
    """From the warmed-up encoder; at first most batches are plain reading, later none is."""
    material, config, steps = run.material, run.config, run.config.reranker_steps
    labels = Labels.read(run.leaves("labels"))
    encoder = run.encoder(read_tensors(run.leaves("warm-up")), TOKEN_TYPES)
    reading = run.batches(material.learned_from, packing.reading(material, 0.0), 7)
    reranking = run.batches(labels.pool, packing.reranking(material, labels), 8)

    def mixed() -> Iterator[Batch]:
        coin = Random(config.seed)  # noqa: S311
        for step in range(steps):
            share = READING_FIRST * (1 - step / steps / READING_UNTIL)
            yield next(reading if coin.random() < share else reranking)

    _choose(run, RERANKER, encoder, mixed(), steps, config.rate)


def _comparer(run: Run) -> None:
    """From the taught reader, on candidates alone."""
    labels = Labels.read(run.leaves("labels"))
    encoder = run.encoder(read_tensors(run.leaves("taught")), TOKEN_TYPES)
    batches = run.batches(labels.pool, packing.comparing(run.material, labels), 9)
    _choose(run, COMPARER, encoder, batches, run.config.comparer_steps, run.config.last_rate)


_STAGES: dict[str, Callable[[Run], None]] = {
    "material": _material,
    "warm-up": _warm_up,
    "halves": _halves,
    "taught": _taught,
    "reader": _reader,
    "candidates": _candidates,
    "labels": _labels,
    "reranker": _reranker,
    "comparer": _comparer,
}


def _read(
    run: Run,
    path: Path,
    start: Path,
    batches: Iterator[Batch],
    steps: int,
    rate: float,
    seed: int,
    told: Callable[[Batch, Inputs], Tensor] | None = None,
) -> None:
    """Train the reader that begins with the weights of `start`, and leave it at `path`; where it is already,
    nothing is done. `told` gives the logits of a reader to learn from as well."""
    if path.exists():
        return
    torch.manual_seed(run.config.seed + seed)
    encoder = run.encoder(read_tensors(start))

    def loss(batch: Batch) -> Tensor:
        inputs = run.inputs(batch)
        logits = encoder.logits(encoder(inputs, run.config.dropout))
        right = packed.reading_loss(logits, inputs)
        if told is None:
            return right
        return torch.lerp(right, packed.taught_loss(logits, told(batch, inputs), inputs), run.config.taught)

    run.loop.fit(path.stem, encoder, batches, steps, rate, loss)
    _write_between(encoder, path)
    run.loop.checkpoint(path.stem).unlink(missing_ok=True)


def _choose(
    run: Run, like: Path, encoder: Encoder, batches: Iterator[Batch], steps: int, rate: float
) -> None:
    """Train a model that chooses among candidates, the next one of `like`. Batches without any are read."""

    def loss(batch: Batch) -> Tensor:
        inputs = run.inputs(batch)
        logits = encoder.logits(encoder(inputs, run.config.dropout))
        return (packed.reranking_loss if inputs.candidates else packed.reading_loss)(logits, inputs)

    run.loop.fit(like.name, encoder, batches, steps, rate, loss)
    _write_weights(encoder, run.leaves(like.name), like, ("config.json",))
    run.loop.checkpoint(like.name).unlink(missing_ok=True)


def _alone_then_among(run: Run, pools: Sequence[Numbers], steps: int, seed: int) -> Iterator[Batch]:
    """Of the pools in turn; beside one passage at first, later beside several. Nothing is packed before the
    first batch is asked for."""
    yield from islice(_in_turn(_alone(run, pools, seed)), steps - round(AMONG_SEVERAL * steps))
    yield from _in_turn(_among(run, pools, 10 + seed))


def _by_turns(run: Run, pools: Sequence[Numbers], seed: int) -> Iterator[Batch]:
    """By turns beside one passage and beside several; likewise."""
    yield from _in_turn([*_alone(run, pools, seed), *_among(run, pools, 10 + seed)])


def _alone(run: Run, pools: Sequence[Numbers], seed: int) -> list[Iterator[Batch]]:
    """Batches of each pool: questions with their own passage, most of them beside another."""
    reading = packing.reading(run.material, run.config.negatives, run.nearest[0])
    return [run.batches(pool, reading, seed) for pool in pools]


def _among(run: Run, pools: Sequence[Numbers], seed: int) -> list[Iterator[Batch]]:
    """Batches of each pool: questions with their own passage, or without, beside several."""
    reading = packing.reading(run.material, 1.0, run.nearest[0], packing.SEVERAL)
    return [run.batches(pool, reading, seed) for pool in pools]


def _in_turn(streams: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """One of each, again and again; the streams have no end."""
    return (next(stream) for stream in cycle(streams))


def _find(run: Run, encoder: Encoder, questions: Numbers, seed: int) -> dict[str, Any]:
    """The best spans of the questions' own passages and those beside: question, passage, first and last
    token, score, each of shape (candidates,), a question's side by side and the best first."""
    _, beside = run.nearest
    continues = torch.from_numpy(run.material.continues).to(run.device)
    rows: list[Numbers] = []
    scores: list[Any] = []
    for batch in run.batches(questions, packing.looking(run.material, beside), seed, epochs=1):
        inputs = run.inputs(batch)
        with torch.no_grad():
            best, first, last = packed.best_spans(encoder.logits(encoder(inputs)), inputs, continues)
        question, passage, begin = batch.origins.T[:, :, None]  # each (windows, 1)
        shape = tuple(best.shape)
        columns = (question, passage, begin + first.cpu().numpy(), begin + last.cpu().numpy())
        rows.append(np.stack([np.broadcast_to(column, shape) for column in columns], -1).reshape(-1, 4))
        scores.append(best.flatten().cpu().numpy())
    row, score = np.concatenate(rows).astype(np.int32), np.concatenate(scores)
    row, score = row[score > packed.NOWHERE], score[score > packed.NOWHERE]
    order = np.lexsort((-score, row[:, 0]))
    row, score = row[order], score[order]
    kept: Flags = np.ones(len(row), bool)
    kept[FOUND:] = row[FOUND:, 0] != row[:-FOUND, 0]
    names = ("question", "passage", "first", "last")
    return {**dict(zip(names, row[kept].T, strict=True)), "score": score[kept].astype(np.float16)}


def _mean(paths: Sequence[Path]) -> dict[str, Tensor]:
    weights = [read_tensors(path) for path in paths]
    return {name: torch.stack([each[name] for each in weights]).mean(dim=0) for name in weights[0]}


# What a stage leaves is there as a whole, or not at all

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez_compressed(unfinished, allow_pickle=False, **arrays)
    unfinished.replace(path)


def _write_between(encoder: Encoder, path: Path) -> None:
    """In 16-bit floats, for the stages that follow."""
    unfinished = path.with_suffix(".unfinished")
    save_file({name: weight.half() for name, weight in encoder.state().items()}, unfinished)
    unfinished.replace(path)


def _write_weights(encoder: Encoder, folder: Path, like: Path, names: Sequence[str]) -> None:
    """As the product reads them, in 8 bits; the other files of the folder are those of `like`."""
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    write_tensors(encoder.state(), unfinished / "model.safetensors")
    for name in names:
        shutil.copy(like / name, unfinished / name)
    unfinished.replace(folder)


class _Parts(IterableDataset[Batch]):
    """Each process makes its own part of the batches."""

    def __init__(self, make: Callable[..., Iterator[Batch]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        return self._make(part=(worker.id, worker.num_workers) if worker else (0, 1))


def _same(batch: Any) -> Any:
    return batch

"""The settings of a run of training, and what its stages are called."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from qa.errors import QAError

STAGES = {
    "material": "material.npz.xz",
    "warm-up": "warm.safetensors",
    "halves": "half-1.safetensors",
    "taught": "taught.safetensors",
    "reader": "reader",
    "candidates": "candidates.npz",
    "labels": "labels.npz",
    "reranker": "reranker",
    "comparer": "comparer",
}
"""In their order, with what each leaves in the run's folder."""
LEAST_ROWS = 8  # of a batch: the windows of four long passages, side by side


@dataclass(frozen=True, slots=True)
class Config:
    """One run. Steps are batches; the defaults are those of the shipped weights."""

    warm_up_steps: int = 1_451
    half_steps: int = 978  # of each of the two readers of one half
    taught_steps: int = 2_840
    reader_steps: int = 3_228
    reranker_steps: int = 3_750
    comparer_steps: int = 2_961
    rows: int = 128  # of 512 tokens in a batch
    warm_up_rate: float = 6e-4
    rate: float = 3.5e-4
    last_rate: float = 2.2e-4  # of what goes on from the taught reader
    dropout: float = 0.1  # of the hidden states
    masked: float = 0.12  # share of a passage's words in the warm-up
    negatives: float = 0.6  # share of the questions that are read beside another passage too, at first
    taught: float = 0.5  # share of the loss that follows the reader that has not read the question
    candidate_questions: int = 90_000  # of each half
    seed: int = 7
    workers: int = 12  # processes that pack batches; 0: the one that trains
    checkpoint_steps: int = 500
    limit: int = 0  # questions of each set; 0: all


def read_config(path: Path) -> Config:
    """Raises `QAError` where the file is no TOML, names what no run has, or has a value of another kind."""
    mend = f"edit {path}, or take benchmarks/training/shipped.toml"
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QAError(f"{path} is not a training configuration ({error}); {mend}") from error
    kinds = {field.name: type(field.default) for field in fields(Config)}
    for name, value in given.items():
        if name not in kinds:
            raise QAError(f"{path} has the setting {name!r}; expected one of {', '.join(kinds)}; {mend}")
        fits = type(value) in ((int, float) if kinds[name] is float else (int,))
        if not fits or value < 0:
            number = "a number" if kinds[name] is float else "a whole number"
            raise QAError(f"{path}: {name} is {value!r}; expected {number}, 0 or more; {mend}")
    config = Config(**given)
    steps = [value for name, value in asdict(config).items() if name.endswith("_steps")]
    if min(*steps, config.candidate_questions) < 1 or config.rows < LEAST_ROWS:
        raise QAError(
            f"{path}: rows are {config.rows} and the smallest number of steps is {min(steps)}; expected "
            f"{LEAST_ROWS} rows, 1 step, 1 checkpoint step and 1 candidate question at least; {mend}"
        )
    if max(config.dropout, config.masked, config.negatives, config.taught) > 1:
        raise QAError(
            f"{path}: a share is more than 1; expected dropout, masked, negatives, taught of 0 to 1; {mend}"
        )
    return config


def keep_config(config: Config, out: Path) -> None:
    """Write the settings to `out`. Raises `QAError` where a run of others is there already."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "run.json"
    kept = json.dumps(asdict(config), indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != kept:
        raise QAError(f"{out} holds a run of other settings; give a new folder: qa train CONFIG --out DIR")
    path.write_text(kept, encoding="utf-8")

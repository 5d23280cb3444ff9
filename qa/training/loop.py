"""The training loop: steps, their rate, checkpoints, and how it goes on after a kill."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from qa.errors import QAError

if TYPE_CHECKING:
    import torch

CHECKPOINT = "checkpoint.pt"
Progress = Callable[[int, int, float, float], None]
"""Called with (step, steps, loss, tokens per second)."""
Loss = Callable[[Any, Sequence[int], int], "tuple[torch.Tensor, int]"]
"""(model, numbers of the questions of a step, epoch) → their loss, and how many tokens were read."""


class Schedule(Protocol):
    """What the loop needs of a run's settings, a dataclass; `qa.training.train.Config` explains them."""

    @property
    def epochs(self) -> int: ...
    @property
    def questions_per_step(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def warm_up(self) -> float: ...
    @property
    def decay(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def clip(self) -> float: ...
    @property
    def averaging(self) -> float: ...
    @property
    def eight_bits(self) -> bool: ...
    @property
    def seed(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def checkpoint_steps(self) -> int: ...


def trained(model: Any) -> list[torch.Tensor]:
    """The weights that the loop changes."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def move_back(model: Any, start: Sequence[torch.Tensor], share: float) -> None:
    """Leave this share of what was learnt since the weights were `start` (Wortsman et al., CVPR 2022)."""
    for before, weight in zip(start, trained(model), strict=True):
        weight.data.lerp_(before, 1 - share)


def run(
    config: Schedule,
    out: Path,
    model: Any,
    questions: int,
    loss_of: Loss,
    device: str,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train `model` in place; return the figures of the run.

    A run that was killed goes on from its last checkpoint in `out` and ends with the same weights.
    """
    import torch  # noqa: PLC0415

    weights = trained(model)
    low_precision = device == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    reader = view_in_eight_bits(model) if config.eight_bits and not low_precision else model
    mean = [p.detach().clone() for p in weights] if config.averaging else []
    optimizer = torch.optim.AdamW(
        weights, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    per_epoch = -(-questions // config.questions_per_step)
    steps = min(config.steps or sys.maxsize, per_epoch * config.epochs)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps, config))

    begin = 0
    if (out / CHECKPOINT).is_file():
        state = torch.load(out / CHECKPOINT, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["random"].cpu())
        if device == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"].cpu())
        mean, begin = state["mean"], state["step"]

    started, tokens, loss = time.monotonic(), 0, torch.zeros(())
    order: list[int] = []
    for step in range(begin, steps):
        epoch, at = divmod(step, per_epoch)
        if not order or at == 0:
            order = list(range(questions))
            Random(f"{config.seed} {epoch}").shuffle(order)  # noqa: S311
        chosen = order[at * config.questions_per_step :][: config.questions_per_step]
        with torch.autocast(device, dtype=torch.bfloat16, enabled=low_precision):
            loss, count = loss_of(reader, chosen, epoch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, config.clip)
        optimizer.step()
        scheduler.step()
        for average, weight in zip(mean, weights, strict=False):
            average.lerp_(weight.detach(), 1 - config.averaging)
        tokens += count
        if progress and (step % 20 == 0 or step + 1 == steps):
            progress(step + 1, steps, float(loss.detach()), tokens / (time.monotonic() - started))
        if (step + 1) % config.checkpoint_steps == 0:
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
                "scheduler": scheduler.state_dict(),
                "mean": mean,
                "random": torch.get_rng_state(),
                "random_cuda": torch.cuda.get_rng_state() if device == "cuda" else torch.get_rng_state(),
            }
            torch.save(state, out / "checkpoint.tmp")
            os.replace(out / "checkpoint.tmp", out / CHECKPOINT)  # noqa: PTH105
    for average, weight in zip(mean, weights, strict=False):
        weight.data.copy_(average)
    return {
        "questions": questions,
        "steps": steps,
        "loss": float(loss.detach()),
        "tokens_per_second": round(tokens / max(time.monotonic() - started, 1e-9)),
    }


def view_in_eight_bits(model: Any) -> Any:
    """A view of the model, whose weights it shares; compiled, or the rounding would cost what it saves."""
    import torch  # noqa: PLC0415

    from qa.training.switchback import in_eight_bits  # noqa: PLC0415

    compiler = os.environ.get("CXX", "g++")
    if not shutil.which(compiler):
        raise QAError(
            f"eight_bits needs a C++ compiler, and {compiler} was not found; "
            "install it, or set eight_bits = false"
        )
    in_eight_bits(model)
    return torch.compile(model, dynamic=True)


def rate(step: int, steps: int, config: Schedule) -> float:
    """Rises, stays, falls; the share of the learning rate at this step."""
    warm = max(1, round(steps * config.warm_up))
    falling = min(steps - warm, round(steps * config.decay))
    return min((step + 1) / warm, (steps - step) / max(1, falling), 1.0)


def keep_config(config: Any, out: Path) -> None:
    """The settings beside the weights; a checkpoint of other settings is not gone on from.

    Only the number of steps may change, and only while the rate is level.
    """
    path, kept = out / "run.json", asdict(config)
    if (out / CHECKPOINT).exists() and path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        may_change = {"steps"} if config.decay < 1 else set()
        if {name for name in kept if kept[name] != before.get(name)} - may_change:
            raise QAError(f"{out} holds a run of other settings; give a new folder: qa train … --out DIR")
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")

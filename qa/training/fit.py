"""The loop of every training: a rate that rises and falls, and checkpoints that a killed run goes on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from qa.training.packing import Batch

RISING = 0.04  # share of the steps
CLIP = 1.0
WEIGHT_DECAY = 0.01
BETAS = (0.9, 0.98)
SHOWN = 20  # steps

Progress = Callable[[str, int, int, float, float], None]
"""Called with (stage, step, steps, loss, tokens per second)."""
Loss = Callable[[Batch], Tensor]


@dataclass(frozen=True, slots=True)
class Loop:
    """Trains models on a device; `folder` holds their checkpoints, by the models' names."""

    folder: Path
    device: str
    checkpoint_steps: int
    progress: Progress

    def checkpoint(self, name: str) -> Path:
        """Of the model of this name, while it is trained."""
        return self.folder / f"{name}.checkpoint"

    def fit(
        self,
        name: str,
        model: nn.Module,
        batches: Iterator[Batch],
        steps: int,
        peak: float,
        loss_of: Loss,
    ) -> None:
        """Train `model` in place, and leave it in evaluation mode: AdamW (Loshchilov & Hutter, ICLR 2019),
        matrices decayed, the rate rising to `peak` and falling to nothing, gradients clipped.

        What is done already is taken from the checkpoint of this name; those batches are skipped.
        """
        weights = list(model.parameters())
        groups = [
            {"params": [w for w in weights if w.ndim == 2], "weight_decay": WEIGHT_DECAY},
            {"params": [w for w in weights if w.ndim != 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=peak, betas=BETAS, fused=self.device == "cuda")
        done = _take_up(self.checkpoint(name), model, optimizer, self.device)
        model.train()
        began, tokens = time.monotonic(), 0
        for step, batch in enumerate(islice(batches, done, steps), start=done):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(step, steps)
            loss = loss_of(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, CLIP)
            optimizer.step()
            tokens += batch.tokens
            if step % SHOWN == 0 or step + 1 == steps:
                shown = float(loss.detach())
                self.progress(name, step + 1, steps, shown, tokens / (time.monotonic() - began))
            if (step + 1) % self.checkpoint_steps == 0:
                _keep(self.checkpoint(name), model, optimizer, step + 1, self.device)
        model.eval()


def rate(step: int, steps: int) -> float:
    """The share of the peak rate at this step, counted from 0."""
    done = step / steps
    return min(done / RISING + 0.01, (1 - done) / (1 - RISING), 1.0)


def _keep(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, device: str) -> None:
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state() if device == "cuda" else torch.get_rng_state(),
    }
    unfinished = path.with_suffix(".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(path)


def _take_up(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, device: str) -> int:
    """The number of steps that were done."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"].cpu())
    if device == "cuda":
        torch.cuda.set_rng_state(state["random_cuda"].cpu())
    return int(state["step"])

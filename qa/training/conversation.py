"""Train the head that says which words of a conversation belong to the next question.

The embedder stays frozen, so its states are computed once and kept beside the weights, in parts: a run
that was killed goes on where it was. A word of the history belongs to the question where a person who
rewrote it used the word. Questions of other dialogues, asked whole, are mixed in with nothing to carry:
the topic has changed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from qa.computing import arithmetic
from qa.conversation.terms import Layout, lay_out, new_head
from qa.embedder import Embedder
from qa.evaluation.rewrites import Rewrite, overlap, read_rewrites
from qa.evaluation.squad import data_set
from qa.reader.weights import write_tensors
from qa.words import stem

if TYPE_CHECKING:
    import torch

SET = "rewrite_canard_train"
PART = 1_000  # items whose states are kept in one file
CHECKPOINT = "checkpoint.pt"
Progress = Callable[[str, int, int], None]
"""Called with (what is done, how many, of how many)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. `foreign` and `whole` are shares of the follow-ups added as questions with nothing to
    carry: of another dialogue, and rewritten already."""

    follow_ups: int = 14_000
    foreign: float = 0.2
    whole: float = 0.1
    held_out: float = 0.08  # of the dialogues
    width: int = 256
    layers: int = 2
    epochs: int = 3
    items_per_step: int = 32
    learning_rate: float = 1e-3
    dropout: float = 0.1
    seed: int = 13


@dataclass(frozen=True, slots=True)
class Item:
    """A question laid out after its history; `labels` are 1, 0, or −1 where nothing is learned."""

    layout: Layout
    labels: list[int]
    carried: set[str]
    dialogue: str
    foreign: bool


def train(out: Path, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Write `model.safetensors` and `config.json` to `out`; return the figures on held-out dialogues."""
    out.mkdir(parents=True, exist_ok=True)
    embedder = Embedder()
    items = make_items(settings, embedder)
    states = list(_states(items, embedder, out / "states", progress))
    dialogues = sorted({item.dialogue for item in items})
    Random(settings.seed).shuffle(dialogues)  # noqa: S311
    apart = set(dialogues[: int(settings.held_out * len(dialogues))])
    held_out = [i for i, item in enumerate(items) if item.dialogue in apart]
    trained = [i for i, item in enumerate(items) if item.dialogue not in apart]

    head = _fit(items, states, trained, settings, out, progress)
    weighed = [_probabilities(head, items[i], states[i]) for i in held_out]
    # The resolver asks about questions that lean on the history: chosen for those that carry something.
    leaning = [(w, items[i].carried) for w, i in zip(weighed, held_out, strict=True) if items[i].carried]
    expected = [carried for _, carried in leaning]
    scores = {
        threshold: overlap([{s for s, p in w.items() if p >= threshold} for w, _ in leaning], expected)
        for threshold in (n / 100 for n in range(10, 91, 5))
    }
    # A missing word costs more than one too many, as long as more are right than wrong.
    threshold = min(at for at in scores if scores[at].precision > 0.5 or at == max(scores))
    figures = {
        "set": SET,
        **asdict(settings),
        "threshold": threshold,
        "held_out_overlap": asdict(scores[threshold]),
        "foreign_untouched": _untouched(items, weighed, held_out, threshold),
    }
    write_tensors(head.state_dict(), out / "model.safetensors")
    (out / "config.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def make_items(settings: Settings, embedder: Embedder) -> list[Item]:
    """The follow-ups of the set, and questions with nothing to carry, in a fixed random order."""
    random = Random(settings.seed)  # noqa: S311
    found = [r for r in read_rewrites(data_set("train", SET)) if r.history]
    random.shuffle(found)
    chosen = found[: settings.follow_ups]
    elsewhere = random.sample(chosen, int(settings.foreign * len(chosen)))
    whole = random.sample(chosen, int(settings.whole * len(chosen)))
    made = [
        *((r, False) for r in chosen),
        *((Rewrite(r.dialogue, random.choice(found).rewrite, r.history, ""), True) for r in elsewhere),
        *((Rewrite(r.dialogue, r.rewrite, r.history, r.rewrite), False) for r in whole),
    ]
    random.shuffle(made)
    return [_item(rewrite, foreign, embedder) for rewrite, foreign in made]


def _item(rewrite: Rewrite, foreign: bool, embedder: Embedder) -> Item:
    layout = lay_out(rewrite.question, rewrite.history, embedder)
    carried = rewrite.carried
    labels = [-1] * len(layout.ids)
    for word in layout.words:
        labels[word.token] = int(stem(word.text) in carried)
    return Item(layout, labels, carried, rewrite.dialogue, foreign)


def _states(
    items: Sequence[Item], embedder: Embedder, folder: Path, progress: Progress
) -> Iterator[NDArray[np.float16]]:
    """The frozen states of each item, shape (tokens, 384); each part is computed once."""
    folder.mkdir(exist_ok=True)
    for begin in range(0, len(items), PART):
        part = [item.layout.ids for item in items[begin : begin + PART]]
        file = folder / f"{begin:06}.npz"
        kept = dict(np.load(file)) if file.is_file() else {}
        ids = np.concatenate([np.array(tokens, dtype=np.int32) for tokens in part])
        if not kept or not np.array_equal(kept["ids"], ids):
            states: list[NDArray[np.float16]] = [np.empty((0, 0), np.float16)] * len(part)
            order = sorted(range(len(part)), key=lambda i: len(part[i]))
            for at in range(0, len(order), 16):
                few = order[at : at + 16]
                for i, state in zip(few, embedder.token_states([part[i] for i in few]), strict=True):
                    states[i] = state.astype(np.float16)
            kept = {"ids": ids, "states": np.concatenate(states)}
            unfinished = file.with_name("unfinished.npz")
            np.savez(unfinished, **kept)
            unfinished.replace(file)
        progress("frozen states", min(begin + PART, len(items)), len(items))
        yield from np.split(kept["states"], np.cumsum([len(tokens) for tokens in part])[:-1])


def _fit(
    items: Sequence[Item],
    states: Sequence[NDArray[np.float16]],
    trained: Sequence[int],
    settings: Settings,
    out: Path,
    progress: Progress,
) -> torch.nn.Module:
    import torch  # noqa: PLC0415

    torch.manual_seed(settings.seed)
    head = new_head(settings.width, settings.layers, settings.dropout)
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.learning_rate, weight_decay=0.01)
    steps = settings.epochs * -(-len(trained) // settings.items_per_step)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)
    done = 0
    if (out / CHECKPOINT).is_file():
        kept = torch.load(out / CHECKPOINT, weights_only=True)
        head.load_state_dict(kept["head"])
        optimizer.load_state_dict(kept["optimizer"])
        scheduler.load_state_dict(kept["scheduler"])
        torch.set_rng_state(kept["random"])
        done = kept["epoch"]
    native = arithmetic() is torch.bfloat16
    step = done * (steps // settings.epochs)
    for epoch in range(done, settings.epochs):
        head.train()
        for few in _batches(trained, items, settings, epoch):
            inputs, labels = _batch([items[i] for i in few], [states[i] for i in few])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=native):
                logits = head(*inputs).float()
            learned = labels >= 0
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                logits[learned], labels[learned].float()
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            step += 1
            progress(f"loss {loss.item():.3f}", step, steps)
        kept = {
            "head": head.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "random": torch.get_rng_state(),
            "epoch": epoch + 1,
        }
        torch.save(kept, out / "unfinished.pt")
        (out / "unfinished.pt").replace(out / CHECKPOINT)
    return head.eval()


def _batches(
    trained: Sequence[int], items: Sequence[Item], settings: Settings, epoch: int
) -> list[list[int]]:
    """Items of like length together, in an order of the epoch's own."""
    random = Random(f"{settings.seed} {epoch}")  # noqa: S311
    order = sorted(trained, key=lambda i: (len(items[i].layout.ids), random.random()))
    size = settings.items_per_step
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    random.shuffle(batches)
    return batches


def _batch(
    items: Sequence[Item], states: Sequence[NDArray[np.float16]]
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """(states, parts, distances, padding) and labels, padded to the longest."""
    import torch  # noqa: PLC0415

    shape = (len(items), max(len(state) for state in states))
    padded = np.zeros((*shape, Embedder.dimension), np.float32)
    parts, distances = (np.zeros(shape, np.int64) for _ in range(2))
    labels, padding = np.full(shape, -1), np.ones(shape, bool)
    for row, (item, state) in enumerate(zip(items, states, strict=True)):
        n = len(state)
        padded[row, :n] = state
        parts[row, :n], distances[row, :n] = item.layout.parts, item.layout.distances
        labels[row, :n], padding[row, :n] = item.labels, False
    inputs = tuple(map(torch.from_numpy, (padded, parts, distances, padding)))
    return inputs, torch.from_numpy(labels)


def _probabilities(head: torch.nn.Module, item: Item, states: NDArray[np.float16]) -> dict[str, float]:
    """Stem → the highest probability of its words."""
    import torch  # noqa: PLC0415

    inputs, _ = _batch([item], [states])
    with torch.inference_mode():
        weighed = torch.sigmoid(head(*inputs)[0]).tolist()
    found: dict[str, float] = {}
    for word in item.layout.words:
        found[stem(word.text)] = max(found.get(stem(word.text), 0.0), weighed[word.token])
    return found


def _untouched(
    items: Sequence[Item], weighed: Sequence[dict[str, float]], held_out: Sequence[int], threshold: float
) -> float:
    """Of the questions of another dialogue, the share to which nothing is added."""
    added = [
        any(p >= threshold for p in w.values())
        for w, i in zip(weighed, held_out, strict=True)
        if items[i].foreign
    ]
    return 1 - sum(added) / max(len(added), 1)


def main() -> None:
    """python -m qa.training.conversation --out DIR"""
    parser = argparse.ArgumentParser(prog="python -m qa.training.conversation", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the weights go")
    out = parser.parse_args().out
    with tqdm() as bar:

        def progress(what: str, done: int, of: int) -> None:
            if done < bar.n:  # the next stage
                bar.reset()
            bar.total = of
            bar.set_description(what, refresh=False)
            bar.update(done - bar.n)

        figures = train(out, Settings(), progress)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

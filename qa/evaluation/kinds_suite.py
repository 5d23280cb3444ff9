"""What kind of answer a question asks for: how often `qa.kinds` tells it rightly.

The questions are about anything at all, each labelled with its kind before the rules were written. A third
of them, chosen by the hash of their words, was kept aside: the rules were never looked at with these.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa import kinds
from qa.evaluation.questions import kept_aside
from qa.evaluation.report import prepare, write

LABELLED = Path(__file__).with_name("kind_questions.jsonl")
LOOKED_UP = ("overview", "mentions", "talk")  # what is never read for


@dataclass(frozen=True, slots=True)
class Labelled:
    question: str
    kind: str

    @property
    def aside(self) -> bool:
        return kept_aside(self.question)


def read_labelled() -> list[Labelled]:
    return [Labelled(**json.loads(line)) for line in LABELLED.read_text(encoding="utf-8").splitlines()]


def run(out: Path) -> dict[str, Any]:
    """Tell the kind of every labelled question, write `summary.json` to `out`, return it."""
    prepare(out)
    asked = read_labelled()
    summary = {
        "kept aside": figures([each for each in asked if each.aside]),
        "looked at": figures([each for each in asked if not each.aside]),
    }
    write(summary, out)
    return summary


def figures(asked: list[Labelled]) -> dict[str, Any]:
    """Shares are 0 to 1. `confused` counts (labelled, told) pairs; `harmed` is the share of the questions
    that are to be read for and are not: of the other errors, the reader's answer is still there."""
    told: list[str] = [kinds.wanted(each.question).kind for each in asked]
    pairs = Counter((each.kind, kind) for each, kind in zip(asked, told, strict=True))
    names = sorted({each.kind for each in asked})
    read_for = sum(n for (label, _), n in pairs.items() if label not in LOOKED_UP)
    return {
        "n": len(asked),
        "accuracy": sum(pairs[kind, kind] for kind in names) / len(asked),
        "harmed": sum(n for (label, kind), n in pairs.items() if label not in LOOKED_UP and kind in LOOKED_UP)
        / read_for,
        "kinds": {
            kind: {
                "n": sum(n for (label, _), n in pairs.items() if label == kind),
                "precision": _share(pairs[kind, kind], sum(n for (_, k), n in pairs.items() if k == kind)),
                "recall": _share(
                    pairs[kind, kind], sum(n for (label, _), n in pairs.items() if label == kind)
                ),
            }
            for kind in names
        },
        "confused": {f"{label} → {kind}": n for (label, kind), n in sorted(pairs.items()) if label != kind},
    }


def table(summary: dict[str, Any]) -> str:
    """The summary for the terminal, in percent."""
    lines = []
    for part, found in summary.items():
        lines.append(f"{part:16}{'n':>6}{'precision':>11}{'recall':>8}")
        for kind, scores in found["kinds"].items():
            cells = ["-" if s is None else f"{100 * s:.1f}" for s in (scores["precision"], scores["recall"])]
            lines.append(f"  {kind:14}{scores['n']:>6}{cells[0]:>11}{cells[1]:>8}")
        lines.append(
            f"  {found['n']} questions: {found['accuracy']:.1%} told rightly; {found['harmed']:.1%} of those "
            "to be read for are not"
        )
        lines += [f"    {pair}: {n}" for pair, n in found["confused"].items()]
        lines.append("")
    return "\n".join(lines).rstrip()


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

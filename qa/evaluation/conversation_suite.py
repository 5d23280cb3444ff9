"""Follow-ups: does making a question whole find and answer more than other ways of using a history?

Each follow-up is asked in three ways: raw, without its history; concatenated, behind all that was said
before; and resolved, as the product does it. Questions that stand alone are asked alone and after an
unrelated conversation, which must not change their answers. Where the public sets of rewritten questions
are at hand, the words that are carried over are compared with those a person carried over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qa.conversation import Resolver, rules
from qa.embedder import Embedder
from qa.engine import MOST_QUESTION_CHARACTERS, QA, SEEDS
from qa.evaluation import metrics, run
from qa.evaluation.questions import SEED_QUESTIONS, Question, read_questions, sample
from qa.evaluation.report import prepare, write
from qa.evaluation.rewrites import overlap, read_rewrites
from qa.evaluation.squad import data_set
from qa.words import stem

CONVERSATIONS = Path(__file__).with_name("conversations")
REWRITES = ("rewrite_canard_dev", "rewrite_trec_cast")
RECALL_AT = 5
MOST_LOST = 0.005  # of the stand-alone questions' accuracy, after an unrelated conversation

Progress = Callable[[str, int, int], None]
"""Called with (what is measured, questions asked, questions in all)."""


def evaluate(out: Path, limit: int | None = None, progress: Progress | None = None) -> dict[str, Any]:
    """Measure, write `summary.json` to `out`, return it. Shares are 0 to 1. The seeds' follow-ups are
    measured where ./seeds is, the carried words where QA_DATA is. `limit` takes that many questions of
    each kind, evenly spaced."""
    prepare(out)
    told = progress or (lambda *_: None)
    corpora = {"conversations": (CONVERSATIONS / "questions.jsonl", CONVERSATIONS / "documents")}
    if SEEDS.is_dir():
        corpora["seeds"] = (SEED_QUESTIONS, SEEDS)
    summary: dict[str, Any] = {"limit": limit, "sets": {}, "carried": {}}
    for name, (questions, documents) in corpora.items():
        with TemporaryDirectory(prefix="qa-eval-") as scratch, QA.build(documents, scratch) as qa:
            asked = read_questions(questions).questions
            summary["sets"][name] = _measure(qa, asked, limit, lambda *n, name=name: told(name, *n))
    for name in REWRITES:
        if (path := data_set("eval", name)).is_file():
            summary["carried"][name] = carried(path, limit)
    write(summary, out)
    return summary


def _measure(
    qa: run.Asker, questions: Sequence[Question], limit: int | None, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    follow_ups = sample([q for q in questions if q.asked_as and q.history], limit)
    alone = sample([q for q in questions if not q.asked_as and _elsewhere(q, follow_ups)], limit)
    ways = {
        "raw": [replace(q, history=()) for q in follow_ups],
        "concatenated": [replace(q, question=concatenated(q), history=()) for q in follow_ups],
        "resolved": list(follow_ups),
    }
    ways["alone"] = [replace(q, history=()) for q in alone]
    ways["after another conversation"] = after_another(alone, follow_ups)
    done, of = 0, sum(map(len, ways.values()))
    found: dict[str, Any] = {}
    for way, asked in ways.items():
        records = []
        for question in asked:
            records.append(run.ask(qa, question))
            done += 1
            progress(done, of)
        answerable = [r for r in records if r.answerable]
        found[way] = {
            "n": len(records),
            "recall@5": metrics.mean(
                [r.answer_rank is not None and r.answer_rank <= RECALL_AT for r in answerable]
            ),
            "right": metrics.mean([r.right for r in answerable]),
            "declined": metrics.mean([r.right for r in records if not r.answerable]),
            "changed": metrics.mean([r.asked_as != r.question for r in records]),
            "likeness": metrics.mean(
                [
                    metrics.f1(r.asked_as, [q.asked_as])
                    for q, r in zip(asked, records, strict=True)
                    if q.asked_as
                ]
            ),
        }
    return found


def concatenated(question: Question) -> str:
    """All that was said, oldest first, then the question; the newest where it is too long."""
    said = [part for turn in question.history for part in turn if part]
    return " ".join([*said, question.question])[-MOST_QUESTION_CHARACTERS:]


def after_another(alone: Sequence[Question], follow_ups: Sequence[Question]) -> list[Question]:
    """Each question behind the history of a conversation on other documents."""
    found = []
    for at, question in enumerate(alone):
        turned = [*follow_ups[at % len(follow_ups) :], *follow_ups[: at % len(follow_ups)]]
        found.append(replace(question, history=_elsewhere(question, turned)[0].history))
    return found


def _elsewhere(question: Question, follow_ups: Sequence[Question]) -> list[Question]:
    """The follow-ups on documents that have nothing to do with the question."""
    return [q for q in follow_ups if q.documents and not set(q.documents) & set(question.documents)]


def carried(path: Path, limit: int | None = None) -> dict[str, Any]:
    """Precision, recall and F1 of the words carried over from the history into the question: by rules
    alone, by the classifier alone at its threshold (as QuReTeC is measured), and as the product does it."""
    rewrites = sample([r for r in read_rewrites(path) if r.history], limit)
    resolver = Resolver(Embedder())
    threshold = resolver.terms.threshold
    weighed = [resolver.terms.weigh(r.question, r.history) for r in rewrites]
    ways = {
        "rules": [r.carried_by(rules.resolve(r.question, r.history)) for r in rewrites],
        "classifier": [
            {stem(each.word.text) for each in words if each.probability >= threshold} for words in weighed
        ],
        "resolved": [r.carried_by(resolver.resolve(r.question, r.history)) for r in rewrites],
    }
    expected = [r.carried for r in rewrites]
    return {"n": len(rewrites), **{way: asdict(overlap(found, expected)) for way, found in ways.items()}}


def goals_missed(summary: dict[str, Any]) -> list[str]:
    """In words: the resolved question must beat both others, and unrelated histories must not hurt.
    Shares of no question at all, None, say nothing."""
    missed = []
    for name, ways in summary["sets"].items():
        for measure in ("recall@5", "right"):
            resolved = ways["resolved"][measure]
            missed += [
                f"{name}: {measure} resolved {resolved:.1%}, {other} {ways[other][measure]:.1%}"
                for other in ("raw", "concatenated")
                if resolved is not None and resolved <= ways[other][measure]
            ]
        before, after = (ways[way]["right"] for way in ("alone", "after another conversation"))
        if before is not None and before - after > MOST_LOST:
            lost = 100 * (before - after)
            missed.append(f"{name}: stand-alone questions lose {lost:.1f} points after another topic")
    return missed


def table(summary: dict[str, Any]) -> str:
    """The summary for the terminal, in percent."""
    lines = []
    for name, ways in summary["sets"].items():
        lines.append(
            f"{name:28}{'n':>6}{'recall@5':>10}{'right':>8}{'declined':>10}{'changed':>9}{'likeness':>10}"
        )
        for way, figures in ways.items():
            shares = [figures[key] for key in ("recall@5", "right", "declined", "changed", "likeness")]
            cells = ["-" if share is None else f"{100 * share:.1f}" for share in shares]
            lines.append(
                f"  {way:26}{figures['n']:>6}"
                + "".join(f"{c:>{w}}" for c, w in zip(cells, (10, 8, 10, 9, 10), strict=True))
            )
        lines.append("")
    for name, figures in summary["carried"].items():
        title = f"words carried over, {name}, {figures['n']} questions"
        lines.append(f"{title:<60}{'precision':>10}{'recall':>8}{'f1':>6}")
        for way in ("rules", "classifier", "resolved"):
            p, r, f1 = (100 * figures[way][key] for key in ("precision", "recall", "f1"))
            lines.append(f"  {way:<58}{p:>10.1f}{r:>8.1f}{f1:>6.1f}")
    return "\n".join([*lines, *(f"goal missed     {missed}" for missed in goals_missed(summary))])

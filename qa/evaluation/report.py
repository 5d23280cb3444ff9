"""What the records add up to: a summary (JSON), a table for the terminal, the list of failures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qa.errors import QAError
from qa.evaluation import metrics
from qa.evaluation.questions import SEED_QUESTIONS, kept_aside
from qa.evaluation.record import Record

GOALS = {"right": 0.85, "declined": 0.85}
"""For the seed questions: facts answered rightly with the right document cited first, and
unanswerable questions declined."""

DECLINED = (80, 85, 90)
"""Per cent of the unanswerable, at which the likeliest answers of two models are compared."""


def summary(records: Sequence[Record], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All figures of a run. Shares are 0 to 1, times milliseconds, None where nothing was measured."""
    kinds = sorted({record.kind for record in records})
    slices = {kind: [record for record in records if record.kind == kind] for kind in kinds}
    follow_ups = [record for record in records if record.follow_up]
    near_misses = [record for record in records if record.near_miss]
    far = [record for record in records if not record.answerable and not record.near_miss]
    ours = settings.get("questions") == SEED_QUESTIONS.name
    aside = [record for record in records if ours and kept_aside(record.id)]
    return {
        "settings": dict(settings),
        "questions": {
            "all": len(records),
            "answerable": sum(record.answerable for record in records),
            "unanswerable": sum(not record.answerable for record in records),
            "near_misses": len(near_misses),
            "follow_ups": len(follow_ups),
        },
        "overall": _scores(records),
        "kinds": {kind: _scores(members) for kind, members in slices.items()},
        "follow_ups": _scores(follow_ups),
        "near_misses": _scores(near_misses),
        "far": _scores(far),
        "kept_aside": _scores(aside),
        "abstention": _abstention(records),
        "retrieval": _retrieval(records),
        "likeliest": _likeliest(records),
        "calibration": _calibration(records),
        "latency_ms": _latency(records),
        "verbatim": metrics.mean(record.verbatim for record in records if record.citations),
    }


def prepare(out: Path) -> None:
    """Make the folder. Raises `QAError` where nothing can be written there: found out before an hour of
    questions, not after."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "summary.json.part").touch()
    except OSError as error:
        raise QAError(
            f"Cannot write to {out} ({error.strerror}): name another folder with --out DIR."
        ) from error


def write(summary: Mapping[str, Any], out: Path) -> None:
    """`summary.json` in `out`, complete or not at all."""
    unfinished = out / "summary.json.part"
    unfinished.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(out / "summary.json")


def gates(figures: Mapping[str, Any]) -> list[str]:
    """One sentence for each goal of the seed questions that a summary misses."""
    overall = figures["overall"]
    return [
        f"{name} is {_percent(overall[name])} %, the goal is {100 * goal:.0f} %"
        for name, goal in GOALS.items()
        if overall[name] is None or overall[name] < goal
    ]


def _scores(records: Sequence[Record]) -> dict[str, Any]:
    """`right` and the documents over the answerable, `declined` over the unanswerable, exact match
    and F1 over both, as SQuAD 2.0 has it (a rightly declined question counts 1)."""
    facts = [record for record in records if record.answerable]
    return {
        "n": len(records),
        "right": metrics.mean(record.right for record in facts),
        "text_right": metrics.mean(bool(record.text_right) for record in facts),
        "document_right": metrics.mean(bool(record.document_right) for record in facts),
        "any_document_right": metrics.mean(bool(record.any_document_right) for record in facts),
        "answered": metrics.mean(record.answered for record in facts),
        "declined": metrics.mean(not record.answered for record in records if not record.answerable),
        "exact_match": metrics.mean(record.exact_match for record in records),
        "f1": metrics.mean(record.f1 for record in records),
        "exact_match_answerable": metrics.mean(record.exact_match for record in facts),
        "f1_answerable": metrics.mean(record.f1 for record in facts),
        "item_f1": metrics.mean(r.item_f1 for r in records if r.item_f1 is not None),
    }


def _abstention(records: Sequence[Record]) -> dict[str, float | None]:
    """Declining as the positive decision. `precision`: of the declined, the share that has no
    answer; `recall`: of those without an answer, the share declined. `coverage`: the share of all
    questions answered; `answer_precision`: the share of the given answers that are right."""
    return {
        "precision": metrics.mean(not record.answerable for record in records if not record.answered),
        "recall": metrics.mean(not record.answered for record in records if not record.answerable),
        "coverage": metrics.mean(record.answered for record in records),
        "answer_precision": metrics.mean(record.right for record in records if record.answered),
    }


def _retrieval(records: Sequence[Record]) -> dict[str, Any]:
    """Over the answerable whose answer has a wording. A hit counts if it comes from an accepted document;
    under `answer`, if it also holds the words of an accepted answer: the harder test in a small corpus."""
    facts = [record for record in records if record.answers]
    return {
        "document": _ranks([record.document_rank for record in facts]),
        "answer": _ranks([record.answer_rank for record in facts]),
    }


def _ranks(ranks: Sequence[int | None]) -> dict[str, float | None]:
    recalls = {f"recall@{k}": metrics.recall_at(k, ranks) for k in (1, 5, 10)}
    return {**recalls, "mrr@10": metrics.reciprocal_rank(ranks)}


def _likeliest(records: Sequence[Record]) -> dict[str, float | None]:
    """Of the answerable, how many have the right words as the likeliest, whatever the threshold, and how many
    of these would be given where so many of the unanswerable are DECLINED."""
    claimed = [record.confidence for record in records]
    right = [record.best_right for record in records]
    answerable = [record.answerable for record in records]
    return {
        "right": metrics.mean(record.best_right for record in records if record.answerable),
        **{
            f"at_{share}_declined": metrics.right_where_declined(share / 100, claimed, right, answerable)
            for share in DECLINED
        },
    }


def _calibration(records: Sequence[Record]) -> dict[str, float | None]:
    """Over all questions: is the best span as often right as its confidence says, whether or not it
    was given as the answer? For an unanswerable question it never is."""
    claimed = ([record.confidence for record in records], [record.best_right for record in records])
    return {
        "ece": metrics.ece(*claimed),
        "brier": metrics.brier(*claimed),
        "auroc": metrics.auroc(*claimed),
        "aurc": metrics.aurc(*claimed),
        "coverage_at_90": metrics.coverage_at_precision(0.90, *claimed),
        "coverage_at_95": metrics.coverage_at_precision(0.95, *claimed),
    }


def _latency(records: Sequence[Record]) -> dict[str, float | None]:
    times = [1000 * record.seconds["total"] for record in records]
    return {"p50": metrics.percentile(times, 50), "p95": metrics.percentile(times, 95)}


# For the terminal

COLUMNS = (
    ("right", "right"),
    ("document_right", "document"),
    ("exact_match", "EM"),
    ("f1", "F1"),
    ("declined", "declined"),
)


def table(figures: Mapping[str, Any]) -> str:
    """The summary as aligned text, in per cent."""
    count = figures["questions"]
    rows = {
        "all": figures["overall"],
        **{f"  {kind}": scores for kind, scores in figures["kinds"].items()},
        "follow-ups": figures["follow_ups"],
        "near misses": figures["near_misses"],
        "far from the texts": figures["far"],
        "kept aside": figures["kept_aside"],
    }
    rows = {name: scores for name, scores in rows.items() if scores["n"]}
    width = max(map(len, rows), default=0)
    lines = [
        f"{count['all']} questions: {count['answerable']} answerable, {count['unanswerable']} unanswerable; "
        f"near misses {count['near_misses']}, follow-ups {count['follow_ups']}",
        "",
        f"{'':{width}}  {'n':>6}" + "".join(f"  {title:>8}" for _, title in COLUMNS),
    ]
    for name, scores in rows.items():
        cells = "".join(f"  {_percent(scores[key]):>8}" for key, _ in COLUMNS)
        lines.append(f"{name:{width}}  {scores['n']:>6}{cells}")
    lines += [
        "",
        "right: right words, the right document cited first (of the answerable); EM, F1: declining an",
        "unanswerable question counts 100, as in SQuAD 2.0; declined: of the unanswerable",
        "",
        *_named_figures(figures),
    ]
    return "\n".join(lines)


def _named_figures(figures: Mapping[str, Any]) -> Iterator[str]:
    overall, abstention, calibration = figures["overall"], figures["abstention"], figures["calibration"]
    yield _row(
        "answers",
        {
            "precision": _percent(abstention["answer_precision"]),
            "coverage": _percent(abstention["coverage"]),
            "EM answerable": _percent(overall["exact_match_answerable"]),
            "F1 answerable": _percent(overall["f1_answerable"]),
        },
    )
    yield _row("abstention", {name: _percent(abstention[name]) for name in ("precision", "recall")})
    likeliest = figures["likeliest"]
    yield _row(
        "likeliest",
        {
            "right": _percent(likeliest["right"]),
            **{
                f"where {share} % are declined": _percent(likeliest[f"at_{share}_declined"])
                for share in DECLINED
            },
        },
    )
    for relevant, ranks in figures["retrieval"].items():
        yield _row(f"{relevant} found", {name: _percent(value) for name, value in ranks.items()})
    yield _row(
        "confidence",
        {
            "ECE": _number(calibration["ece"], 3),
            "Brier": _number(calibration["brier"], 3),
            "AUROC": _number(calibration["auroc"], 3),
            "AURC": _number(calibration["aurc"], 3),
        },
    )
    yield _row(
        "coverage at",
        {
            "90 % precision": _percent(calibration["coverage_at_90"]),
            "95 % precision": _percent(calibration["coverage_at_95"]),
        },
    )
    yield _row("milliseconds", {name: _number(value, 0) for name, value in figures["latency_ms"].items()})
    yield _row("verbatim", {"answers whose quotes all stand in the documents": _percent(figures["verbatim"])})


def _row(title: str, values: Mapping[str, str]) -> str:
    return f"{title:<15} " + "   ".join(f"{name} {value}" for name, value in values.items())


def _percent(share: float | None) -> str:
    return _number(share if share is None else 100 * share, 1)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def failures(records: Iterable[Record]) -> str:
    """Every question that went wrong: what was asked, what was accepted, what was given and why
    that is a failure. Empty where nothing did."""
    return "\n\n".join(_failure(record) for record in records if not record.right)


def _failure(record: Record) -> str:
    asked = record.question
    if record.asked_as != record.question:
        asked += f"  (asked as: {record.asked_as})"
    lines = [
        f"{record.id}  {record.kind}  {fault(record)}, confidence {record.confidence:.2f}",
        f"  question  {asked}",
        f"  expected  {expected(record)}",
        f"  given     {record.text!r} in {record.citations[0]['document']}"
        if record.text is not None and record.citations
        else f"  declined  {record.reason or 'no reason given'}",
    ]
    if not record.answered and record.best is not None:
        lines.append(f"  held back {record.best['quote']!r} in {record.best['document']}")
    return "\n".join(lines)


def fault(record: Record) -> str:
    """What is wrong with the answer of a record that is not right, in words."""
    if not record.answerable:
        return "answered, though the documents do not say"
    if not record.answered:
        return (
            "declined, though it had the answer" if record.best_right else "declined, its guess was wrong too"
        )
    if not record.text_right:
        return "wrong words"
    return "right words from the wrong document"


def expected(record: Record) -> str:
    """What would have been right, in words."""
    if not record.answerable:
        return "no answer" + (" (near miss)" if record.near_miss else "")
    return " | ".join(map(repr, record.answers)) + " in " + ", ".join(record.documents)

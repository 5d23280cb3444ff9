"""The evaluation page: what the last `qa eval` measured, as tables and plots, and every question of it.

A page of its own, without scripts: links filter and turn its pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qa.errors import QAError
from qa.evaluation.record import Record, read_records
from qa.evaluation.report import fault
from qa.evaluation.run import OUT
from qa.web import plots
from qa.web.markup import escape, isolated

HERE = Path(__file__).parent
ROWS = 100  # questions on one page
COLUMNS = (
    ("n", "Questions"),
    ("right", "Right"),
    ("document_right", "Right document"),
    ("exact_match", "EM"),
    ("f1", "F1"),
    ("declined", "Declined"),
)


def evaluation_page(failures_only: bool = False, number: int = 1, run: Path = OUT) -> str:
    """The page over the run saved in this folder; `number` counts its pages of questions from 1."""
    try:
        figures = _summary(run / "summary.json")
        records = read_records(run / "records.jsonl")
        measured = datetime.fromtimestamp((run / "summary.json").stat().st_mtime, UTC)
    except (QAError, OSError) as error:
        sentence = "Nothing has been measured yet, or it cannot be read; measure with: qa eval"
        return _page(f'<p class="none">{sentence}</p><p class="facts">{escape(str(error))}</p>')
    settings = figures["settings"]
    return _page(
        f'<p class="facts">{escape(str(settings["questions"]))} · {settings["asked"]:,} questions asked · '
        f'<time datetime="{measured.isoformat()}">{measured:%Y-%m-%d %H:%M} UTC</time></p>'
        + _scores(figures)
        + _plots(records)
        + _named(figures)
        + _questions(records, failures_only, number)
    )


def _summary(path: Path) -> dict[str, Any]:
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise QAError(f"{path} is no summary of an evaluation ({error}): make one with qa eval.") from error
    if not isinstance(figures, dict) or not {"settings", "overall", "kinds"} <= figures.keys():
        raise QAError(f"{path} is no summary of an evaluation: make one with qa eval.")
    return figures


def _scores(figures: Mapping[str, Any]) -> str:
    rows = {
        "All": figures["overall"],
        **figures["kinds"],
        "Follow-ups": figures["follow_ups"],
        "Near misses": figures["near_misses"],
        "Far from the texts": figures["far"],
    }
    heads = "".join(f'<th scope="col">{title}</th>' for _, title in COLUMNS)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{scores["n"]:,}</td>'
        + "".join(f"<td>{_percent(scores[key])}</td>" for key, _ in COLUMNS[1:])
        + "</tr>"
        for name, scores in rows.items()
        if scores["n"]
    )
    return (
        '<h2>Right, by kind of question</h2><div class="wide" tabindex="0" role="region" '
        'aria-label="Scores by kind of question"><table class="figures"><thead><tr><td></td>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        '<p class="facts">Right: right words, the right document cited first (of the answerable). '
        "Declined: of the unanswerable. "
        "EM and F1 as in SQuAD 2.0: declining an unanswerable question counts 100.</p>"
    )


def _plots(records: Sequence[Record]) -> str:
    confidence = [record.confidence for record in records]
    right = [record.best_right for record in records]
    times = [1000 * record.seconds["total"] for record in records if "total" in record.seconds]
    return (
        '<h2>Confidence and time</h2><div class="plots">'
        + plots.reliability(confidence, right)
        + plots.risk(confidence, right)
        + plots.latency(times)
        + "</div>"
    )


def _named(figures: Mapping[str, Any]) -> str:
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in _figures(figures))
    return f'<h2>Figures</h2><dl class="named">{items}</dl>'


def _figures(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    abstention, calibration, latency = figures["abstention"], figures["calibration"], figures["latency_ms"]
    yield "Questions answered", _percent(abstention["coverage"])
    yield "Of these right", _percent(abstention["answer_precision"])
    yield "Declined rightly (precision)", _percent(abstention["precision"])
    yield "Unanswerable declined (recall)", _percent(abstention["recall"])
    yield "Calibration error (ECE)", _number(calibration["ece"], 3)
    yield "Brier score", _number(calibration["brier"], 3)
    yield "AUROC", _number(calibration["auroc"], 3)
    yield "AURC", _number(calibration["aurc"], 3)
    yield "Answered at 90 % precision", _percent(calibration["coverage_at_90"])
    yield "Answered at 95 % precision", _percent(calibration["coverage_at_95"])
    for relevant, ranks in figures["retrieval"].items():
        for name, value in ranks.items():
            yield f"{relevant.capitalize()} found, {name}", _percent(value)
    yield "Median time", f"{_number(latency['p50'], 0)} ms"
    yield "95th percentile", f"{_number(latency['p95'], 0)} ms"
    yield "Quotes that stand in their documents", _percent(figures["verbatim"])


def _questions(records: Sequence[Record], failures_only: bool, number: int) -> str:
    failed = [record for record in records if not record.right]
    shown = failed if failures_only else list(records)
    pages = max(1, -(-len(shown) // ROWS))
    number = min(max(number, 1), pages)
    rows = "".join(map(_question, shown[(number - 1) * ROWS : number * ROWS]))
    choose = _choice("evaluation", f"All {len(records):,}", not failures_only) + _choice(
        "evaluation?show=failures", f"Failures {len(failed):,}", failures_only
    )
    heads = "".join(
        f'<th scope="col">{title}</th>'
        for title in ("Question", "Expected", "Given", "Where", "Confidence", "Verdict")
    )
    table = (
        '<div class="wide" tabindex="0" role="region" aria-label="Questions of the evaluation">'
        f'<table class="questions"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        if rows
        else '<p class="none">No question failed.</p>'
    )
    return (
        f'<h2 id="questions">Questions</h2><nav class="choose" aria-label="Which questions">{choose}</nav>'
        f"{table}{_turn(failures_only, number, pages)}"
    )


def _question(record: Record) -> str:
    asked = isolated(record.question)
    if record.asked_as != record.question:
        asked += f'<span class="facts">asked as: {isolated(record.asked_as)}</span>'
    place = record.citations[0] if record.citations else record.best
    where = (
        f'{isolated(place["document"])}<span class="facts">{place["start"]}–{place["end"]}</span>'
        if place
        else ""
    )
    if record.text is not None:
        given = isolated(record.text)
    else:
        given = "declined" + (f", held back: {isolated(record.best['quote'])}" if record.best else "")
    verdict = "right" if record.right else fault(record)
    return (
        f'<tr class="{"right" if record.right else "wrong"}"><th scope="row">{asked}'
        f'<span class="facts">{escape(record.id)} · {escape(record.kind)}</span></th>'
        f'<td data-label="Expected">{_expected(record)}</td><td data-label="Given">{given}</td>'
        f'<td data-label="Where">{where}</td>'
        f'<td data-label="Confidence">{100 * record.confidence:.0f} %</td><td>{escape(verdict)}</td></tr>'
    )


def _expected(record: Record) -> str:
    """What would have been right: any of these wordings, in any of these documents."""
    if not record.answerable:
        return "no answer" + (" (near miss)" if record.near_miss else "")
    wordings = " or ".join(f"“{isolated(wording)}”" for wording in record.answers)
    documents = ", ".join(map(isolated, record.documents))
    return f'{wordings}<span class="facts">{documents}</span>'


def _choice(link: str, name: str, here: bool) -> str:
    current = ' aria-current="page"' if here else ""
    return f'<a href="{link}#questions"{current}>{name}</a>'


def _turn(failures_only: bool, number: int, pages: int) -> str:
    if pages == 1:
        return ""
    show = "&amp;show=failures" if failures_only else ""
    links = [
        f'<a href="evaluation?page={other}{show}#questions">{name}</a>'
        for other, name in ((number - 1, "‹ Previous"), (number + 1, "Next ›"))
        if 1 <= other <= pages
    ]
    return f'<nav class="choose" aria-label="More questions">page {number} of {pages} {" ".join(links)}</nav>'


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _page(body: str) -> str:
    style = (HERE / "evaluation.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evaluation</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="favicon.ico">'
        f"<style>{style}</style></head><body><main>"
        f'<header><h1>Evaluation</h1><a href=".">Ask the documents</a></header>{body}</main></body></html>'
    )

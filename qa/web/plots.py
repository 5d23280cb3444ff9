"""Three plots of an evaluation as inline SVG: is a confidence worth what it says, what does answering
more cost, and how long does an answer take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qa.evaluation.metrics import risk_coverage

WIDTH, HEIGHT = 340, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 12, 40  # margins
BINS = 10
LATENCY_BINS = 20


def reliability(confidence: Sequence[float], right: Sequence[bool]) -> str:
    """The share of right answers among those of about the same confidence (Guo et al. 2017). Bars on
    the dashed line mean what they say; the darker a bar, the more answers it stands for."""
    p, y = np.asarray(confidence), np.asarray(right, dtype=float)
    in_bin = np.clip(np.ceil(p * BINS).astype(int) - 1, 0, BINS - 1)  # (low, high], as `metrics.ece`
    bars, told = [], []
    for number in range(BINS):
        members = in_bin == number
        if not members.any():
            continue
        share, mean, count = float(y[members].mean()), float(p[members].mean()), int(members.sum())
        x, width = _x(number / BINS), _x(1 / BINS) - _x(0) - 2
        shade = 0.35 + 0.65 * count / len(p)
        bars.append(
            f'<rect class="bar" x="{x + 1:.1f}" y="{_y(share):.1f}" width="{width:.1f}" '
            f'height="{_y(0) - _y(share):.1f}" opacity="{shade:.2f}">'
            f"<title>{count} answers: said {mean:.0%}, right {share:.0%}</title></rect>"
            f'<circle class="dot" cx="{_x(mean):.1f}" cy="{_y(share):.1f}" r="3"/>'
        )
        told.append(f"said {mean:.0%}, right {share:.0%} ({count})")
    diagonal = f'<line class="ideal" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'
    return _figure(
        "Reliability: is an answer as often right as its confidence says?",
        "; ".join(told),
        _axes("confidence", "share right") + "".join(bars) + diagonal,
    )


def risk(confidence: Sequence[float], right: Sequence[bool]) -> str:
    """The share of wrong answers as more questions are answered (El-Yaniv & Wiener 2010)."""
    coverage, wrong = risk_coverage(confidence, right)
    points = [(float(c), float(w)) for c, w in zip(coverage, wrong, strict=True)]
    line = " ".join(f"{_x(c):.1f},{_y(w):.1f}" for c, w in points)
    picked = [points[round(i * (len(points) - 1) / 4)] for i in range(5)] if points else []
    return _figure(
        "Risk and coverage: how many answers are wrong if more questions are answered?",
        "; ".join(f"{c:.0%} answered, {w:.0%} of them wrong" for c, w in picked),
        _axes("share of questions answered", "share wrong") + f'<polyline class="line" points="{line}"/>',
    )


def latency(milliseconds: Sequence[float]) -> str:
    """How many answers took how long."""
    longest = _round_above(max(milliseconds, default=1))
    counts, edges = np.histogram(milliseconds, bins=LATENCY_BINS, range=(0, longest))
    most = _round_above(int(counts.max()))
    bars = "".join(
        f'<rect class="bar" x="{_x(first / longest) + 1:.1f}" y="{_y(count / most):.1f}" '
        f'width="{_x(last / longest) - _x(first / longest) - 2:.1f}" '
        f'height="{_y(0) - _y(count / most):.1f}">'
        f"<title>{first:.0f} to {last:.0f} ms: {count} answers</title></rect>"
        for count, first, last in zip(counts, edges[:-1], edges[1:], strict=True)
    )
    axes = _axes("milliseconds", "answers", _quarters(longest), _quarters(most))
    told = f"at most {max(milliseconds, default=0):.0f} ms, {counts.max()} answers in the fullest bar"
    return _figure("Latency: how long does an answer take?", told, axes + bars)


def _round_above(value: float) -> int:
    """The next number whose quarters are round, where an axis may end: 40 for 34, 480 for 439."""
    tenths = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
    quarters = (tenth * 10**power for power in range(20) for tenth in tenths)  # in tenths
    return int(next(4 * ten // 10 for ten in quarters if ten % 10 == 0 and 4 * ten >= 10 * value))


def _quarters(end: int) -> list[str]:
    return [f"{end * i // 4:,}" for i in range(5)]


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(across: str, up: str, across_labels: Sequence[str] = (), up_labels: Sequence[str] = ()) -> str:
    shares = [f"{25 * i} %" for i in range(5)]
    lines = []
    for i, (label_x, label_y) in enumerate(zip(across_labels or shares, up_labels or shares, strict=True)):
        x, y = _x(i / 4), _y(i / 4)
        lines.append(
            f'<line class="grid" x1="{_x(0)}" y1="{y:.1f}" x2="{_x(1)}" y2="{y:.1f}"/>'
            f'<text x="{x:.1f}" y="{_y(0) + 15:.1f}" text-anchor="middle">{label_x}</text>'
            f'<text x="{_x(0) - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{label_y}</text>'
        )
    x, y = (_x(0) + _x(1)) / 2, (_y(0) + _y(1)) / 2
    names = (
        f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(11 {y:.1f}) rotate(-90)" text-anchor="middle">{up}</text>'
    )
    return "".join(lines) + names


def _figure(caption: str, told: str, drawn: str) -> str:
    """A plot with its caption; `told` says the same in words, for who does not see it."""
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{caption} {told}">{drawn}</svg>'
        f"<figcaption>{caption}</figcaption></figure>"
    )

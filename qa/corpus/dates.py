"""When a document is from, where its text says so; and which days its words "on Thursday" mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from qa.types import Range

HEAD = 600  # characters that a dateline stands in
LOOKED_THROUGH = 200_000  # characters, for dates that the text names

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_FULL = re.compile(
    rf"\b(?:(?P<m1>{_MONTH})\s+(?P<d1>{_DAY}),?\s+(?P<y1>{_YEAR})|(?P<d2>{_DAY})\s+(?P<m2>{_MONTH}),?\s+(?P<y2>{_YEAR})"
    rf"|(?P<y3>{_YEAR})-(?P<m3>\d\d)-(?P<d3>\d\d))\b"
)
_WEEKDAY = rf"(?:(?:{'|'.join(_WEEKDAYS)}),?\s+)?"
_DATELINE = re.compile(
    rf"^[ \t]*(?:(?:published|updated|posted|date|issued|dated)(?:\s+on)?\s*[:–—-]?\s*{_WEEKDAY}"
    rf"(?P<said>.{{8,30}})"
    rf"|{_WEEKDAY}(?P<alone>(?:{_DAY}\s+{_MONTH}|{_MONTH}\s+{_DAY}),?\s+{_YEAR}|{_YEAR}-\d\d-\d\d)[ \t]*$"
    rf"|[A-Z][\w .,'’()/-]{{1,60}}?[,(]\s*(?P<place>[^,\n(]{{3,12}}?,?\s+(?:{_DAY},?\s+)?{_YEAR})\b.*)$",
    re.IGNORECASE | re.MULTILINE,
)


def stated_date(text: str, latest: date) -> tuple[str, str] | None:
    """(ISO date, "dateline" or "text"): the date at the text's head, else the latest full date that it
    names, which it cannot be older than; none after `latest`."""
    for line in _DATELINE.finditer(text[:HEAD]):
        said = next(group for group in line.groups() if group)
        if (found := _FULL.search(said)) and (day := _day(found)) and day <= latest:
            return day.isoformat(), "dateline"
    named = [day for found in _FULL.finditer(text[:LOOKED_THROUGH]) if (day := _day(found)) and day <= latest]
    return (max(named).isoformat(), "text") if named else None


def _day(found: re.Match[str]) -> date | None:
    parts = {name[0]: value for name, value in found.groupdict().items() if value}
    month = parts["m"].lower().rstrip(".")
    number = (
        int(month) if month.isdigit() else 1 + next(i for i, m in enumerate(_MONTHS) if m[:3] == month[:3])
    )
    try:
        return date(int(parts["y"]), number, int(re.sub(r"\D", "", parts["d"])))
    except ValueError:
        return None


_RELATIVE = re.compile(
    rf"\b(?:(?P<day>today|yesterday|tomorrow)|(?P<which>last|next|this)\s+(?P<unit>week|month|year)"
    rf"|(?:(?P<turn>last|next|on|this)\s+)?(?P<weekday>{'|'.join(_WEEKDAYS)})(?!\s*,?\s*(?:{_MONTH}|{_DAY})\b))\b",
    re.IGNORECASE,
)
_TENSE = re.compile(
    r"\b(?:(?P<ahead>will|shall|is to|are to|due|expected to|plans?|later)"
    r"|said|says|told|was|were|had|has|\w+ed)\b",
    re.IGNORECASE,
)


def relative_dates(sentence: str, from_day: date) -> Iterator[tuple[Range, str]]:
    """The words of a sentence that mean a day, week, month or year by the day it was written on, as
    (range, "2016-10-27", "2016-W43", "2016-10" or "2016"). A weekday is the nearest one before, or after
    where the last verb before it speaks of what is to come."""
    for found in _RELATIVE.finditer(sentence):
        parts = {name: value.lower() for name, value in found.groupdict().items() if value}
        if "day" in parts:
            step = {"yesterday": -1, "today": 0, "tomorrow": 1}[parts["day"]]
            means = (from_day + timedelta(step)).isoformat()
        elif "unit" in parts:
            means = _shifted(from_day, parts["unit"], {"last": -1, "this": 0, "next": 1}[parts["which"]])
        else:
            back = (from_day.weekday() - _WEEKDAYS.index(parts["weekday"])) % 7
            verbs = list(_TENSE.finditer(sentence, 0, found.start())) or list(_TENSE.finditer(sentence))[:1]
            ahead = bool(verbs and verbs[-1]["ahead"])
            after = parts.get("turn") == "next" or (ahead and parts.get("turn") != "last" and back)
            if parts.get("turn") == "last":
                back = back or 7
            means = (from_day + timedelta(7 - back if after else -back)).isoformat()
        yield found.span(), means


def _shifted(day: date, unit: str, step: int) -> str:
    if unit == "year":
        return str(day.year + step)
    if unit == "week":
        year, week, _ = (day + timedelta(7 * step)).isocalendar()
        return f"{year}-W{week:02}"
    months = 12 * day.year + day.month - 1 + step
    return f"{months // 12}-{months % 12 + 1:02}"

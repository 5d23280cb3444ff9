"""Answers as HTML, by pure functions over their JSON form, so that an answer from the history looks
like a fresh one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date as day
from typing import Any

from qa.corpus import relative_dates
from qa.web.abstention import Cause
from qa.web.markup import address, date, direction, escape, head, isolated, joined

CONFIDENCE_WORDS = (
    (0.95, "almost certain"),
    (0.85, "very likely"),
    (0.65, "likely"),
    (0.40, "perhaps"),
    (0.00, "doubtful"),
)
"""What a confidence is called from which value on."""

DIFFERS_FROM = 0.10  # the confidence from which another answer counts as a source that differs
DIFFER = ("fact", "definition")  # kinds with one right answer; of the others, a second may be right as well
NEAREST_PASSAGES = 3  # shown when the documents do not say
EXCERPT_CHARACTERS = 280
CONTEXT_CHARACTERS = 300  # of a sentence, on each side of the quote

Json = Mapping[str, Any]
Numbers = Mapping[tuple[str, int, int], int]
"""The number that each cited place has in its answer."""


def confidence_in_words(confidence: float) -> str:
    """A probability as the page says it: "very likely · 93 %"."""
    word = next(word for least, word in CONFIDENCE_WORDS if confidence >= least)
    return f"{word} · {percent(confidence)} %"


def percent(share: float) -> int:
    """Whole percent; never 0 or 100, which would claim certainty."""
    return min(99, max(1, round(share * 100)))


def found(answer: Json, titles: Mapping[str, str]) -> str:
    """An answer with its citations, and what else the documents say.

    `answer` is `Answer.to_dict()` of an answer that does not abstain. `titles` names documents by their ids;
    one that is no longer there keeps the title that it had.
    """
    numbers, answer = _numbered(answer), _called(answer, titles)
    if answer.get("note"):  # conversations that were kept before there were notes have none
        return _looked_up(answer, numbers)
    best, *further = answer["citations"]
    also = "".join(f"<li>{_place(citation, numbers)}</li>" for citation in further)
    items = "".join(
        f'<li><a class="cite" href="{address(*_key(item))}">{isolated(item["quote"])}</a></li>'
        for item in answer.get("items", ())
    )
    return (
        '<div class="answer">'
        f'<p class="sentence" dir="{_direction(best)}">{_sentence(best)}&nbsp;{_link(best, numbers)}</p>'
        + _days(best)
        + (f'<ul class="items">{items}</ul>' if items else "")
        + f'<p class="from">{_place(best, numbers)}</p>'
        + (f'<h3>Also says so</h3><ul class="places">{also}</ul>' if also else "")
        + _meta(answer)
        + _others(answer, numbers)
        + "</div>"
    )


def _called(answer: Json, titles: Mapping[str, str]) -> Json:
    """The answer with its documents called as in `titles`."""

    def called(citations: Sequence[Json]) -> list[Json]:
        return [{**each, "title": titles.get(each["document"], each["title"])} for each in citations]

    others = [{**other, "citations": called(other["citations"])} for other in answer["alternatives"]]
    return {**answer, "citations": called(answer["citations"]), "alternatives": others}


def _looked_up(answer: Json, numbers: Numbers) -> str:
    """An extract, or all mentions of something: sentences under the titles of their documents."""
    by_document: dict[str, list[Json]] = {}
    for citation in answer["citations"]:
        by_document.setdefault(citation["document"], []).append(citation)
    parts = "".join(
        f'<h3 dir="{_direction(citations[0])}">'
        + f"{joined([_title(citations[0]), _date(citations[0])])}</h3>"
        + "".join(
            f'<p dir="{_direction(each)}">{_sentence(each)}&nbsp;{_link(each, numbers)}</p>'
            for each in citations
        )
        for citations in by_document.values()
    )
    return (
        f'<div class="answer {escape(answer["kind"])}">'
        f'<p class="note" dir="auto">{escape(answer["note"])}</p>{parts}{_meta(answer)}</div>'
    )


def not_found(answer: Json, cause: Cause, titles: Mapping[str, str]) -> str:
    """Why there is no answer, and which passages come nearest. `titles` names documents by their ids."""
    if cause.kind == "talk":
        return f'<div class="answer talk"><p dir="auto">{escape(cause.sentence)}</p></div>'
    nearest = "".join(_nearest(hit, titles) for hit in answer["hits"][:NEAREST_PASSAGES])
    whole = '<p class="whole">Every passage was read.</p>' if cause.whole and answer["hits"] else ""
    return (
        f'<div class="answer none" data-cause="{escape(cause.kind)}">'
        '<h2 class="verdict">The documents do not say.</h2>'
        f'<p class="reason" dir="auto">{escape(cause.sentence)}</p>{whole}{_way_out(cause)}'
        + (f'<h3>Nearest passages</h3><ul class="nearest">{nearest}</ul>' if nearest else "")
        + _meta(answer)
        + "</div>"
    )


def _way_out(cause: Cause) -> str:
    if cause.kind == "excluded":
        return '<p><button type="button" class="ask-all">Ask all sources</button></p>'
    if cause.kind == "below":
        return '<p><button type="button" class="ask-unsure">Show it all the same</button></p>'
    return ""


def _others(answer: Json, numbers: Numbers) -> str:
    """The different answers: those that may well be right as a table, the rest folded."""
    given = {"text": answer["text"], "confidence": answer["confidence"], "citations": answer["citations"]}
    others = [other for other in answer["alternatives"] if other["citations"]]
    one = answer["kind"] in DIFFER
    rivals = [other for other in others if one and other["confidence"] >= DIFFERS_FROM]
    unlikely = [other for other in others if other not in rivals]
    return (_differ([given, *rivals], numbers) if rivals else "") + (
        _unlikely(unlikely, numbers) if unlikely else ""
    )


def _differ(answers: Sequence[Json], numbers: Numbers) -> str:
    """One row for each answer in each document, newest first, those without a date last."""
    given = {(each["text"], c["document"]): (each, c) for each in answers for c in each["citations"][::-1]}
    rows = sorted(given.values(), key=lambda row: row[1]["date"] or "", reverse=True)
    documents = {citation["document"] for _, citation in rows}
    caption = "Sources differ" if len(documents) > 1 else "The source gives more than one answer"
    body = "".join(
        f'<tr><th scope="row">{isolated(each["text"])}'
        f'<span class="sure">{confidence_in_words(each["confidence"])}</span></th>'
        f'<td data-label="Document">{_title(citation)}</td>'
        f'<td data-label="Date">{_date(citation) or "unknown"}</td>'
        f'<td data-label="Quote" dir="{_direction(citation)}">'
        f"{_sentence(citation)}&nbsp;{_link(citation, numbers)}</td></tr>"
        for each, citation in rows
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Answer", "Document", "Date", "Quote"))
    return (
        f'<table class="differ"><caption>{caption}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _unlikely(answers: Sequence[Json], numbers: Numbers) -> str:
    items = "".join(
        f'<li><p class="sentence" dir="{_direction(other["citations"][0])}">'
        f"{_sentence(other['citations'][0])}&nbsp;"
        + " ".join(_link(citation, numbers) for citation in other["citations"])
        + f'</p><p class="from">{confidence_in_words(other["confidence"])} · '
        + f"{_title(other['citations'][0])}</p></li>"
        for other in answers
    )
    count = "1 less likely answer" if len(answers) == 1 else f"{len(answers)} less likely answers"
    return (
        f'<details class="unlikely"><summary>{count}</summary><ul class="alternatives">{items}</ul></details>'
    )


def _nearest(hit: Json, titles: Mapping[str, str]) -> str:
    title = titles.get(hit["document"], hit["document"])
    return (
        f'<li><a class="cite" href="{address(hit["document"], hit["start"], hit["end"])}">'
        f"{isolated(title)}</a>"
        f'<p class="excerpt" dir="auto">{escape(head(hit["text"], EXCERPT_CHARACTERS))}</p></li>'
    )


def _meta(answer: Json) -> str:
    noted = bool(answer.get("note"))
    facts = [_confidence(answer["confidence"]) if answer["answered"] and not noted else ""]
    passages = "1 passage" if answer["read"] == 1 else f"{answer['read']:,} passages"
    seconds = answer["seconds"].get("total")
    done = f"read {passages}" if not noted and (answer["read"] or not answer["answered"]) else "looked up"
    facts.append(done + (f" in {seconds * 1000:,.0f} ms" if seconds is not None else ""))
    if answer["asked_as"] != answer["question"]:
        facts.append(
            f'<span class="asked-as">asked as: {isolated(answer["asked_as"])}</span> '
            '<button type="button" class="edit-asked-as">edit</button>'
        )
    return f'<p class="meta">{joined(facts)}</p>'


def _confidence(confidence: float) -> str:
    meaning = f"Of answers shown with this confidence, about {percent(confidence)} in 100 are right."
    return (
        f'<button type="button" class="confidence">{confidence_in_words(confidence)}'
        f'<span class="tip" role="tooltip">{meaning}</span></button>'
    )


def _sentence(citation: Json) -> str:
    """The quote in bold inside its sentence, in an element that isolates its writing direction."""
    sentence, quote = citation["sentence"], citation["quote"]
    first = citation["start"] - citation["sentence_start"]
    left, right = sentence[:first], sentence[first + len(quote) :]
    if len(left) > CONTEXT_CHARACTERS:
        left = "… " + left[-CONTEXT_CHARACTERS:]
    return (
        f"<bdi>{escape(left)}<strong><mark>{escape(quote)}</mark></strong>"
        f"{escape(head(right, CONTEXT_CHARACTERS))}</bdi>"
    )


def _direction(citation: Json) -> str:
    return direction(citation["sentence"])


def _place(citation: Json, numbers: Numbers) -> str:
    page = f"page {citation['page']}" if citation["page"] else ""
    return f"{_link(citation, numbers)} {joined([_title(citation), page, _date(citation)])}"


def _date(citation: Json) -> str:
    return date(citation["date"], citation.get("date_source"))


def _days(citation: Json) -> str:
    """What "on Thursday" and the like in the sentence mean, where it is known when it was written."""
    if not citation["date"] or citation.get("date_source") not in ("metadata", "dateline"):
        return ""
    sentence = citation["sentence"]
    meant = [
        f"“{isolated(sentence[start:end])}”: {date(means)}"
        for (start, end), means in relative_dates(sentence, day.fromisoformat(citation["date"]))
    ]
    return f'<p class="days">{joined(meant)}</p>' if meant else ""


def _title(citation: Json) -> str:
    return isolated(citation["title"])


def _link(citation: Json, numbers: Numbers) -> str:
    """The number of a citation, linked to its place."""
    number = numbers[_key(citation)]
    label = escape(f"[{number}] {citation['title']}: show the source")
    href = address(*_key(citation))
    return f'<a class="cite" href="{href}" aria-label="{label}" title="{label}">[{number}]</a>'


def _numbered(answer: Json) -> dict[tuple[str, int, int], int]:
    """Numbers from 1, one for each place, in the order in which the answers come."""
    citations = [*answer["citations"], *(c for other in answer["alternatives"] for c in other["citations"])]
    return {key: number for number, key in enumerate(dict.fromkeys(map(_key, citations)), start=1)}


def _key(citation: Json) -> tuple[str, int, int]:
    return citation["document"], citation["start"], citation["end"]

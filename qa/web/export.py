"""A kept conversation as a file to take away: Markdown, HTML or JSON, each with all citations.

Questions and documents are hostile until proven otherwise: in Markdown every sign that means something
is escaped, in HTML every word is, and the HTML file runs and fetches nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from qa.web.history import KeptTurn

NOT_SAID = "The documents do not say."
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&#])")


def to_json(title: str, turns: Sequence[KeptTurn]) -> str:
    """The answers exactly as `Answer.to_dict()` gave them, which `qa verify` reads one by one."""
    kept = [{"asked": turn.asked, "answer": dict(turn.answer)} for turn in turns]
    return json.dumps({"title": title, "turns": kept}, indent=2) + "\n"


def to_markdown(title: str, turns: Sequence[KeptTurn]) -> str:
    parts = [f"# {_md(title)}"]
    for turn in turns:
        parts += [f"## {_md(turn.question)}", f"Asked {turn.asked}{_asked_as(turn, _md)}"]
        if not turn.answer["answered"]:
            verdict = f"**{NOT_SAID}** " if _was_asked(turn.answer) else ""
            parts.append(f"{verdict}{_md(turn.answer['reason'] or '')}".rstrip())
        for heading, citations in _groups(turn.answer):
            parts.append(f"**{_md(heading)}**")
            parts += [f"> {_quoted(c, _md, '**', '**')}\n>\n> — {_md(_reference(c))}" for c in citations]
    return "\n\n".join(parts) + "\n"


def to_html(title: str, turns: Sequence[KeptTurn]) -> str:
    """A whole page, to be opened from disk. Its policy forbids scripts and anything from elsewhere."""
    parts = []
    for turn in turns:
        parts.append(f'<h2 dir="auto">{_html(turn.question)}</h2>')
        parts.append(f"<p class=asked>Asked {_html(turn.asked)}{_asked_as(turn, _html)}</p>")
        if not turn.answer["answered"]:
            verdict = f"<b>{NOT_SAID}</b> " if _was_asked(turn.answer) else ""
            parts.append(f"<p dir=auto>{verdict}{_html(turn.answer['reason'] or '')}</p>")
        for heading, citations in _groups(turn.answer):
            parts.append(f"<h3 dir=auto>{_html(heading)}</h3>")
            parts += [
                f"<blockquote dir=auto>{_quoted(c, _html, '<mark>', '</mark>')}"
                f"<footer dir=auto>{_html(_reference(c))}</footer></blockquote>"
                for c in citations
            ]
    return _PAGE.format(title=_html(title), body="\n".join(parts))


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }}
blockquote {{ margin: .5rem 0; padding-left: 1rem; border-left: 3px solid #0d9488; }}
footer, .asked {{ color: #555; font-size: .875rem; overflow-wrap: anywhere; }}
</style>
<h1 dir="auto">{title}</h1>
{body}
</html>
"""


def _was_asked(answer: Mapping[str, Any]) -> bool:
    """Whether the question was one to the documents, and no greeting."""
    return answer.get("kind") != "talk"  # conversations that were kept before there were kinds have none


def _groups(answer: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """The answer, then each other answer that the documents give, with the places that give it."""
    if answer["citations"]:
        heading = answer.get("note") or f"{_flat(answer['text'])} ({answer['confidence']:.0%} sure)"
        yield heading, answer["citations"]
    for other in answer["alternatives"]:
        heading = f"The documents also say: {_flat(other['text'])} ({other['confidence']:.0%} sure)"
        yield heading, other["citations"]


def _quoted(citation: Mapping[str, Any], escaped: Callable[[str], str], before: str, after: str) -> str:
    """The sentence with its quote marked."""
    start = citation["start"] - citation["sentence_start"]
    end = citation["end"] - citation["sentence_start"]
    sentence = citation["sentence"]
    quote = sentence[start:end].strip()  # marks beside white space are no marks in Markdown
    left, right = sentence[:start], sentence[end:]
    return f"{escaped(left)}{before}{escaped(quote)}{after}{escaped(right)}"


def _reference(citation: Mapping[str, Any]) -> str:
    page = f"page {citation['page']}" if citation["page"] else ""
    place = f"characters {citation['start']}–{citation['end']}"
    facts = [citation["title"], citation["date"], citation["document"], page, place, citation.get("url")]
    return ", ".join(str(fact) for fact in facts if fact)


def _asked_as(turn: KeptTurn, escaped: Callable[[str], str]) -> str:
    asked_as = str(turn.answer["asked_as"])
    return "" if asked_as == turn.question else f", as: {escaped(asked_as)}"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _md(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", re.sub(r"\s+", " ", _text(text)))


def _html(text: str) -> str:
    return escape(_text(text))


def _text(text: str) -> str:
    """Without what no file can hold: lone surrogates, and control characters."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "�", text.encode("utf-8", "replace").decode())

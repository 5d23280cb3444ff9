"""What a text says of its own origin at its head: title, date, web address.

The head is a Markdown file's front matter (key: value lines between two lines of dashes), or else the first
lines of a text, where they are "Source: https://…", "Date: 2016-05-19", or nothing but a web address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

HEAD_LINES = 8
LONGEST_FRONT_MATTER = 2**14  # characters
LONGEST_ADDRESS = 2_000  # characters

_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_LINE = re.compile(r"^([A-Za-z_-]{3,20})[ \t]*:[ \t]*(\S[^\r\n]*?)[ \t]*\r?$", re.MULTILINE)
_ALONE = re.compile(r"^[ \t]*<?(https?://[^\s<>]+)>?[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)
_ADDRESS_KEYS = ("url", "canonical_url", "canonical", "source_url", "source", "link")
_DATE_KEYS = ("date", "published", "publish_date", "created")


@dataclass(frozen=True, slots=True)
class Origin:
    """`date` is as it was written, not yet a date."""

    title: str | None = None
    date: str | None = None
    url: str | None = None


def origin(text: str) -> Origin:
    """What the head of a text says; None for what it does not say."""
    front = _front_matter(text)
    head = front[1] if front else "".join(text[:LONGEST_FRONT_MATTER].splitlines(keepends=True)[:HEAD_LINES])
    said = {found[1].lower().replace("-", "_"): _unquoted(found[2]) for found in _LINE.finditer(head)}
    alone = None if front else _ALONE.search(head)
    addresses = [said.get(key) for key in _ADDRESS_KEYS] + [alone[1] if alone else None]
    return Origin(
        title=said.get("title") if front else None,
        date=next((said[key] for key in _DATE_KEYS if key in said), None),
        url=next(filter(None, map(web_address, addresses)), None),
    )


def body(text: str) -> int:
    """Where the text begins behind its front matter."""
    front = _front_matter(text)
    return front.end() if front else 0


def _front_matter(text: str) -> re.Match[str] | None:
    return _FRONT_MATTER.match(text[:LONGEST_FRONT_MATTER])


def web_address(text: str | None) -> str | None:
    """An http or https address, without its fragment, fit to be linked to; None for anything else."""
    address = (text or "").strip().partition("#")[0]
    if len(address) > LONGEST_ADDRESS or not re.fullmatch(
        r"https?://[^\s\"'<>\\^`{|}]+", address, re.IGNORECASE
    ):
        return None
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    # A name before the host is how an address pretends to be another's.
    if not parts.hostname or parts.username is not None:
        return None
    return quote(address.encode("utf-8", "replace"), safe=":/?[]@!$&()*+,;=%-._~")


def _unquoted(value: str) -> str:
    return value[1:-1].strip() if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value

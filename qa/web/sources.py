"""The documents of the index: the list at the left, a page at a time, and which of them may answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.store.base import DocumentInfo
from qa.web.markup import address, date, escape, isolated, joined, original

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.types import Skipped

ROWS = 50  # of the list, on one page
MOST_UNREAD = 200  # listed; who has more sees them with qa index


class Sources:
    """The list of documents. It is read from the index again only when the index has changed."""

    def __init__(self) -> None:
        self._read: tuple[int, dict[str, DocumentInfo], dict[str, str]] = (-1, {}, {})

    def known(self, qa: QA) -> dict[str, DocumentInfo]:
        """The documents by their ids, in the order in which "the second one" counts them."""
        return self._now(qa)[1]

    def titles(self, qa: QA) -> dict[str, str]:
        """What the documents are called, by their ids; those of one title by their files too."""
        return self._now(qa)[2]

    def _now(self, qa: QA) -> tuple[int, dict[str, DocumentInfo], dict[str, str]]:
        generation = qa.store.generation
        if self._read[0] != generation:
            known = {info.id: info for info in qa.documents()}
            with_title = Counter(info.title for info in known.values())
            titles = {
                id_: info.title if with_title[info.title] == 1 else f"{info.title} ({id_})"
                for id_, info in known.items()
            }
            self._read = generation, known, titles
        return self._read

    def matching(self, qa: QA, query: str) -> list[DocumentInfo]:
        """The documents with every word of `query` in their title or id."""
        words = query.casefold().split()
        return [
            info
            for info in self.known(qa).values()
            if all(word in f"{info.title}\n{info.id}".casefold() for word in words)
        ]

    def page(self, qa: QA, query: str, first: int, removable: bool) -> dict[str, Any]:
        """The rows from number `first`, counted from 0, of what matches, and how much that is."""
        matching = self.matching(qa, query)
        first = min(max(first, 0), max(0, len(matching) - 1)) // ROWS * ROWS
        shown = matching[first : first + ROWS]
        titles = self.titles(qa)
        return {
            "html": "".join(_row(info, titles.get(info.id, info.title), removable) for info in shown),
            "first": first,
            "shown": len(shown),
            "matching": len(matching),
            "all": len(self.known(qa)),
            "removable": removable,
            "unread": _unread(qa.skipped()),
        }

    def chosen(self, qa: QA, choice: Mapping[str, Any]) -> list[str] | None:
        """The ids that may answer; None where nothing is left out.

        A choice is "all but these" or "only these": `{"all": bool, "but": [id, …]}`, so that it stays
        short in a large corpus.
        """
        everything, but = bool(choice.get("all", True)), set(map(str, choice.get("but", ())))
        ids = [id_ for id_ in self.known(qa) if (id_ in but) != everything]
        return None if len(ids) == len(self.known(qa)) else ids


def in_words(documents: int, passages: int) -> str:
    """How much there is: "5 documents, 27 passages"."""
    return f"{_count(documents, 'document')}, {_count(passages, 'passage')}"


def _unread(skips: Sequence[Skipped]) -> dict[str, Any]:
    """What the last run over the folder could not read, as rows, and how many that are. Of hidden files
    nobody expects answers."""
    files = [(skip.path, skip.reason) for skip in skips if not Path(skip.path).name.startswith(".")]
    more = len(files) - MOST_UNREAD
    rest = f"<li>and {more:,} more; qa index FOLDER lists them all</li>" if more > 0 else ""
    return {"html": skipped(files[:MOST_UNREAD]) + rest, "count": len(files)}


def skipped(files: Sequence[tuple[str, str]]) -> str:
    """What could not be read, as rows of (name, reason)."""
    return "".join(
        f'<li>{isolated(name)}<span class="why" dir="auto">{escape(reason)}</span></li>'
        for name, reason in files
    )


def _row(info: DocumentInfo, called: str, removable: bool) -> str:
    title, id_ = escape(called), escape(info.id)
    file = isolated(info.id) if called != info.title else ""  # a long title is cut off
    facts = joined([file, date(info.date), _count(info.passages, "passage"), _size(info)])
    remove = (
        f'<button type="button" class="remove" value="{id_}" aria-label="Remove {title}">✕</button>'
        if removable
        else ""
    )
    return (
        f'<li><input type="checkbox" value="{id_}" aria-label="Answer from {title}">'
        f'<div><a class="cite title" href="{address(info.id, 0, 0)}" title="{id_}">{isolated(info.title)}</a>'
        f'<p class="facts">{facts}</p></div>'
        f'<a class="file" href="{original(info.id)}" target="_blank" rel="noopener" '
        f'aria-label="Open the file of {title}" title="Open the file">↗</a>{remove}</li>'
    )


def _size(info: DocumentInfo) -> str:
    try:
        size = float(Path(info.path).stat().st_size)
    except (OSError, ValueError):
        return f"{info.characters:,} characters"
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")

"""A saved answer → does every quote still stand where it says, in the index and in the file?

An answer's JSON travels: into an article, a brief, a ticket. This checks it later, against the index and
against the bytes on disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.corpus import sha256
from qa.engine import QA
from qa.errors import BadQuestion, QAError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one citation."""

    document: str
    start: int
    end: int
    holds: bool
    says: str


def verify(answer_json: str, index: str | Path) -> list[Finding]:
    """One finding for each citation of the answer and of its alternatives.

    Raises `QAError` where this is not an answer's JSON, `BadIndex` where there is no such index.
    """
    try:
        answer = json.loads(answer_json)
        citations = [
            (str(c["document"]), int(c["start"]), int(c["end"]), str(c["quote"]), str(c["sha256"]))
            for c in _citations(answer)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise QAError(
            f"This is not an answer ({error!r}); expected what this prints: qa ask … --json"
        ) from None
    with QA.open(index) as qa:
        return [
            Finding(id_, start, end, *_check(qa, id_, start, end, quote, digest))
            for id_, start, end, quote, digest in citations
        ]


def _citations(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from answer["citations"]
    for alternative in answer["alternatives"]:
        yield from alternative["citations"]


def _check(qa: QA, document_id: str, start: int, end: int, quote: str, digest: str) -> tuple[bool, str]:
    try:
        document = qa.document(document_id)
    except BadQuestion:
        return False, "the document is not in the index"
    if document.text[start:end] != quote:
        return False, "other words stand there in the index"
    if document.sha256 != digest:
        return False, "the document has changed since; the words still stand there"
    path = Path(document.path)
    if not path.is_file():
        return False, f"the file {path} is gone"
    if sha256(path) != digest:
        return False, f"the file {path} has changed since it was indexed"
    return True, f"“{' '.join(quote.split())}” stands there"

"""A click on an answer → a line of a question file that `qa eval` runs.

What a person confirms or corrects becomes a question with its answers and documents, in the form that
`qa/evaluation/questions.py` reads: qa eval INDEX/feedback.jsonl. A verdict that leaves open what is right
is kept as well, in a second file of the same form, until a person completes it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any, Literal, TypeAlias, get_args

from qa.errors import BadIndex, BadQuestion

FILE = "feedback.jsonl"
OPEN = "feedback-open.jsonl"
KINDS = ("how many", "who", "what", "when", "where", "why", "how")


@dataclass(frozen=True, slots=True)
class Given:
    """Where a verdict is kept: the file, and the line's id. Not `complete`: what is right is still open."""

    file: Path
    id: str
    complete: bool


Verdict: TypeAlias = Literal["right", "wrong", "wrong place", "should not have answered"]
VERDICTS: tuple[str, ...] = get_args(Verdict)


class Feedback:
    """The verdicts on one index's answers. Threads and processes may share it."""

    def __init__(self, index: Path) -> None:
        """`index` is the folder of the index."""
        self._index = index
        self._lock = Lock()

    def give(
        self,
        answer: Mapping[str, Any],
        verdict: str,
        *,
        history: Sequence[tuple[str, str]] = (),
    ) -> Given:
        """Append the verdict on an answer, `Answer.to_dict()`.

        `history` holds the turns before it. "wrong" and "wrong place" leave open what is right: their lines
        go to `feedback-open.jsonl`, until `complete` moves them. Raises `BadQuestion` for an unknown verdict,
        `BadIndex` where the file cannot be written.
        """
        line = question(answer, verdict, history=history)
        complete = not line["answerable"] or bool(line["answers"] and line["documents"])
        path = self._index / (FILE if complete else OPEN)
        with self._lock, _explaining(path):
            _append(path, line)
        return Given(path, line["id"], complete)

    def complete(self, line_id: str, words: str | None, documents: Sequence[str] = ()) -> Path:
        """Move a line that was left open to the file that `qa eval` runs, and return that file.

        `words` are the right answer, and stand in `documents`; for a line whose answer was right but not its
        place, they are words of the right place. None: the documents do not say. Raises `BadQuestion` where
        no line is open under this id, `BadIndex`.
        """
        path, complete = self._index / OPEN, self._index / FILE
        with self._lock, _explaining(path):
            lines = _lines(path)
            line = next((each for each in lines if each["id"] == line_id), None)
            if line is None:
                raise BadQuestion("This verdict is no longer open; judge the answer once more.")
            if words is None:
                line |= {"answerable": False, "kind": "unanswerable", "answers": [], "documents": []}
            else:
                line |= {"answers": line["answers"] or [words.strip()], "documents": list(documents)}
            _append(complete, line)
            rest = path.with_name(f"{OPEN}.part")
            rest.write_text("".join(json.dumps(each) + "\n" for each in lines if each is not line))
            rest.replace(path)
        return complete


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadIndex(
            f"The verdict cannot be written to {path} ({error.strerror}); check the folder's permissions "
            "and space, then click again"
        ) from error


def _append(path: Path, line: Mapping[str, Any]) -> None:
    # One write at the end of the file: lines of several threads and processes cannot mix.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, (json.dumps(line) + "\n").encode())
    finally:
        os.close(file)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.is_file() else []


def question(
    answer: Mapping[str, Any],
    verdict: str,
    *,
    history: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The line of a question file that a verdict on an answer amounts to. Raises `BadQuestion`."""
    if verdict not in VERDICTS:
        raise BadQuestion(f"The verdict is {verdict!r}; expected one of: {', '.join(VERDICTS)}")
    answerable = verdict in {"wrong", "wrong place"} or (verdict == "right" and bool(answer["answered"]))
    answers = [answer["text"]] if answerable and answer["text"] and verdict != "wrong" else []
    places = [citation["document"] for citation in answer["citations"]] if verdict == "right" else []
    line: dict[str, Any] = {
        "id": f"feedback-{token_hex(6)}",
        "question": answer["question"],
        "kind": _kind(answer["asked_as"]) if answerable else "unanswerable",
        "answerable": answerable,
        "answers": answers,
        "documents": list(dict.fromkeys(places)),
    }
    if history:
        line["history"] = [list(turn) for turn in history]
    return line


def _kind(asked: str) -> str:
    """What the question asks for, by its first question word."""
    found = re.search(rf"\b({'|'.join(KINDS)})\b", asked.lower())
    return found[1] if found else "what"

"""A click on an answer → a line of a question file that `qa eval` runs.

What a person confirms or corrects becomes a question with its answers and documents, in the form that
`qa/evaluation/questions.py` reads: qa eval INDEX/feedback.jsonl. A verdict that leaves open what is right
is kept as well, in a second file of the same form, for a person to complete.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, TypeAlias, get_args

from qa.errors import BadIndex, BadQuestion

FILE = "feedback.jsonl"
OPEN = "feedback-open.jsonl"
KINDS = ("how many", "who", "what", "when", "where", "why", "how")

Verdict: TypeAlias = Literal["right", "wrong", "wrong place", "should not have answered"]
VERDICTS: tuple[str, ...] = get_args(Verdict)


class Feedback:
    """The verdicts on one index's answers. Threads and processes may share it."""

    def __init__(self, index: Path) -> None:
        """`index` is the folder of the index."""
        self._index = index

    def give(
        self,
        answer: Mapping[str, Any],
        verdict: str,
        *,
        history: Sequence[tuple[str, str]] = (),
        expected: Sequence[str] = (),
        documents: Sequence[str] = (),
    ) -> Path:
        """Append the verdict on an answer, `Answer.to_dict()`, and return the file that now holds it.

        `history` holds the turns before it. For "wrong" and "wrong place", `expected` are the words that
        would have been right and `documents` the ids that hold them; without them the line goes to
        `feedback-open.jsonl`. Raises `BadQuestion` for an unknown verdict, `BadIndex` where the file
        cannot be written.
        """
        line = question(answer, verdict, history=history, expected=expected, documents=documents)
        complete = not line["answerable"] or bool(line["answers"] and line["documents"])
        path = self._index / (FILE if complete else OPEN)
        encoded = (json.dumps(line) + "\n").encode()
        try:
            # One write at the end of the file: lines of several threads and processes cannot mix.
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, encoded)
            finally:
                os.close(file)
        except OSError as error:
            raise BadIndex(
                f"The verdict cannot be written to {path} ({error.strerror}); check the folder's permissions "
                "and space, then click again"
            ) from error
        return path


def question(
    answer: Mapping[str, Any],
    verdict: str,
    *,
    history: Sequence[tuple[str, str]] = (),
    expected: Sequence[str] = (),
    documents: Sequence[str] = (),
) -> dict[str, Any]:
    """The line of a question file that a verdict on an answer amounts to. Raises `BadQuestion`."""
    if verdict not in VERDICTS:
        raise BadQuestion(f"The verdict is {verdict!r}; expected one of: {', '.join(VERDICTS)}")
    answerable = verdict in {"wrong", "wrong place"} or (verdict == "right" and bool(answer["answered"]))
    answers = [words.strip() for words in expected if words.strip()] if answerable else []
    if verdict in {"right", "wrong place"} and answer["text"] and not answers and answerable:
        answers = [answer["text"]]
    places = list(documents) if answerable else []
    if verdict == "right" and answerable and not places:
        places = [citation["document"] for citation in answer["citations"]]
    line: dict[str, Any] = {
        "id": f"feedback-{token_hex(6)}",
        "question": answer["question"],
        "kind": _kind(answer["asked_as"]) if answerable else "unanswerable",
        "answerable": answerable,
        "answers": list(dict.fromkeys(answers)),
        "documents": list(dict.fromkeys(places)),
    }
    if history:
        line["history"] = [list(turn) for turn in history]
    return line


def _kind(asked: str) -> str:
    """What the question asks for, by its first question word."""
    found = re.search(rf"\b({'|'.join(KINDS)})\b", asked.lower())
    return found[1] if found else "what"

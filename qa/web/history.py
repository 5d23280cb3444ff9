"""The conversations of each browser, kept in <index>/chats.sqlite3.

A browser is known by a random token that it keeps; the file holds only the token's hash, so that whoever
reads the file cannot speak for a browser. Every method takes the token and reaches that browser's
conversations alone. A browser may opt out: then its conversations are deleted and no more are kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from textwrap import shorten
from typing import Any

from qa.errors import BadIndex, BadQuestion

FILE = "chats.sqlite3"
LONGEST_TITLE = 100  # characters
BUSY_SECONDS = 10

TABLES = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, browser TEXT NOT NULL, title TEXT NOT NULL,
    started TEXT NOT NULL, changed TEXT NOT NULL  -- ISO 8601, UTC
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS conversations_of_browser ON conversations (browser, changed);
CREATE TABLE IF NOT EXISTS turns (
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    number INTEGER NOT NULL, asked TEXT NOT NULL, question TEXT NOT NULL,
    answer TEXT NOT NULL,  -- the JSON of qa.types.Answer
    circumstances TEXT NOT NULL DEFAULT '{}',  -- JSON: what the page needs to show it as when it was asked
    PRIMARY KEY (conversation, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opted_out (browser TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as the list shows it. `started` and `changed` are ISO 8601 in UTC."""

    id: str
    title: str
    started: str
    changed: str
    turns: int


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A question and its answer as `Answer.to_dict()` gave it. `number` counts from 1, `asked` is ISO 8601 in
    UTC. `circumstances` is JSON of the page's own: the choice of sources, why there was no answer …"""

    number: int
    asked: str
    answer: Mapping[str, Any]
    circumstances: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> str:
        return str(self.answer["question"])


def new_browser() -> str:
    """A token for a browser that has none: 256 random bits."""
    return token_urlsafe(32)


class History:
    """The conversations of all browsers of one index. Threads may share it.

    Methods that take a conversation raise `BadQuestion` where this browser has none of that id, and all
    raise `BadIndex` where the file cannot be read or written.
    """

    def __init__(self, index: Path) -> None:
        """`index` is the folder of the index; the file in it is made with the first conversation."""
        self._path = index / FILE

    def keeps(self, browser: str) -> bool:
        """Whether conversations of this browser are kept."""
        with self._open() as db:
            return (
                db.execute("SELECT 1 FROM opted_out WHERE browser = ?", (_hash(browser),)).fetchone() is None
            )

    def opt_out(self, browser: str) -> None:
        """Delete this browser's conversations and keep none from now on."""
        with self._open() as db:
            db.execute("DELETE FROM conversations WHERE browser = ?", (_hash(browser),))
            db.execute("INSERT OR IGNORE INTO opted_out VALUES (?)", (_hash(browser),))

    def opt_in(self, browser: str) -> None:
        """Keep this browser's conversations again."""
        with self._open() as db:
            db.execute("DELETE FROM opted_out WHERE browser = ?", (_hash(browser),))

    def append(
        self,
        browser: str,
        conversation: str | None,
        answer: Mapping[str, Any],
        circumstances: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Add a turn, `Answer.to_dict()`, to a conversation, or start one with it where None is given.

        Returns the conversation's id; None where this browser has opted out.
        """
        with self._open() as db:
            owner, now = _hash(browser), _now()
            if db.execute("SELECT 1 FROM opted_out WHERE browser = ?", (owner,)).fetchone():
                return None
            if conversation is None:
                conversation = token_urlsafe(12)
                title = _title(str(answer["question"])) or "Conversation"
                db.execute(
                    "INSERT INTO conversations VALUES (?, ?, ?, ?, ?)", (conversation, owner, title, now, now)
                )
            else:
                _touch(db, owner, conversation)
            (last,) = db.execute(
                "SELECT coalesce(max(number), 0) FROM turns WHERE conversation = ?", (conversation,)
            ).fetchone()
            _put(db, conversation, last + 1, answer, circumstances)
            return conversation

    def replace(
        self,
        browser: str,
        conversation: str,
        number: int,
        answer: Mapping[str, Any],
        circumstances: Mapping[str, Any] | None = None,
    ) -> None:
        """Put another turn in the place of this one, and drop the turns after it, which leant on it."""
        with self._open() as db:
            _touch(db, _hash(browser), conversation)
            _drop_from(db, conversation, number)
            _put(db, conversation, number, answer, circumstances)

    def note(self, browser: str, conversation: str, number: int, **circumstances: Any) -> None:
        """Add to the circumstances of a turn."""
        with self._open() as db:
            _own(db, _hash(browser), conversation)
            db.execute(
                "UPDATE turns SET circumstances = json_patch(circumstances, ?) "
                "WHERE conversation = ? AND number = ?",
                (json.dumps(circumstances), conversation, number),
            )

    def undo(self, browser: str, conversation: str, number: int | None = None) -> None:
        """Drop this turn and those after it; the last one where no number is given."""
        with self._open() as db:
            _touch(db, _hash(browser), conversation)
            if number is None:
                (number,) = db.execute(
                    "SELECT max(number) FROM turns WHERE conversation = ?", (conversation,)
                ).fetchone()
            _drop_from(db, conversation, number)

    def conversations(self, browser: str, search: str = "") -> list[Conversation]:
        """This browser's conversations, the last changed first; with `search`, those in which all its
        words occur, in the title, a question, an answer or a quoted sentence."""
        words = search.casefold().split()
        with self._open() as db:
            rows = db.execute(
                "SELECT id, title, started, changed, count(turns.number) FROM conversations "
                "LEFT JOIN turns ON conversation = id WHERE browser = ? GROUP BY id "
                "ORDER BY changed DESC, id",
                (_hash(browser),),
            ).fetchall()
            found = [Conversation(*row) for row in rows]
            return [one for one in found if not words or _says(db, one, words)]

    def turns(self, browser: str, conversation: str) -> list[KeptTurn]:
        """The turns of a conversation, oldest first."""
        with self._open() as db:
            _own(db, _hash(browser), conversation)
            return _turns(db, conversation)

    def title(self, browser: str, conversation: str) -> str:
        with self._open() as db:
            return _own(db, _hash(browser), conversation)

    def rename(self, browser: str, conversation: str, title: str) -> None:
        """Raises `BadQuestion` for a title without any letter or sign."""
        if not _title(title):
            raise BadQuestion("The title is empty; expected a few words that name the conversation.")
        with self._open() as db:
            _own(db, _hash(browser), conversation)
            db.execute("UPDATE conversations SET title = ? WHERE id = ?", (_title(title), conversation))

    def delete(self, browser: str, conversation: str) -> None:
        with self._open() as db:
            _own(db, _hash(browser), conversation)
            db.execute("DELETE FROM conversations WHERE id = ?", (conversation,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed as a whole or not at all."""
        try:
            # A connection a call: they are a few a minute, and threads need not share one.
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
                db.execute("PRAGMA foreign_keys = ON")
                db.execute("PRAGMA secure_delete = ON")  # what is deleted is gone from the file as well
                db.executescript(TABLES)
                _bring_up_to_date(db)
                db.execute("BEGIN IMMEDIATE")
                with db:
                    yield db
        except sqlite3.Error as error:
            raise BadIndex(
                f"The conversations in {self._path} cannot be read or written ({error}); check the folder's "
                f"permissions and space, or start anew: mv {self._path} {self._path}.old"
            ) from error


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """A file of before turns had circumstances gets the column."""
    if all(column[1] != "circumstances" for column in db.execute("PRAGMA table_info(turns)")):
        db.execute("ALTER TABLE turns ADD COLUMN circumstances TEXT NOT NULL DEFAULT '{}'")


def _own(db: sqlite3.Connection, owner: str, conversation: str) -> str:
    """The title of this browser's conversation."""
    row = db.execute(
        "SELECT title FROM conversations WHERE id = ? AND browser = ?", (conversation, owner)
    ).fetchone()
    if row is None:
        raise BadQuestion(
            "This browser has no such conversation; choose one of the list, or start a new one."
        )
    return str(row[0])


def _touch(db: sqlite3.Connection, owner: str, conversation: str) -> None:
    _own(db, owner, conversation)
    db.execute("UPDATE conversations SET changed = ? WHERE id = ?", (_now(), conversation))


def _put(
    db: sqlite3.Connection,
    conversation: str,
    number: int,
    answer: Mapping[str, Any],
    circumstances: Mapping[str, Any] | None,
) -> None:
    question = _clean(str(answer["question"]))
    kept = json.dumps(dict(answer)), json.dumps(dict(circumstances or {}))
    db.execute(
        "INSERT INTO turns (conversation, number, asked, question, answer, circumstances) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (conversation, number, _now(), question, *kept),
    )


def _drop_from(db: sqlite3.Connection, conversation: str, number: int | None) -> None:
    dropped = db.execute("DELETE FROM turns WHERE conversation = ? AND number >= ?", (conversation, number))
    if not dropped.rowcount:
        raise BadQuestion(f"The conversation has no turn {number or 1}; choose one that is shown.")


def _turns(db: sqlite3.Connection, conversation: str) -> list[KeptTurn]:
    rows = db.execute(
        "SELECT number, asked, answer, circumstances FROM turns WHERE conversation = ? ORDER BY number",
        (conversation,),
    )
    return [KeptTurn(number, asked, *map(json.loads, kept)) for number, asked, *kept in rows]


def _says(db: sqlite3.Connection, conversation: Conversation, words: list[str]) -> bool:
    said = [conversation.title]
    for turn in _turns(db, conversation.id):
        said += [turn.question, str(turn.answer.get("text") or "")]
        said += [str(citation["sentence"]) for citation in turn.answer.get("citations", ())]
    text = "\n".join(said).casefold()
    return all(word in text for word in words)


def _hash(browser: str) -> str:
    return sha256(browser.encode("utf-8", "backslashreplace")).hexdigest()


def _title(text: str) -> str:
    words = " ".join(_clean(text).split())
    return words if len(words) <= LONGEST_TITLE else shorten(words, LONGEST_TITLE, placeholder="…")


def _clean(text: str) -> str:
    """Without lone surrogates, which SQLite cannot store."""
    return text.encode("utf-8", "replace").decode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

"""How the database file is opened, how a change is one transaction, and what its failures mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qa.errors import BadIndex

DATABASE = "corpus.sqlite3"
BUSY_SECONDS = 30  # how long a second writer waits for the first


def open_reader(folder: Path) -> sqlite3.Connection:
    with _explaining(folder):
        connection = _connect(folder)
        try:
            connection.execute("SELECT 1 FROM sqlite_master")
        except sqlite3.OperationalError as error:
            # A folder that cannot be written to: without a log beside it, the file alone is the index.
            unwritable = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            if not unwritable or (folder / f"{DATABASE}-wal").exists():
                raise
            connection.close()
            connection = _connect(folder, "?immutable=1")
        connection.execute("PRAGMA query_only = ON")
    return connection


def open_writer(folder: Path) -> sqlite3.Connection:
    with _explaining(folder):
        connection = _connect(folder)
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
    return connection


def _connect(folder: Path, options: str = "") -> sqlite3.Connection:
    uri = (folder / DATABASE).absolute().as_uri() + options
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


@contextmanager
def _explaining(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError:  # ours to mend
        raise
    except sqlite3.Error as error:
        raise _explained(folder, error) from error


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str, folder: Path) -> Iterator[sqlite3.Cursor]:
    with _explaining(folder):
        cursor = connection.cursor()
        cursor.execute(f"BEGIN {kind}")
        try:
            yield cursor
            cursor.execute("COMMIT")
        finally:
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # the first error is the one to tell
                    cursor.execute("ROLLBACK")


def foreign(folder: Path) -> BadIndex:
    return BadIndex(
        f"{folder / DATABASE} is another program's database, expected one made by qa index; "
        "choose another folder: qa index FOLDER --index DIR"
    )


def _explained(folder: Path, error: sqlite3.Error) -> BadIndex:
    """What SQLite met, in a sentence that says what to do."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        what = "is being written to by another run; wait for it, then try again"
    elif code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        what = (
            f"met a disk that is full or failing ({error}) and keeps what was committed; make room, try again"
        )
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        what = f"cannot be opened or written to ({error}); change its permissions, then try again"
    else:
        return damaged(folder, error)
    return BadIndex(f"The index at {folder} {what}: qa index FOLDER --index {folder}")


def damaged(folder: Path, error: Exception) -> BadIndex:
    return BadIndex(
        f"The index at {folder} is damaged ({error}); make it again: "
        f"qa index FOLDER --index {folder} --rebuild"
    )

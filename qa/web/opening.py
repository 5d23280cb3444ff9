"""The opening of the index, in the background. Whoever needs the index waits for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING

from qa.errors import QAError

if TYPE_CHECKING:
    from qa.engine import QA


class Opening:
    """The opening of the index, in the background. Whoever needs the index waits for it."""

    def __init__(self, open_qa: Callable[[], QA]) -> None:
        self._open_qa = open_qa
        self._lock = Lock()
        self._future: Future[QA] | None = None
        self._told = ""  # on standard error: who asks again and again fills no log

    def begin(self, *, again: bool = True) -> Future[QA]:
        """Start opening, unless that is under way or done; after a failure, start `again`, or leave it."""
        with self._lock:
            failed = self._future is not None and self._future.done() and self._future.exception()
            if self._future is None or (failed and again):
                self._future = Future()
                self._future.set_running_or_notify_cancel()  # a visitor who leaves cannot cancel it
                Thread(target=self._run, args=(self._future,), daemon=True).start()
            return self._future

    def qa(self) -> QA:
        """The open index with its models loaded. Raises what opening raised."""
        return self.begin().result()

    def _run(self, future: Future[QA]) -> None:
        try:
            qa = self._open_qa()
            qa.warm()
        except Exception as error:  # handed to whoever waits
            if isinstance(error, QAError):
                if str(error) != self._told:
                    print(f"qa: {error}", file=sys.stderr)
                self._told = str(error)
            else:
                logging.getLogger(__name__).exception("The index could not be opened")
            future.set_exception(error)
        else:
            future.set_result(qa)

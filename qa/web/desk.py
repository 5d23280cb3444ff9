"""What the page works with once the index is open: the engine, and what is remembered beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import Future
from contextlib import suppress
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from qa.web.feedback import Feedback
from qa.web.history import History
from qa.web.opening import Opening
from qa.web.sources import Sources, in_words
from qa.web.suggestions import Suggestions

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.types import Answer

QUESTIONS_AT_ONCE = 2  # from the page and from programs together: more would only slow one another down
SUGGESTIONS_KEPT = 200


class Desk:
    """One open index. Threads may share it."""

    def __init__(self, qa: QA) -> None:
        self.qa = qa
        self.sources = Sources()
        with suppress(OSError):  # beside an index elsewhere there may be no folder yet
            qa.folder.mkdir(exist_ok=True)
        self.history = History(qa.folder)
        self.feedback = Feedback(qa.folder)
        self.suggestions = Suggestions(qa)
        self._following: dict[str, Future[tuple[str, ...]]] = {}

    @property
    def says(self) -> str:
        """How much is known: "5 documents, 27 passages"."""
        return in_words(len(self.sources.known(self.qa)), self.qa.passage_count)

    def follow(self, answer: Answer, documents: Collection[str] | None) -> str:
        """Begin to look for the next questions; the token that `following` takes for them."""
        return self._keep(self.suggestions.following(answer, documents))

    def follow_again(self, asked_as: str, documents: Collection[str] | None) -> str:
        """The same after an answer of an earlier day, which is asked for once more."""
        return self._keep(self.suggestions.following_again(asked_as, documents))

    def _keep(self, found: Future[tuple[str, ...]]) -> str:
        token = token_urlsafe(9)
        self._following[token] = found
        for old in list(self._following)[:-SUGGESTIONS_KEPT]:
            self._following.pop(old, None)
        return token

    async def following(self, token: str) -> tuple[str, ...]:
        """The next questions, once they are found; none for an unknown token."""
        future = self._following.pop(token, None)
        return () if future is None else await asyncio.wrap_future(future)


class Desks:
    """The desk of the index that is opening: one for as long as that index is open.

    Whoever asks a question holds `answering` meanwhile; the others wait in the order in which they came.
    """

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.answering = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._desk: Desk | None = None

    async def open(self) -> Desk:
        """Waits for the index. Raises what opening raised. Called from the server's event loop alone."""
        qa = await asyncio.wrap_future(self.opening.begin())
        if self._desk is None or self._desk.qa is not qa:
            self._desk = Desk(qa)
        return self._desk

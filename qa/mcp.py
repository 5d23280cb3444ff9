"""The documents as tools for assistants, by the Model Context Protocol on stdin and stdout.

Both tools return verbatim quotes with their places and nothing else: an assistant may say what it likes
around them, but every quote is a slice of a document. Where the documents do not say, that is the result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from qa.engine import PASSAGES_READ
from qa.errors import QAError
from qa.version import __version__

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from qa.engine import QA
    from qa.types import Answer, Citation, Hit

Result = TypeVar("Result")

INSTRUCTIONS = (
    "Answers from an indexed folder of documents, as exact quotes with their places. Quote them unchanged "
    "and name document and page. Where `answered` is false, the documents do not say: tell the user so."
)

# No slots here: the schema of a tool's result is read from the class, where slots look like defaults.


@dataclass(frozen=True)
class Place:
    """Exact words of a document, and where they stand: `start` and `end` count characters of its text."""

    quote: str
    sentence: str
    document: str
    title: str
    date: str | None
    page: int | None
    start: int
    end: int


@dataclass(frozen=True)
class OtherAnswer:
    """A different answer that the documents also give."""

    confidence: float
    places: list[Place]


@dataclass(frozen=True)
class Asked:
    """`confidence` is the probability, 0 to 1, that the first quote answers. `reason` says why there is no
    answer, `note` what the quotes are where they are no answer: an extract, or all mentions of something."""

    answered: bool
    asked_as: str
    confidence: float
    places: list[Place]
    other_answers: list[OtherAnswer]
    reason: str | None
    note: str | None


@dataclass(frozen=True)
class FoundPassage:
    """A passage, word for word, and where it stands."""

    quote: str
    document: str
    title: str
    start: int
    end: int


@dataclass(frozen=True)
class Searched:
    """The passages nearest to a question, best first."""

    passages: list[FoundPassage]


def serve(open_qa: Callable[[], QA]) -> None:
    """Serve until stdin ends. Raises `QAError` where the extra is not installed or opening fails."""
    with open_qa() as qa, ThreadPoolExecutor(1) as background:
        server = build_server(qa)
        background.submit(qa.warm)  # the first question need not wait for the models
        server.run("stdio")


def build_server(qa: QA) -> MCPServer[Any]:
    """A server with the tools `ask` and `search` over this index."""
    try:
        from mcp.server.mcpserver import MCPServer  # noqa: PLC0415
        from mcp.server.mcpserver.exceptions import ToolError  # noqa: PLC0415
        from mcp.types import ToolAnnotations  # noqa: PLC0415
    except ImportError as error:
        raise QAError(
            f"The MCP server needs a package that is not installed ({error.name}); "
            "install it: pip install 'qa[mcp]'"
        ) from None

    async def told(call: Callable[[], Result]) -> Result:
        """In a thread, with errors that can be mended told as their sentence."""
        try:
            return await asyncio.to_thread(call)
        except QAError as error:
            raise ToolError(str(error)) from None

    async def ask(
        question: str,
        history: list[tuple[str, str | None]] | None = None,
        documents: list[str] | None = None,
        min_confidence: float | None = None,
    ) -> Asked:
        """The exact words of the documents that answer a question, with their places; or a no-answer.

        `history` holds earlier turns as [question, answer or null], oldest first. `documents` restricts the
        answer to these ids. Below `min_confidence`, 0 to 1, the documents are taken not to say.
        """
        return await told(
            lambda: _asked(
                qa.ask(question, history=history or (), documents=documents, min_confidence=min_confidence)
            )
        )

    async def search(question: str, k: int = PASSAGES_READ, documents: list[str] | None = None) -> Searched:
        """The k passages nearest to a question, word for word, best first, whether they answer it or not.

        `documents` restricts the search to these ids.
        """
        return await told(lambda: _searched(qa, qa.search(question, k=k, documents=documents)))

    server: MCPServer[Any] = MCPServer(
        "qa", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR"
    )
    harmless = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    for tool in (ask, search):
        server.add_tool(tool, annotations=harmless, structured_output=True)
    return server


def _asked(answer: Answer) -> Asked:
    said = "" if answer.kind == "talk" else "The documents do not say. "
    return Asked(
        answered=bool(answer),
        asked_as=answer.asked_as,
        confidence=round(answer.confidence, 4),
        places=[_place(citation) for citation in answer.citations],
        other_answers=[
            OtherAnswer(round(other.confidence, 4), [_place(citation) for citation in other.citations])
            for other in answer.alternatives
        ],
        reason=None if answer else f"{said}{answer.reason or ''}".strip(),
        note=answer.note,
    )


def _place(citation: Citation) -> Place:
    return Place(
        quote=citation.quote,
        sentence=citation.sentence,
        document=citation.document.id,
        title=citation.document.title,
        date=citation.document.date,
        page=citation.page,
        start=citation.start,
        end=citation.end,
    )


def _searched(qa: QA, hits: Sequence[Hit]) -> Searched:
    titles = {info.id: info.title for info in qa.documents()}
    return Searched(
        [
            FoundPassage(
                quote=hit.text,
                document=hit.passage.document_id,
                title=titles.get(hit.passage.document_id, hit.passage.document_id),
                start=hit.passage.start,
                end=hit.passage.end,
            )
            for hit in hits
        ]
    )

"""The endpoints for programs: named, with JSON in and out, described at /gradio_api/info.

Each is a function of the engine with what JSON may get wrong checked first; an error that can be mended
comes back as its sentence. Gradio takes every object with a key "path" for a file of its own, so that
ours say "file".
"""

from __future__ import annotations

import asyncio
from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, get_type_hints

import gradio as gr
from gradio.data_classes import FileData
from gradio.events import api
from gradio.utils import get_upload_folder

from qa.engine import PASSAGES_READ
from qa.errors import BadCorpus, BadQuestion, QAError
from qa.version import __version__

if TYPE_CHECKING:
    from qa.engine import QA
    from qa.indexing import Report
    from qa.store.base import DocumentInfo
    from qa.web.opening import Opening

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def add_endpoints(opening: Opening, answering: Semaphore, read_only: bool = False) -> None:
    """Add `/ask`, `/search`, `/documents`, `/document`, `/health` and, unless `read_only`,
    `/add_documents` and `/remove_document` to the page that is being built. A question waits for
    `answering`, which the page's visitors wait for as well."""

    async def ask(
        question: str,
        history: list[list[str | None]] | None = None,
        k: int = PASSAGES_READ,
        documents: list[str] | None = None,
        min_confidence: float | None = None,
    ) -> dict[str, Any]:
        """The exact words of the documents that answer a question, with their places; or why there are none.

        `history` holds the earlier turns as [question, answer or null], oldest first. `k` passages are
        read. `documents` restricts the answer to these ids. Below `min_confidence`, 0 to 1, the answer
        is "the documents do not say".
        """
        text, chosen = _text("question", question), _texts("documents", documents)
        turns, count, least = _pairs(history), _count("k", k), _probability("min_confidence", min_confidence)
        qa = await asyncio.wrap_future(opening.begin())
        async with answering:
            answer = await asyncio.to_thread(
                qa.ask, text, history=turns, k=count, documents=chosen, min_confidence=least
            )
        return answer.to_dict()

    async def search(
        question: str, k: int = PASSAGES_READ, documents: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """The k passages nearest to a question, best first, without reading them for an answer.

        `documents` restricts the search to these ids.
        """
        text, count, chosen = _text("question", question), _count("k", k), _texts("documents", documents)
        qa = await asyncio.wrap_future(opening.begin())
        async with answering:
            hits = await asyncio.to_thread(qa.search, text, k=count, documents=chosen)
        titles = {info.id: info.title for info in qa.documents()}
        return [hit.to_dict() | {"title": titles.get(hit.passage.document_id)} for hit in hits]

    def documents() -> list[dict[str, Any]]:
        """The documents of the index, ordered by id."""
        qa = opening.qa()
        return [_described(qa, info) for info in qa.documents()]

    def document(document: str) -> dict[str, Any]:
        """One document, by its id, with the text that all offsets count in.

        `pages` holds the offset at which each page starts, `hidden` the ranges that are not read.
        """
        qa = opening.qa()
        found = qa.document(_text("document", document))
        return {
            "id": found.id,
            "title": found.title,
            "date": found.date,
            "file": found.path,
            "url": found.url,
            "sha256": found.sha256,
            "uploaded": qa.uploads.holds(found),
            "text": found.text,
            "pages": found.pages,
            "hidden": found.hidden,
        }

    def health() -> dict[str, Any]:
        """Whether questions can be answered: `status` is "ready", "loading" or "failed". Never waits."""
        state: dict[str, Any] = {"status": "loading", "version": __version__, "read_only": read_only}
        future = opening.begin(again=False)
        if not future.done():
            return state
        if error := future.exception():
            return state | {
                "status": "failed",
                "reason": str(error) if isinstance(error, QAError) else "The server's log says why.",
            }
        qa = future.result()
        return state | {
            "status": "ready",
            "documents": len(qa.documents()),
            "passages": qa.passage_count,
            "generation": qa.store.generation,
        }

    def add_documents(files: list[FileData]) -> dict[str, Any]:
        """Add uploaded files to the index, each with the id uploads/NAME.

        `files` are what /gradio_api/upload returned, or gradio_client's handle_file(…). `skipped` names
        each file that was not taken, and why.
        """
        return _reported(opening.qa().add(_uploaded(files)))

    def remove_document(document: str) -> dict[str, Any]:
        """Take a document out of the index; of an uploaded one, the file is deleted as well.

        A file of the indexed folder stays, and is taken in again when the folder is next indexed.
        """
        return _reported(opening.qa().remove([_text("document", document)]))

    for asking in (ask, search):
        api(_told_later(asking), api_name=asking.__name__, concurrency_limit=None)
    for reading in (documents, document):
        api(_told(reading), api_name=reading.__name__, concurrency_limit=4, concurrency_id="read")
    api(_told(health), api_name="health", concurrency_limit=None)
    if not read_only:
        for changing in (add_documents, remove_document):
            api(_told(changing), api_name=changing.__name__, concurrency_limit=1, concurrency_id="change")


def _told(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function with errors that can be mended told as their sentence, without a traceback."""
    # Gradio reads the result's type off the annotation, which `annotations` left as a text.
    function.__annotations__ = get_type_hints(function)

    @wraps(function)
    def telling(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except QAError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return telling


def _told_later(function: Callable[Parameters, Awaitable[Result]]) -> Callable[Parameters, Awaitable[Result]]:
    """The same for a function that waits."""
    function.__annotations__ = get_type_hints(function)

    @wraps(function)
    async def telling(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return await function(*arguments, **named)
        except QAError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return telling


def _described(qa: QA, info: DocumentInfo) -> dict[str, Any]:
    """A document as the list has it."""
    described = asdict(info)
    described["file"] = described.pop("path")
    return described | {"uploaded": qa.uploads.holds(info)}


def _reported(report: Report) -> dict[str, Any]:
    return {
        "added": list(report.ids),
        "removed": report.removed,
        "skipped": [{"file": skip.path, "reason": skip.reason} for skip in report.skipped],
        "passages": report.passages,
        "seconds": round(report.seconds, 3),
    }


def _uploaded(files: Sequence[Any]) -> list[Path]:
    """The files that a request names, which must have been uploaded: no other file of this machine can
    be added. Raises `BadCorpus`."""
    if not isinstance(files, list):
        raise BadCorpus(f"files is {_shown(files)}; expected a list of uploaded files.")
    folder = Path(get_upload_folder()).resolve()
    paths = []
    for file in files:
        name = file.get("path") if isinstance(file, Mapping) else file
        if not isinstance(name, str) or "\0" in name or folder not in Path(name).resolve().parents:
            raise BadCorpus(
                f"{_shown(name)} is no uploaded file; send it first: curl -F files=@FILE …/gradio_api/upload"
            )
        paths.append(Path(name))
    return paths


# What JSON may get wrong


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadQuestion(f"{name} is {_shown(value)}; expected a text.")
    return value


def _count(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadQuestion(f"{name} is {_shown(value)}; expected a whole number.")
    return value


def _probability(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadQuestion(f"{name} is {_shown(value)}; expected a number from 0 to 1.")
    return float(value)


def _texts(name: str, value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadQuestion(f"{name} is {_shown(value)}; expected a list of document ids.")
    return value


def _pairs(history: Any) -> list[tuple[str, str | None]]:
    match history or []:
        case [*pairs] if all(
            isinstance(pair, list) and list(map(type, pair)) in ([str, str], [str, NoneType])
            for pair in pairs
        ):
            return [(question, answer) for question, answer in pairs]
    raise BadQuestion(
        'The history is not a list of [question, answer] pairs; expected, for example: [["Who …?", "…"]]'
    )


def _shown(value: Any) -> str:
    """A wrong value, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"

"""Files over HTTP: the documents' own, and those that visitors add.

A file is found by the id of its document and never by a path; what is uploaded is named and kept by
`QA.add`, which trusts no name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse

from qa.errors import BadQuestion, QAError
from qa.uploads import LARGEST_UPLOAD, safe_name
from qa.web.sources import in_words, skipped

if TYPE_CHECKING:
    from starlette.requests import Request

    from qa.engine import QA
    from qa.indexing import Progress
    from qa.web.opening import Opening

SHOWN = {".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8", ".pdf": "application/pdf"}
"""What a browser may show; everything else, web pages above all, it saves."""


def original(document_id: str, qa: QA) -> Response:
    """The file that a document was read from, or the sentence that says why it cannot be had."""
    try:
        path = Path(qa.document(document_id).path)
    except BadQuestion as error:
        return PlainTextResponse(str(error), status_code=404)
    if not path.is_file():
        return PlainTextResponse(f"The file of {document_id} is no longer where it was.", status_code=404)
    kind = SHOWN.get(path.suffix.lower())
    return FileResponse(
        path,
        media_type=kind or "application/octet-stream",
        filename=safe_name(path.name),
        content_disposition_type="inline" if kind else "attachment",
    )


async def send_original(request: Request, opening: Opening) -> Response:
    """Answers `GET original?document=ID`."""
    try:
        qa = await asyncio.wrap_future(opening.begin())
    except QAError as error:
        return PlainTextResponse(str(error), status_code=503)
    return await asyncio.to_thread(original, request.query_params.get("document", ""), qa)


async def take_upload(request: Request, opening: Opening, one_at_a_time: asyncio.Lock) -> Response:
    """Answers `PUT upload?name=NAME`, whose body is the file, with lines of JSON: how far it is
    (`stage`, `share`), and at the end what came of it (`skipped` as HTML, or `failed`).

    Who waits for another's file holds no thread: those are for who asks.
    """
    name = safe_name(request.query_params.get("name", ""))
    folder = TemporaryDirectory(prefix="qa-upload-")
    file = Path(folder.name) / name
    size = 0
    with file.open("wb") as body:
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST_UPLOAD:
                folder.cleanup()
                sentence = f"{name} is larger than {LARGEST_UPLOAD // 2**20} MB, the most that can be added."
                return PlainTextResponse(json.dumps({"skipped": skipped([(name, sentence)])}) + "\n")
            body.write(chunk)

    async def lines() -> AsyncIterator[str]:
        with folder:
            yield json.dumps({"stage": "waiting to add", "share": 0}) + "\n"
            async with one_at_a_time:
                async for step in _added(file, opening):
                    yield json.dumps(step) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _added(file: Path, opening: Opening) -> AsyncIterator[dict[str, Any]]:
    """The steps of adding one file, which runs in a thread of its own."""
    loop, steps = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None]()

    def tell(step: dict[str, Any] | None) -> None:
        loop.call_soon_threadsafe(steps.put_nowait, step)

    def progress(now: Progress) -> None:
        tell({"stage": now.stage, "share": now.share})

    def add(qa: QA) -> None:
        try:
            report = qa.add([file], progress)
            refused = [(skip.path, skip.reason) for skip in report.skipped]
            says = in_words(len(qa.documents()), qa.passage_count)
            tell({"skipped": skipped(refused), "says": says})
        except QAError as error:
            tell({"failed": str(error)})
        finally:
            tell(None)

    try:
        qa = await asyncio.wrap_future(opening.begin())
    except QAError as error:
        yield {"failed": str(error)}
        return
    adding = loop.run_in_executor(None, add, qa)
    while (step := await steps.get()) is not None:
        yield step
    await adding

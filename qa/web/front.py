"""What answers before the page can: importing Gradio and building the page takes seconds.

From the first moment on, `/` is answered with a page that says what is loading and turns into the real
one; every other address waits until the page is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

STARTING = "/starting"
BROKEN = "The page could not be built; the server's log says why."
_LOADING_PAGE = (Path(__file__).parent / "loading.html").read_text(encoding="utf-8")
_NOT_KEPT = {"Cache-Control": "no-store"}


class Front:
    """An ASGI application that stands for the page while that is being built, and hands over to it."""

    def __init__(self, build: Callable[[], Any], shown: Callable[[], object]) -> None:
        """`build` makes the page's application, in a thread; `shown` is called when it answers."""
        self._build = build
        self._shown = shown
        self._page: ASGIApp | None = None
        self._settled = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["path"].rstrip("/") == STARTING:
            await self._settled.wait()  # rather than be asked again and again by who waits
            state = {"ready": self._page is not None, "says": "" if self._page else BROKEN}
            await JSONResponse(state, headers=_NOT_KEPT)(scope, receive, send)
        elif self._page is None and scope["type"] == "http" and scope["path"] in {"", "/"}:
            await HTMLResponse(_LOADING_PAGE, headers=_NOT_KEPT)(scope, receive, send)
        else:
            await self._settled.wait()
            page = self._page or PlainTextResponse(BROKEN, status_code=503)
            await page(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Build the page, and keep it alive until the server ends."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        ending = asyncio.Event()
        page = asyncio.create_task(self._serve(ending))
        await receive()
        ending.set()
        await page
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, ending: asyncio.Event) -> None:
        try:
            page = await asyncio.to_thread(self._build)
            async with page.router.lifespan_context(page):
                self._page = page
                self._settled.set()
                self._shown()
                await ending.wait()
        except Exception:
            logging.getLogger(__name__).exception(BROKEN)
            self._settled.set()

"""The first import of Gradio: offline, and in half the time.

Gradio rewrites the type stubs (.pyi) of its components within its own installation whenever it is
imported, which takes longer than all the rest. It passes over a class whose file it cannot find.
"""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Gradio and huggingface_hub read these once, when they are imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@contextmanager
def _without_stubs() -> Iterator[None]:
    getfile = inspect.getfile

    def getfile_of_others(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("no type stubs are wanted")
        return getfile(thing)

    inspect.getfile = getfile_of_others  # type: ignore[assignment]
    gc.disable()  # thousands of classes are made, and none goes away
    try:
        yield
    finally:
        inspect.getfile = getfile
        gc.enable()


with _without_stubs():
    import gradio  # noqa: F401

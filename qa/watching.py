"""A folder kept in step with its index for as long as somebody watches.

Every run is `index_folder` again: unchanged files are told by their hashes, so that the state of the index
is always that of one complete look at the folder, whatever events were lost. Readers see each batch with
its commit, and never wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

from qa.embedder import Embedder
from qa.errors import BadCorpus, QAError
from qa.indexing import Part, Progress, Report, alone, index_folder
from qa.store.base import Store

QUIET_MILLISECONDS = 1000  # without a change, before a run: a file that is being copied is not read half
WAKE_MILLISECONDS = 500  # how soon `stop` is seen
LOOK_AGAIN_SECONDS = 60  # also without an event: network file systems send none


def watch(
    folder: Path,
    index: Path,
    store: Store,
    embedder: Embedder,
    uploads: Path,
    tell: Callable[[Report | QAError], None],
    progress: Callable[[Progress], None] | None = None,
    stop: Event | None = None,
    part: Part | None = None,
) -> None:
    """Bring `store` into step with `folder` now and after every change, until `stop` is set or the user
    interrupts.

    `tell` gets the report of each run that changed something, and what a user can mend (no readable
    document is left, the disk is full), after which watching goes on. Raises `BadCorpus` where `folder` is
    missing at the beginning.
    """
    import watchfiles  # noqa: PLC0415

    if not folder.is_dir():
        raise BadCorpus(f"{folder} is no folder; expected one to watch: qa index FOLDER --watch")
    own = index.resolve()

    def matters(_: watchfiles.Change, path: str) -> bool:
        return own != Path(path) and own not in Path(path).parents

    last = -math.inf
    for changes in watchfiles.watch(
        folder,
        watch_filter=matters,
        step=QUIET_MILLISECONDS,
        debounce=10 * QUIET_MILLISECONDS,
        rust_timeout=WAKE_MILLISECONDS,
        yield_on_timeout=True,  # at once: from here on, no event is lost while a run is under way
        stop_event=stop,
        ignore_permission_denied=True,
    ):
        if not changes and monotonic() - last < LOOK_AGAIN_SECONDS:
            continue
        try:
            with alone(index, wait=True):
                report = index_folder(folder, store, embedder, progress, uploads, part)
        except QAError as error:
            tell(error)
        else:
            if last < 0 or report.added or report.updated or report.removed:
                tell(report)
        last = monotonic()

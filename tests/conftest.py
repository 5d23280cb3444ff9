"""What several test files share: the seeds, indexed once, and a way to run code without a network."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qa import QA

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds"

# Any attempt to reach another machine ends the process; the loopback stays open.
NO_NETWORK = """
import os, sys
def guard(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            os.write(2, f"network: connect to {address}\\n".encode()); os._exit(99)
    here = ("127.0.0.1", "::1", "localhost", "0.0.0.0", None)
    if event == "socket.getaddrinfo" and arguments[0] not in here:
        os.write(2, f"network: look-up of {arguments[0]}\\n".encode()); os._exit(99)
sys.addaudithook(guard)
"""


@pytest.fixture(scope="session")
def seeds_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index over the seeds. Tests read it and change nothing."""
    index = tmp_path_factory.mktemp("seeds") / "index"
    QA.build(SEEDS, index).close()
    return index


@pytest.fixture(scope="session")
def seeds_qa(seeds_index: Path) -> Iterator[QA]:
    with QA.open(seeds_index) as qa:
        yield qa


@pytest.fixture(scope="module")
def qa(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QA]:
    """The documents that a module has as TEXTS, by their names, indexed."""
    folder = tmp_path_factory.mktemp("texts")
    for name, text in request.module.TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    with QA.build(folder, tmp_path_factory.mktemp("index")) as qa:
        yield qa


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.browsing import SWITCHES

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "no Chromium found; install it (apt-get install chromium) or name it in CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[QA]:
    """Documents about a harbour, indexed anew for each test, which may change them."""
    from tests.browsing import write_harbour

    write_harbour(tmp_path / "documents")
    with QA.build(tmp_path / "documents", tmp_path / "index") as qa:
        yield qa


@pytest.fixture
def url(harbour: QA) -> Iterator[str]:
    """The chat over the harbour's documents."""
    from tests.browsing import serving

    with serving(lambda: harbour) as url:
        yield url


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a Milvus Lite."""
    with milvus_lite(tmp_path_factory.mktemp("milvus"), free_port()) as address:
        yield address


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def milvus_lite(data: Path, port: int) -> Iterator[str]:
    """HOST:PORT of a Milvus Lite, whose one thread makes it safe to write from several processes."""
    command = [sys.executable, "-m", "milvus_lite", "server", "--host", "127.0.0.1", "--port", str(port)]
    with (data / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--data-dir", str(data / "data"), "--max-workers", "1"], stdout=log, stderr=log
        )
        try:
            until = time.monotonic() + 60
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None and time.monotonic() < until, (data / "log").read_text()
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def run_offline(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python code in another process that may reach no other machine."""
    # The product itself must see to being offline.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    return subprocess.run(
        [sys.executable, "-c", NO_NETWORK + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
        timeout=120,
    )

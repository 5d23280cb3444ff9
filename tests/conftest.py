"""What several test files share: the seeds, indexed once, and a way to run code without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
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

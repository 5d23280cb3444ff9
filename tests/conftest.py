"""What several test files share: the seeds, indexed once, and a way to run code without a network."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa import QA

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

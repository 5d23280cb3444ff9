"""The README's examples, run as they stand."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from qa import cli
from tests.conftest import ROOT, SEEDS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """The fenced block under the comment that says it is tested."""
    found = re.search(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no tested block {name!r}"
    return found[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the seeds and nothing else, as a fresh clone has it."""
    (tmp_path / "seeds").symlink_to(SEEDS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_commands_print_what_the_readme_shows(home: Path) -> None:
    shown = [part.partition("\n") for part in re.split(r"^\$ ", block("shell"), flags=re.MULTILINE)[1:]]
    assert shown
    for command, _, expected in shown:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            cli.main(shlex.split(command)[1:])
        assert printed.getvalue().strip() == expected.strip(), command


@pytest.mark.slow
def test_each_line_of_python_gives_what_its_comment_says(home: Path) -> None:
    names: dict[str, object] = {}
    checked = 0
    for line in block("python").splitlines():
        code, _, comment = line.partition("  # ")
        if comment.startswith(("'", '"')):
            assert repr(eval(code, names)) == comment
            checked += 1
        else:
            exec(code, names)
    assert checked >= 3


def test_every_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`((?:qa|seeds|index|benchmarks|tests)/[\w./]*)`|!\[[^]]*\]\(([^)]+)\)", README)
    assert named
    missing = [path for pair in named for path in pair if path and not (ROOT / path).exists()]
    assert not [path for path in missing if path != "runs/eval/"]

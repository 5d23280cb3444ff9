"""The README's examples, run as they stand."""

import contextlib
import io
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from qa import cli
from qa.engine import open_default
from tests.browsing import serving
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


@pytest.mark.slow
def test_the_examples_for_programs_work_against_a_running_chat(home: Path) -> None:
    section = README.partition("### Over the network")[2].partition("\n### ")[0]
    python, console = re.findall(r"```(?:python|console)\n(.*?)```", section, re.DOTALL)
    canvas = Canvas("report.pdf")
    canvas.drawString(72, 720, "The okapi lives in the Ituri forest.")
    canvas.save()
    with serving(open_default) as url:
        names: dict[str, object] = {}
        lines = python.replace("http://127.0.0.1:7860", url).splitlines()
        given = [eval(line, names) if line.startswith("client.") else exec(line, names) for line in lines]
        assert given[-2] == "William Spindler"
        assert given[-1]["added"] == ["uploads/report.pdf"]  # type: ignore[index]

        asking, reading = re.findall(r"^\$ (.*?)$(?!\n    )", console, re.DOTALL | re.MULTILINE)
        event = json.loads(bash(asking.replace("http://127.0.0.1:7860", url)))["event_id"]
        told = bash(reading.replace("http://127.0.0.1:7860", url).replace("EVENT_ID", event))
        assert json.loads(told.split("data: ")[-1])[0]["text"] == "William Spindler"


def bash(command: str) -> str:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout


def test_every_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`((?:qa|seeds|index|benchmarks|tests)/[\w./]*)`|!\[[^]]*\]\(([^)]+)\)", README)
    assert named
    missing = [path for pair in named for path in pair if path and not (ROOT / path).exists()]
    assert not [path for path in missing if path != "runs/eval/"]

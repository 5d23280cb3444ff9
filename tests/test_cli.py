"""The `qa` command: its words, its exit status, its errors in one line."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qa.cli import main
from tests.conftest import ROOT, SEEDS


def run(*arguments: str, cwd: Path = ROOT, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qa", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        input=stdin,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_help_and_version_answer_at_once_and_name_every_verb() -> None:
    fastest = min(timed("--help") for _ in range(5))
    assert fastest < 0.5
    text = run("--help").stdout
    assert all(
        verb in text for verb in ("index", "ask", "chat", "eval", "documents", "verify", "password", "mcp")
    )
    assert run("--version").stdout.startswith("qa 0.")


def timed(*arguments: str) -> float:
    begin = time.perf_counter()
    assert run(*arguments).returncode == 0
    return time.perf_counter() - begin


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("ask",),
        ("ask", "Who?", "--k", "many"),
        ("ask", "Who?", "--min-confidence", "7"),
        ("ask", "Who?", "--index", "/nonexistent/index"),
        ("index", "/nonexistent/folder", "--index", "{tmp}/index"),
        ("index", str(SEEDS), "--index", "/proc/index"),
        ("eval", "/nonexistent/questions", "--index", "{tmp}/index"),
        ("verify", "/nonexistent/answer.json"),
        ("password", "mira:voss"),
        ("chat", "--auth", "/nonexistent/accounts"),
        ("mcp", "--index", "/nonexistent/index"),
    ],
)
def test_a_user_error_is_status_2_without_a_traceback(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_an_empty_password_is_named() -> None:
    done = run("password", "mira", stdin="\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "password is empty" in done.stderr


@pytest.mark.slow
def test_an_answer_shows_its_words_in_their_sentence_and_their_place(
    seeds_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "Who answered AFP by email?", "--index", str(seeds_index)]) == 0
    shown = capsys.readouterr().out
    assert "**" in shown
    assert "William Spindler" in shown
    assert "002_2fbc8ae10631dfbe.txt" in shown


@pytest.mark.slow
def test_an_abstention_is_status_1_with_the_reason(
    seeds_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "Who is the director of Frontex?", "--index", str(seeds_index)]) == 1
    assert capsys.readouterr().out.startswith("The documents do not say.\nThe nearest passages")


@pytest.mark.slow
def test_a_saved_answer_is_verified_and_a_false_quote_is_found_out(
    seeds_index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ["--index", str(seeds_index)]
    assert main(["ask", "Who answered AFP by email?", "--json", *index]) == 0
    answer = json.loads(capsys.readouterr().out)
    saved = tmp_path / "answer.json"
    saved.write_text(json.dumps(answer))
    assert main(["verify", str(saved), *index]) == 0
    answer["citations"][0]["quote"] = "Somebody Else"
    saved.write_text(json.dumps(answer))
    assert main(["verify", str(saved), *index]) == 1
    assert "other words stand there" in capsys.readouterr().out
    saved.write_text("{}")
    assert main(["verify", str(saved), *index]) == 2


@pytest.mark.slow
def test_indexing_reports_what_it_did_and_what_it_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("The okapi lives in the Ituri forest.")
    (tmp_path / "b.xyz").write_text("?")
    assert main(["index", str(tmp_path), "--index", str(tmp_path / ".index")]) == 0
    done = capsys.readouterr()
    assert "1 added, 0 updated, 0 removed, 0 unchanged" in done.out
    assert "skipped b.xyz" in done.err
    assert main(["index", str(tmp_path), "--index", str(tmp_path / ".index"), "--rebuild"]) == 0
    assert "1 added" in capsys.readouterr().out


@pytest.mark.slow
def test_a_question_after_an_earlier_turn_is_completed(
    seeds_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turn = ["--after", "Who answered AFP by email?", "William Spindler"]
    main(["ask", "What did he confirm?", *turn, "--index", str(seeds_index)])
    assert "asked as: What did William Spindler confirm?" in capsys.readouterr().out


@pytest.mark.slow
def test_the_documents_are_listed(seeds_index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["documents", "--index", str(seeds_index)]) == 0
    assert capsys.readouterr().out.count("passages") == 5

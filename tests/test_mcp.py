"""The documents as tools, as an assistant's own client sees them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from qa import QA

from .conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(seeds_index: Path) -> dict[str, Any]:
    """What one client got from one server, over stdin and stdout."""

    async def talk() -> dict[str, Any]:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "qa", "mcp", "--index", str(seeds_index)],
            env={"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            cwd=ROOT,
        )
        async with Client(stdio_client(server)) as client:

            async def call(tool: str, **arguments: Any) -> Any:
                return await client.call_tool(tool, arguments)

            return {
                "tools": await client.list_tools(),
                "answered": await call("ask", question="Who answered AFP by email?"),
                "unanswered": await call("ask", question="Which football club won the championship?"),
                "follow-up": await call(
                    "ask",
                    question="What did he confirm?",
                    history=[["Who answered AFP by email?", "William Spindler"]],
                ),
                "passages": await call("search", question="Libyan coastguard", k=3),
                "wrong": [
                    await call("ask", question=" "),
                    await call("ask", question="Who?", documents=["../../etc/passwd"]),
                    await call("ask", question=5),
                    await call("search", question="Who?", k=0),
                ],
            }

    return asyncio.run(talk())


def test_there_are_two_tools_that_only_read(results: dict[str, Any]) -> None:
    tools = {tool.name: tool for tool in results["tools"].tools}
    assert tools.keys() == {"ask", "search"}
    for tool in tools.values():
        assert tool.annotations.read_only_hint
        assert "question" in tool.input_schema["required"]
        assert tool.output_schema["properties"]


def test_every_quote_stands_verbatim_where_it_says(results: dict[str, Any], seeds_qa: QA) -> None:
    asked = results["answered"].structured_content
    assert asked["answered"]
    assert "William Spindler" in asked["places"][0]["quote"]
    others = [place for other in asked["other_answers"] for place in other["places"]]
    for place in [*asked["places"], *others, *results["passages"].structured_content["passages"]]:
        text = seeds_qa.document(place["document"]).text
        assert text[place["start"] : place["end"]] == place["quote"]
    assert len(results["passages"].structured_content["passages"]) == 3


def test_what_the_documents_do_not_say_is_told_as_such(results: dict[str, Any]) -> None:
    asked = results["unanswered"].structured_content
    assert not asked["answered"]
    assert asked["places"] == asked["other_answers"] == []
    assert asked["reason"].startswith("The documents do not say.")


def test_a_follow_up_is_made_whole_from_the_history(results: dict[str, Any]) -> None:
    assert "Spindler" in results["follow-up"].structured_content["asked_as"]


def test_wrong_arguments_come_back_as_a_sentence(results: dict[str, Any]) -> None:
    assert all(wrong.is_error for wrong in results["wrong"])
    told = [wrong.content[0].text for wrong in results["wrong"]]
    assert "is empty" in told[0]
    assert "No document '../../etc/passwd' in the index" in told[1]
    assert "question" in told[2]
    assert "k is 0" in told[3]
    assert not any("Traceback" in sentence for sentence in told)


def test_a_missing_index_ends_the_server_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qa", "mcp", "--index", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("qa: No index at")

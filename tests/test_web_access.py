"""Who cannot see the page or hold a mouse, and who does not want to wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from qa.engine import QA
from qa.evaluation.run import run_file
from tests.browsing import LOWEST_CONTRAST, NARROW, WIDE, ask, open_side, serving, visit, write_harbour

pytestmark = pytest.mark.slow

COST = "How much did the new lighthouse of Port Ellin cost?"
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QA]:
    folder = tmp_path_factory.mktemp("harbour")
    write_harbour(folder / "documents")
    with QA.build(folder / "documents", folder / "index") as qa:
        yield qa


@pytest.fixture(scope="module")
def url(harbour: QA) -> Iterator[str]:
    with serving(lambda: harbour) as url:
        yield url


@pytest.fixture
def measured(harbour: QA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last evaluation of a working folder."""
    lines = [
        {"question": "Who is the mayor?", "answers": ["Dana Whitlock"], "documents": ["budget-2021.html"]},
        {"question": "Who <b>mended</b> the lamp?", "answers": ["Nobody"], "documents": ["report.pdf"]},
        {"question": "Which club won?", "answers": [], "documents": []},
    ]
    known: dict[str, Any] = {"kind": "who"}
    text = "".join(
        json.dumps({"id": f"q{n}", "answerable": bool(line["answers"]), **known, **line}) + "\n"
        for n, line in enumerate(lines)
    )
    (tmp_path / "questions.jsonl").write_text(text)
    monkeypatch.chdir(tmp_path)
    run_file(tmp_path / "questions.jsonl", None, Path("runs/eval"), qa=harbour)


def findings(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_axe_finds_nothing_serious(browser: Browser, url: str, size: ViewportSize, scheme: str) -> None:
    with visit(browser, url, size, scheme) as page:
        expect(page.locator("#source-list li").first).to_be_attached(timeout=60_000)
        assert findings(page) == []
        ask(page, COST)
        ask(page, "Which football club won?")
        assert findings(page) == []
        assert page.evaluate(LOWEST_CONTRAST)[0] >= 4.5, page.evaluate(LOWEST_CONTRAST)
        page.locator("#conversation .answer a.cite").first.click()
        expect(page.locator("#source-pane mark.cited")).to_be_visible()
        assert findings(page) == []
        page.keyboard.press("Escape")
        open_side(page)
        page.get_by_role("tab", name="History").click()
        expect(page.locator("#conversations li").first).to_be_visible()
        assert findings(page) == []
        assert page.evaluate(LOWEST_CONTRAST)[0] >= 4.5, page.evaluate(LOWEST_CONTRAST)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_evaluation_shows_figures_plots_and_the_failures(
    browser: Browser, url: str, measured: None, scheme: str
) -> None:
    with visit(browser, url, scheme=scheme, query="/evaluation") as page:
        expect(page.locator(".figures tbody tr").first).to_contain_text("All")
        expect(page.get_by_role("img")).to_have_count(3)
        expect(page.locator(".questions tbody tr")).to_have_count(3)
        assert findings(page) == []
        assert page.evaluate(LOWEST_CONTRAST)[0] >= 4.5, page.evaluate(LOWEST_CONTRAST)
        page.get_by_role("link", name="Failures").click()
        expect(page.locator(".questions tbody tr")).to_have_count(1)
        expect(page.locator(".questions tbody th bdi").first).to_have_text("Who <b>mended</b> the lamp?")
        page.set_viewport_size(NARROW)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_an_evaluation_the_page_says_how_to_make_one(
    browser: Browser, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with visit(browser, url, query="/evaluation?page=999999999999999999&show=x") as page:
        expect(page.locator(".none")).to_contain_text("measure with: qa eval")


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        ask(page, COST).locator("a.cite").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#source-pane mark.cited")).to_be_visible()
        reached: list[str] = []
        for _ in range(90):
            page.keyboard.press("Tab")
            name, outlined = page.evaluate(
                """() => {
                  const on = document.activeElement, field = on.closest(".field") ?? on;
                  const style = getComputedStyle(field);
                  return [on.id || on.className || on.textContent, style.outlineStyle !== "none"];
                }"""
            )
            if page.evaluate("document.activeElement !== document.body"):  # between the last and the first
                assert outlined, f"{name} shows no focus"
                reached.append(name)
        wanted = ["restart", "tab-sources", "find-source", "choose-all", "cite title", "file", "remove"]
        wanted += ["conversation", "edit", "cite", "confidence", "verdict", "question", "least", "text"]
        assert [name for name in wanted if name not in reached] == []


def test_an_answer_is_announced(browser: Browser, url: str, harbour: QA) -> None:
    with visit(browser, url) as page:
        ask(page, COST)
        expect(page.locator("#announce")).to_contain_text(str(harbour.ask(COST).text))
        assert page.locator("#announce").get_attribute("role") == "status"


def test_the_page_is_painted_within_two_seconds(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        expect(page.locator("#question")).to_be_visible()
        assert page.evaluate(FIRST_PAINT) < 2000

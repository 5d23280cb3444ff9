"""The panel of sources: the list, the choice, files added and removed, and the files themselves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from qa.engine import QA
from qa.store.base import Indexed
from qa.types import Document, Passage
from qa.web.sources import Sources
from tests.browsing import NARROW, WIDE, ask, open_side, serving, visit, write_harbour

pytestmark = pytest.mark.slow

COST = "How much did the new lighthouse of Port Ellin cost?"
LAMP = "Who made the lamp of the lighthouse?"
ROWS = "#source-list li"


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


def row(page: Page, title: str) -> str:
    expect(page.locator(ROWS).first).to_be_attached(timeout=60_000)
    return f"{ROWS}:has(a.title bdi:text-is('{title}'))"


def test_the_list_tells_title_date_passages_and_size(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        mine = page.locator(row(page, "Final accounts of the harbour"))
        expect(mine.locator(".facts")).to_contain_text("2023-05-12 · 1 passage · ")
        assert mine.locator(".facts").inner_text().endswith(" B")
        assert page.locator(ROWS).count() == 5
        assert mine.locator("time").get_attribute("datetime") == "2023-05-12"


def test_sources_of_one_title_are_told_apart_by_their_files(tmp_path: Path) -> None:
    for name, title in (("a.txt", "The harbour act"), ("b.txt", "The harbour act"), ("c.txt", "The quay")):
        (tmp_path / name).write_text(
            f"{title}\n\nNobody may sail from there to the islands in winter, {name}.\n"
        )
    with QA.build(tmp_path, tmp_path / "index") as qa:
        sources = Sources()
        assert list(sources.titles(qa).values()) == [
            "The harbour act (a.txt)",
            "The harbour act (b.txt)",
            "The quay",
        ]
        html = sources.page(qa, "", 0, removable=True)["html"]
        assert html.count("<bdi>a.txt</bdi>") == html.count("<bdi>b.txt</bdi>") == 1
        assert "<bdi>c.txt</bdi>" not in html


def test_the_second_one_is_the_second_of_the_list(browser: Browser, url: str, harbour: QA) -> None:
    with visit(browser, url) as page:
        row(page, "Harbour budget")
        ids = page.locator(f"{ROWS} input").evaluate_all("boxes => boxes.map((box) => box.value)")
        assert ids == [info.id for info in harbour.documents()]
        second = page.locator(f"{ROWS} a.title").nth(1).inner_text()
        expect(ask(page, "Summarise the second one.").locator("h3")).to_contain_text(second)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_only_checked_sources_answer_and_the_page_says_when_that_is_the_cause(
    browser: Browser, url: str, size: ViewportSize
) -> None:
    with visit(browser, url, size) as page:
        report = row(page, "Report on the lighthouse")
        open_side(page)
        page.locator(report).get_by_role("checkbox").uncheck()
        expect(page.locator("#chosen")).to_have_text("4 of 5 answer")
        page.keyboard.press("Escape")
        none = ask(page, LAMP)
        expect(none.locator(".reason")).to_contain_text("a source that you left out may answer this")
        expect(none.locator(".whole")).to_have_text("Every passage was read.")
        none.get_by_role("button", name="Ask all sources").click()
        expect(page.locator(".answer strong").first).to_have_text("Orla Benning", timeout=60_000)


def test_all_and_none_are_chosen_at_once_and_nothing_is_asked_of_none(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        row(page, "Harbour budget")
        page.get_by_label("Choose all sources").uncheck()
        expect(page.locator("#chosen")).to_have_text("0 of 5 answer")
        page.get_by_label("Your question").fill(LAMP)
        page.get_by_label("Your question").press("Enter")
        expect(page.locator("#hint")).to_have_text("No source is checked; check at least one.")

        page.get_by_label("Search the sources").fill("HARBOUR")
        expect(page.locator(ROWS)).to_have_count(2)
        page.get_by_label("Choose all that were found").check()
        expect(page.locator("#chosen")).to_have_text("2 of 5 answer · 2 found")
        page.get_by_label("Search the sources").fill("")
        expect(page.locator(f"{ROWS} input:checked")).to_have_count(2)
        words = ask(page, COST).locator("strong").first
        assert "million euros" in words.inner_text()
        assert page.locator(".answer").get_by_text("A letter from the builders").count() == 0


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_files_are_added_with_their_progress_refused_with_a_reason_and_removed(
    browser: Browser, tmp_path: Path, size: ViewportSize
) -> None:
    write_harbour(tmp_path / "documents")
    good, bad = tmp_path / "ferry.txt", tmp_path / "broken.pdf"
    good.write_text("The ferry to Osmund Island is steered by Tilda Marsh every morning.\n")
    bad.write_bytes(b"%PDF-1.4 this is no PDF")
    with (
        QA.build(tmp_path / "documents", tmp_path / "index") as qa,
        serving(lambda: qa) as url,
        visit(browser, url, size) as page,
    ):
        row(page, "Harbour budget")
        open_side(page)
        page.locator("#add input").set_input_files([good, bad, tmp_path / "documents" / "letter.txt"])
        expect(page.locator(".adding p")).to_have_text("1 of 3 added", timeout=60_000)
        expect(page.locator("#unread summary")).to_have_text("2 files were not read")
        expect(page.locator("#unread li").nth(0)).to_contain_text("broken.pdf")
        expect(page.locator("#unread li").nth(1)).to_contain_text("already there as letter.txt")
        expect(page.locator("#status")).to_contain_text("6 documents")
        page.keyboard.press("Escape")
        expect(ask(page, "Who steers the ferry to Osmund Island?").locator("strong").first).to_have_text(
            "Tilda Marsh"
        )
        open_side(page)
        ferry = page.locator(f"{ROWS}:has(input[value='uploads/ferry.txt'])")
        ferry.locator(".remove").click()
        expect(ferry.locator(".remove")).to_have_text("Remove?")
        ferry.locator(".remove").click()
        expect(page.locator(ROWS)).to_have_count(5)
        expect(page.locator("#status")).to_contain_text("5 documents")
        assert not list((tmp_path / "index" / "uploads").iterdir())


def test_files_are_dropped_on_the_page(browser: Browser, tmp_path: Path) -> None:
    write_harbour(tmp_path / "documents")
    with (
        QA.build(tmp_path / "documents", tmp_path / "index") as qa,
        serving(lambda: qa) as url,
        visit(browser, url) as page,
    ):
        row(page, "Harbour budget")
        page.evaluate(
            """() => {
              const carried = new DataTransfer();
              const name = "../../<img src=x onerror=window.__pwned=1>\\u202e.txt";
              carried.items.add(new File(["The pilot of the harbour is Ugo Vance.\\n"], name));
              const target = document.querySelector("#conversation");
              for (const kind of ["dragenter", "dragover", "drop"]) {
                const event = { dataTransfer: carried, bubbles: true, cancelable: true };
                target.dispatchEvent(new DragEvent(kind, event));
              }
            }"""
        )
        expect(page.locator(".adding p")).to_have_text("1 of 1 added", timeout=60_000)
        assert {info.id for info in qa.documents() if info.id.startswith("uploads/")} == {
            "uploads/_img src=x onerror=window.__pwned=1_.txt"
        }
        assert sorted(path.name for path in tmp_path.iterdir()) == ["documents", "index"]
        expect(page.locator(f"{ROWS} img")).to_have_count(0)
        assert page.evaluate("window.__pwned") is None


def test_a_file_is_served_by_its_document_id_and_nothing_else_is(
    harbour: QA, url: str, tmp_path: Path
) -> None:
    with urlopen(f"{url}/original?document=letter.txt") as answer:
        assert answer.read() == (Path(harbour.document("letter.txt").path)).read_bytes()
        assert answer.headers["Content-Disposition"] == 'inline; filename="letter.txt"'
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with urlopen(f"{url}/original?document=budget-2021.html") as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Content-Type"] == "application/octet-stream"
    for id_ in ("../index/corpus.sqlite3", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "", "letter.txt\0"):
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{url}/original?document={quote(id_)}")


def test_a_body_that_is_too_large_is_refused_before_it_is_kept(
    url: str, harbour: QA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa.web.files.LARGEST_UPLOAD", 1000)
    request = Request(f"{url}/upload?name=big.txt", data=b"x" * 5000, method="PUT")
    with urlopen(request) as answer:
        assert b"is larger than" in answer.read()
    assert len(harbour.documents()) == 5


def test_a_file_may_say_anything(tmp_path: Path) -> None:
    write_harbour(tmp_path / "documents")
    with QA.build(tmp_path / "documents", tmp_path / "index") as qa, serving(lambda: qa) as url:
        said = "The form has a field filename= that nobody fills in. " * 100
        with urlopen(Request(f"{url}/upload?name=form.txt", data=said.encode(), method="PUT")) as answer:
            lines = answer.read().splitlines()
        assert b'"skipped": ""' in lines[-1]
        assert "uploads/form.txt" in {info.id for info in qa.documents()}


def test_a_server_that_is_read_only_offers_no_change(browser: Browser, harbour: QA) -> None:
    with serving(lambda: harbour, read_only=True) as url:
        with visit(browser, url) as page:
            expect(page.locator(ROWS)).to_have_count(5, timeout=60_000)
            expect(page.locator("#add")).not_to_be_visible()
            expect(page.locator(".remove")).to_have_count(0)
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(f"{url}/upload?name=form.txt", data=b"x", method="PUT"))


def test_five_thousand_documents_are_listed_and_searched_at_once(browser: Browser, tmp_path: Path) -> None:
    write_harbour(tmp_path / "documents")
    with QA.build(tmp_path / "documents", tmp_path / "index") as qa:
        put_many(qa, 5000)
        with serving(lambda: qa) as url, visit(browser, url) as page:
            expect(page.locator(".pages span")).to_have_text("1–50 of 5,005", timeout=60_000)
            assert page.locator(ROWS).count() == 50
            begin = time.perf_counter()
            page.get_by_label("More sources").click()
            expect(page.locator(".pages span")).to_have_text("51–100 of 5,005")
            page.get_by_label("Search the sources").fill("number 4711")
            expect(page.locator(ROWS)).to_have_count(1)
            page.get_by_label("Choose all that were found").uncheck()
            expect(page.locator("#chosen")).to_have_text("5,004 of 5,005 answer · 1 found")
            assert time.perf_counter() - begin < 3
            expect(ask(page, LAMP).locator("strong").first).to_have_text("Orla Benning")


def put_many(qa: QA, count: int) -> None:
    """Documents of one sentence, with vectors that point anywhere."""
    vectors = np.random.default_rng(7).normal(size=(count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = []
    for number in range(count):
        text, id_ = f"Minutes of the meeting number {number}.", f"minutes/{number}.txt"
        document = Document(
            id_, f"Minutes, number {number}", text, id_, f"{number:064x}", sentences=((0, len(text)),)
        )
        part = Passage.at(id_, 0, len(text))
        items.append(Indexed(document, (part,), vectors[number : number + 1]))
    qa.store.put(items)

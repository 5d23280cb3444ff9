"""Reading on in a browser: whole documents, links to the web, what was not read, turns that come back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from qa.engine import QA
from qa.evaluation.questions import read_questions
from tests.browsing import LOWEST_CONTRAST, NARROW, WIDE, ask, open_side, serving, visit, write_harbour

pytestmark = pytest.mark.slow

CLERK = "Who wrote the harbour chronicle?"
LAMP = "Who made the lamp of the lighthouse?"
NOT_SAID = "Which football club won the championship?"
ADDRESS = "https://port-ellin.example/budget?year=2023&x=1"


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QA]:
    folder = tmp_path_factory.mktemp("reading")
    documents = folder / "documents"
    write_harbour(documents)
    final = documents / "budget-2023.html"
    head = f'<head><link rel="canonical" href="{ADDRESS}">'
    final.write_text(final.read_text().replace("<head>", head))
    (documents / "broken.pdf").write_bytes(b"%PDF-1.7")
    (documents / "notes.odt").write_bytes(b"x")
    (documents / ".hidden").write_bytes(b"x")
    lines = [f"Line {n}: ship number {n * 7} came in." for n in range(20_000)]
    lines[10_000] = "The harbour chronicle was written by the clerk Ruth Abernathy over forty years."
    (documents / "chronicle.txt").write_text("Harbour chronicle\n\n" + "\n".join(lines))
    with QA.build(documents, folder / "index") as qa:
        yield qa


@pytest.fixture(scope="module")
def url(harbour: QA) -> Iterator[str]:
    with serving(lambda: harbour) as url:
        yield url


def shoot(page: Page, folder: Path, name: str) -> None:
    page.screenshot(path=folder / f"{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(LOWEST_CONTRAST)[0] >= 4.5, page.evaluate(LOWEST_CONTRAST)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_long_document_is_read_on_in_both_directions_and_reached_anywhere(
    browser: Browser, url: str, tmp_path: Path, size: dict[str, int], scheme: str
) -> None:
    with visit(browser, url, size, scheme) as page:
        ask(page, CLERK).locator("a.cite").first.click()
        text = page.locator("#source-pane .text")
        expect(text.locator("mark.cited")).to_contain_text("Ruth Abernathy")
        expect(page.locator(".position output")).to_have_text(re.compile(r"^(49|50|51) %$"))
        shoot(page, tmp_path, "long")

        top = text.locator("mark.cited").bounding_box()
        text.evaluate("text => text.scrollTop = 0")
        expect(text.locator(".stretch")).to_have_count(2)
        assert "Line 8" in text.locator(".stretch").first.inner_text()
        text.locator("mark.cited").scroll_into_view_if_needed()
        assert top and text.locator("mark.cited").bounding_box()

        position = page.get_by_label("Position in the document")
        position.focus()
        page.keyboard.press("End")
        expect(text).to_contain_text("Line 19999:")
        expect(text.get_by_role("button", name="Show what follows")).to_have_count(0)
        page.keyboard.press("Home")
        expect(text).to_contain_text("Line 0:")
        seen = text.evaluate(
            """async text => {
              for (let n = 0; n < 100 && text.querySelector(":scope > .after"); n++) {
                text.scrollTop = text.scrollHeight;
                await new Promise((done) => setTimeout(done, 50));
              }
              return [...text.querySelectorAll(".stretch")].map((each) => each.innerText).join("\\n");
            }"""
        )
        numbers = [int(n) for n in re.findall(r"^Line (\d+):", seen, re.MULTILINE)]
        assert numbers == [n for n in range(20_000) if n != 10_000]
        assert not [
            v for v in Axe().run(page).response["violations"] if v["impact"] in {"serious", "critical"}
        ]


def test_a_quote_of_a_web_page_is_copied_as_a_link_to_its_words_there(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    with visit(browser, url) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        answer = ask(page, "How much did the lighthouse cost after the audit?")
        answer.get_by_role("link", name=re.compile("Final accounts")).first.click()
        expect(page.locator(".source h2")).to_have_text("Final accounts of the harbour")
        web = page.get_by_role("link", name="Open the web page")
        assert web.get_attribute("href") == ADDRESS
        assert web.get_attribute("rel") == "noopener noreferrer"
        page.get_by_role("group", name="Copy").get_by_role("button", name="link").click()
        expect(page.locator("#announce")).to_have_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"{ADDRESS}#:~:text=") and "6.8" in copied
        shoot(page, tmp_path, "web")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_files_that_were_not_read_when_the_folder_was_indexed_are_listed_with_the_reason(
    browser: Browser, url: str, tmp_path: Path, size: dict[str, int]
) -> None:
    with visit(browser, url, size) as page:
        expect(page.locator("#status")).to_contain_text("documents", timeout=60_000)
        open_side(page)
        unread = page.locator("#unread")
        expect(unread.locator("summary")).to_have_text("2 files were not read")
        unread.locator("summary").click()
        expect(unread.locator("li").nth(0)).to_contain_text("broken.pdf is not a readable PDF")
        expect(unread.locator("li").nth(1)).to_contain_text("unknown type")
        shoot(page, tmp_path, "unread")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_wrong_answer_is_corrected_in_place_and_becomes_a_line_that_the_evaluation_runs(
    browser: Browser, url: str, harbour: QA, tmp_path: Path, size: dict[str, int]
) -> None:
    for name in ("feedback.jsonl", "feedback-open.jsonl"):
        (harbour.folder / name).unlink(missing_ok=True)
    with visit(browser, url, size) as page:
        ask(page, LAMP)
        page.get_by_role("button", name="Wrong", exact=True).click()
        expect(page.locator(".feedback")).to_contain_text("kept in feedback-open.jsonl", timeout=30_000)
        assert (harbour.folder / "feedback-open.jsonl").read_text().count("\n") == 1
        field = page.get_by_label("The right answer")
        expect(field).to_be_focused()
        shoot(page, tmp_path, "correction")
        field.fill("Somebody Else")
        field.press("Enter")
        expect(page.locator(".feedback")).to_contain_text("stand in no document")
        field.fill("orla  benning")
        field.press("Enter")
        expect(page.locator(".feedback")).to_contain_text("which qa eval runs")
        ask(page, CLERK)
        page.get_by_role("button", name="Wrong", exact=True).click()
        page.get_by_role("button", name="Not in the documents").click()
        expect(page.locator(".feedback").last).to_contain_text("which qa eval runs", timeout=30_000)
    lamp, clerk = read_questions(harbour.folder / "feedback.jsonl").questions
    assert (lamp.answers, lamp.documents) == (("orla  benning",), ("report.pdf",))
    assert not clerk.answerable
    assert (harbour.folder / "feedback-open.jsonl").read_text() == ""


def test_turns_of_the_history_look_and_work_as_when_they_were_asked(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    with visit(browser, url) as page:
        ask(page, LAMP)
        page.locator("#least").fill("99")
        ask(page, CLERK)
        page.locator("#find-source").fill("chronicle")
        page.get_by_label("Choose all that were found").uncheck()
        page.locator("#least").fill("50")
        ask(page, CLERK)
        ask(page, NOT_SAID)
        page.get_by_role("button", name="Right, they do not say").last.click()
        expect(page.locator(".feedback").last).to_contain_text("Thank you", timeout=30_000)
        times = re.compile(r"[\d,]+ ms")
        before = [times.sub("", text) for text in page.locator(".answer").all_inner_texts()]
        causes = page.locator(".answer.none").evaluate_all("all => all.map((each) => each.dataset.cause)")
        assert {"below", "excluded"} <= set(causes)
        verdicts = page.locator(".feedback").all_inner_texts()

        page.reload()
        page.get_by_role("tab", name="History").click()
        page.locator("#conversations .open").first.click()
        expect(page.locator(".answer")).to_have_count(4)
        shoot(page, tmp_path, "reopened")
        assert [times.sub("", text) for text in page.locator(".answer").all_inner_texts()] == before
        assert page.locator(".feedback").all_inner_texts() == verdicts
        page.get_by_role("button", name="Right", exact=True).first.click()
        expect(page.locator(".feedback").first).to_contain_text("Thank you", timeout=30_000)
        page.get_by_role("button", name="Show it all the same").click()
        expect(page.locator(".answer.none")).to_have_count(0, timeout=30_000)
        expect(page.locator(".answer strong").last).to_contain_text("Ruth Abernathy")


def test_suggestions_come_back_with_the_last_turn_of_the_history(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        ask(page, CLERK)
        asked = page.locator(".next-questions button")
        page.wait_for_timeout(4_000)
        before = asked.all_inner_texts()
        page.reload()
        page.get_by_role("tab", name="History").click()
        page.locator("#conversations .open").first.click()
        expect(page.locator(".answer")).to_have_count(1)
        expect(asked).to_have_count(len(before))
        assert asked.all_inner_texts() == before


def test_a_conversation_is_exported_though_none_is_kept(browser: Browser, url: str, tmp_path: Path) -> None:
    with visit(browser, url) as page:
        page.get_by_role("tab", name="History").click()
        page.get_by_label("Keep my conversations").uncheck()
        page.get_by_label("Export this conversation as md").click()
        expect(page.locator("#hint")).to_contain_text("ask a question first")
        ask(page, LAMP)
        ask(page, NOT_SAID)
        expect(page.locator("#conversations li")).to_have_count(0)
        for form in ("md", "html", "json"):
            with page.expect_download() as download:
                page.get_by_label(f"Export this conversation as {form}").click()
            file = Path(download.value.path()).read_text(encoding="utf-8")
            assert download.value.suggested_filename.endswith(form)
            assert "Orla Benning" in file and "report.pdf" in file
        assert [turn["answer"]["answered"] for turn in json.loads(file)["turns"]] == [True, False]
        shoot(page, tmp_path, "export")

"""What visitors bring that is too much, or meant to break in: it is told, and nothing hangs or runs."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pypdfium2 import PdfDocument

from qa.engine import QA
from qa.web.guard import LARGEST_REQUEST
from qa.web.history import History
from tests.browsing import ask, serving, visit

pytestmark = pytest.mark.slow

LAMP = "Who made the lamp of the lighthouse?"
ALIVE = """<script>window.__pwned = 1</script><img src=x onerror="window.__pwned = 2">
<svg onload="window.__pwned = 3"></svg><a href="javascript:window.__pwned = 4">here</a>
<iframe srcdoc="<script>parent.__pwned = 5</script>"></iframe></mark></bdi></p></div>"""
RUNS = "<b>x</b><img src=x onerror=alert(1)><script>alert(2)</script>"
OVERRIDE = "\u202e"  # what follows is shown from right to left


def refused(page: Page, file: Path, says: str) -> None:
    """The file is sent by the page, and named in the list of what was not read, with the reason."""
    before = page.locator("#unread .added li").count()
    page.locator("#add input").set_input_files([file])
    expect(page.locator("#unread .added li")).to_have_count(before + 1, timeout=60_000)
    expect(page.locator("#unread .added li").last).to_contain_text(f"{file.name} {says}")
    expect(page.locator(".adding p")).to_have_text("0 of 1 added")


def test_files_that_are_far_too_much_are_refused_with_the_reason_and_the_chat_goes_on(
    browser: Browser, url: str, harbour: QA, tmp_path: Path
) -> None:
    pages = PdfDocument.new()
    for _ in range(10_001):
        pages.new_page(200, 200)
    pages.save(tmp_path / "many.pdf")
    with (
        zipfile.ZipFile(tmp_path / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("word/document.xml", "w") as part,
    ):
        for _ in range(300):
            part.write(bytes(2**20))
    (tmp_path / "endless.txt").write_text("The okapi lives in the Ituri forest. " * 280_000)
    with visit(browser, url) as page:
        expect(page.locator("#add")).to_be_visible(timeout=60_000)
        refused(page, tmp_path / "many.pdf", "has 10001 pages, more than 10000; split it into smaller files")
        refused(page, tmp_path / "bomb.docx", "unpacks to 300 MB, more than 200 MB; split it into smaller")
        refused(page, tmp_path / "endless.txt", "holds 10,360,000 characters of text, at most 10,000,000 can")
        expect(page.locator("#unread .added li").last).to_contain_text("qa index FOLDER")
        expect(ask(page, LAMP).locator("strong").first).to_have_text("Orla Benning")
    assert len(harbour.documents()) == 5
    assert not list((harbour.folder / "uploads").iterdir())


def test_a_conversation_larger_than_a_request_may_be_is_exported_in_every_form(
    browser: Browser, url: str
) -> None:
    with visit(browser, url) as page:
        ask(page, LAMP)
        page.get_by_role("tab", name="History").click()
        # As after hundreds of questions, each answered from long passages.
        page.evaluate(
            """() => {
              window.fetchBefore = window.fetch;
              window.fetch = (address, options) => {
                if (!String(address).includes("export?")) return window.fetchBefore(address, options);
                const { turns } = JSON.parse(options.body);
                const many = Array.from({ length: 3000 }, () => turns[0]);
                options.body = JSON.stringify({ turns: many });
                window.sentBytes = options.body.length;
                return window.fetchBefore(address, options);
              };
            }"""
        )
        for form in ("md", "html", "json"):
            with page.expect_download(timeout=60_000) as download:
                page.get_by_label(f"Export this conversation as {form}").click()
            file = Path(download.value.path()).read_text(encoding="utf-8")
            assert page.evaluate("window.sentBytes") > LARGEST_REQUEST
            assert file.count("Malmo") >= 3000
        assert len(json.loads(file)["turns"]) == 3000


def test_a_kept_conversation_of_many_megabytes_is_exported_in_every_form(
    browser: Browser, url: str, harbour: QA
) -> None:
    kept, answer = History(harbour.folder), harbour.ask(LAMP).to_dict()
    with visit(browser, url) as page:
        ask(page, LAMP)
        mine = page.evaluate("localStorage.getItem('qa-browser')")
        [conversation] = kept.conversations(mine)
        for _ in range(20):
            kept.append(mine, conversation.id, answer | {"hits": answer["hits"] * 200})
        page.get_by_role("tab", name="History").click()
        for form in ("md", "html", "json"):
            with page.expect_download(timeout=60_000) as download:
                page.locator(f"#conversations .export[value={form}]").click()
            file = Path(download.value.path()).read_text(encoding="utf-8")
            assert file.count("characters") >= 21 or len(json.loads(file)["turns"]) == 21
        assert len(file) > LARGEST_REQUEST


def test_hostile_names_titles_texts_and_questions_stay_words_everywhere(
    browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    page_ = (
        f"<html><head><title>{RUNS.replace('<', '&lt;')}</title></head><body><article><p>{{}}</p></article>"
    )
    told = "The treaty of Aldmoor was signed by Mira Voss in the year 1871, in the great hall of the town."
    (folder / "'quoted' \"twice\" 🦓.html").write_text(page_.format(told), encoding="utf-8")
    (folder / f"{OVERRIDE}txt.exe.txt").write_text(
        f"{OVERRIDE}Evil {ALIVE}\nThe castle of Brannoch was built by Otto Krain{OVERRIDE} {ALIVE}.\n",
        encoding="utf-8",
    )
    (folder / "one line.txt").write_text(
        "word " * 200_000 + "The mill of Stenfoss was bought by Lena Arkwright. " + "word " * 10_000,
        encoding="utf-8",
    )
    added = tmp_path / f"..{RUNS.replace('/', '')} 🦓'\".txt"
    added.write_text(f"The tower of Wick was painted by Noor Haddad. {ALIVE}\n", encoding="utf-8")
    with QA.build(folder, tmp_path / "index") as qa, serving(lambda: qa) as url, visit(browser, url) as page:
        expect(page.locator("#add")).to_be_visible(timeout=60_000)
        page.locator("#add input").set_input_files([added])
        expect(page.locator(".adding p")).to_have_text("1 of 1 added", timeout=60_000)
        for question, words in (
            ("Who signed the treaty of Aldmoor?", "Mira Voss"),
            ("Who built the castle of Brannoch?", "Otto Krain"),
            ("Who bought the mill of Stenfoss?", "Lena Arkwright"),
            ("Who painted the tower of Wick?", "Noor Haddad"),
        ):
            answer = ask(page, question)
            assert words in answer.inner_text()
            for link in answer.locator("a.cite").all():
                if link.is_visible():
                    link.click()
                    expect(page.locator("#source-pane .text")).to_be_visible()
        ask(page, RUNS + OVERRIDE + ALIVE)
        ask(page, f"What is said about {RUNS}?")
        page.get_by_role("tab", name="History").click()
        rows = page.locator("#conversations li")
        rows.get_by_role("button", name="Rename").click()
        page.get_by_label("New name").fill(RUNS)
        page.keyboard.press("Enter")
        expect(rows.locator(".open")).to_have_text(RUNS)
        page.get_by_label("Search the conversations").fill("<script>")
        expect(rows).to_have_count(1)
        rows.locator(".open").click()
        expect(page.locator("#conversation .asked")).to_have_count(6)
        with page.expect_download() as download:
            rows.locator(".export[value=html]").click()
        page.wait_for_timeout(500)
        assert page.evaluate("window.__pwned") is None  # and `visit` fails on any dialog or request elsewhere
        injected = (
            "#desk :is(img, script, svg, iframe, b:not(.empty b), [onerror], [onload], [href^='javascript'])"
        )
        assert page.locator(injected).count() == 0
        assert {path.name for path in (tmp_path / "index" / "uploads").iterdir()} == {
            info.id.removeprefix("uploads/") for info in qa.documents() if info.id.startswith("uploads/")
        }
        exported = tmp_path / "export.html"
        shutil.copy(download.value.path(), exported)
    context = browser.new_context()
    opened = context.new_page()
    opened.on("dialog", lambda dialog: pytest.fail(dialog.message))
    opened.goto(exported.as_uri())
    opened.wait_for_timeout(300)
    assert opened.evaluate("window.__pwned") is None
    assert opened.locator("img, script, svg, iframe, b img").count() == 0
    context.close()

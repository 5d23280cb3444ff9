"""The link that is copied with a quote, opened: the browser goes to the words on the web page itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, expect

from qa.corpus import Found, load
from qa.engine import QA
from qa.web.source_view import references
from tests.browsing import ask, serving, visit

pytestmark = pytest.mark.slow

FILLER = "".join(
    f"<p>In week {n} of the harbour diary the pilots noted the tides, the wind and whatever ships came in "
    "from the north, and nothing else that anybody would want to read about later.</p>"
    for n in range(120)
)
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Diary of the harbour</title>'
    '<link rel="canonical" href="{address}"></head><body><article><h1>Diary of the harbour</h1>'
    "<p>Somebody had said that the wall would cost 6.8 million euros or thereabouts.</p>" + FILLER + "<p>The "
    '<a href="/x">storm-beaten</a> lighthouse, old but <b>un</b>bowed, was mended by Ysolde Trent &amp; sons '
    "for 6.8 million euros (100 % of the budget) after the flood of 1953, which nobody had foreseen.</p>"
    "<p>Then the café at the pier was opened again, and it rained.</p>" + FILLER + "</article></body></html>"
)
QUOTES = [
    "6.8 million euros (100 % of the budget)",
    "6.8 million euros",  # which stands elsewhere before
    "storm-beaten lighthouse, old",
    "Ysolde Trent & sons",
    "1953",
    "d by Ysolde",  # from within a word on: widened to all of it
    "was mended by Ysolde Trent & sons for 6.8 million euros (100 % of the budget) after the flood of 1953",
    "which nobody had foreseen.\nThen the café",
]


@pytest.fixture(scope="module")
def web_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A page of a web server on this machine: its address, and the file as it was saved."""
    folder = tmp_path_factory.mktemp("web") / "documents"
    folder.mkdir()
    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/diary.html"
    (folder / "diary.html").write_text(PAGE.format(address=address), encoding="utf-8")
    yield address, folder / "diary.html"
    server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("quote", QUOTES)
def test_a_link_scrolls_to_its_words_whatever_they_are(
    browser: Browser, web_page: tuple[str, Path], quote: str
) -> None:
    address, file = web_page
    document = load(Found("diary.html", file, file.stat().st_size))
    start = document.text.rindex(quote)
    link = references(document, start, start + len(quote))["link"]
    assert link.startswith(address)
    assert is_shown(browser, link)


def test_a_link_to_words_that_are_not_there_stays_at_the_top(
    browser: Browser, web_page: tuple[str, Path]
) -> None:
    assert not is_shown(browser, f"{web_page[0]}#:~:text=no%20such%20words")


def test_the_link_copied_in_the_chat_opens_the_page_at_the_words(
    browser: Browser, web_page: tuple[str, Path], tmp_path: Path
) -> None:
    with (
        QA.build(web_page[1].parent, tmp_path / "index") as qa,
        serving(lambda: qa) as url,
        visit(browser, url) as page,
    ):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        ask(page, "Who mended the lighthouse?").locator("a.cite").first.click()
        expect(page.locator("#source-pane mark.cited")).to_contain_text("Ysolde Trent")
        page.get_by_role("group", name="Copy").get_by_role("button", name="link").click()
        expect(page.locator("#announce")).to_have_text("Copied")
        assert is_shown(browser, page.evaluate("navigator.clipboard.readText()"))


def is_shown(browser: Browser, link: str) -> bool:
    """Whether a browser that opens the link shows the paragraph on the lighthouse."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(link)
    page.wait_for_timeout(200)
    box = page.locator("p", has_text="storm-beaten").bounding_box()
    assert box
    shown = 0 <= box["y"] <= page.evaluate("innerHeight") - box["height"]
    context.close()
    return shown

"""A chat to visit, and a visit that fails on any error in the browser or request to another host."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from qa.engine import QA
from qa.web import start

WIDE, NARROW = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LOWEST_CONTRAST = """() => {
  const channels = (css) => css.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let lowest = [21, ''];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (!text || !element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true })) continue;
    if (element.offsetWidth === 1 || element.closest(':disabled')) continue; // unseen, or not to be used
    const [a, b] = [channels(getComputedStyle(element).color), ground(element)].map(luminance);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < lowest[0]) lowest = [contrast, text];
  }
  return lowest;
}"""


@contextmanager
def serving(open_qa: Callable[[], QA], *, built: bool = True, **options: Any) -> Iterator[str]:
    """A chat on a free port of this machine; its page is there, unless it need not be `built`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start(open_qa, port=port, **options)
    try:
        if built:
            httpx.get(f"{server.url}/starting", timeout=60)  # answered, or refused, when it is there
        yield server.url
    finally:
        server.close()


@contextmanager
def visit(
    browser: Browser,
    url: str,
    size: ViewportSize = WIDE,
    scheme: str = "light",
    query: str = "",
    headers: dict[str, str] | None = None,
) -> Iterator[Page]:
    """A visit that fails on any error in the browser and on any request to another host."""
    context = browser.new_context(
        viewport=size, color_scheme=scheme, reduced_motion="reduce", extra_http_headers=headers
    )  # type: ignore[arg-type]
    page = context.new_page()
    wrong: list[str] = []
    page.on(
        "console",
        lambda message: (
            wrong.append(f"{message.text} {message.location}") if message.type == "error" else None
        ),
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            wrong.append(request.url) if not request.url.startswith((url, "data:", f"blob:{url}")) else None
        ),
    )
    page.goto(url + query)
    yield page
    context.close()
    assert not wrong, wrong


def ask(page: Page, question: str) -> Locator:
    """Type a question, press Enter, wait for what is shown under it."""
    answers = page.locator("#conversation .answer")
    before = answers.count()
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Enter")
    expect(answers).to_have_count(before + 1, timeout=60_000)
    return answers.last


def open_side(page: Page) -> None:
    """The panel at the left, which a narrow page keeps folded."""
    if page.locator("#show-side").is_visible() and not page.locator("#side").is_visible():
        page.locator("#show-side").click()


def is_in_view(page: Page, inner: str, outer: str) -> bool:
    """Whether the first `inner` stands within the visible part of `outer`, and that within the window."""
    inside, around = page.locator(inner).first.bounding_box(), page.locator(outer).first.bounding_box()
    assert inside and around
    return bool(
        around["y"] <= inside["y"]
        and inside["y"] + inside["height"]
        <= min(around["y"] + around["height"], page.evaluate("innerHeight"))
        and around["x"] <= inside["x"]
        and inside["x"] + inside["width"] <= around["x"] + around["width"] + 1
    )


def write_harbour(folder: Path) -> None:
    """A small corpus whose sources differ, with dates, a PDF, boilerplate and right-to-left text."""
    from reportlab.pdfgen.canvas import Canvas

    folder.mkdir(parents=True, exist_ok=True)
    page = (
        '<html><head><title>{0}</title><meta property="article:published_time" content="{1}"></head><body>'
        "<nav><a href=/>Home</a> <a href=/n>News</a></nav><article><h1>{0}</h1>{2}</article></body></html>"
    )
    for name, title, date, text in (
        (
            "budget-2021.html",
            "Harbour budget",
            "2021-03-04",
            "<p>The council met on Thursday. The new lighthouse of Port Ellin cost 4.2 million euros. "
            "The mayor, Dana Whitlock, thanked the builders.</p><p>Then the meeting went on to other "
            "matters, among them the fish market and the school roof, and it ended late.</p>",
        ),
        (
            "budget-2023.html",
            "Final accounts of the harbour",
            "2023-05-12",
            "<p>After the audit, the new lighthouse of Port Ellin cost 6.8 million euros. The overrun was "
            "blamed on the storm.</p><p>The accounts were accepted by the council in spring.</p>",
        ),
    ):
        (folder / name).write_text(page.format(title, date, text), encoding="utf-8")
    letter = (
        "A letter from the builders\nThe new lighthouse of Port Ellin cost 6.8 million euros, we are told.\n"
    )
    (folder / "letter.txt").write_text(letter, encoding="utf-8")
    arabic = "ميناء إيلين\nافتتحت المنارة الجديدة في ميناء إيلين في الثالث من مايو 2022.\n"
    (folder / "arabic.txt").write_text(arabic, encoding="utf-8")
    canvas = Canvas(str(folder / "report.pdf"), invariant=True)
    canvas.setTitle("Report on the lighthouse")
    for line in (
        "The first page tells of the weather on the coast of Ellin. It rained.",
        "The lamp of the lighthouse was made by Orla Benning in Malmo in 2020.",
    ):
        canvas.drawString(72, 720, line)
        canvas.showPage()
    canvas.save()

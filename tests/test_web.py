"""The chat in a real browser, and its API as programs see it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from urllib.request import urlopen

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Route, ViewportSize, expect

from qa.engine import QA
from qa.errors import BadIndex, QAError
from qa.web import start
from tests.browsing import LOWEST_CONTRAST, NARROW, WIDE, ask, is_in_view, serving, visit

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
ANSWERED = "Who answered AFP by email?"
UNANSWERED = "Which football club won the championship?"
HOSTILE = (
    '<script>window.__pwned = 1</script><img src=x onerror="window.__pwned = 2"> '
    "[here](javascript:window.__pwned=3) **bold** $$x^2$$ ${window.__pwned = 4} {{7*7}} \u202e"
)


@pytest.fixture(scope="module")
def chat_url(seeds_qa: QA) -> Iterator[str]:
    with serving(lambda: seeds_qa) as url:
        yield url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_question_is_answered_and_its_number_opens_the_source_at_the_words(
    browser: Browser, chat_url: str, tmp_path: Path, size: ViewportSize, scheme: str
) -> None:
    with visit(browser, chat_url, size, scheme) as page:
        expect(page.locator("#status")).to_contain_text("5 documents", timeout=60_000)
        expect(page.locator("#starters button").first).to_be_visible(timeout=60_000)
        page.screenshot(path=tmp_path / "start.png")

        answer = ask(page, ANSWERED)
        words = answer.locator("strong").first.inner_text()
        assert "William Spindler" in words
        expect(answer.locator(".sentence").first).to_contain_text("told AFP in an email")
        expect(answer.locator(".meta")).to_have_text(re.compile(r"\d+ %.+ · read \d+ passages in [\d,]+ ms"))
        page.screenshot(path=tmp_path / "answer.png")

        answer.get_by_role("link", name=re.compile(r"^\[1\]")).first.click()
        expect(page.locator("#source-pane mark.cited")).to_have_text(words)
        expect(page.locator("#source-pane header")).to_contain_text("002_2fbc8ae10631dfbe.txt")
        assert is_in_view(page, "#source-pane mark.cited", "#source-pane .text")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(LOWEST_CONTRAST)[0] >= 4.5, page.evaluate(LOWEST_CONTRAST)
        page.screenshot(path=tmp_path / "source.png")

        if size is NARROW:
            page.keyboard.press("Escape")
            expect(page.locator("#source-pane")).not_to_be_visible()
        nothing = ask(page, UNANSWERED)
        expect(nothing.get_by_role("heading", name="The documents do not say.")).to_be_visible()
        expect(nothing.locator(".nearest li")).to_have_count(3)
        page.screenshot(path=tmp_path / "abstention.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(LOWEST_CONTRAST)[0] >= 4.5, page.evaluate(LOWEST_CONTRAST)

        nothing.locator(".nearest a").nth(1).click()
        title = nothing.locator(".nearest a").nth(1).inner_text()
        expect(page.locator("#source-pane h2")).to_have_text(title)
        assert page.locator("#source-pane mark.cited").count() > 0
        page.screenshot(path=tmp_path / "nearest.png")


def test_the_dark_theme_can_be_asked_for_in_the_address(browser: Browser, chat_url: str) -> None:
    with visit(browser, chat_url, query="/?__theme=dark") as page:
        expect(page.locator("#status")).to_contain_text("5 documents", timeout=60_000)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 23, 25)"
        assert page.evaluate(LOWEST_CONTRAST)[0] >= 4.5, page.evaluate(LOWEST_CONTRAST)


def test_a_source_opens_and_closes_by_keyboard(browser: Browser, chat_url: str) -> None:
    with visit(browser, chat_url, NARROW) as page:
        link = ask(page, ANSWERED).locator("a.cite").first
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#source-pane .text")).to_be_focused()
        assert is_in_view(page, "#source-pane mark.cited", "#source-pane .text")
        page.keyboard.press("Escape")
        expect(link).to_be_focused()


def test_a_source_that_comes_late_lets_the_visitor_go_on_typing(browser: Browser, chat_url: str) -> None:
    with visit(browser, chat_url) as page:
        link = ask(page, ANSWERED).locator("a.cite").first
        held: list[Route] = []

        def hold(route: Route) -> None:
            if "show_source" in (route.request.post_data or ""):
                held.append(route)
            else:
                route.continue_()

        page.route("**/component_server/", hold)
        link.click()
        field = page.get_by_label("Your question")
        field.press_sequentially("Who ask")
        assert len(held) == 1
        held[0].continue_()
        expect(page.locator("#source-pane mark.cited")).to_be_visible()
        expect(field).to_be_focused()
        page.keyboard.type("ed?")
        expect(field).to_have_value("Who asked?")


def test_a_starter_question_is_asked_by_a_click_and_answered(browser: Browser, chat_url: str) -> None:
    with visit(browser, chat_url) as page:
        # Not every document has more to suggest; one that tells who somebody is has.
        starter = page.locator("#starters button").filter(has_text="Who is").first
        question = starter.inner_text(timeout=60_000)
        starter.click()
        expect(page.locator("#conversation .asked")).to_have_text(question)
        expect(page.locator("#conversation .answer strong").first).to_be_visible(timeout=60_000)
        following = page.locator(".next-questions button").first
        question = following.inner_text(timeout=30_000)
        following.click()
        expect(page.locator("#conversation .asked").last).to_have_text(question)
        expect(page.locator("#conversation .answer strong").nth(1)).to_be_visible(timeout=60_000)


def test_a_follow_up_leans_on_its_own_conversation_only(browser: Browser, chat_url: str) -> None:
    with visit(browser, chat_url) as one, visit(browser, chat_url) as other:
        ask(one, ANSWERED)
        expect(ask(one, "What did he confirm?").locator(".asked-as")).to_contain_text("Spindler")
        assert "asked as" not in ask(other, "What did he confirm?").inner_text()
        expect(other.locator("#conversation .asked")).to_have_count(1)

        one.get_by_role("button", name="New conversation").click()
        expect(one.locator("#conversation .asked")).to_have_count(0)
        assert "asked as" not in ask(one, "What did he confirm?").inner_text()


def test_a_question_that_cannot_be_asked_gets_one_sentence(browser: Browser, chat_url: str) -> None:
    with visit(browser, chat_url) as page:
        failure = ask(page, "word " * 2_000)
        expect(failure).to_have_class(re.compile("failure"))
        assert len(failure.inner_text().splitlines()) == 1 and "characters" in failure.inner_text()
        expect(page.get_by_test_id("toast-body")).to_have_count(0)

        page.get_by_label("Your question").fill("   ")
        page.get_by_label("Your question").press("Enter")
        expect(page.locator("#hint")).to_have_text("Type a question first.")
        expect(page.locator("#conversation .asked")).to_have_count(1)


def test_a_question_asked_while_the_models_load_waits_for_them(browser: Browser, seeds_qa: QA) -> None:
    loaded = Event()

    def open_slowly() -> QA:
        loaded.wait()
        return seeds_qa

    begin = time.perf_counter()
    with serving(open_slowly, built=False) as url:
        assert urlopen(url, timeout=5).status == 200
        assert time.perf_counter() - begin < 3
        with visit(browser, url) as page:
            expect(page.locator("#status")).to_have_text("Loading the models…")
            page.get_by_label("Your question").fill(ANSWERED)
            page.get_by_label("Your question").press("Enter")
            expect(page.locator("#conversation .asked")).to_have_text(ANSWERED)
            page.get_by_label("Your question").fill("Where?")
            page.get_by_label("Your question").press("Enter")
            expect(page.locator("#hint")).to_contain_text("the last question is being answered")
            expect(page.locator("#conversation .answer")).to_have_count(0)
            loaded.set()
            expect(page.locator("#conversation .answer")).to_have_count(1, timeout=60_000)
            expect(page.locator("#status")).to_contain_text("5 documents")


def test_an_index_that_does_not_open_is_told_on_the_page(browser: Browser) -> None:
    def fail() -> QA:
        raise BadIndex("index is not an index; make one with: qa index FOLDER")

    with serving(fail) as url, visit(browser, url) as page:
        expect(page.locator("#status")).to_have_text("index is not an index; make one with: qa index FOLDER")
        assert ask(page, ANSWERED).inner_text() == "index is not an index; make one with: qa index FOLDER"


def test_hostile_documents_and_questions_are_shown_and_never_run(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    text = f"{HOSTILE}\n\nThe treaty of Aldmoor was signed by Mira Voss {HOSTILE} in 1871.\n"
    (folder / "a'\"><img src=x onerror=alert(1)>.txt").write_text(text, encoding="utf-8")
    with QA.build(folder, tmp_path / "index") as qa, serving(lambda: qa) as url, visit(browser, url) as page:
        answer = ask(page, "Who signed the treaty of Aldmoor?")
        asked = ask(page, HOSTILE)
        expect(page.locator("#conversation .asked").last).to_have_text(HOSTILE.strip())
        assert (
            page.locator("#conversation img, #conversation .katex, #conversation .asked strong").count() == 0
        )
        for link in (answer, asked):
            link.locator("a.cite").first.click()
            expect(page.locator("#source-pane .text")).to_contain_text("onerror=")
        assert page.locator("#source-pane img, #source-pane script, [href^=javascript]").count() == 0
        page.wait_for_timeout(300)
        assert page.evaluate("window.__pwned") is None


def test_the_browser_refuses_handlers_in_attributes_and_other_hosts(browser: Browser, chat_url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(chat_url)
    refused = page.evaluate(
        """async () => {
          const refused = [];
          const note = (event) => refused.push(event.effectiveDirective);
          document.addEventListener("securitypolicyviolation", note);
          const add = (html) => document.body.insertAdjacentHTML("beforeend", html);
          add("<img src='/none.png' onerror='window.__pwned = 1'>");
          add("<img src='//a.invalid/x.png'>");
          await fetch("http://a.invalid/").catch(() => null);
          await new Promise((resolve) => setTimeout(resolve, 500));
          return refused;
        }"""
    )
    assert sorted(refused) == ["connect-src", "img-src", "script-src-attr"]
    assert page.evaluate("window.__pwned") is None
    context.close()


def test_programs_get_the_same_json_as_python(seeds_qa: QA, chat_url: str) -> None:
    client = Client(chat_url, verbose=False)
    for question, more in (
        (ANSWERED, {}),
        (UNANSWERED, {"k": 3}),
        ("What did he confirm?", {"history": [[ANSWERED, "William Spindler"]]}),
        ("Who is the head of NATO?", {"documents": ["000_6ccbc2743614ce45.txt"], "min_confidence": 0.0}),
    ):
        told = client.predict(question, **more, api_name="/ask")
        history = [tuple(turn) for turn in more.get("history", [])]
        expected = seeds_qa.ask(question, **{**more, "history": history}).to_dict()  # type: ignore[arg-type]
        assert told.pop("seconds").keys() == expected.pop("seconds").keys()
        assert told == expected


@pytest.mark.parametrize(
    ("question", "more", "says"),
    [
        (" ", {}, "is empty"),
        (ANSWERED, {"documents": ["nowhere.txt"]}, "nowhere.txt"),
        (ANSWERED, {"history": [["only a question"]]}, "[question, answer] pairs"),
        (ANSWERED, {"k": 0}, "k is 0"),
    ],
)
def test_programs_get_the_sentence_that_says_what_to_mend(
    chat_url: str, question: str, more: dict[str, object], says: str
) -> None:
    with pytest.raises(AppError, match=re.escape(says)):
        Client(chat_url, verbose=False).predict(question, **more, api_name="/ask")


def test_a_taken_port_is_one_sentence_with_the_way_out(seeds_qa: QA, chat_url: str) -> None:
    port = int(chat_url.rsplit(":", 1)[1])
    with pytest.raises(QAError, match=rf"Port {port} is taken .*: qa chat --port {port + 1}"):
        start(lambda: seeds_qa, port=port)
    with pytest.raises(QAError, match=r"cannot listen on no\.such\.host\.invalid"):
        start(lambda: seeds_qa, host="no.such.host.invalid")


def test_app_py_says_in_one_line_why_it_cannot_serve() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 7860))
        taken.listen()
        done = subprocess.run(
            [sys.executable, ROOT / "app.py"], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert (
        done.stderr == "qa: Port 7860 is taken by another program; choose a free one: qa chat --port 7861\n"
    )

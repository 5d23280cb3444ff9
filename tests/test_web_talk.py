"""The conversation in a browser: answers, why there is none, follow-ups, history, verdicts."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from qa.engine import QA
from qa.evaluation.questions import read_questions
from qa.web.history import History
from tests.browsing import NARROW, WIDE, ask, open_side, visit

pytestmark = pytest.mark.slow

COST = "How much did the new lighthouse of Port Ellin cost?"
LAMP = "Who made the lamp of the lighthouse?"
MAYOR = "Who is the mayor?"


def set_least(page: Page, percent: int) -> None:
    expect(page.locator("#least-shown")).to_have_text(re.compile(r"\d"), timeout=60_000)
    page.locator("#least").fill(str(percent))


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_sources_that_differ_stand_in_a_table_and_their_citations_in_a_row(
    browser: Browser, url: str, size: dict[str, int]
) -> None:
    with visit(browser, url, size) as page:
        answer = ask(page, COST)
        expect(answer.locator("caption")).to_have_text("Sources differ")
        expect(answer.locator(".differ time")).to_have_text(["2023-05-12", "2021-03-04"])
        answer.locator(".sentence a.cite").click()
        expect(page.locator(".step")).to_have_text("1 of 3")
        seen = {page.locator(".source h2").inner_text()}
        for step in ("2 of 3", "3 of 3"):
            page.get_by_label("Next citation").click()
            expect(page.locator(".step")).to_have_text(step)
            seen.add(page.locator(".source h2").inner_text())
        assert len(seen) == 3
        expect(page.get_by_label("Next citation")).to_be_disabled()
        page.get_by_label("Previous citation").click()
        expect(page.locator(".step")).to_have_text("2 of 3")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_pdf_names_its_page_and_its_quote_can_be_copied(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        ask(page, LAMP).locator("a.cite").first.click()
        expect(page.locator(".source .facts")).to_contain_text("report.pdf · page 2")
        copied = {}
        for form in ("text", "Markdown", "link"):
            page.get_by_role("button", name=form, exact=True).click()
            copied[form] = page.evaluate("navigator.clipboard.readText()")
        assert copied["text"].startswith("“Orla Benning” (Report on the lighthouse, ")
        assert copied["Markdown"].startswith("> Orla Benning\n")
        assert copied["link"] == f"{url}/original?document=report.pdf#page=2"


def test_why_nothing_is_said_depends_on_what_was_found(browser: Browser, url: str, harbour: QA) -> None:
    with visit(browser, url) as page:
        assert ask(page, "Zyx qwv?").get_attribute("data-cause") == "nothing"
        similar = ask(page, "How tall is the new lighthouse of Port Ellin?")
        assert similar.get_attribute("data-cause") == "similar"
        expect(similar.locator(".whole")).to_have_text("Every passage was read.")
        expect(similar.locator(".nearest li")).to_have_count(3)

        set_least(page, 99)
        below = ask(page, COST)
        assert below.get_attribute("data-cause") == "below"
        expect(below.locator(".reason")).to_contain_text("your setting asks for 99 %")
        below.get_by_role("button", name="Show it all the same").click()
        said = str(harbour.ask(COST).text)
        expect(page.locator(".answer strong").first).to_have_text(said, timeout=60_000)


def test_the_slider_says_how_many_questions_are_still_answered(
    browser: Browser, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = [[0.0, 1.0, 0.5], [0.5, 0.6, 0.8], [0.9, 0.2, 0.97]]
    monkeypatch.setattr("qa.web.talk.coverage", lambda qa: curve)
    with visit(browser, url) as page:
        set_least(page, 50)
        expect(page.locator("#coverage")).to_have_text(
            "in tests: answers 60 % of questions, 80 % of them rightly"
        )
        page.locator("#least").press("ArrowLeft")
        expect(page.locator("#least-shown")).to_have_text("49 %")
        expect(page.locator("#coverage")).to_contain_text("100 %")
        set_least(page, 95)
        expect(page.locator("#coverage")).to_contain_text("answers 20 %")


def test_a_question_is_edited_asked_again_and_undone(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        ask(page, MAYOR)
        ask(page, LAMP)
        page.get_by_role("button", name="Edit the question").first.click()
        expect(page.get_by_label("Your question")).to_have_value(MAYOR)
        expect(page.locator("#hint")).to_contain_text("drops the question after it")
        page.keyboard.press("Escape")
        expect(page.get_by_label("Your question")).to_have_value("")

        page.get_by_role("button", name="Edit the question").first.click()
        page.get_by_label("Your question").fill(COST)
        page.keyboard.press("Enter")
        expect(page.locator(".asked")).to_have_text([COST])
        expect(page.locator(".answer caption")).to_be_visible(timeout=60_000)

        page.get_by_role("button", name="Ask again").click()
        expect(page.locator(".answer caption")).to_be_visible(timeout=60_000)
        expect(page.locator(".asked")).to_have_count(1)
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".asked")).to_have_count(0)
        expect(page.get_by_label("Your question")).to_have_value(COST)
        expect(page.locator("#welcome")).to_be_visible()


def test_what_was_really_asked_is_shown_and_can_be_edited(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        ask(page, LAMP)
        follow_up = ask(page, "Where?")
        really = follow_up.locator(".asked-as bdi").inner_text()
        assert "lamp" in really
        follow_up.get_by_role("button", name="edit", exact=True).click()
        expect(page.get_by_label("Your question")).to_have_value(really)
        page.keyboard.press("Enter")
        expect(page.locator(".asked").last).to_have_text(really)
        expect(page.locator(".asked")).to_have_count(2)


def test_conversations_are_kept_searched_renamed_exported_and_deleted(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        ask(page, MAYOR)
        ask(page, LAMP)
        page.get_by_role("button", name="New conversation").click()
        ask(page, COST)
        page.get_by_role("tab", name="History").click()
        rows = page.locator("#conversations li")
        expect(rows).to_have_count(2)
        expect(rows.nth(1).locator(".facts")).to_contain_text("2 questions")

        page.get_by_label("Search the conversations").fill("benning malmo")
        expect(rows).to_have_count(1)
        rows.get_by_role("button", name="Rename").click()
        page.get_by_label("New name").fill("<b>Lamps</b>")
        page.keyboard.press("Enter")
        expect(rows.locator(".open")).to_have_text("<b>Lamps</b>")

        for form, holds in (("md", "**Orla Benning**"), ("html", "<mark>Orla Benning</mark>"), ("json", "")):
            with page.expect_download() as download:
                rows.locator(f".export[value={form}]").click()
            text = Path(download.value.path()).read_text(encoding="utf-8")
            assert download.value.suggested_filename == f"bLampsb.{form}"
            assert holds in text
        assert json.loads(text)["turns"][1]["answer"]["citations"][0]["quote"] == "Orla Benning"

        rows.locator(".open").click()
        expect(page.locator(".asked")).to_have_text([MAYOR, LAMP])
        ask(page, "Where?")
        page.get_by_label("Search the conversations").fill("")
        expect(rows.first.locator(".facts")).to_contain_text("3 questions")
        page.get_by_role("button", name="Undo").click()
        page.get_by_label("Search the conversations").fill("lamps")
        expect(rows.locator(".facts")).to_contain_text("2 questions")

        rows.locator(".delete").click()
        rows.locator(".delete").click()
        expect(page.locator("#history .none")).to_have_text("No conversation has these words.")
        page.reload()
        page.get_by_role("tab", name="History").click()
        expect(rows).to_have_count(1, timeout=30_000)


def test_an_edited_question_takes_its_own_place_in_the_history(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        ask(page, MAYOR)
        ask(page, LAMP)
        page.get_by_role("button", name="Edit the question").first.click()
        page.get_by_label("Your question").fill(COST)
        page.keyboard.press("Enter")
        expect(page.locator(".answer caption")).to_be_visible(timeout=60_000)
        page.get_by_role("tab", name="History").click()
        expect(page.locator("#conversations .facts")).to_contain_text("1 question")
        page.locator("#conversations .open").click()
        expect(page.locator(".asked")).to_have_text([COST])
        expect(page.locator(".answer caption")).to_have_text("Sources differ")


def test_one_browser_never_sees_the_history_of_another_and_may_keep_none(browser: Browser, url: str) -> None:
    with visit(browser, url, NARROW) as one, visit(browser, url) as other:
        ask(one, MAYOR)
        other.get_by_role("tab", name="History").click()
        expect(other.locator("#history .none")).to_have_text("No conversations yet.", timeout=30_000)
        open_side(one)
        one.get_by_role("tab", name="History").click()
        expect(one.locator("#conversations li")).to_have_count(1)
        one.get_by_label("Keep my conversations").uncheck()
        expect(one.locator("#conversations li")).to_have_count(0)
        one.keyboard.press("Escape")
        ask(one, LAMP)
        open_side(one)
        expect(one.locator("#conversations li")).to_have_count(0)


def test_a_verdict_becomes_a_question_that_the_evaluation_reads(
    browser: Browser, url: str, harbour: QA
) -> None:
    with visit(browser, url) as page:
        ask(page, MAYOR)
        page.get_by_role("button", name="Right", exact=True).click()
        expect(page.locator(".feedback")).to_have_text("Thank you; kept in feedback.jsonl.", timeout=30_000)
        ask(page, COST)
        page.get_by_role("button", name="Should not have answered").click()
        expect(page.locator(".feedback").last).to_contain_text("Thank you", timeout=30_000)
    right, wrong = read_questions(harbour.folder / "feedback.jsonl").questions
    assert (right.question, right.answers, right.documents) == (
        MAYOR,
        ("Dana Whitlock",),
        ("budget-2021.html",),
    )
    assert wrong.question == COST and not wrong.answerable


def test_right_to_left_words_keep_their_direction(browser: Browser, url: str) -> None:
    with visit(browser, url) as page:
        question = "متى افتتحت المنارة الجديدة في ميناء إيلين؟"
        ask(page, question)
        asked = page.locator(".asked")
        expect(asked).to_have_text(question)
        assert asked.evaluate("element => getComputedStyle(element).direction") == "rtl"
        # Whether it is answered or declined, the text in the question's language is the one to open.
        nearest = page.locator(".nearest a").filter(has_text="ميناء")
        nearest.or_(page.locator(".answer a.cite")).first.click()
        run = page.locator(".source .run").first
        expect(run).to_contain_text("افتتحت")
        assert run.evaluate("element => getComputedStyle(element).direction") == "rtl"


def test_forty_people_asking_at_once_each_get_their_own_answer(harbour: QA, url: str) -> None:
    with urlopen(f"{url}/config") as answer:
        components = json.load(answer)["components"]
    page = next(each["id"] for each in components if each["props"].get("elem_id") == "page")
    expected = {MAYOR: "Dana Whitlock", LAMP: "Orla Benning", COST: harbour.ask(COST).text}

    def ask_as(number: int) -> tuple[str, str]:
        question = list(expected)[number % len(expected)]
        called = {"question": question, "history": [], "browser": f"browser {number}"}
        body = {"session_hash": str(number), "component_id": page, "fn_name": "ask", "data": called}
        request = Request(
            f"{url}/gradio_api/component_server",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=120) as answer:
            return question, json.load(answer)["told"][1]

    with ThreadPoolExecutor(40) as people:
        told = list(people.map(ask_as, range(40)))
    assert all(words == expected[question] for question, words in told)
    kept = History(harbour.folder)
    assert all(len(kept.conversations(f"browser {number}")) == 1 for number in range(40))

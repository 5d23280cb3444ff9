"""Answers and documents as HTML: nothing of them is lost, nothing of them becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.types import Alternative, Answer, Citation, Document, Hit, Passage
from qa.web import markup, render, source_view
from qa.web.abstention import Cause
from qa.web.fragment import text_directive
from qa.web.plots import latency

HOSTILE = (
    "<script>window.__pwned=1</script><img src=x onerror=alert(1)>\"' onclick=x "
    "{{7*7}} ${alert(1)} &amp; \u202e"
)
BLOCKS = {"article", "button", "details", "div", "h2", "h3", "header", "li", "p", "summary", "ul"}
TABLE = {"caption", "table", "tbody", "td", "th", "thead", "tr"}
OUR_TAGS = BLOCKS | TABLE | {"a", "bdi", "input", "label", "mark", "output", "span", "strong", "time"}
OUR_ATTRIBUTES = {
    *(
        "aria-label",
        "class",
        "data-cause",
        "data-first",
        "data-label",
        "data-last",
        "datetime",
        "dir",
        "href",
    ),
    *("open", "rel", "role", "scope", "step", "max", "min", "tabindex", "target", "title", "type", "value"),
}


class Page(HTMLParser):
    """What a browser makes of HTML: tags, links, and the text, in all and inside each kind of mark."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.open: list[tuple[str, str]] = []
        self.pieces: list[tuple[tuple[tuple[str, str], ...], str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag != "input":  # it has no end
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.pieces.append((tuple(self.open), data))

    def text(self, tag: str = "", kind: str = "") -> str:
        """The text inside elements of this tag and class."""
        return "".join(
            piece
            for path, piece in self.pieces
            if not (tag or kind) or any((not tag or t == tag) and (not kind or kind == k) for t, k in path)
        )

    @property
    def links(self) -> list[str]:
        return [value for tag, name, value in self.attributes if name == "href"]


def document(text: str, id_: str = "news/a.txt", title: str = "A title", **more: object) -> Document:
    return Document(id=id_, title=title, text=text, path=id_, sha256="0" * 64, **more)  # type: ignore[arg-type]


def find(doc: Document, words: str) -> Citation:
    start = doc.text.index(words)
    return Citation(doc, start, start + len(words))


def card(answer: Answer) -> str:
    return render.found(answer.to_dict(), {})


def found(*citations: Citation, alternatives: tuple[Alternative, ...] = (), **more: object) -> Answer:
    values: dict[str, object] = {
        "question": "Who wrote?",
        "asked_as": "Who wrote?",
        "text": citations[0].quote,
        "confidence": 0.93,
        "citations": citations,
        "alternatives": alternatives,
        "read": 8,
        "seconds": {"total": 0.2134},
    }
    return Answer(**(values | more))  # type: ignore[arg-type]


LETTER = document(
    "Nobody knew.\nThe letter was written by Ada King in London.\nIt was long.\n",
    sentences=((0, 12), (13, 58), (59, 71)),
)
NOTE = document("Ada King wrote it.", "b.txt", "A note", date="2016-05-19", sentences=((0, 18),))


def test_the_exact_words_stand_in_bold_inside_their_sentence() -> None:
    page = Page(card(found(find(LETTER, "Ada King"))))
    assert page.text("strong") == "Ada King"
    assert page.text("bdi").startswith("The letter was written by Ada King in London.")
    assert "Nobody knew" not in page.text() and "It was long" not in page.text()


def test_every_citation_has_its_own_number_and_links_to_its_place() -> None:
    other = document("Perhaps Bob did.", "c d%/ü#1.txt", "Other", sentences=((0, 16),))
    answer = found(
        find(LETTER, "Ada King"),
        find(NOTE, "Ada King"),
        alternatives=(Alternative("Bob", 0.06, (find(other, "Bob"),)),),
    )
    page = Page(card(answer))
    numbered = dict(zip(re.findall(r"\[\d\]", page.text("a", "cite")), page.links, strict=True))
    assert {number: unquote(link) for number, link in numbered.items()} == {
        "[1]": "#news/a.txt:39-47",
        "[2]": "#b.txt:0-8",
        "[3]": "#c d%/ü#1.txt:8-11",
    }
    assert "A note · 2016-05-19" in page.text("ul", "places")
    assert "perhaps" not in page.text("ul", "places")
    assert "Perhaps Bob did." in page.text("ul", "alternatives")
    assert "doubtful · 6 %" in page.text("ul", "alternatives")


def test_the_page_of_a_pdf_is_named() -> None:
    report = document("One.\fTwo two.", "r.pdf", "Report", pages=(0, 5), sentences=((0, 4), (5, 13)))
    assert "Report · page 2" in Page(card(found(find(report, "Two")))).text()


@pytest.mark.parametrize(
    ("confidence", "words"),
    [
        (1.0, "almost certain · 99 %"),
        (0.93, "very likely · 93 %"),
        (0.7, "likely · 70 %"),
        (0.5, "perhaps · 50 %"),
        (0.0, "doubtful · 1 %"),
    ],
)
def test_confidence_is_said_in_words_and_number_and_never_as_certainty(confidence: float, words: str) -> None:
    html = card(found(find(NOTE, "Ada King"), confidence=confidence))
    assert render.confidence_in_words(confidence) == words
    assert words in Page(html).text("button", "confidence")
    percent = words.split()[-2]
    assert f"Of answers shown with this confidence, about {percent} in 100 are right." in html


def test_what_was_read_in_what_time_and_what_was_really_asked_are_shown() -> None:
    text = Page(card(found(find(NOTE, "Ada King"), asked_as="Who wrote the letter?"))).text("p", "meta")
    meaning = "Of answers shown with this confidence, about 93 in 100 are right."
    rest = "read 8 passages in 213 ms · asked as: Who wrote the letter? edit"
    assert text == f"very likely · 93 %{meaning} · {rest}"
    assert "asked as" not in Page(card(found(find(NOTE, "Ada King")))).text()


def test_an_abstention_gives_the_reason_and_the_three_nearest_passages() -> None:
    hits = tuple(
        Hit(Passage.at(f"{n}.txt", 10, 400), f"Passage {n}. " + "words " * 60, 0.5, n, None)
        for n in range(1, 6)
    )
    answer = Answer("Why?", "Why?", None, 0.1, reason="None answers this.", hits=hits, read=5)
    why = Cause("similar", "None answers this.", whole=True)
    page = Page(render.not_found(answer.to_dict(), why, {"1.txt": "First"}))
    assert "The documents do not say." in page.text("h2", "verdict")
    assert page.text("p", "reason") == "None answers this."
    assert page.text("p", "whole") == "Every passage was read."
    assert page.links == ["#1.txt:10-400", "#2.txt:10-400", "#3.txt:10-400"]
    assert page.text("a", "cite") == "First2.txt3.txt"
    assert "Passage 3." in page.text() and "Passage 4." not in page.text()
    assert max(map(len, page.text("p", "excerpt").split("…"))) < 320


def test_a_sentence_without_end_is_cut_around_the_words() -> None:
    long = document("x " * 5_000 + "Ada King" + " y" * 5_000, sentences=((0, 20_008),))
    text = Page(card(found(find(long, "Ada King")))).text()
    assert "Ada King" in text and len(text) < 1_000


def test_an_error_is_its_one_sentence() -> None:
    assert Page(markup.failure("The question is <empty>.")).text() == "The question is <empty>."


def test_the_cited_words_are_marked_strongly_and_the_others_lightly() -> None:
    page = Page(source_view.source(LETTER, 39, 47, others=[(51, 57), (0, 6)]))
    assert page.text("mark", "cited") == "Ada King"
    assert page.text("mark", "also") == "NobodyLondon"
    assert page.text("div", "run") == LETTER.text.rstrip()
    assert page.text("h2") == "A title" and "news/a.txt" in page.text("header")


def test_hidden_text_is_folded_but_kept() -> None:
    doc = document("Story.\n\nFollow us\n\nRelated\n\nEnd of it.", hidden=((8, 17), (19, 26)))
    page = Page(source_view.source(doc, 0, 5))
    assert page.tags.count("details") == 1, "neighbours fold into one"
    assert "Follow us\n\nRelated" in page.text("details")
    assert ("details", "open", "") not in page.attributes
    assert page.text("mark", "cited") == "Story"
    assert ("details", "open", "") in Page(source_view.source(doc, 8, 14)).attributes


def test_pages_are_named_where_they_start() -> None:
    doc = document("First page. Second page.", pages=(0, 12))
    page = Page(source_view.source(doc, 12, 18))
    assert page.text("span", "page") == "page 1page 2"
    assert "page 2" in page.text("header")


def test_of_a_long_document_only_the_surroundings_are_shown_and_said_so() -> None:
    doc = document("".join(f"Line {n} of many.\n" for n in range(200_000)))
    cited = find(doc, "Line 123456 of")
    html = source_view.source(doc, cited.start, cited.end)
    page = Page(html)
    assert page.text("mark", "cited") == "Line 123456 of"
    assert 90_000 < len(page.text("div", "run")) <= source_view.SOURCE_CHARACTERS
    assert page.text("div", "run").startswith("Line "), "cut at a line"
    assert {"before", "after"} <= {value for _, name, value in page.attributes if name == "class"}
    one_line = document("a" * 3_000_000)
    assert Page(source_view.source(one_line, 2_999_990, 3_000_000)).text("mark", "cited") == "a" * 10


@pytest.mark.parametrize("line", ["Line {} of many.\n", "{} without an end "])
def test_the_stretches_of_a_long_document_join_to_all_of_it(line: str) -> None:
    doc = document("".join(map(line.format, range(30_000))))
    middle = len(doc.text) // 2

    def ends(html: str) -> tuple[int, int]:
        found = {name: int(value) for _, name, value in Page(html).attributes if name.startswith("data-")}
        return found["data-first"], found["data-last"]

    first, last = ends(source_view.source(doc, middle, middle + 4))
    shown = [(first, last)]
    while first > 0:
        first, end = ends(source_view.more(doc, first, "before", (0, 0)))
        shown.insert(0, (first, end))
    while last < len(doc.text):
        start, last = ends(source_view.more(doc, last, "after", (0, 0)))
        shown.append((start, last))
    assert all(before[1] == after[0] for before, after in pairwise(shown))
    assert (shown[0][0], shown[-1][1]) == (0, len(doc.text))
    assert max(end - start for start, end in shown) <= source_view.SOURCE_CHARACTERS + 2_000
    around = ends(source_view.more(doc, len(doc.text), "around", (0, 0)))
    assert around[1] == len(doc.text)


def test_lines_that_were_cut_at_a_width_run_on_and_others_stay() -> None:
    doc = document(
        "    The master of the harbour told reporters that the old\n    quay of the town would be closed to "
        "all ships by the\n    end of the month.\n\n- ropes\n- paint\n\nQuays:\r\nEllin\r\nDorn\n",
        pages=(0, 140),
    )
    cited = find(doc, "the old\n    quay")
    page = Page(source_view.source(doc, cited.start, cited.end))
    assert page.text("mark", "cited") == "the old quay"
    shown = page.text("div", "run").replace("page 1", "").replace("page 2", "").strip()
    assert shown.splitlines()[0].endswith("closed to all ships by the end of the month.")
    assert shown.splitlines()[2:] == ["- ropes", "- paint", "", "Quays:", "Ellin", "Dorn"]


@pytest.mark.parametrize("place", [(-5, 3), (5, 10**9), (9, 2), (10**9, 10**9 + 1)])
def test_a_place_outside_the_document_still_shows_the_document(place: tuple[int, int]) -> None:
    assert NOTE.text in Page(source_view.source(NOTE, *place)).text("div", "run")


def test_hostile_words_are_shown_and_never_obeyed() -> None:
    doc = document(HOSTILE, id_=HOSTILE, title=HOSTILE, date=HOSTILE, sentences=((0, len(HOSTILE)),))
    cited = Citation(doc, 0, 8)
    hit = Hit(Passage.at(HOSTILE, 0, 8), HOSTILE, 0.5, 1, 1)
    for html in (
        markup.failure(HOSTILE),
        card(
            found(cited, alternatives=(Alternative("x", 0.2, (Citation(doc, 9, 20),)),), asked_as=HOSTILE),
        ),
        card(found(cited, alternatives=(Alternative(HOSTILE, 0.9, (Citation(doc, 9, 20),)),))),
        render.not_found(
            Answer(HOSTILE, "", None, 0.1, reason=HOSTILE, hits=(hit,)).to_dict(),
            Cause("below", HOSTILE, whole=True),
            {HOSTILE: HOSTILE},
        ),
        source_view.source(doc, 0, 8, [(2, 12)]),
    ):
        page = Page(html)
        assert set(page.tags) <= OUR_TAGS
        assert {name for _, name, _ in page.attributes} <= OUR_ATTRIBUTES
        assert all(re.fullmatch(r"(original\?document=|#)[^\"'<>\s]+", link) for link in page.links)
        assert HOSTILE in page.text().replace("\n", "")


TEXTS = st.text(
    st.one_of(st.sampled_from("<>&\"'`= \n\r\t\x00\f\u202e\ud800${}"), st.characters()),
    min_size=1,
    max_size=60,
)


@given(text=TEXTS, data=st.data())
def test_a_source_shows_every_character_of_its_text(text: str, data: st.DataObject) -> None:
    place = st.tuples(*[st.integers(0, len(text))] * 2).map(sorted)
    start, end = data.draw(place)
    others = [tuple(data.draw(place)) for _ in range(data.draw(st.integers(0, 3)))]
    hidden = data.draw(st.lists(place.map(tuple).filter(lambda r: r[0] < r[1]), max_size=3))
    doc = document(text, hidden=tuple(hidden))
    page = Page(source_view.source(doc, start, end, others))

    def seen(words: str) -> str:
        """Text as a reader sees it: white space aside, what HTML cannot hold by its picture."""
        words = "".join(chr(0x2400 + ord(c)) if c < " " and c not in "\t\n\r\f" else c for c in words)
        return re.sub("[\ud800-\udfff]", "\ufffd", words.replace("\x7f", "␡"))

    shown = "".join(page.text("div", "run").split())
    assert shown == "".join(seen(text).split())
    assert set(page.tags) <= OUR_TAGS
    cited = "".join(seen(text[start:end]).split())
    assert "".join(page.text("mark", "cited").split()) == cited


def test_sources_that_differ_are_a_table_with_the_newest_first_and_the_undated_last() -> None:
    old = document("It cost 4 million.", "old.txt", "Old", date="2021-03-04")
    new = document("It cost 6 million.", "new.txt", "New", date="2023-05-12")
    undated = document("It cost 6 million.", "undated.txt", "Undated")
    rival = Alternative("4 million", 0.5, (find(old, "4 million"),))
    page = Page(card(found(find(undated, "6 million"), find(new, "6 million"), alternatives=(rival,))))
    assert page.text("caption") == "Sources differ"
    assert re.findall(r"New|Old|Undated", page.text("tbody")) == ["New", "Old", "Undated"]
    assert page.text("time") == "2023-05-12" * 2 + "2021-03-04"
    assert "perhaps · 50 %" in page.text("table") and "unknown" in page.text("table")


def test_an_answer_that_is_hardly_likely_makes_no_source_differ() -> None:
    rival = Alternative("London", 0.09, (find(LETTER, "London"),))
    page = Page(card(found(find(LETTER, "Ada King"), alternatives=(rival,))))
    assert "table" not in page.tags
    assert page.text("summary") == "1 less likely answer" and "London" in page.text("details")


def test_another_item_of_a_list_makes_no_source_differ() -> None:
    rival = Alternative("London", 0.4, (find(LETTER, "London"),))
    listed = replace(found(find(LETTER, "Ada King"), alternatives=(rival,)), kind="list")
    page = Page(card(listed))
    assert "table" not in page.tags and "London" in page.text("details")


def test_a_quote_is_copied_with_its_reference_as_text_markdown_and_link() -> None:
    copied = source_view.references(NOTE, *_place(NOTE, "Ada King"))
    assert copied["text"] == "“Ada King” (A note, 2016-05-19, b.txt)"
    assert copied["markdown"] == "> Ada King\n>\n> A note, 2016\\-05\\-19, b.txt"
    assert copied["link"] == "original?document=b.txt#:~:text=Ada%20King"
    report = document("One.\fTwo two.", "a/r 1.pdf", "Report", pages=(0, 5))
    copied = source_view.references(report, *_place(report, "Two"))
    assert copied["link"] == "original?document=a%2Fr%201.pdf#page=2"
    assert copied["text"] == "“Two” (Report, page 2, a/r 1.pdf)"


def test_a_link_to_a_long_quote_names_its_first_and_last_words() -> None:
    long = document("one, two-three four five six seven eight nine ten & eleven")
    link = source_view.references(long, 0, len(long.text))["link"]
    assert link.endswith("#:~:text=one%2C%20two%2Dthree%20four%20five,nine%20ten%20%26%20eleven")


def test_of_a_document_with_a_web_address_the_link_goes_there() -> None:
    url = "https://a.org/p_(x)?y=1&z=2"
    note = replace(NOTE, url=url)
    copied = source_view.references(note, *_place(note, "Ada King"))
    assert copied["link"] == f"{url}#:~:text=Ada%20King"
    assert copied["text"].endswith(f", b.txt, {url})")
    assert copied["markdown"].endswith("(https://a.org/p_%28x%29?y=1&z=2#:~:text=Ada%20King)")
    assert f'href="{url.replace("&", "&amp;")}"' in source_view.source(note, 0, 5)


@pytest.mark.parametrize(
    ("text", "words", "directive"),
    [
        ("Ann met Bo. Ann left.", "Ann", "Ann"),
        ("Ann met Bo. Ann left.", "Ann left", "Ann%20left"),
        ("A cat sat. Then a cat ran.", "cat ran", "cat%20ran"),
        ("The cat sat. The cat ran.", " cat ran", "cat%20ran"),
        ("anna and Ann, and Ann", "and Ann", "and%20Ann"),
        ("unhappy people", "happy", "unhappy"),
        ("one\ntwo", "one\ntwo", "one,two"),
    ],
)
def test_a_link_names_whole_words_and_those_around_them_where_they_stand_elsewhere_before(
    text: str, words: str, directive: str
) -> None:
    start = text.index(words)
    assert text_directive(text, start, start + len(words)) == f":~:text={directive}"


def test_a_quote_that_stands_twice_is_told_from_the_first_by_its_neighbours() -> None:
    text = "The boat of Ann sank. The boat of Bo sank in 1901."
    start = text.rindex("sank")
    assert text_directive(text, start, start + 4) == ":~:text=of%20Bo-,sank,-in%201901."


def test_hostile_words_stay_words_in_what_is_copied() -> None:
    doc = document("[x](javascript:alert(1)) <b>`code`</b>\ud800 done.", "a\n](x).txt", "*t*")
    copied = source_view.references(doc, 0, len(doc.text))
    assert "\\[x\\]\\(javascript:alert\\(1\\)\\) \\<b\\>\\`code\\`\\</b\\>" in copied["markdown"]
    assert all(line.startswith(">") for line in copied["markdown"].splitlines())
    for text in copied.values():
        text.encode("utf-8")


def _place(doc: Document, words: str) -> tuple[int, int]:
    cited = find(doc, words)
    return cited.start, cited.end


def test_an_extract_says_that_it_is_one_and_claims_no_confidence() -> None:
    note = "An extract, not a summary: how 2 documents begin."
    answer = found(find(LETTER, "Nobody knew."), find(NOTE, "Ada King wrote it."), kind="overview", note=note)
    html = card(answer)
    assert note in html and "looked up in 213 ms" in html
    assert "93 %" not in html and "Also says so" not in html
    assert [title for title in ("A title", "A note") if title in html] == ["A title", "A note"]


def test_documents_of_one_title_are_told_apart_by_their_files() -> None:
    answer = found(
        find(LETTER, "Ada King"), alternatives=(Alternative("Ada", 0.4, (find(NOTE, "Ada King"),)),)
    )
    titles = {LETTER.id: f"Letter ({LETTER.id})"}
    text = Page(render.found(answer.to_dict(), titles)).text()
    assert f"Letter ({LETTER.id})" in text and NOTE.title in text


def test_mentions_stand_under_the_title_of_their_document() -> None:
    note = "“Ada <b>”: 2 sentences in 1 of 1 documents."
    html = card(found(find(LETTER, "Nobody"), find(LETTER, "Ada"), kind="mentions", note=note))
    assert html.count("<h3") == 1 and "“Ada &lt;b&gt;”" in html


def test_a_hint_to_one_who_greets_is_no_verdict_on_the_documents() -> None:
    answer = Answer("hello", "hello", None, 0.0, kind="talk", reason="I quote.")
    html = render.not_found(answer.to_dict(), Cause("talk", "I quote.", whole=False), {})
    assert "I quote." in html and "do not say" not in html and "Nearest" not in html


# Plots


@pytest.mark.parametrize(("longest", "labels"), [(439.0, "0 120 240 360 480"), (0.5, "0 1 2 3 4")])
def test_the_axis_of_times_ends_at_a_round_number(longest: float, labels: str) -> None:
    drawn = latency([longest / 2, longest])
    assert " ".join(re.findall(r'text-anchor="middle">([\d,]+)<', drawn)) == labels
    assert "1 answers in the fullest bar" in drawn

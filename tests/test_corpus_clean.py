"""What is hidden in the seeds, to the line; what general rules hide elsewhere; what must stay readable."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qa.corpus import hidden_ranges
from qa.corpus.clean import without_markup

SEEDS = Path(__file__).parent.parent / "seeds"

ARTICLE = [
    "The ministers agree on a wider mission",
    "NATO agreed on May 19 to broaden its operations in the Mediterranean, ministers said in Brussels.",
    "John Kerry told reporters that the alliance could play a maritime role in the region this summer.",
    "A first move was to set up a mission in the Aegean Sea, a major route for migrants from Turkey.",
    "The European Union has sought to enlist the help of the alliance to tackle the crisis, he added.",
]


def hidden(text: str) -> list[str]:
    return [text[start:end] for start, end in hidden_ranges(text)]


def page(*more: str, break_: str = "\n\n") -> str:
    return break_.join([*ARTICLE, *more])


# The seeds


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (
            "000",
            [
                (21, "Mời quý độc giả theo dõi VOV.VN trên"),
                (23, "Related"),
                (26, "NATO and Russia to meet, but grievances remain"),
                (30, "NATO and Russia to meet, but grievances remain"),
                (32, "NATO and Russia to meet, but grievances remain"),
                (34, "Russian and NATO envoys are unlikely"),
                (37, "NATO wants Afghan forces to do less defending, more attacking"),
                (41, "NATO wants Afghan forces to do less defending, more attacking"),
                (43, "NATO wants Afghan forces to do less defending, more attacking"),
                (45, "NATO advisers want Afghan soldiers"),
            ],
        ),
        (
            "001",
            [
                (9, "African illegal migrants wait to receive medial as"),
                (16, "NATO Secretary General Jens Stoltenberg, center, t"),
                (28, "Special Project"),
                (30, "More Coverage"),
            ],
        ),
        ("002", []),
        ("003", [(3, "1018")]),
        (
            "004",
            [(31, "Copyright © 2018. Owned and Operated by Co. All Rights Reserved"), (33, "Back to top")],
        ),
    ],
)
def test_in_the_seeds_exactly_the_furniture_is_hidden(seed: str, expected: list[tuple[int, str]]) -> None:
    text = next(SEEDS.glob(f"{seed}_*.txt")).read_bytes().decode()
    lines = text.split("\n")
    ranges = hidden_ranges(text)
    assert [text.count("\n", 0, start) + 1 for start, _ in ranges] == [number for number, _ in expected]
    for (start, end), (number, beginning) in zip(ranges, expected, strict=True):
        assert text[start:end] == lines[number - 1]
        assert text[start:end].startswith(beginning)


# Repeats


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x0b", "\x0c", "\x85"])
def test_a_later_copy_is_hidden_whatever_ends_the_lines(line_break: str) -> None:
    text = page(ARTICLE[2], "And so the day ended in Brussels, where it had begun.", break_=line_break)
    (copy,) = hidden_ranges(text)
    assert copy == (text.rindex(ARTICLE[2]), text.rindex(ARTICLE[2]) + len(ARTICLE[2]))


def test_copies_may_differ_in_case_space_and_punctuation() -> None:
    copy = ARTICLE[2].upper().replace(" ", "  ").replace(".", " …")
    assert hidden(page(copy)) == [copy]


def test_a_paragraph_wrapped_otherwise_is_a_copy_all_the_same() -> None:
    first = " ".join(ARTICLE[1:3])
    wrapped = first.replace("operations in", "operations\nin").replace("told reporters", "told\nreporters")
    assert hidden("\n\n".join([*ARTICLE[:1], first, *ARTICLE[3:], wrapped])) == [wrapped]


def test_a_short_line_may_repeat() -> None:
    answers = ["The motion was carried.", "Status: open"] * 2
    assert hidden(page(*answers)) == []


LONG = (
    "The rescue ship Bourbon Argos picked up one hundred and seven people aboard the inflatable boat off "
    "Libya on Tuesday, and its crew counted eleven bodies on the floor of the dinghy, which was flooded with "
    "fuel and water"
)


@pytest.mark.parametrize(
    "near",
    [
        LONG[:120],
        LONG[:150] + "…",
        LONG.replace("and its crew", "its crew").replace("rescue ship ", "") + ".",
        LONG.replace("Bourbon Argos", "“Bourbon-Argos”") + ".",
    ],
    ids=["cut off in a word", "cut off with an ellipsis", "with words left out", "with other punctuation"],
)
def test_a_near_copy_that_adds_nothing_is_hidden(near: str) -> None:
    assert hidden(page(LONG + ".", near)) == [near]


@pytest.mark.parametrize(
    "other",
    [
        LONG.replace("seven", "nine") + ".",
        LONG.replace("eleven", "11") + ".",
        LONG.replace("Bourbon", "Aquarius") + ".",
        LONG.replace("picked up", "did not pick up") + ".",
        LONG + ", said the captain.",
        " ".join([*LONG.split()[10:], *LONG.split()[:10]]) + " and left.",
    ],
)
def test_a_paragraph_that_says_something_else_stays(other: str) -> None:
    assert hidden(page(LONG + ".", other)) == []


def test_the_work_grows_with_the_length_of_the_text_not_with_its_square() -> None:
    def seconds(paragraphs: int) -> float:
        text = "\n".join(f"{LONG} at {i} hours and {i * 7} minutes." for i in range(paragraphs))
        begin = process_time()
        assert hidden_ranges(text) == ()
        return process_time() - begin

    seconds(100)
    assert seconds(8000) < 40 * max(seconds(1000), 0.01)


@pytest.mark.parametrize("piece", ["<!-- a ", "<a ", "[![a](b)", "![a](", "![a b c d e f ", "```\n"])
def test_markup_that_nobody_ends_is_read_as_fast(piece: str) -> None:
    def seconds(pieces: int) -> float:
        begin = process_time()
        without_markup(piece * pieces)
        return process_time() - begin

    seconds(1000)
    assert seconds(80_000) < 40 * max(seconds(10_000), 0.01)


# Furniture


def test_a_caption_s_preview_is_hidden_and_the_caption_stays() -> None:
    caption = "Migrants wait for medical assistance after their rescue by coast guards in Tripoli, April 11."
    assert hidden(page("Migrants wait for medical assis", caption)) == ["Migrants wait for medical assis"]
    assert hidden(page("Migrants wait for medicine", caption)) == []


def test_lone_counters_and_page_numbers_are_hidden() -> None:
    for number in ("1018", "- 12 -", "Page 3 of 10", "3/10"):
        text = "\n\n".join([*ARTICLE[:3], number, *ARTICLE[3:]])
        assert hidden(text) == [number]


def test_years_and_values_beside_a_label_stay() -> None:
    assert hidden("\n\n".join([*ARTICLE[:3], "2016", *ARTICLE[3:]])) == []
    assert hidden(page("Dead or missing", "3771", "Rescued", "107")) == []


@pytest.mark.parametrize(
    "line",
    [
        "© Example News 2024",
        "Copyright (c) 2019 by the authors",
        "COPYRIGHT 2018 Example Ltd.",
        "Example Ltd. 2018. All rights reserved.",
        "All Rights Reserved",
    ],
)
def test_copyright_lines_are_hidden(line: str) -> None:
    assert hidden(page(line)) == [line]


def test_a_sentence_about_copyright_stays() -> None:
    assert hidden(page("Copyright law protects authors.", "The photo shows a boat. © Reuters")) == []


def test_headings_over_links_and_closing_labels_are_hidden() -> None:
    links = ["The first of the links leads to an article", "Another link leads to a longer article"]
    assert hidden(page("Read more", *links)) == ["Read more"]
    assert hidden(page("Special Reports", *links, links[0])) == ["Special Reports", links[0]]
    assert hidden(page("Our Newsletter", "Latest Videos")) == ["Our Newsletter", "Latest Videos"]


def test_an_invitation_in_another_language_is_hidden_in_an_article_but_not_in_its_own_language() -> None:
    invitation = "Mời quý độc giả theo dõi Example.VN trên"
    assert hidden(page(LONG + ".", invitation)) == [invitation]
    vietnamese = (
        "Bộ trưởng cho biết cuộc họp sẽ diễn ra tại thành phố Hà Nội vào tháng tới, theo thông báo {}."
    )
    assert hidden("\n\n".join([vietnamese.format(i) for i in "abcdefg"] + [invitation])) == []
    russian = "Министр заявил, что переговоры пройдут в Москве в следующем месяце, сообщает агентство {}."
    follow = "Follow us on example.com every day"
    assert hidden("\n\n".join([russian.format(i) for i in "абвгдежзик"] + [follow])) == [follow]


@pytest.mark.parametrize(
    "line",
    [
        '<p align="center">',
        '<a href="https://a.org"><img src="logo.png" alt="The logo"></a>',
        "</div>",
        "![logo](logo.png)",
        "[![Build](https://a.org/build.svg)](https://a.org) [![PyPI version](b.svg)](https://b.org)",
        "<!-- Written on a Monday. -->",
    ],
)
def test_lines_of_nothing_but_markup_are_hidden(line: str) -> None:
    assert hidden(page(line)) == [line]
    assert hidden(f"{line}\n\nmilk\n\neggs\n") == [line]  # the first line too, and whatever the rest is


# What stays


@pytest.mark.parametrize(
    "text",
    [
        page("Migrant boat horror", ARTICLE[1].replace("May", "June"), "'Rush to the cemetery'", LONG + "."),
        page("Sincerely,", "Jane Doe", "Director of Finance"),
        page("The Greek motto reads:", "Ἐν ἀρχῇ ἦν ὁ λόγος", LONG + "."),
        page("Łódź and Kraków", LONG + "."),
        page("<em>The mayor was there.</em>", "<https://example.org/pier>", "1 <2 and 3> 2"),
        page("![The old pier of the town, broken by a storm](pier.jpg)", "[The pier](https://a.org/pier)"),
        page("```html", '<script src="pier.js"></script>', "```"),
        page("<!-- a comment that nobody ends", LONG + "."),
        page(
            "SMITH", "I was there on the day when it all began.", "SMITH", "I saw it with my own eyes, sir."
        ),
        "Back to top",
        "© 2018",
        "1018",
        "",
        " \r\n\t",
        "milk\neggs\nbread\nmilk\neggs\nbread\n",
        "Related\nShare\nRead more\nBack to top",
        "Name\tCity\nAnna\tParis\nBob\tParis\nAnna\tParis\n",
        "Station | Trains | Late\nBerlin | 12 | 3\nParis | 12 | 3\nBerlin | 12 | 3",
        "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,\n"
        "Could frame thy fearful symmetry?\n\nTyger Tyger, burning bright,\nIn the forests of the night:\n",
        "外交部长表示，会谈将于下个月在莫斯科举行。\n难民需要得到保护。\n\n会谈将于下个月举行。",
        "قال الوزير إن المحادثات ستجري في الشهر المقبل.\nوأضاف أن اللاجئين بحاجة إلى الحماية.\nتونس",
    ],
)
def test_content_stays_readable(text: str) -> None:
    assert hidden(text) == []


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*ARTICLE, LONG, LONG[:90], "Related", "1018", "© 2018", "", "Back to top"]),
            st.text(max_size=60),
        ),
        max_size=14,
    ),
    st.sampled_from(["\n", "\r\n", "\n\n", "\r", "\u2028"]),
)
@example([*ARTICLE, ARTICLE[1], "1018", LONG], "\r\n")
def test_hidden_ranges_are_ordered_disjoint_trimmed_and_leave_a_first_copy(
    blocks: list[str], line_break: str
) -> None:
    text = line_break.join(blocks)
    ranges = hidden_ranges(text)
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    assert all(text[start:end] == text[start:end].strip() for start, end in ranges)
    visible = list(text)
    for start, end in ranges:
        visible[start:end] = " " * (end - start)
    for block in ARTICLE:
        assert (block in text) == (block in "".join(visible))

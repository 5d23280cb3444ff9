"""The decoder: from logits to spans that can only quote."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.reader.decode import MAX_ANSWER_TOKENS, Window, agreeing, answer_words, best_spans, window_spans
from qa.types import Passage, Span


def window(
    starts: list[float], ends: list[float], *, base: int = 0, null: float = 0.0, document: str = "d"
) -> Window:
    """Tokens of one character each, with a space between."""
    n = len(starts)
    return Window(
        passage=Passage.at(document, base, base + 2 * n),
        text="x " * n,
        start_logits=np.array(starts, dtype=np.float32),
        end_logits=np.array(ends, dtype=np.float32),
        offsets=np.array([[2 * i, 2 * i + 1] for i in range(n)], dtype=np.int64).reshape(-1, 2),
        starts_word=np.ones(n, dtype=bool),
        ends_word=np.ones(n, dtype=bool),
        null_score=null,
    )


logits = st.lists(st.tuples(*[st.integers(-40, 40)] * 2), min_size=1, max_size=60)


@given(logits)
def test_the_first_span_is_the_best_of_all_allowed_pairs(pairs: list[tuple[int, int]]) -> None:
    starts, ends = ([float(value) for value in column] for column in zip(*pairs, strict=True))
    best = max(
        starts[i] + ends[j]
        for i, j in itertools.product(range(len(pairs)), repeat=2)
        if 0 <= j - i < MAX_ANSWER_TOKENS
    )
    assert window_spans(window(starts, ends))[0].score == best


@given(logits, st.integers(0, 1000))
def test_spans_lie_in_the_passage_do_not_overlap_and_come_best_first(
    pairs: list[tuple[int, int]], base: int
) -> None:
    starts, ends = ([float(value) for value in column] for column in zip(*pairs, strict=True))
    spans = window_spans(window(starts, ends, base=base))
    assert all(base <= span.start < span.end <= base + 2 * len(pairs) for span in spans)
    assert [span.score for span in spans] == sorted((span.score for span in spans), reverse=True)
    in_order = sorted(spans, key=lambda span: span.start)
    assert all(a.end <= b.start for a, b in itertools.pairwise(in_order))


def test_a_span_never_cuts_a_word() -> None:
    view = window([0, 9, 0], [0, 9, 0])
    whole = Window(
        view.passage,
        view.text,
        view.start_logits,
        view.end_logits,
        view.offsets,
        starts_word=np.array([True, False, True]),  # token 1 goes on where token 0 began
        ends_word=np.array([False, True, True]),
        null_score=0,
    )
    best = window_spans(whole)[0]
    assert (best.start, best.end) == (0, 3)


def of_words(text: str, first: int, last: int) -> Window:
    """A window over the words of a text, with the words from `first` to `last` as the likeliest span."""
    words = list(re.finditer(r"\S+", text))
    starts, ends = np.zeros(len(words), dtype=np.float32), np.zeros(len(words), dtype=np.float32)
    starts[first] = ends[last] = 5
    whole = np.ones(len(words), dtype=bool)
    offsets = np.array([word.span() for word in words], dtype=np.int64)
    return Window(Passage.at("d", 0, len(text)), text, starts, ends, offsets, whole, whole, 0.0)


@pytest.mark.parametrize(
    ("text", "first", "said"),
    [
        ("They found more than 200 people", 4, "more than 200"),
        ("They found at least two people", 4, "at least two"),
        ("In all as many as 1,200 drowned", 5, "as many as 1,200"),
        ("They asked for more 200 times", 4, "200"),
        ("It was more than Kerry said", 4, "Kerry"),
        ("200 people", 0, "200"),
    ],
)
def test_a_number_is_quoted_with_the_words_that_qualify_it(text: str, first: int, said: str) -> None:
    best = window_spans(of_words(text, first, first))[0]
    assert text[best.start : best.end] == said


@pytest.mark.parametrize("between", ["\n\n", "\n \n"])
def test_no_answer_runs_from_one_paragraph_into_the_next(between: str) -> None:
    text = f"The motion fell.{between}Five voted for it."
    spans = window_spans(of_words(text, 2, 3))
    assert not any("\n" in text[span.start : span.end] for span in spans)
    assert spans[0].score == 5  # of the two words that would make 10 together, the one or the other


def test_no_answer_runs_into_or_out_of_a_heading() -> None:
    text = "The motion fell.\n## Crane\nFive voted for it."
    for first, last in ((2, 4), (4, 5), (3, 5)):
        spans = window_spans(of_words(text, first, last))
        assert not any("\n" in text[span.start : span.end] for span in spans)


@pytest.mark.parametrize("number", ["4.", "4.1", "IV.", "§ 4"])
def test_an_answer_is_told_without_the_numbered_heading_over_it(number: str) -> None:
    text = f"{number} Old cranes\nFive voted for it."
    words = len(text.split())
    for first in range(len(number.split()) + 2):
        best = window_spans(of_words(text, first, words - 1))[0]
        assert text[best.start : best.end].startswith("Five voted for it")
    inside = window_spans(of_words(text, 0, words - 5))[0]
    assert text[inside.start : inside.end].endswith("cranes")


def test_a_line_that_begins_with_a_number_is_no_heading_over_the_next() -> None:
    for text in (
        "It said that\n29 people in\nNorth Africa drowned",
        "It rose.\n4.1 million people in\nNorth Africa",
    ):
        number = text.split().index("people") - 1
        best = window_spans(of_words(text, number - 1, number + 4))[0]
        assert "people in\nNorth Africa" in text[best.start : best.end]


@pytest.mark.parametrize(
    "dateline", ["Taormina, Italy - ", "PARIS (Reuters) — ", "LONDON – ", "Cox's Bazar - "]
)
def test_no_answer_runs_from_the_dateline_into_the_report(dateline: str) -> None:
    report = "Former adversaries on Friday vowed closer links and said they would exchange intelligence."
    text, place = dateline + report, len(dateline.split())
    for first, last in ((0, place), (0, place + 3), (place - 1, place)):
        spans = window_spans(of_words(text, first, last))
        assert not any(span.start < len(dateline) < span.end for span in spans)
    best = window_spans(of_words(text, place, place + 1))[0]
    assert text[best.start : best.end] == "Former adversaries"


@pytest.mark.parametrize(
    "text",
    [
        "Part Two - The Return",
        "He was late - She left at once, though nobody had told her that he would come.",
    ],
)
def test_a_dash_elsewhere_ends_no_answer(text: str) -> None:
    at = text.split().index("-")
    best = window_spans(of_words(text, at - 1, at + 1))[0]
    assert "-" in text[best.start : best.end]


def test_an_answer_may_run_over_the_end_of_a_line() -> None:
    text = "It was called off by the\nharbour master"
    best = window_spans(of_words(text, 5, 7))[0]
    assert text[best.start : best.end] == "the\nharbour master"


def test_no_answer_begins_with_the_mark_that_ends_a_quotation() -> None:
    text = 'They "lost their lives. "\nTo go out now "is madness."'
    words = re.findall(r"\S+", text)
    mark = words.index('"')
    best = window_spans(of_words(text, mark, len(words) - 1))[0]
    assert not text[best.start : best.end].startswith('"\n')
    whole = window_spans(of_words(text, words.index('"is'), len(words) - 1))[0]
    assert text[whole.start : whole.end] == '"is madness."'


@pytest.mark.parametrize(
    ("text", "first", "last", "said"),
    [
        ("giving “ technical ” assistance", 2, 3, "technical"),
        ("giving “ technical ” assistance", 1, 3, "“ technical ”"),
        ("giving “ technical ” assistance", 1, 2, "technical"),
        ('it is " a step , " she said', 3, 6, "a step"),
        ("it is « a step » she said", 2, 5, "« a step »"),
        ("the step ; then", 1, 2, "step"),
    ],
)
def test_an_answer_has_no_quotation_mark_without_its_partner_and_no_comma_at_its_end(
    text: str, first: int, last: int, said: str
) -> None:
    best = window_spans(of_words(text, first, last))[0]
    assert text[best.start : best.end] == said


@pytest.mark.parametrize(
    ("text", "answer", "said"),
    [
        ("under the 'Sea Guard' patrol there", "Sea Guard' patrol", "'Sea Guard' patrol"),
        ("under the ‘Sea Guard’ patrol there", "Sea Guard’ patrol", "‘Sea Guard’ patrol"),
        ('under the "Sea Guard" patrol there', 'Sea Guard" patrol', '"Sea Guard" patrol'),
        ("the patrol 'Sea Guard' there", "the patrol 'Sea Guard", "the patrol 'Sea Guard'"),
        ("said 'Sea Guard' there", "Sea Guard", "Sea Guard"),
        ("the 'dogs' home' there", "dogs' home", "dogs' home"),
        ("at its owners' request 'at once' there", "owners' request", "owners' request"),
        ("says 'it's Ada's boat' twice", "it's Ada's boat' twice", "'it's Ada's boat' twice"),
    ],
)
def test_an_answer_with_one_mark_of_a_quotation_between_its_words_has_the_other_too(
    text: str, answer: str, said: str
) -> None:
    tokens = list(re.finditer(r"\w+|\S", text))
    at = text.index(answer)
    starts = np.array([9.0 * (token.start() == at) for token in tokens], dtype=np.float32)
    ends = np.array([9.0 * (token.end() == at + len(answer)) for token in tokens], dtype=np.float32)
    whole = np.ones(len(tokens), dtype=bool)
    offsets = np.array([token.span() for token in tokens], dtype=np.int64)
    best, *_ = window_spans(
        Window(Passage.at("d", 0, len(text)), text, starts, ends, offsets, whole, whole, 0.0)
    )
    assert text[best.start : best.end] == said


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("month", "eight-month-old"),
        ("old", "eight-month-old"),
        ("eight", "eight"),
        ("baby", "eight-month-old baby"),
    ],
)
def test_no_answer_ends_inside_a_compound_that_it_has_begun(last: str, said: str) -> None:
    text = "his eight-month-old baby"
    tokens = list(re.finditer(r"\w+|-", text))
    ends = np.array([5.0 * (token.group() == last) for token in tokens], dtype=np.float32)
    starts = np.array([5.0 * (token.group() == "eight") for token in tokens], dtype=np.float32)
    whole = np.ones(len(tokens), dtype=bool)
    offsets = np.array([token.span() for token in tokens], dtype=np.int64)
    view = Window(Passage.at("d", 0, len(text)), text, starts, ends, offsets, whole, whole, 0.0)
    spans = window_spans(view)
    assert text[spans[0].start : spans[0].end] == said
    assert all(a.end <= b.start or b.end <= a.start for a, b in itertools.combinations(spans, 2))


def test_words_that_another_span_quotes_are_not_quoted_again_before_a_number() -> None:
    view = of_words("far more than 200 people", 1, 2)
    view.start_logits[3] = view.end_logits[3] = 4
    first, second = window_spans(view, limit=2)
    assert (view.text[first.start : first.end], view.text[second.start : second.end]) == ("more than", "200")


def test_an_empty_window_has_no_span() -> None:
    assert window_spans(window([], [])) == []


def test_one_place_read_in_two_overlapping_passages_is_one_span() -> None:
    first = window([0, 5, 0, 0], [0, 5, 0, 0], base=0)  # characters 2-3
    second = window([6, 0, 0, 0], [6, 0, 0, 0], base=2)  # the same characters, more surely
    spans = best_spans([first, second])
    assert [(span.start, span.score) for span in spans if span.start == 2] == [(2, 12.0)]


def test_a_passage_that_is_sure_of_no_answer_ranks_behind_one_that_is_not() -> None:
    sure_of_none = window([9], [9], null=15.0, document="a")
    unsure = window([3], [3], null=-4.0, document="b")
    assert [span.document_id for span in best_spans([sure_of_none, unsure])] == ["b", "a"]


@given(st.permutations(range(4)))
def test_the_order_in_which_windows_are_read_does_not_matter(order: list[int]) -> None:
    windows = [window([1, 2, 1], [1, 2, 1], base=7 * i, document=f"d{i % 2}") for i in range(4)]
    assert best_spans([windows[i] for i in order]) == best_spans(windows)


def spans_of(*quotes: str) -> tuple[list[Span], dict[int, str]]:
    spans = [Span("d", 100 * i, 100 * i + 9, 9.0 - i, 0.0, 1) for i in range(len(quotes))]
    return spans, {span.start: quote for span, quote in zip(spans, quotes, strict=True)}


def test_places_that_say_the_same_are_one_answer_and_different_ones_are_not() -> None:
    spans, quotes = spans_of(
        "William Spindler", "Pope Francis", "spokesman William Spindler", "the pope Francis"
    )
    groups = agreeing(spans, lambda span: quotes[span.start])
    assert [[quotes[span.start] for span in group] for group in groups] == [
        ["William Spindler", "spokesman William Spindler"],
        ["Pope Francis", "the pope Francis"],
    ]


def test_a_number_does_not_agree_with_a_longer_number() -> None:
    spans, quotes = spans_of("3,800", "13,800", "800")
    assert len(agreeing(spans, lambda span: quotes[span.start])) == 3


def test_a_span_of_punctuation_alone_is_no_answer() -> None:
    spans, quotes = spans_of("“…”", "29")
    assert [[quotes[s.start] for s in group] for group in agreeing(spans, lambda s: quotes[s.start])] == [
        ["29"]
    ]


def test_answer_words_drop_case_articles_and_punctuation() -> None:
    assert answer_words("The U.S. “President”, a man") == ["us", "president", "man"]

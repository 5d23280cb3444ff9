"""Training: what is learned from and what is set aside, how windows are packed, what the losses say, and
that a killed run loses nothing."""

import gzip
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from qa.errors import BadQuestion, QAError
from qa.evaluation.metrics import says
from qa.evaluation.squad import ReadingQuestion, divide, never_read, read_set
from qa.reader import Reader
from qa.reader.decode import MAX_ANSWER_TOKENS
from qa.reader.model import WEIGHTS, tokenizer_of
from qa.reader.rerank import LONGEST, MARKED, Place, mark, side_by_side
from qa.reader.weights import WORDS, load
from qa.training import packed, packing
from qa.training.cloze import cloze_questions
from qa.training.config import STAGES, Config, keep_config, read_config
from qa.training.fit import rate
from qa.training.folders import article_of, held_out_folders
from qa.training.material import (
    NEWS,
    SETS,
    SQUAD,
    Labels,
    Material,
    Texts,
    Tokens,
    labels,
    make_material,
    read_texts,
    token_range,
)
from qa.training.nearest import nearest_passages
from qa.training.noise import MOST_HINTS, hinted, noisy
from qa.training.packed import Encoder, Inputs
from qa.training.packing import ROW, Batch, Packed, Window, lay_out, pack
from qa.training.train import train
from qa.types import Passage

SHIPPED = Path(__file__).parent.parent / "benchmarks" / "training" / "shipped.toml"
TOKENIZER = tokenizer_of(WEIGHTS)
TEXT = "The mill stands in Harlow. It was built by Ann Reed in 1820."


def squad(path: Path, articles: int = 6) -> Path:
    """Each article has two paragraphs, which both tell of its miller and its town."""
    data = [
        {
            "title": f"{path.name} {a}",
            "paragraphs": [
                {
                    "context": f"{TEXT} Mill number {a} was left to Miller Tom{p} Hale{a} of Port Agnes{a}.",
                    "qas": [
                        {
                            "id": f"{path.name}-{a}-{p}-who",
                            "question": "Who built the mill?",
                            "is_impossible": False,
                            "answers": [{"text": "Ann Reed", "answer_start": TEXT.index("Ann")}],
                        },
                        {
                            "id": f"{path.name}-{a}-{p}-why",
                            "question": "Why did the mill burn?",
                            "is_impossible": True,
                            "answers": [],
                        },
                    ],
                }
                for p in range(2)
            ],
        }
        for a in range(articles)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps({"data": data}).encode()))
    return path


def asked(text: str, question: str, answer: str | None, article: str = "Mill") -> ReadingQuestion:
    places = () if answer is None else ((text.index(answer), text.index(answer) + len(answer)),)
    return ReadingQuestion(f"{question} {text}", question, text, article, places)


LONG = "The keeper wrote down the weather of the day and the ships that passed. " * 40
SHIPS = [
    f"The {name} of Port Agnes carried {cargo} to the island of Brenna. Her master was Captain {master}."
    for name, cargo, master in (
        ("Tern", "grain", "Ida Voss"),
        ("Heron", "sand", "Olaf Brandt"),
        ("Gull", "coal", "Ida Voss"),
    )
]


@cache
def sets() -> Texts:
    """Two articles to learn from, one that is held out, and a report."""
    texts = Texts(reports={"a1a": (0, "Mill of Harlow to be rebuilt"), "a1b": (20, "Ships stay in port")})
    ships = [asked(text, "Who was her master?", text[:-1].split("Captain ")[1], "Ships") for text in SHIPS]
    texts.add([*ships, asked(SHIPS[0], "Who built her?", None, "Ships")], SQUAD)
    texts.add([asked(f"{LONG}{TEXT} {LONG}", "Who built the mill?", "Ann Reed")], SQUAD)
    texts.add([asked(f"{SHIPS[2]} It sank.", "What sank?", "It", "Wrecks")], SQUAD, held_out=True)
    texts.add([asked(f"{TEXT} It burnt down.", "When was it built?", "1820", "a1a")], NEWS)
    texts.add([asked("Ships stay in port", "Where do ships stay?", "in port", "a1b")], NEWS)
    return texts


@cache
def material() -> Material:
    return make_material(sets())


def said(tokens: Sequence[int]) -> str:
    return str(TOKENIZER.decode(list(tokens)))


# The sets


def test_where_the_calibration_asks_nothing_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_DATA", str(tmp_path))
    monkeypatch.setattr("qa.evaluation.squad.PARAGRAPHS_TOGETHER", 4)
    monkeypatch.setattr("qa.training.written.REPORTS_PER_FOLDER", 40)
    for name in SETS:
        squad(tmp_path / "train" / f"{name}.json.gz", articles=60)
    texts = read_texts()
    parts = [
        {
            q.article
            for q, s, h in zip(texts.questions, texts.sources, texts.held_out, strict=True)
            if h == held_out and s in (SQUAD, NEWS)
        }
        for held_out in (False, True)
    ]
    assert parts[0].isdisjoint(parts[1])
    folders = held_out_folders([tmp_path / "train" / f"{SQUAD}.json.gz"])
    assert [folder.source for folder in folders].count("news") > 2
    assert [folder.source for folder in folders].count(f"{SQUAD}.json.gz") == 2
    asked_about = {
        article_of(id_).removesuffix(".txt") for folder in folders for id_ in folder.asked.paragraphs
    }
    assert asked_about == parts[1]
    assert {
        question.article for question in never_read(read_set(tmp_path / "train" / f"{SQUAD}.json.gz"))
    } < parts[1]


def test_held_out_articles_are_never_trained_on(tmp_path: Path) -> None:
    questions = read_set(squad(tmp_path / "set.json.gz", articles=20))
    train, development = divide(questions)
    assert {q.article for q in development} & {q.article for q in train} == set()
    assert len({q.article for q in development}) == 2
    assert len(train) + len(development) == len(questions)


def test_places_are_those_of_the_answer(tmp_path: Path) -> None:
    question = read_set(squad(tmp_path / "set.json.gz"))[0]
    assert [question.context[s:e] for s, e in question.places] == ["Ann Reed"]


def test_a_damaged_set_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(b"\x1f\x8bdamaged")
    with pytest.raises(BadQuestion, match="cannot be read"):
        read_set(tmp_path / "x.json.gz")


def test_noise_repeats_with_its_seed() -> None:
    assert [noisy("Who built it?", Random(i)) for i in range(9)] == [
        noisy("Who built it?", Random(i)) for i in range(9)
    ]


def test_hints_come_from_the_passage_and_give_no_answer_away() -> None:
    text = "Ann Reed built the Harbour Bridge after Mayor Ortega resigned."
    seen = set()
    for seed in range(40):
        question = hinted("Who built the bridge?", text, ["Ann Reed"], Random(seed))
        assert question.startswith("Who built the bridge? (")
        words = question.removesuffix(")").split("(")[1].split()
        assert 1 <= len(words) <= MOST_HINTS
        seen |= set(words)
    assert seen == {"Harbour", "after", "Mayor", "Ortega", "resigned"}
    assert hinted("Who?", "It is so.", [], Random(1)) == "Who?"


# The material


def test_the_material_says_what_the_texts_say() -> None:
    found, texts = material(), sets()
    for number, question in enumerate(texts.questions):
        passage = found.passages[int(found.passage[number])]
        assert said(passage) == said(TOKENIZER.encode(question.context, add_special_tokens=False).ids)
        assert said(found.questions[number]) == question.question.lower()
        answers = [said(passage[first : last + 1]) for first, last in found.places_of(number)]
        assert answers == [answer.lower() for answer in question.answers]
        assert found.answerable[number] == bool(answers)
    assert said(found.titles[int(found.passage[-1])]) == "ships stay in port"


def test_the_material_is_read_as_it_was_written(tmp_path: Path) -> None:
    material().write(tmp_path / "material.npz.xz")
    again = Material.read(tmp_path / "material.npz.xz")
    assert np.array_equal(again.passages.values, material().passages.values)
    assert np.array_equal(again.places, material().places)
    assert str(again.digest) == sets().digest()
    (tmp_path / "material.npz.xz").write_bytes(b"damaged")
    with pytest.raises(QAError, match=r"cannot be read.*--stage material"):
        Material.read(tmp_path / "material.npz.xz")


@given(st.text("ab c", max_size=40), st.integers(0, 39), st.integers(1, 20))
def test_the_tokens_of_a_place_are_those_that_touch_it(text: str, start: int, length: int) -> None:
    offsets = TOKENIZER.encode(text, add_special_tokens=False).offsets
    inside = [i for i, (a, b) in enumerate(offsets) if a < start + length and b > start]
    found = token_range(offsets, start, start + length)
    assert found == ((inside[0], inside[-1]) if inside else None)


def test_nothing_is_learned_from_held_out_articles() -> None:
    found = material()
    aside = set(found.passage[found.held_out].tolist())
    assert not found.held_out[found.learned_from].any()
    assert aside.isdisjoint(found.passage[found.learned_from].tolist())
    assert len(found.cloze)
    assert aside.isdisjoint(found.cloze_passage.tolist())


def test_the_halves_share_no_passage_and_divide_no_article() -> None:
    texts = Texts()
    for article in range(30):
        texts.add([asked(f"{article}.{p} {TEXT}", "Who?", "Ann Reed", str(article)) for p in range(3)], SQUAD)
    found = make_material(texts)
    half = found.half[found.passage]
    passages = [set(found.passage[half == number].tolist()) for number in (0, 1)]
    articles = [{texts.questions[i].article for i in np.flatnonzero(half == number)} for number in (0, 1)]
    assert passages[0].isdisjoint(passages[1])
    assert articles[0].isdisjoint(articles[1])
    assert len(articles[0]) == len(articles[1]) == 15


def test_a_cloze_question_asks_for_what_another_passage_has_in_another_sentence() -> None:
    passages = [*SHIPS, "A letter: Her master was Captain Ida Voss. It names Port Agnes and Brenna twice."]
    words = ("who", "what", "which", "where", "when", "how many", "[MASK]")
    answered, unanswered = 0, 0
    for seed in range(60):
        span = ""
        for cloze in cloze_questions(passages, Random(seed)):
            text = passages[cloze.passage]
            if not cloze.places:  # the question before, asked of a passage without the span
                assert span not in text
                unanswered += 1
                continue
            (span,) = {text[start:end] for start, end in cloze.places}
            whole = [cloze.question.replace(f" {word} ", span, 1) for word in words]
            assert any(sentence in passage for sentence in whole for passage in passages)
            assert not any(sentence in text for sentence in whole)
            answered += 1
    assert answered > 100
    assert unanswered > 5


def test_a_passage_read_beside_a_question_tells_nothing_that_is_accepted() -> None:
    found, texts = material(), sets()
    silent, beside = nearest_passages(found, "cpu")
    contexts = texts.passages()
    for number, question in enumerate(texts.questions):
        if found.held_out[number]:
            assert (silent[number] == -1).all() and (beside[number] == -1).all()
            continue
        near = {i for i in (*silent[number].tolist(), *beside[number].tolist()) if i >= 0}
        assert near
        assert near.isdisjoint({int(found.passage[number]), *found.passage[found.held_out].tolist()})
        accepted = {a for q in texts.questions if q.question == question.question for a in q.answers}
        told = [contexts[i] for i in silent[number].tolist() if i >= 0]
        assert not any(answer in text for answer in accepted for text in told)


def test_labels_are_what_a_person_would_say_of_each_wording_once() -> None:
    found, texts = material(), sets()
    passage = int(found.passage[0])
    tokens = [said([token]) for token in found.passages[passage].tolist()]
    at = tokens.index("captain")
    spans = [(at, at + 2), (at + 1, at + 2), (0, 1), (at + 1, at + 2), (at + 1, at + 1)]
    rows = [(0, passage, *span) for span in spans] + [(3, passage, at, at + 2)]
    known = labels(texts, found, *np.array(rows, np.int32).T)
    assert list(zip(known.question, known.first, known.last, strict=True)) == [
        (q, first, last) for q, _, first, last in [*rows[:3], *rows[4:]]
    ]
    wordings = ["Captain Ida Voss", "Ida Voss", "The Tern", "Ida"]
    assert known.right.tolist() == [says(each, ("Ida Voss",)) for each in wordings] + [False]
    assert known.right.any() and not known.right.all()
    assert known.at.tolist() == [0, 4, 5]


def test_labels_over_other_texts_than_the_materials_are_one_sentence() -> None:
    other = Texts(questions=[*sets().questions[1:]])
    with pytest.raises(QAError, match=r"not those that the material was made of.*--stage labels"):
        labels(other, material(), *np.zeros((4, 0), np.int32))


# Packing


def window(length: int, number: int, places: Sequence[tuple[int, int]] = ()) -> Window:
    """Its tokens say which it is."""
    body = np.full(length, 2_000 + number, np.uint16)
    return Window(np.array([1_500], np.uint16), body, list(places), (number, 0, 0))


@given(st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=4), max_size=40), st.integers(4, 9))
@settings(max_examples=60, deadline=None)
def test_packing_loses_no_window_keeps_a_question_together_and_overlaps_nothing(
    lengths: list[list[int]], rows: int
) -> None:
    numbers = iter(range(10_000))
    groups = [[window(length, next(numbers)) for length in group] for group in lengths]
    found: list[list[int]] = []
    for each in pack(groups, rows):
        batch = lay_out(each, np.random.default_rng(0))
        assert len(batch.ids) == rows * ROW
        used = np.zeros(rows * ROW, int)
        together: list[list[int]] = [[] for _ in range(batch.questions)]
        for (at, first, length, question), (number, *_) in zip(batch.windows, batch.origins, strict=True):
            whole = slice(at, first + length + 1)
            used[whole] += 1
            assert at // ROW == (whole.stop - 1) // ROW
            expected = [packing.CLS, 1_500, packing.SEP, *[2_000 + number] * length, packing.SEP]
            assert batch.ids[whole].tolist() == expected
            assert len(set(batch.sequences[whole].tolist())) == 1
            together[question].append(int(number))
        assert used.max() == 1
        assert not batch.ids[used == 0].any()
        assert batch.tokens == used.sum()
        assert (np.diff(batch.bounds) > 0).all() and batch.bounds[-1] == rows * ROW
        assert (np.repeat(np.arange(len(batch.bounds) - 1), np.diff(batch.bounds)) == batch.sequences).all()
        found += together
    assert sorted(map(sorted, found)) == [[w.origin[0] for w in group] for group in groups]


def test_a_question_that_does_not_fit_alone_is_one_sentence() -> None:
    with pytest.raises(QAError, match="do not fit in 1 rows"):
        list(pack([[window(400, 0), window(400, 1)]], 1))


def test_of_a_long_passage_one_window_that_answers_is_read_and_another() -> None:
    found = material()
    number = sets().questions.index(asked(f"{LONG}{TEXT} {LONG}", "Who built the mill?", "Ann Reed"))
    for seed in range(20):
        read = packing.reading(found, 0.0)(number, Random(seed))
        assert len(read) == 2
        ((first, last),) = read[0].places
        assert said(read[0].body[first : last + 1]) == "ann reed"
        assert not read[1].places


def test_where_the_places_of_a_batch_are_stands_the_answer() -> None:
    found = material()
    batch = next(packing.stream(found.learned_from, packing.reading(found, 0.0), 8, 1))
    answers = {said(batch.ids[first : last + 1]) for first, last, _ in batch.places}
    assert {"ida voss", "olaf brandt", "ann reed", "1820", "in port"} == answers
    unanswered = int(np.flatnonzero(~found.answerable & ~found.held_out)[0])
    (question,) = {
        int(q) for (*_, q), (n, *_) in zip(batch.windows, batch.origins, strict=True) if n == unanswered
    }
    assert batch.none.tolist() == [question]


def test_a_question_is_read_with_a_passage_that_does_not_answer_as_often_as_asked() -> None:
    found = material()
    nearest = np.full((len(found.questions), 2), -1, np.int32)
    nearest[0] = 3, 4
    group = packing.reading(found, 0.5, nearest)
    others = [{w.origin[1] for w in group(0, Random(seed))} - {int(found.passage[0])} for seed in range(200)]
    assert 60 < sum(map(bool, others)) < 140
    assert set.union(*others) == {3, 4}
    assert {len(group(1, Random(seed))) for seed in range(20)} == {1}


def test_beside_several_passages_the_own_one_is_now_and_then_left_out() -> None:
    found = material()
    nearest = np.full((len(found.questions), 4), -1, np.int32)
    nearest[:4] = 1, 2, 3, 4
    group = packing.reading(found, 1.0, nearest, packing.SEVERAL)
    own = 0
    for seed in range(400):
        read = group(0, Random(seed))
        others = {window.origin[1] for window in read} - {int(found.passage[0])}
        assert len(others) == packing.SEVERAL and others < {1, 2, 3, 4}
        assert not any(window.places for window in read if window.origin[1] in others)
        own += any(window.places for window in read)
    assert 1 - own / 400 == pytest.approx(packing.WITHOUT_OWN, abs=0.05)
    assert {len(group(3, Random(seed))) for seed in range(20)} == {1}  # it may be answered by another


@given(st.integers(0, 2**32), st.floats(0.05, 1))
@settings(max_examples=30, deadline=None)
def test_hidden_words_are_never_those_of_an_answer(seed: int, share: float) -> None:
    groups = [[window(60, n, [(n, n + 3), (40, 40)])] for n in range(9)]
    (whole,) = pack(groups, 2)
    plain, batch = (lay_out(whole, np.random.default_rng(seed), s) for s in (0.0, share))
    answers = {token for first, last, _ in batch.places for token in range(first, last + 1)}
    assert answers.isdisjoint(batch.masked.tolist())
    assert set(batch.masked.tolist()) <= set(batch.inside.tolist())
    assert np.array_equal(plain.ids[batch.masked], batch.hidden)
    changed = np.flatnonzero(plain.ids != batch.ids)
    assert set(changed.tolist()) <= set(batch.masked.tolist())
    assert not len(plain.masked)


def of_text(text: str, title: str, begin: int, end: int, right: bool = True) -> packing.Candidate:
    place = token_range(TOKENIZER.encode(text, add_special_tokens=False).offsets, begin, end)
    assert place
    return packing.Candidate(tokens(title), sets().passages().index(text), place, right)


def tokens(text: str) -> Tokens:
    return np.array(TOKENIZER.encode(text, add_special_tokens=False).ids, np.uint16)


@pytest.mark.parametrize("titled", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_marked_candidates_are_laid_out_as_the_product_lays_them_out(titled: bool, together: bool) -> None:
    found = material()
    text, question = SHIPS[1], "Who was her master?"
    title = "Ships stay in port" if titled else ""
    ranges = [(0, 3), (text.index("Olaf"), len(text) - 1), (text.index("island"), len(text))]
    for some in [ranges] if together else [[each] for each in ranges]:
        expected = side_by_side([mark(TOKENIZER, question, Place(title, text, *each)) for each in some])
        made = Packed(1)
        candidates = [of_text(text, title, *each) for each in some]
        assert made.add([packing.marked(found, tokens(question), candidates)])
        batch = lay_out(made, np.random.default_rng(0))
        n = len(expected.ids)
        assert batch.ids[:n].tolist() == expected.ids
        assert batch.types[:n].tolist() == expected.types
        assert batch.places.tolist() == [[*place, 0] for place in expected.places]
        assert len(expected.places) == len(some)
        assert batch.tokens == n


def test_candidates_side_by_side_that_do_not_fit_are_left_out_as_in_the_product() -> None:
    found = material()
    text, question = SHIPS[1], "Who was her master?"
    many = [Place("Ships stay in port", text, 0, 3)] * 40
    expected = side_by_side([mark(TOKENIZER, question, each) for each in many])
    assert 1 < len(expected.places) < 40
    window = packing.marked(found, tokens(question), [of_text(text, many[0].title, 0, 3)] * 40)
    assert len(window.places) == len(expected.places)
    assert len(window) == len(expected.ids) <= LONGEST == ROW


def test_candidates_side_by_side_are_those_of_the_question_in_any_order() -> None:
    found = material()
    passage = int(found.passage[0])
    right = [False, True, False, False, False, False]
    numbers = (np.zeros(6), np.full(6, passage), np.arange(6), np.arange(6))
    known = Labels(*(each.astype(np.int32) for each in numbers), np.array(right))
    orders = set()
    for seed in range(200):
        (window,) = packing.comparing(found, known)(0, Random(seed))
        assert window.right
        words = [int(window.body[first]) for first, _ in window.places]
        at = [found.passages[passage].tolist().index(word) for word in words]
        assert [right[i] for i in at] == window.right
        assert any(window.right)
        orders.add(tuple(at))
    assert {len(order) for order in orders} == set(packing.COMPARED)
    assert {order[0] for order in orders} > {0, 1, 2}


def test_where_no_candidate_is_right_a_later_one_or_the_sets_answer_takes_the_last_place() -> None:
    found = material()

    def of(question: int, *right: bool) -> list[tuple[int, bool | None]]:
        n = len(right)
        numbers = (np.full(n, question), np.full(n, found.passage[question]), np.arange(n), np.arange(n))
        known = Labels(*(each.astype(np.int32) for each in numbers), np.array(right))
        return [
            (w.origin[2] + w.places[0][0], *(w.right or []))
            for w in packing.reranking(found, known)(0, Random(1))
        ]

    first = found.places_of(0)[0][0]
    assert of(0, False, True, False) == [(0, False), (1, True), (2, False)]
    assert of(0, False, False, False, False, True)[-1] == (4, True)
    assert of(0, False, False, False, False) == [(0, False), (1, False), (2, False), (first, True)]
    assert of(0, False) == [(0, False), (first, True)]
    assert of(3, False, False) == [(0, False), (1, False)]  # nothing answers


# The encoder, and what is learned with it


def of_windows(groups: Sequence[Sequence[Window]], rows: int = 2) -> tuple[Batch, Inputs]:
    (whole,) = pack([list(group) for group in groups], rows)
    batch = lay_out(whole, np.random.default_rng(0))
    return batch, Inputs.of(batch, "cpu")


def test_windows_side_by_side_get_the_logits_that_transformers_gives_each_alone() -> None:
    model = load(WEIGHTS, torch.float32)
    weights = model.state_dict()
    encoder = Encoder(weights, weights[WORDS]).eval()
    found = material()
    groups = [packing.reading(found, 0.0)(number, Random(0)) for number in found.learned_from.tolist()]
    batch, inputs = of_windows(groups, 3)
    assert len(batch.windows) > 4
    with torch.inference_mode():
        logits = encoder.logits(encoder(inputs))
        for at, first, length, _ in batch.windows.tolist():
            whole = slice(at, first + length + 1)
            ids, types = (torch.from_numpy(x[whole]).long()[None] for x in (batch.ids, batch.types))
            output = model(input_ids=ids, token_type_ids=types, attention_mask=torch.ones_like(ids))
            alone = torch.stack([output.start_logits[0], output.end_logits[0]], 1)
            assert torch.allclose(logits[whole], alone, atol=1e-4)
    assert all(torch.equal(weight, weights[name].float()) for name, weight in encoder.state().items())
    assert weights.keys() - encoder.state().keys() == {WORDS}


def test_a_third_token_type_begins_near_that_of_the_passage() -> None:
    weights = load(WEIGHTS, torch.float32).state_dict()
    kinds = Encoder(weights, weights[WORDS], 3).state()["bert.embeddings.token_type_embeddings.weight"]
    assert kinds.shape == (3, 384)
    assert 0 < float((kinds[2] - kinds[1]).abs().max()) < 0.1


def logsumexp(values: Sequence[float]) -> float:
    return math.log(sum(math.exp(value) for value in values))


@pytest.mark.parametrize(
    "places",
    [
        [[[(2, 4)], []], [[(0, 0), (5, 9)], [(1, 1)]], [[]]],  # in one window, in two of two, in none
        [[[]], [[], []], [[(3, 3), (3, 4), (8, 9)]]],
    ],
)
def test_the_loss_of_reading_is_that_of_a_softmax_over_all_windows_of_a_question_and_one_null(
    places: list[list[list[tuple[int, int]]]],
) -> None:
    groups = [[window(20 + 9 * w, w, places_) for w, places_ in enumerate(group)] for group in places]
    batch, inputs = of_windows(groups)
    logits = torch.from_numpy(np.random.default_rng(3).normal(size=(2 * ROW, 2)) * 3)
    losses = []
    for question in range(len(groups)):
        options: list[list[float]] = [[0.0], [0.0]]
        right: list[float] = []
        for at, first, length, of in batch.windows.tolist():
            if of != question:
                continue
            gaps = (logits[at : first + length] - logits[at]).tolist()[first - at :]
            for side in (0, 1):
                options[side] += [gap[side] for gap in gaps]
            for begin, last, whose in batch.places.tolist():
                if whose == question and first <= begin < first + length:
                    right.append(gaps[begin - first][0] + gaps[last - first][1])
        losses.append(sum(map(logsumexp, options)) - logsumexp(right or [0.0]))
    assert float(packed.reading_loss(logits, inputs)) == pytest.approx(np.mean(losses), abs=1e-6)


def test_the_loss_of_what_another_reader_tells_is_the_cross_entropy_over_all_windows_and_one_null() -> None:
    batch, inputs = of_windows([[window(20, 0), window(30, 1)], [window(25, 2)]])
    now, told = (torch.from_numpy(np.random.default_rng(s).normal(size=(2 * ROW, 2)) * 3) for s in (1, 2))
    losses = []
    for question in (0, 1):
        for side in (0, 1):
            options: list[list[float]] = []
            for logits in (now, told):
                gaps = [0.0]
                for at, first, length, of in batch.windows.tolist():
                    if of == question:
                        gaps += (logits[first : first + length, side] - logits[at, side]).tolist()
                whole = logsumexp(gaps)
                options.append([gap - whole for gap in gaps])
            losses.append(-sum(math.exp(was) * is_ for is_, was in zip(*options, strict=True)))
    assert float(packed.taught_loss(now, told, inputs)) == pytest.approx(sum(losses) / 2, abs=1e-6)


def test_the_loss_of_the_reranker_is_that_of_choosing_a_right_candidate_or_none_where_none_is() -> None:
    def candidate(score: float, right: bool) -> tuple[Window, float]:
        return replace(window(6, 0, [(2, 3)]), right=[right]), score

    groups = [
        [candidate(3, True), candidate(1, False), candidate(2, True)],
        [candidate(2, False), candidate(1, False)],
    ]
    batch, inputs = of_windows([[each for each, _ in group] for group in groups], 1)
    assert (batch.types == MARKED).sum() == 2 * 5
    logits = torch.full((ROW, 2), 50.0)
    for (at, *_), (first, last, _), score in zip(
        batch.windows, batch.places, (score for group in groups for _, score in group), strict=True
    ):
        logits[at] = 1.0
        logits[first, 0] = logits[last, 1] = 1.0 + score / 2
    first = math.log(1 + math.e**3 + math.e + math.e**2) - math.log(math.e**3 + math.e**2)
    second = math.log(1 + math.e**2 + math.e)
    assert float(packed.reranking_loss(logits, inputs)) == pytest.approx((first + second) / 2, abs=1e-5)


def test_the_best_spans_of_a_window_stay_inside_cut_no_word_and_do_not_overlap() -> None:
    generator = np.random.default_rng(4)
    continues = torch.from_numpy(generator.random(30_522) < 0.3)
    groups = []
    for n in range(12):
        body = generator.integers(1_000, 30_000, int(generator.integers(1, 90))).astype(np.uint16)
        groups.append([Window(np.array([1_500], np.uint16), body, [], (n, 0, 0))])
    batch, inputs = of_windows(groups, 3)
    logits = torch.from_numpy(generator.normal(size=(3 * ROW, 2))).float()
    scores, firsts, lasts = packed.best_spans(logits, inputs, continues)
    for row, (at, begin, length, _) in enumerate(batch.windows.tolist()):
        free = np.ones(length, bool)
        going_on = [*continues[batch.ids[begin : begin + length].tolist()].tolist(), False]
        gaps = (logits[begin : begin + length] - logits[at]).numpy()
        found = [
            (float(score), first, last)
            for score, first, last in zip(*(x[row].tolist() for x in (scores, firsts, lasts)), strict=True)
            if score > packed.NOWHERE
        ]
        for score, first, last in found:
            possible = [
                gaps[a, 0] + gaps[b, 1]
                for a in range(length)
                for b in range(a, min(a + MAX_ANSWER_TOKENS, length))
                if free[a : b + 1].all() and not going_on[a] and not going_on[b + 1]
            ]
            assert score == pytest.approx(max(possible), abs=1e-4)
            assert 0 <= first <= last < length
            assert free[first : last + 1].all()
            free[first : last + 1] = False


# The run


def test_the_shipped_settings_are_the_ones_that_are_documented() -> None:
    assert read_config(SHIPPED) == Config()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steps = 1", r"has the setting 'steps'; expected one of warm_up_steps, .*; edit "),
        ("rows = 'many'", r"rows is 'many'; expected a whole number, 0 or more; edit "),
        ("rate = -1.0", r"rate is -1\.0; expected a number, 0 or more; edit "),
        ("rows = 2", r"rows are 2 .*; expected 8 rows"),
        ("reader_steps = 0", r"smallest number of steps is 0; expected .* 1 step"),
        ("negatives = 60", r"more than 1; expected dropout, masked, negatives, taught of 0 to 1"),
        ("rows =", r"is not a training configuration"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "c.toml").write_text(f"{line}\n")
    with pytest.raises(QAError, match=message):
        read_config(tmp_path / "c.toml")
    with pytest.raises(QAError, match="is not a training configuration"):
        read_config(tmp_path / "none.toml")


def test_the_folder_of_another_run_is_not_gone_on_in(tmp_path: Path) -> None:
    keep_config(Config(seed=1), tmp_path)
    keep_config(Config(seed=1), tmp_path)
    with pytest.raises(QAError, match=r"holds a run of other settings.*--out DIR"):
        keep_config(Config(seed=2), tmp_path)


@pytest.mark.parametrize(
    ("stage", "lacks"),
    [("warm-up", "material"), ("labels", "candidates"), ("reranker", "labels"), ("comparer", "taught")],
)
def test_a_stage_without_the_one_before_is_one_sentence(tmp_path: Path, stage: str, lacks: str) -> None:
    for before in STAGES:
        if before not in (lacks, stage):
            (tmp_path / STAGES[before]).touch()
    with pytest.raises(QAError, match=f"{stage} needs {STAGES[lacks]}.*--stage {lacks}"):
        train(Config(), tmp_path, stages=[stage])


def test_a_stage_that_is_done_is_left_out(tmp_path: Path) -> None:
    for name in STAGES.values():
        (tmp_path / name).touch()
    train(Config(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*STAGES.values(), "run.json"}


def test_a_machine_without_a_gpu_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(QAError, match=r"No CUDA device was found.*--device cpu"):
        train(Config(), tmp_path, "cuda")


def test_the_rate_rises_for_a_while_and_falls_to_nothing() -> None:
    rates = [rate(step, 1_000) for step in range(1_000)]
    assert rates[0] == 0.01
    assert rates[:40] == sorted(rates[:40])
    assert max(rates) == rates[40] == 1
    assert rates[40:] == sorted(rates[40:], reverse=True)
    assert 0 < rates[-1] < 0.002


def test_the_stream_of_batches_is_the_same_whenever_it_is_asked_for_and_has_all_questions() -> None:
    found = material()
    first, again, other = (
        next(packing.stream(found.learned_from, packing.reading(found, 0.0), 8, seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.ids, again.ids)
    assert not np.array_equal(first.ids, other.ids)
    parts = [
        int(number)
        for part in ((0, 2), (1, 2))
        for batch in packing.stream(
            found.learned_from, packing.reading(found, 0.0), 8, 1, epochs=1, part=part
        )
        for number in dict.fromkeys(batch.origins[:, 0].tolist())
    ]
    assert sorted(parts) == found.learned_from.tolist()


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights_and_its_reader_answers(tmp_path: Path) -> None:
    for name in SETS:
        squad(tmp_path / "train" / f"{name}.json.gz")
    config = tmp_path / "c.toml"
    config.write_text(
        "warm_up_steps = 2\ntaught_steps = 4\nreader_steps = 2\nhalf_steps = 1\nreranker_steps = 3\n"
        "comparer_steps = 3\n"
        "rows = 8\nworkers = 0\ncandidate_questions = 8\ncheckpoint_steps = 1\nlimit = 6\n"
    )

    def start(out: str, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "qa", "train", str(config), "--out", str(tmp_path / out), *options],
            env={**os.environ, "QA_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )

    assert start("whole").wait() == 0
    assert start("killed", "--stage", "material", "--stage", "warm-up").wait() == 0
    killed = start("killed")
    while not (tmp_path / "killed" / "taught.checkpoint").exists():
        assert killed.poll() is None
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "reader").exists()
    assert start("killed").wait() == 0
    for name in ("reader", "reranker", "comparer"):
        whole, gone_on = ((tmp_path / out / name / "model.safetensors") for out in ("whole", "killed"))
        assert whole.read_bytes() == gone_on.read_bytes()
        assert not any("word_embeddings" in tensor for tensor in load_file(whole))
    assert not list((tmp_path / "killed").glob("*.checkpoint"))

    passage = Passage.at("mill.txt", 0, len(TEXT))
    spans = Reader(tmp_path / "whole" / "reader").read("Who built the mill?", [(passage, TEXT)])
    assert spans
    assert all(TEXT[span.start : span.end].strip() for span in spans)

"""The fit of the confidence model: on questions whose truth is known."""

from random import Random

import numpy as np
import pytest

from qa import listing
from qa.confidence import FEATURES
from qa.evaluation.questions import Question, QuestionSet
from qa.evaluation.squad import held_out
from qa.training.calibrate import DECLINED, Example, fit, threshold_for
from qa.training.folders import of_articles
from qa.training.items import ListAsked, fit_items
from qa.types import Alternative, Citation, Document


def example(random: Random, folder: int) -> Example:
    """Four candidates; the more its gap stands out, the likelier a candidate is right."""
    answerable = random.random() < 0.6
    right = random.randrange(4) if answerable else -1
    gaps = [random.gauss(4 if i == right else -1, 2) for i in range(4)]
    candidates = tuple({**dict.fromkeys(FEATURES, 0.0), "gap": gap} for gap in gaps)
    return Example(folder, answerable, candidates, tuple(i == right for i in range(4)))


def test_the_fit_finds_what_tells_right_from_wrong_and_says_how_sure_it_may_be() -> None:
    random = Random(1)
    fitted = fit([example(random, i % 5) for i in range(1_000)], ["squad", "squad", "squad", "news", "news"])
    assert fitted["weights"]["gap"] > 0.5
    assert all(abs(w) < 0.01 for name, w in fitted["weights"].items() if name != "gap")
    scores = fitted["cross_validated"]
    assert scores["all"]["ece"] < 0.05
    assert scores["all"]["auroc"] > 0.8
    assert [scores[name]["questions"] for name in ("all", "squad", "news")] == [1_000, 600, 400]
    assert 0 < fitted["threshold"] < 1
    shares = [share for _, share, _ in fitted["coverage"]]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)


def test_the_threshold_is_the_lowest_that_declines_the_share_asked_for() -> None:
    claimed = np.concatenate([np.linspace(0, 0.6, 100), np.linspace(0.4, 1, 100)])
    answerable = np.arange(200) >= 100
    threshold = threshold_for(claimed, answerable)
    assert (claimed[~answerable] < threshold).mean() >= DECLINED
    assert (claimed[~answerable] < threshold - 0.01).mean() < DECLINED


def test_the_held_out_articles_are_a_tenth_and_the_same_in_any_order() -> None:
    titles = [f"article {i}" for i in range(45)]
    assert len(held_out(titles)) == 5
    assert held_out(titles) == held_out(titles[::-1])


def questions_about(article: str, paragraphs: int) -> QuestionSet:
    ids = [f"{article}/{i:04}.txt" for i in range(paragraphs)]
    asked = [
        Question(f"{id_} {n}", f"What is {id_}?", "fact", True, (f"thing {id_} {n}.",), (id_,))
        for id_ in ids
        for n in range(3)
    ]
    misses = [Question(f"{id_} none", f"Who is {id_}?", "unanswerable", False, (), ()) for id_ in ids]
    texts = {id_: " ".join(f"It is thing {id_} {n}." for n in range(3)) for id_ in ids}
    return QuestionSet(tuple(q for pair in zip(asked[::3], misses, strict=True) for q in pair), texts)


@pytest.fixture(scope="module")
def folders() -> list[QuestionSet]:
    sets = [questions_about(f"article{i}", 60) for i in range(80)]
    paragraphs = {id_: text for found in sets for id_, text in found.paragraphs.items()}
    questions = tuple(question for found in sets for question in found.questions)
    return of_articles(QuestionSet(questions, paragraphs))


def test_an_answerable_question_is_asked_where_its_paragraph_is(folders: list[QuestionSet]) -> None:
    for folder in folders:
        answerable = [question for question in folder.questions if question.answerable]
        assert answerable
        assert all(question.documents[0] in folder.paragraphs for question in answerable)


def test_the_answer_of_an_unanswerable_question_stands_nowhere_in_its_folder(
    folders: list[QuestionSet],
) -> None:
    for folder in folders:
        unanswerable = [question for question in folder.questions if not question.answerable]
        whats = [question for question in unanswerable if question.question.startswith("What")]
        assert len(unanswerable) > len(whats) > 0  # both written ones and those whose answer is not here
        assert not {q.question.split()[-1].rstrip("?") for q in whats} & folder.paragraphs.keys()


def test_the_fit_of_a_lists_items_finds_that_the_likely_ones_are_items() -> None:
    text = "Ann came. Bob came. Cleo came. Dan came. Eve came."
    document = Document("a.txt", "A", text, "/a.txt", "0", sentences=((0, len(text)),))
    random, lists = Random(1), []
    for _ in range(300):
        names = random.sample(["Ann", "Bob", "Cleo", "Dan", "Eve"], 5)
        there = [True, *(random.random() < 0.5 for _ in names[1:])]
        likely = sorted(
            (
                (0.9 if j == 0 else random.uniform(0.4, 0.8) if is_item else random.uniform(0.1, 0.5), name)
                for j, (name, is_item) in enumerate(zip(names, there, strict=True))
            ),
            reverse=True,
        )
        found = tuple(
            Alternative(name, p, (Citation(document, text.index(name), text.index(name) + len(name)),))
            for p, name in likely
        )
        items = tuple(name for name, is_item in zip(names, there, strict=True) if is_item)
        lists.append(ListAsked(0, items, found))
    weights = dict(zip((*listing.ITEM_FEATURES, "constant"), fit_items(lists), strict=True))
    assert weights["likely"] > 1
    told = [{item.quote for item in listing.listed(each.found, tuple(weights.values()))} for each in lists]
    right = [said == set(each.items) for said, each in zip(told, lists, strict=True) if len(each.items) > 1]
    assert sum(right) > 0.3 * len(right)

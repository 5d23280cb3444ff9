"""How many lists are right by the probability from which an answer counts as an item (`qa/listing.py`).

    python benchmarks/lists.py

Asks for the lists, told as such, of the held-out reports that the reader has not read, without a threshold,
the items told by a fit on the other folders. A list is right where the F1 of its items is 0.8 or more.
"""

from __future__ import annotations

from collections.abc import Sequence

from qa import listing
from qa.confidence import load_calibration
from qa.embedder import Embedder
from qa.evaluation.metrics import item_f1, mean
from qa.evaluation.run import LIST_RIGHT
from qa.reader import Reader, Reranker
from qa.training.folders import of_news
from qa.training.items import ListAsked, ask_lists, fit_items

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 1.0)


def main() -> None:
    asked = of_news(None)
    lists = list(ask_lists(asked, load_calibration(), Embedder(), Reader(), Reranker()))
    apart = [each for each in lists if len(each.items) > 1]
    whole = [each for each in lists if len(each.items) == 1]
    weights = {
        folder: fit_items([each for each in lists if each.folder != folder])
        for folder in {each.folder for each in lists}
    }
    print(f"{len(lists)} lists: items apart {len(apart)}, in one place {len(whole)}")
    for threshold in THRESHOLDS:
        listing.LISTED_FROM = threshold
        shares = f"apart {right(apart, weights):.3f}   in one place {right(whole, weights):.3f}"
        print(f"  from {threshold:.2f}   {shares}")


def right(lists: Sequence[ListAsked], weights: dict[int, tuple[float, ...]]) -> float:
    """The share of the lists that are right."""
    shares = []
    for each in lists:
        items = listing.listed(each.found, weights[each.folder])
        said = [item.quote for item in items] or [each.found[0].text]
        shares.append((item_f1(said, each.items) or 0.0) >= LIST_RIGHT)
    return mean(shares) or 0.0


if __name__ == "__main__":
    main()

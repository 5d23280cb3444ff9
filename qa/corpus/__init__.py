"""Files → Documents → Passages: walk a folder, read each file, mark what repeats, split the rest."""

from qa.corpus.clean import hidden_ranges
from qa.corpus.dates import relative_dates
from qa.corpus.lines import paragraphs
from qa.corpus.load import Found, load, sha256, title_of, walk
from qa.corpus.split import outside, passages, sentences
from qa.types import Skipped

__all__ = [
    "Found",
    "Skipped",
    "hidden_ranges",
    "load",
    "outside",
    "paragraphs",
    "passages",
    "relative_dates",
    "sentences",
    "sha256",
    "title_of",
    "walk",
]

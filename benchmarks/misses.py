"""The questions that retrieval serves worst, with what kept their document down.

    qa eval --suite retrieval
    python benchmarks/misses.py runs/retrieval/retrieval_scifact

Reads the records and documents that the suite left. A miss is a question whose document stands lowest in
the fused list; the cause is read off both lists and the words that the question shares with its document.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from qa.words import FUNCTION_WORDS

SHOWN = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="runs/retrieval/NAME")
    parser.add_argument("--shown", type=int, default=SHOWN)
    arguments = parser.parse_args()
    lines = (arguments.folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    records = sorted(map(json.loads, lines), key=lambda record: -lowness(record["rank"]["fused"]))
    for record in records[: arguments.shown]:
        ranks = "  ".join(f"{name} {rank or '>100'}" for name, rank in record["rank"].items())
        print(f"{record['id']}  {ranks}\n  {record['question']}")
        print(f"  wanted: {title(arguments.folder, record['relevant'][0])}")
        print(f"  found:  {title(arguments.folder, record['found'][0]) if record['found'] else 'nothing'}")
        print(f"  cause:  {cause(arguments.folder, record)}\n")


def lowness(rank: int | None) -> int:
    return 101 if rank is None else rank


def cause(folder: Path, record: dict[str, Any]) -> str:
    asked = words(record["question"])
    wanted = [words(text(folder, document)) for document in record["relevant"]]
    first = words(text(folder, record["found"][0])) if record["found"] else set()
    shared = max((asked & document for document in wanted), key=len)
    missing = ", ".join(sorted(asked - shared)) or "none"
    dense, lexical = (lowness(record["rank"][name]) for name in ("dense", "lexical"))
    if len(shared) <= len(asked) / 3:
        return f"other words: the document lacks {missing}"
    if len(asked & first) >= len(shared):
        return f"another document has as many of the words; the right one lacks {missing}"
    if lexical <= 10 < dense:
        return "its words are found, but the embedding puts it far away"
    if dense <= 10 < lexical:
        return f"near in meaning, but its words are common ones; the document lacks {missing}"
    return f"far away in meaning, and its passage shares too little; the document lacks {missing}"


def words(of: str) -> set[str]:
    """Words without their commonest endings, which is near enough to tell a cause."""
    found = set(re.findall(r"\w+", of.lower())) - FUNCTION_WORDS
    return {re.sub(r"(?:ing|ed|es|s)$", "", word) if len(word) > 4 else word for word in found}


def text(folder: Path, document: str) -> str:
    return (folder / "documents" / f"{document}.txt").read_text(encoding="utf-8")


def title(folder: Path, document: str) -> str:
    return f"{document} {text(folder, document).splitlines()[0][:90]}"


if __name__ == "__main__":
    main()

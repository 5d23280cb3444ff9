"""How much the dense score should weigh against the lexical one: recall@5 and nDCG@10 by weight.

    python benchmarks/fusion.py runs/fusion

Asks what nothing is reported on: SciFact's claims of the split `train`, and questions about the held-out
articles of SQuAD's training set, over all the paragraphs of these articles. QA_DATA names the sets.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from qa.engine import QA
from qa.evaluation.questions import sample
from qa.evaluation.retrieval_suite import (
    DEPTH,
    RetrievalSet,
    figures,
    ranked_documents,
    read_set,
    write_documents,
)
from qa.evaluation.squad import data_set, divide
from qa.evaluation.squad import read_set as read_questions
from qa.retriever import fuse, rankings

WEIGHTS = (0.0, 0.2, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0)
QUESTIONS = 1_000  # of SQuAD


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="where the documents and their indexes go, and stay")
    out = parser.parse_args().out
    scifact = read_set(data_set("eval", "retrieval_scifact"), "train")
    for found in (held_out_paragraphs(), scifact):
        write_documents(found.documents, out / found.name / "documents")
        with QA.build(out / found.name / "documents", out / found.name / "index") as qa:
            sweep(qa, found)


def held_out_paragraphs() -> RetrievalSet:
    held_out = divide(read_questions(data_set("train", "squad_train_v2.0")))[1]
    place = {context: str(n) for n, context in enumerate(dict.fromkeys(q.context for q in held_out))}
    asked = sample([question for question in held_out if question.answers], QUESTIONS)
    return RetrievalSet(
        "squad_train_held_out",
        {place[question.context]: f"{question.article}\n\n{question.context}" for question in held_out},
        {question.id: question.question for question in asked},
        {question.id: {place[question.context]: 1} for question in asked},
    )


def sweep(qa: QA, found: RetrievalSet) -> None:
    runs: dict[float, dict[str, dict[str, float]]] = {weight: {} for weight in WEIGHTS}
    for id_, text in found.questions.items():
        ranked = rankings(text, qa.store, qa.embedder, DEPTH)
        ids = [passage_id for passage_id, _ in ranked.fused]
        documents = {p.id: p.document_id.removesuffix(".txt") for p, _ in qa.store.passages(ids)}
        for weight in WEIGHTS:
            fused = fuse(ranked.dense, ranked.lexical, DEPTH, weight)
            runs[weight][id_] = ranked_documents(fused, documents)
    print(f"{found.name}: {len(found.documents):,} documents, {len(found.questions):,} questions")
    print(f"{'weight':>8}{'R@1':>8}{'R@5':>8}{'nDCG@10':>8}")
    for weight, run in runs.items():
        scores = figures(found.relevant, run)
        cells = "".join(f"{100 * scores[measure]:8.1f}" for measure in ("R@1", "R@5", "nDCG@10"))
        print(f"{weight:8.2f}{cells}", flush=True)


if __name__ == "__main__":
    main()

"""How well retrieval finds, apart from reading: each set's documents indexed as anybody's folder would
be, its questions sent through the product's own store and retriever.

Documents are judged, not passages: a document stands where its best passage stands. Measures are those
of ir-measures (MacAvaney, Macdonald and Ounis, 2022), in its notation.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.engine import QA
from qa.errors import BadQuestion, QAError
from qa.evaluation.squad import data_set
from qa.indexing import Progress as Indexed
from qa.retriever import Ranking, rankings

if TYPE_CHECKING:
    from ir_measures import Measure

SETS = ("retrieval_squad_dev", "retrieval_scifact")
MEASURES = ("R@1", "R@5", "R@20", "R@100", "RR@10", "nDCG@10")
LISTS = ("dense", "lexical", "fused")
DEPTH = 300  # passages of a list, from which 100 documents come
DOCUMENTS = 100  # of a list, as deep as the measures look
JUDGED = "validation"  # the split to report, of sets that have splits

Run = dict[str, dict[str, float]]
"""Question id → document id → score, as ir-measures takes it."""


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Documents as id → text whose first line is the title, questions as id → text, and for each
    question the ids of the documents that are relevant to it."""

    name: str
    documents: Mapping[str, str]
    questions: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, int]]


def run(
    sets: Sequence[Path],
    out: Path,
    *,
    split: str = JUDGED,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    index_progress: Callable[[Indexed], None] | None = None,
) -> dict[str, Any]:
    """Measure retrieval on these sets (by default `SETS` of the data folder).

    Writes `NAME/records.jsonl`, one line a question, and `retrieval.json`, the summary that is returned,
    to `out`. The indexes stay in `NAME/index`, so that a second run embeds nothing again. Raises `QAError`.
    """
    summary = {}
    for path in sets or [data_set("eval", name) for name in SETS]:
        found = read_set(path, split, limit)
        folder = out / found.name
        try:
            write_documents(found.documents, folder / "documents")
        except OSError as error:
            raise QAError(
                f"Cannot write to {out} ({error.strerror}): name another folder with --out DIR."
            ) from error
        with QA.build(folder / "documents", folder / "index", index_progress) as qa:
            summary[found.name] = measure(qa, found, folder / "records.jsonl", progress)
    out.joinpath("retrieval.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def measure(
    qa: QA, found: RetrievalSet, records: Path, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Ask all questions of one set; the figures of each list, 0 to 1, and milliseconds a question."""
    runs: dict[str, Run] = {name: {} for name in LISTS}
    milliseconds: list[float] = []
    qa.embedder.embed(["warm"])
    for done, (id_, text) in enumerate(found.questions.items(), start=1):
        begin = perf_counter()
        ranked = rankings(text, qa.store, qa.embedder, DEPTH)
        milliseconds.append(1000 * (perf_counter() - begin))
        documents = {
            passage.id: passage.document_id.removesuffix(".txt")
            for passage, _ in qa.store.passages([passage_id for passage_id, _ in ranked.fused])
        }
        for name in LISTS:
            runs[name][id_] = ranked_documents(getattr(ranked, name), documents)
        if progress:
            progress(done, len(found.questions))
    _write_records(found, runs, records)
    return {
        "documents": len(found.documents),
        "passages": qa.store.passage_count(),
        "questions": len(found.questions),
        **{name: figures(found.relevant, runs[name]) for name in LISTS},
        "milliseconds": {f"p{p}": round(float(np.percentile(milliseconds, p)), 1) for p in (50, 95)},
    }


def figures(
    relevant: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """The mean of each measure over the questions. Raises `QAError` without the extra qa[eval]."""
    measures = _measures()
    import ir_measures  # noqa: PLC0415

    means = ir_measures.calc_aggregate(
        measures, {q: dict(judged) for q, judged in relevant.items()}, {q: dict(r) for q, r in run.items()}
    )
    return {str(measure): round(float(means[measure]), 4) for measure in measures}


def read_set(path: Path, split: str = JUDGED, limit: int | None = None) -> RetrievalSet:
    """A set from gzipped JSON: `docs` of id, title and text, `queries` of id, text and perhaps split,
    `qrels`. Raises `BadQuestion` where it cannot be read."""
    try:
        whole = json.loads(gzip.decompress(path.read_bytes()))
        questions = {str(q["id"]): q["text"] for q in whole["queries"] if q.get("split", split) == split}
        documents = {str(doc["id"]): f"{doc['title']}\n\n{doc['text']}" for doc in whole["docs"]}
        relevant = {
            id_: {str(doc): int(grade) for doc, grade in whole["qrels"][id_].items()} for id_ in questions
        }
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadQuestion(
            f"{path} cannot be read as a retrieval set ({error!r}); name the folder of the data sets: "
            "QA_DATA=DIR qa eval --suite retrieval"
        ) from error
    if not questions:
        raise BadQuestion(f"{path} holds no question of the split {split!r}: qa eval --suite retrieval FILE")
    if limit is not None:
        chosen = sorted(questions)[:: max(1, len(questions) // max(1, limit))][:limit]
        questions = {id_: questions[id_] for id_ in chosen}
    return RetrievalSet(
        path.name.removesuffix(".gz").removesuffix(".json"),
        documents,
        questions,
        {id_: relevant[id_] for id_ in questions},
    )


def table(summary: Mapping[str, Any]) -> str:
    """The figures in per cent, one row a list."""
    lines = []
    for name, found in summary.items():
        milliseconds = found["milliseconds"]
        lines += [
            f"{name}: {found['documents']:,} documents, {found['passages']:,} passages, "
            f"{found['questions']:,} questions, p50 {milliseconds['p50']} ms, p95 {milliseconds['p95']} ms",
            " " * 10 + "".join(f"{measure:>9}" for measure in MEASURES),
        ]
        for list_ in LISTS:
            lines.append(f"  {list_:8}" + "".join(f"{100 * found[list_][m]:9.1f}" for m in MEASURES))
        lines.append("")
    return "\n".join(lines).rstrip()


def ranked_documents(ranking: Ranking, documents: Mapping[int, str]) -> dict[str, float]:
    """The documents in the order of their best passages. Scores are falling whole numbers: ir-measures
    orders equal scores by its own rule, not by ours."""
    order = dict.fromkeys(documents[passage_id] for passage_id, _ in ranking if passage_id in documents)
    return {document: float(-rank) for rank, document in enumerate(list(order)[:DOCUMENTS])}


def write_documents(documents: Mapping[str, str], folder: Path) -> None:
    """Each document as the text file that its id names. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for id_, text in documents.items():
        (folder / f"{id_}.txt").write_bytes(text.encode())


def _write_records(found: RetrievalSet, runs: Mapping[str, Run], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in _records(found, runs):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _records(found: RetrievalSet, runs: Mapping[str, Run]) -> Iterator[dict[str, Any]]:
    """For each question the relevant documents, their first rank in each list, and what came first."""
    for id_, text in found.questions.items():
        relevant = {document for document, grade in found.relevant[id_].items() if grade > 0}
        yield {
            "id": id_,
            "question": text,
            "relevant": sorted(relevant),
            "rank": {name: _first_rank(runs[name][id_], relevant) for name in LISTS},
            "found": list(runs["fused"][id_])[:10],
        }


def _first_rank(ranked: Mapping[str, float], relevant: set[str]) -> int | None:
    return next((rank for rank, document in enumerate(ranked, start=1) if document in relevant), None)


def _measures() -> list[Measure]:
    try:
        import ir_measures  # noqa: PLC0415
    except ImportError as error:
        raise QAError(
            "The measures of retrieval are not installed (package ir-measures); install them: "
            "pip install 'qa[eval]'"
        ) from error
    return [ir_measures.parse_measure(name) for name in MEASURES]

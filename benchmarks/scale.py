"""How retrieval grows: time, memory, disk and recall of the store at a number of passages.

    python benchmarks/scale.py build DIR --passages 100000
    python benchmarks/scale.py measure DIR

Passages are those of the retrieval sets (SQuAD dev, SciFact), embedded by the product, as long as they last;
beyond that they come again with perturbed vectors: Gaussian noise is added so that a copy has a cosine of
about 0.8 to its original, as passages on one subject have. Questions are the sets' own, and their time is
that of both searches, fusion and the text of 8 passages, without embedding the question. `measure` runs in
a process of its own, so that its memory is that of a reader.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

from qa.corpus import walk
from qa.corpus.load import load
from qa.corpus.split import passages
from qa.embedder import Embedder
from qa.evaluation.retrieval_suite import SETS, read_set, write_documents
from qa.evaluation.squad import data_set
from qa.indexing import OVERLAP_SENTENCES, PASSAGE_TOKENS, text_to_embed
from qa.retriever import CANDIDATES, fuse
from qa.store import Indexed, LocalStore
from qa.types import Document, Passage

NOISE = 0.75  # length of the noise beside a vector of length 1: cosine 0.8
PASSAGES_OF_A_DOCUMENT = 10
DOCUMENTS_AT_A_TIME = 500
QUESTIONS = 200
CLIENTS = 8
SETTINGS = {"made by": "benchmarks/scale.py"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True)
    build_ = verbs.add_parser("build")
    build_.add_argument("folder", type=Path)
    build_.add_argument("--passages", type=int, default=10_000)
    build_.set_defaults(verb=lambda a: build(a.folder, a.passages))
    measure_ = verbs.add_parser("measure")
    measure_.add_argument("folder", type=Path)
    measure_.set_defaults(verb=lambda a: measure(a.folder))
    arguments = parser.parse_args()
    arguments.verb(arguments)


def build(folder: Path, count: int) -> None:
    texts, vectors, _ = real(folder.parent / "scale-texts")
    LocalStore.erase(folder)
    begin = perf_counter()
    store = LocalStore.create(folder, SETTINGS)
    made = documents(texts, vectors, count)
    with tqdm(total=count, unit=" passages", desc="storing", disable=None) as bar:
        while batch := list(islice(made, DOCUMENTS_AT_A_TIME)):
            store.put(batch)
            bar.update(sum(len(item.passages) for item in batch))
    stored = perf_counter() - begin
    begin = perf_counter()
    store.search_dense(vectors[0], 10)
    print(f"{store.passage_count():,} passages, {min(count, len(texts)):,} of them with their real vectors")
    print(f"  stored in {stored:.0f} s, vectors arranged in {perf_counter() - begin:.1f} s")
    store.close()


def documents(texts: list[str], vectors: np.ndarray, count: int) -> Iterator[Indexed]:
    random = np.random.default_rng(0)
    for first in range(0, count, PASSAGES_OF_A_DOCUMENT):
        rows = np.arange(first, min(first + PASSAGES_OF_A_DOCUMENT, count))
        of = rows % len(texts)
        id_ = f"{first}.txt"
        parts, places, end = [texts[i] for i in of], [], 0
        for part in parts:
            places.append(Passage.at(id_, end, end + len(part)))
            end += len(part) + 2
        noise = random.standard_normal((len(rows), vectors.shape[1])) / np.sqrt(vectors.shape[1]) * NOISE
        found = vectors[of] + noise * (rows >= len(texts))[:, None]
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        document = Document(id_, parts[0][:60], "\n\n".join(parts), id_, str(first))
        yield Indexed(document, tuple(places), found.astype(np.float32))


def measure(folder: Path) -> None:
    texts, vectors, questions = real(folder.parent / "scale-texts")
    question_vectors = Embedder().embed(questions)
    before = resident()
    begin = perf_counter()
    store = LocalStore.open(folder, SETTINGS)
    store.search_dense(question_vectors[0], 10)
    opened = perf_counter() - begin
    count = store.passage_count()

    def ask(i: int) -> tuple[float, float, float]:
        begin = perf_counter()
        dense = store.search_dense(question_vectors[i], CANDIDATES)
        by_meaning = perf_counter()
        lexical = store.search_lexical(questions[i], CANDIDATES)
        by_words = perf_counter()
        store.passages([passage_id for passage_id, _ in fuse(dense, lexical, CANDIDATES)[:8]])
        return perf_counter() - begin, by_meaning - begin, by_words - by_meaning

    alone = np.array([ask(i) for i in range(len(questions))])
    with ThreadPoolExecutor(CLIENTS) as clients:
        together = np.array(list(clients.map(ask, range(len(questions)))))
    bytes_each = (resident() - before) / count
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / count
    exact = nearest(store, question_vectors)
    found = [{i for i, _ in store.search_dense(vector, 10)} for vector in question_vectors]
    recall = np.mean([len(exact[q] & found[q]) / 10 for q in range(len(questions))])
    changes: dict[str, Callable[[], None]] = {
        "adding": lambda: store.put([next(documents(texts[:10], -vectors[:10], 10))]),
        "removing": lambda: store.remove(["0.txt"]),
    }
    print(f"{count:,} passages: opened in {opened:.2f} s, {bytes_each:,.0f} bytes of memory and")
    print(f"  {disk:,.0f} bytes of disk a passage; recall@10 of the dense search {recall:.3f}")
    for name, seconds in (("one client", alone), (f"{CLIENTS} clients", together)):
        for what, column in (("retrieval", 0), ("dense", 1), ("lexical", 2)):
            p50, p95 = 1000 * np.percentile(seconds[:, column], (50, 95))
            print(f"  {name:11} {what:10} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")
    for name, change in changes.items():
        begin = perf_counter()
        change()
        store.search_dense(question_vectors[0], 10)
        print(f"  {name} a document, until it shows in a search: {perf_counter() - begin:.2f} s")
    store.close()


def real(folder: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Texts and vectors of the sets' passages, and questions. Embedded once, kept in `folder`."""
    sets = [read_set(data_set("eval", name)) for name in SETS]
    questions = [text for found in sets for text in list(found.questions.values())[: QUESTIONS // len(sets)]]
    texts_file, vectors_file = folder / "texts.json", folder / "vectors.npy"
    if texts_file.is_file():
        return json.loads(texts_file.read_text(encoding="utf-8")), np.load(vectors_file), questions
    embedder, texts, to_embed = Embedder(), [], []
    for found in sets:
        write_documents(found.documents, folder / found.name)
        for file in walk(folder / found.name)[0]:
            document = load(file)
            for part in passages(document, embedder.count_tokens, PASSAGE_TOKENS, OVERLAP_SENTENCES):
                texts.append(document.text[part.start : part.end])
                to_embed.append(text_to_embed(document, part))
    chunks = [
        embedder.embed(to_embed[i : i + 256])
        for i in tqdm(range(0, len(texts), 256), desc="embedding", disable=None)
    ]
    np.save(vectors_file, np.concatenate(chunks))
    texts_file.write_text(json.dumps(texts), encoding="utf-8")
    return texts, np.load(vectors_file), questions


def nearest(store: LocalStore, queries: np.ndarray) -> list[set[int]]:
    """The 10 nearest passages of each question, by comparing with all."""
    best: list[list[tuple[float, int]]] = [[] for _ in queries]
    with store.vectors() as stored:
        for ids, vectors in stored.chunks():
            scores = queries @ vectors.T
            top = np.argpartition(-scores, min(10, len(ids) - 1), axis=1)[:, :10]
            for row, columns in enumerate(top):
                best[row] = sorted(
                    best[row] + [(float(scores[row, c]), int(ids[c])) for c in columns], reverse=True
                )[:10]
    return [{id_ for _, id_ in row} for row in best]


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    sys.exit(main())

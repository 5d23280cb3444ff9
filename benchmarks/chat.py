"""How long visitors wait when many ask at once: clients over HTTP, each with its own question.

Serves the seeds from this process, has every client ask one question after another, and prints the
milliseconds from sending a question to having its answer. Every answer is compared with the one that
`QA.ask` gives alone: `python benchmarks/chat.py --clients 40 --rounds 3`.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import numpy as np

from qa import QA
from qa.evaluation.questions import SEED_QUESTIONS, read_questions
from qa.web import start

SEEDS = Path(__file__).parent.parent / "seeds"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=40, help="how many ask at once")
    parser.add_argument("--rounds", type=int, default=3, help="questions of each client")
    arguments = parser.parse_args()
    questions = list(
        dict.fromkeys(q.question for q in read_questions(SEED_QUESTIONS).questions if not q.history)
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, QA.build(SEEDS, Path(folder) / "index") as qa:
        qa.warm()
        server = start(lambda: qa, port=port)
        url = server.url
        httpx.get(f"{url}/starting", timeout=60)  # answered once the page is built

        def visit(client: int) -> list[tuple[str, float, Any]]:
            asked = [
                questions[(client * arguments.rounds + n) % len(questions)] for n in range(arguments.rounds)
            ]
            return [timed(url, question) for question in asked]

        begin = perf_counter()
        with ThreadPoolExecutor(arguments.clients) as clients:
            told = [one for visit_ in clients.map(visit, range(arguments.clients)) for one in visit_]
        seconds = perf_counter() - begin
        server.close()
        alone = {question: qa.ask(question).text for question in {question for question, _, _ in told}}
    errors = sum(answer is None for _, _, answer in told)
    mixed_up = sum(
        answer is not None and (answer["question"], answer["text"]) != (question, alone[question])
        for question, _, answer in told
    )
    waits = [1000 * wait for _, wait, _ in told]
    print(f"{arguments.clients} clients at once, {len(told)} questions in {seconds:.1f} s")
    print(f"  p50 {np.percentile(waits, 50):6.0f} ms   p95 {np.percentile(waits, 95):6.0f} ms")
    print(f"  {len(told) / seconds:.1f} questions/s   {errors} errors   {mixed_up} answers mixed up")
    return 1 if errors or mixed_up else 0


def timed(url: str, question: str) -> tuple[str, float, Any]:
    """The question, the seconds until its answer was there, and the answer, or None for an error."""
    begin = perf_counter()
    sent = httpx.post(f"{url}/gradio_api/call/v2/ask", json={"question": question}, timeout=300)
    event = sent.json()["event_id"]
    told = httpx.get(f"{url}/gradio_api/call/ask/{event}", timeout=300).text
    wait = perf_counter() - begin
    answer = json.loads(told.split("data: ")[-1])[0] if "event: complete" in told else None
    return question, wait, answer


if __name__ == "__main__":
    sys.exit(main())

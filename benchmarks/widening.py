"""What widening a span to the clause, the sentence or the enumeration is worth: answers before and after.

    python benchmarks/widening.py

Asks the questions about the seeds that are not asked for a single thing, without a threshold, once with the
reader's span alone and once with what the kind of the question makes of it (`qa/widening.py`).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from qa import widening
from qa.engine import QA
from qa.evaluation.metrics import f1, mean
from qa.evaluation.questions import SEED_QUESTIONS, read_questions
from qa.kinds import wanted

SEEDS = Path(__file__).parent.parent / "seeds"
EXAMPLES = 3  # of each kind
WHOLE = 0.6  # token F1 from which an answer counts as given


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each kind (default: %(default)s)")
    examples = parser.parse_args().examples
    asked = defaultdict(list)
    for question in read_questions(SEED_QUESTIONS).questions:
        kind = wanted(question.question).kind
        if question.answerable and not question.history and kind in widening.WIDER:
            asked[kind].append(question)
    with TemporaryDirectory() as scratch, QA.build(SEEDS, Path(scratch, "index")) as qa:
        for kind, questions in asked.items():
            after = [qa.ask(question.question, min_confidence=0).text for question in questions]
            wider, widening.WIDER = widening.WIDER, {}
            before = [qa.ask(question.question, min_confidence=0).text for question in questions]
            widening.WIDER = wider
            print(f"{kind}: {len(questions)} questions")
            for name, texts in (("span", before), ("widened", after)):
                scores = [f1(text, q.answers) for text, q in zip(texts, questions, strict=True)]
                words = mean([len((text or "").split()) for text in texts])
                whole = mean([score >= WHOLE for score in scores])
                print(f"  {name:8} words {words:4.1f}   F1 {mean(scores):.3f}   of 0.6 or more {whole:.3f}")
            told = zip(questions, before, after, strict=True)
            for question, span, wide in [each for each in told if each[1] != each[2]][:examples]:
                print(f"    {question.question}\n      span:    {span}\n      widened: {wide}")


if __name__ == "__main__":
    main()

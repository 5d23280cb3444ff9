"""What `qa eval` runs: the questions of a file, or one of the suites."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from qa.indexing import Progress

IndexBar: TypeAlias = Callable[[], AbstractContextManager[Callable[[Progress], None]]]
"""A progress bar of indexing."""


def evaluate(arguments: Namespace, index_bar: IndexBar) -> None:
    """Run what `qa eval` was asked for and print it."""
    if arguments.suite == "retrieval":
        _retrieval(arguments, index_bar)
    elif arguments.suite == "kinds":
        _kinds(arguments)
    elif arguments.suite != "questions":
        _suite(arguments)
    else:
        _questions(arguments, index_bar)


def _questions(arguments: Namespace, index_bar: IndexBar) -> None:
    arguments.out = arguments.out or Path("runs/eval")
    from tqdm import tqdm  # noqa: PLC0415

    from qa.evaluation import report, run  # noqa: PLC0415
    from qa.evaluation.record import read_records  # noqa: PLC0415

    with index_bar() as index_progress, tqdm(unit=" questions", desc="asking", disable=None) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        summary = run.run_file(
            arguments.questions,
            arguments.index,
            arguments.out,
            k=arguments.k,
            min_confidence=arguments.min_confidence,
            limit=arguments.limit,
            progress=progress,
            index_progress=index_progress,
        )
    if arguments.failures:
        print(report.failures(read_records(arguments.out / "records.jsonl")), end="\n\n")
    print(report.table(summary))
    if arguments.questions is None and arguments.limit is None:  # the goals are those of our own questions
        for missed in report.gates(summary):
            print(f"goal missed     {missed}")
    print(f"\nrecords and summary: {arguments.out}")


def _suite(arguments: Namespace) -> None:
    from tqdm import tqdm  # noqa: PLC0415

    from qa.evaluation import conversation_suite, reader_suite  # noqa: PLC0415
    from qa.reader import Reader  # noqa: PLC0415

    out = arguments.out or Path("runs", arguments.suite)
    with tqdm(unit=" questions", disable=None) as bar:

        def progress(what: str, done: int, of: int) -> None:
            if done == 1:
                bar.reset(of)
                bar.set_description(what)
            bar.update(done - bar.n)

        if arguments.suite == "reader":
            reader = Reader(arguments.weights) if arguments.weights else None
            table = reader_suite.table(reader_suite.run(out, arguments.limit, reader, progress))
        else:
            table = conversation_suite.table(conversation_suite.evaluate(out, arguments.limit, progress))
    print(f"{table}\n\nsummary: {out}")


def _retrieval(arguments: Namespace, index_bar: IndexBar) -> None:
    from tqdm import tqdm  # noqa: PLC0415

    from qa.evaluation import retrieval_suite  # noqa: PLC0415

    out = arguments.out or Path("runs/retrieval")
    with index_bar() as index_progress, tqdm(unit=" questions", desc="searching", disable=None) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        sets = [arguments.questions] if arguments.questions else []
        summary = retrieval_suite.run(
            sets, out, limit=arguments.limit, progress=progress, index_progress=index_progress
        )
    print(f"{retrieval_suite.table(summary)}\n\nrecords and summary: {out}")


def _kinds(arguments: Namespace) -> None:
    from qa.evaluation import kinds_suite  # noqa: PLC0415

    out = arguments.out or Path("runs/kinds")
    print(f"{kinds_suite.table(kinds_suite.run(out))}\n\nsummary: {out}")

"""The `qa` command. Each verb is a few lines over the Python API.

Exit status: 0 answered or done, 1 abstained, 2 usage or user error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.engine import INDEX, PASSAGES_READ, open_default, update, watch_folder
from qa.errors import QAError
from qa.indexing import Part
from qa.version import __version__

if TYPE_CHECKING:
    from qa.indexing import Progress, Report
    from qa.types import Answer, Citation

ANSWERED, ABSTAINED, USER_ERROR = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status; what a user can mend is one line on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.verb(arguments)
    except QAError as error:
        print(f"qa: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("qa: interrupted; what was committed is kept", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return ANSWERED
    return status


def _index(arguments: argparse.Namespace) -> int:
    from qa.store import Address  # noqa: PLC0415

    place = arguments.store or arguments.index

    def tell(report: Report | QAError) -> None:
        if isinstance(report, QAError):
            print(f"qa: {report}", file=sys.stderr)
            return
        for skip in report.skipped:
            print(f"skipped {skip.path}: {skip.reason}", file=sys.stderr)
        print(
            f"{report.added} added, {report.updated} updated, {report.removed} removed, "
            f"{report.unchanged} unchanged, {len(report.skipped)} skipped; "
            f"{report.passages} passages in {place} ({report.seconds:.1f} s)",
            flush=True,
        )

    if arguments.rebuild:
        Address(str(place)).erase()
    with _progress_bar() as progress:
        if arguments.watch:
            watch_folder(arguments.folder, place, tell, progress, part=arguments.part)
            return ANSWERED
        report = update(arguments.folder, place, progress, arguments.part)
    tell(report)
    return ANSWERED


def _ask(arguments: argparse.Namespace) -> int:
    with _progress_bar() as progress, open_default(arguments.index, progress) as qa:
        answer = qa.ask(
            arguments.question,
            history=[tuple(turn) for turn in arguments.after],
            k=arguments.k,
            documents=arguments.document or None,
            min_confidence=arguments.min_confidence,
        )
    print(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2) if arguments.json else _text(answer))
    return ANSWERED if answer else ABSTAINED


def _documents(arguments: argparse.Namespace) -> int:
    with _progress_bar() as progress, open_default(arguments.index, progress) as qa:
        for info in qa.documents():
            print(f"{info.id}\t{info.passages} passages\t{info.title}")
    return ANSWERED


def _chat(arguments: argparse.Namespace) -> int:
    from qa.accounts import Accounts  # noqa: PLC0415
    from qa.web import serve  # noqa: PLC0415

    serve(
        lambda: open_default(arguments.index),
        host=arguments.host,
        port=arguments.port,
        accounts=Accounts.read(arguments.auth) if arguments.auth else None,
        root_path=arguments.root_path,
        read_only=arguments.read_only,
    )
    return ANSWERED


def _password(arguments: argparse.Namespace) -> int:
    from getpass import getpass  # noqa: PLC0415

    from qa.accounts import hashed  # noqa: PLC0415

    if ":" in arguments.user or not arguments.user.strip():
        raise QAError(f"The user is {arguments.user!r}; expected a name without a colon: qa password USER")
    password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise QAError("The password is empty; type one, or send it: qa password USER < FILE")
    print(f"{arguments.user}:{hashed(password)}")
    return ANSWERED


def _mcp(arguments: argparse.Namespace) -> int:
    from qa.mcp import serve  # noqa: PLC0415

    serve(lambda: open_default(arguments.index))
    return ANSWERED


def _verify(arguments: argparse.Namespace) -> int:
    from qa.verification import verify  # noqa: PLC0415

    text = sys.stdin.read() if arguments.answer == "-" else _read(Path(arguments.answer))
    findings = verify(text, arguments.index)
    for finding in findings:
        verdict = "ok  " if finding.holds else "FAIL"
        print(f"{verdict} {finding.document} {finding.start}-{finding.end}: {finding.says}")
    return ANSWERED if all(finding.holds for finding in findings) else ABSTAINED


def _evaluate(arguments: argparse.Namespace) -> int:
    from qa.evaluation.command import evaluate  # noqa: PLC0415

    evaluate(arguments, _progress_bar)
    return ANSWERED


def _calibrate(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm  # noqa: PLC0415

    from qa.training.calibrate import calibrate  # noqa: PLC0415

    with tqdm(unit=" folders", desc="asking", disable=None) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        fitted = calibrate(arguments.sets, arguments.out, progress)
    print(json.dumps(fitted, indent=2))
    return ANSWERED


def _train(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm  # noqa: PLC0415

    from qa.training.config import STAGES, read_config  # noqa: PLC0415
    from qa.training.train import train  # noqa: PLC0415

    config = read_config(arguments.config)
    # A line a minute where the output is a file: on a processor a run takes days.
    with tqdm(unit=" steps", delay=1, mininterval=0.1 if sys.stderr.isatty() else 60) as bar:

        def progress(stage: str, step: int, steps: int, loss: float, tokens_per_second: float) -> None:
            if not bar.desc.startswith(stage):
                bar.reset()
                bar.set_description(stage, refresh=False)
            bar.total = steps
            bar.set_postfix_str(f"loss {loss:.3f}, {tokens_per_second:.0f} tokens/s", refresh=False)
            bar.update(step - bar.n)

        train(config, arguments.out, arguments.device, arguments.stage or tuple(STAGES), progress)
    return ANSWERED


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QAError(
            f"{path} cannot be read ({error}); expected an answer saved with: qa ask … --json"
        ) from None


def _text(answer: Answer) -> str:
    """An answer for the terminal: the words, then where they stand in their sentences."""
    lines = []
    if answer.asked_as != answer.question:
        lines.append(f"asked as: {answer.asked_as}")
    if not answer:
        lines += ["The documents do not say."] if answer.kind != "talk" else []
        return "\n".join([*lines, answer.reason or ""])
    if answer.note:
        lines.append(answer.note)
    else:
        done = f"read {answer.read} passages" if answer.read else "looked up"
        lines += [f"{answer.text}", f"  {answer.confidence:.0%} sure · {done}"]
        lines += [f"  - {_item(item, answer.citations[0])}" for item in answer.items]
    numbers = count(1)

    def cite(citation: Citation) -> str:
        page = f", page {citation.page}" if citation.page else ""
        sentence = " ".join(f"{citation.left}**{citation.quote}**{citation.right}".split()) + _days(citation)
        return (
            f"  [{next(numbers)}] {citation.document.title}\n"
            f"      {citation.document.id}{page}, {citation.start}-{citation.end}\n      {sentence}"
        )

    lines += [cite(citation) for citation in answer.citations]
    for alternative in answer.alternatives:
        lines.append(f"The documents also say: {alternative.text} ({alternative.confidence:.0%} sure)")
        lines += [cite(citation) for citation in alternative.citations]
    return "\n".join(lines)


def _item(item: Citation, first: Citation) -> str:
    """An item of a list, with its place where that is not within the words already cited."""
    there = item.document.id == first.document.id and first.start <= item.start < first.end
    place = "" if there else f" ({item.document.id}, {item.start}-{item.end})"
    return " ".join(item.quote.split()) + place


def _days(citation: Citation) -> str:
    """What "on Thursday" and the like in the sentence mean, where it is known when it was written."""
    from qa.corpus import relative_dates  # noqa: PLC0415

    document = citation.document
    if document.date is None or document.date_source == "text":
        return ""
    found = relative_dates(citation.sentence, date.fromisoformat(document.date))
    meant = [f"“{citation.sentence[start:end]}”: {means}" for (start, end), means in found]
    return f"\n      ({'; '.join(meant)})" if meant else ""


@contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with documents, passages, passages per second and time left; not there until
    there is something to show."""
    from tqdm import tqdm  # noqa: PLC0415

    bar: tqdm[Any] | None = None

    def show(progress: Progress) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=progress.documents_in_all, unit=" documents", desc="indexing", disable=None)
        bar.set_postfix_str(
            f"{progress.passages} passages, {progress.passages / max(progress.seconds, 1e-9):.0f}/s",
            refresh=False,
        )
        bar.update(progress.documents - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def _place(text: str) -> str | Path:
    """The address of an index; a path is tidied, what stands before :// is not."""
    return text if "://" in text else Path(text)


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _parser() -> argparse.ArgumentParser:  # noqa: PLR0915 (a statement for each verb and option)
    from qa.training.config import STAGES  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="qa",
        description="Ask a folder of documents a question; get the exact words that answer it, "
        "and where they stand. Or an honest “the documents do not say”.",
        epilog="Exit status: 0 answered or done, 1 the documents do not say, 2 usage or user error.",
    )
    parser.add_argument("--version", action="version", version=f"qa {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], help_: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help_, description=help_)
        sub.set_defaults(verb=run)
        sub.add_argument(
            "--index",
            type=_place,
            default=INDEX,
            metavar="DIR",
            help="folder of the index, or milvus://HOST:PORT/NAME (default: ./index)",
        )
        return sub

    index = verb("index", _index, "Index a folder of documents, or bring its index up to date.")
    index.add_argument(
        "folder", type=Path, metavar="FOLDER", help=".txt, .md, .html, .pdf and .docx are read"
    )
    index.add_argument(
        "--rebuild", action="store_true", help="delete the index first and embed everything again"
    )
    index.add_argument(
        "--watch", action="store_true", help="stay, and keep the index in step with the folder until Ctrl-C"
    )

    index.add_argument(
        "--store", metavar="ADDRESS", help="index into a Milvus collection: milvus://HOST:PORT/NAME"
    )
    index.add_argument(
        "--part",
        type=Part.parse,
        metavar="N/OF",
        help="only this part of the folder, as 3/16: other machines take the others",
    )

    ask = verb("ask", _ask, "Ask the documents a question.")
    ask.add_argument("question", metavar="QUESTION")
    ask.add_argument("--json", action="store_true", help="print everything that is known about the answer")
    ask.add_argument(
        "--k", type=int, default=PASSAGES_READ, metavar="N", help="passages to read (default: %(default)s)"
    )
    ask.add_argument(
        "--document",
        action="append",
        default=[],
        metavar="ID",
        help="answer from this document only; may repeat",
    )
    ask.add_argument(
        "--after",
        nargs=2,
        action="append",
        default=[],
        metavar=("QUESTION", "ANSWER"),
        help="an earlier turn of the conversation, oldest first; may repeat",
    )
    ask.add_argument(
        "--min-confidence", type=_probability, metavar="P", help="answer only when at least this sure, 0 to 1"
    )

    verb("documents", _documents, "List the documents of an index.")

    chat = verb("chat", _chat, "Serve the web chat.")
    chat.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    chat.add_argument("--port", type=int, default=7860, help="port to listen on (default: %(default)s)")

    chat.add_argument(
        "--auth",
        type=Path,
        metavar="FILE",
        help="let in only the accounts of this file, whose lines are made by: qa password USER",
    )
    chat.add_argument(
        "--root-path", default="", metavar="PREFIX", help="prefix under which a reverse proxy offers the chat"
    )
    chat.add_argument("--read-only", action="store_true", help="no document can be added or removed")

    password = verbs.add_parser("password", help="Print a line for the file of: qa chat --auth FILE.")
    password.set_defaults(verb=_password)
    password.add_argument("user", metavar="USER", help="the password is asked for, or read from stdin")

    verb("mcp", _mcp, "Serve the documents to assistants by MCP, on stdin and stdout (needs: qa[mcp]).")

    evaluate = verb("eval", _evaluate, "Ask a fixed set of questions and measure the answers.")
    evaluate.add_argument(
        "questions",
        nargs="?",
        type=Path,
        metavar="QUESTIONS",
        help="JSON lines, or SQuAD JSON whose paragraphs are then the corpus (default: the seed questions)",
    )
    evaluate.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where records and summary go (default: runs/eval, or runs/SUITE)",
    )
    evaluate.add_argument("--k", type=int, default=PASSAGES_READ, metavar="N", help="passages to read")
    evaluate.add_argument("--min-confidence", type=_probability, metavar="P", help="threshold, 0 to 1")
    evaluate.add_argument("--limit", type=int, metavar="N", help="ask only N questions, evenly spaced")
    evaluate.add_argument(
        "--suite",
        choices=("questions", "reader", "retrieval", "conversations", "kinds"),
        default="questions",
        help="what is measured: answers to QUESTIONS, the reader or retrieval on public sets, follow-ups, or "
        "telling kinds of questions (default: %(default)s)",
    )
    evaluate.add_argument(
        "--weights", type=Path, metavar="DIR", help="another reader's weights (for --suite reader)"
    )
    evaluate.add_argument("--failures", action="store_true", help="list every question that went wrong")

    calibrate = verbs.add_parser("calibrate", help="Fit the confidence model (needs the extra: qa[fit]).")
    calibrate.set_defaults(verb=_calibrate)
    calibrate.add_argument(
        "sets", type=Path, nargs="+", metavar="SET", help="training sets in SQuAD's form, may be gzipped"
    )
    calibrate.add_argument("--out", type=Path, required=True, metavar="FILE", help="confidence.json to write")

    train = verbs.add_parser("train", help="Train reader, re-ranker and comparer, stage by stage.")
    train.set_defaults(verb=_train)
    train.add_argument("config", type=Path, metavar="CONFIG", help="settings of the run, TOML")
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: %(default)s)")
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the weights go")
    train.add_argument(
        "--stage",
        action="append",
        choices=tuple(STAGES),
        default=[],
        help="only this stage; may repeat (default: all that are not done)",
    )

    verify = verb(
        "verify", _verify, "Check every citation of a saved answer against the index and the files."
    )
    verify.add_argument(
        "answer", metavar="ANSWER", help="a file written by qa ask --json, or - for standard input"
    )
    return parser

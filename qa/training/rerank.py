"""Train the re-ranker on the candidates that a reader finds in folders of news reports, and in SQuAD.

The candidates of a question, and "none of them", share one softmax, as in the confidence model; where
several are right, their sum counts. The word and position embeddings stay the reader's.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from qa import confidence
from qa.embedder import Embedder
from qa.evaluation.metrics import says
from qa.evaluation.questions import QuestionSet, sample
from qa.evaluation.reader_suite import in_paragraph
from qa.evaluation.squad import ReadingQuestion, data_folder, divide, read_set
from qa.reader import Reader
from qa.reader.model import WEIGHTS, tokenizer_of
from qa.reader.rerank import TOKEN_TYPES, Marked, Place, mark, span_scores
from qa.reader.weights import read_tensors, write_tensors
from qa.training import folders, loop, written
from qa.training.noise import hinted, noisy
from qa.training.train import SHARED, logsumexp

if TYPE_CHECKING:
    import torch

SET = "squad_train_v2.0"
TOKEN_TYPE_WEIGHTS = "bert.embeddings.token_type_embeddings.weight"  # noqa: S105
AT_ONCE = 24  # candidates
PART = 500  # questions of SQuAD that are kept at a time


@dataclass(frozen=True, slots=True)
class Settings:
    """One run; the rates and shares as in `qa.training.train.Config`."""

    base: str  # the reader that finds the candidates and that is trained on; but for the SHARED weights,
    # which are the shipped reader's. What it has learnt by heart teaches nothing: it should not know
    begin_with: str = ""  # a re-ranker to train on, rather than the base
    reports_from: int = 0  # the reports from this number on
    news: int = 260  # questions of each folder of reports
    squad: int = 6_000  # questions of SQuAD's, each with its own paragraph
    passages: int = 5  # of the folder, read for a question
    candidates: int = 4  # learned from, at most
    epochs: int = 2
    questions_per_step: int = 32
    learning_rate: float = 5e-5
    warm_up: float = 0.04
    decay: float = 0.9
    weight_decay: float = 0.01
    clip: float = 1.0
    averaging: float = 0.0
    noise: float = 0.1
    hints: float = 0.1
    interpolation: float = 1.0  # share of the trained weights in what is written; the rest is
    interpolation_base: str = ""  # another re-ranker's
    eight_bits: bool = True
    seed: int = 13
    steps: int = 0
    checkpoint_steps: int = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span of a passage, in characters, and whether it answers."""

    place: Place
    right: bool


@dataclass(frozen=True, slots=True)
class Item:
    question: str
    candidates: tuple[Candidate, ...]


def train(
    items: Sequence[Item], settings: Settings, out: Path, progress: loop.Progress | None = None
) -> dict[str, Any]:
    """Write what differs from the reader's weights to `out`, and `config.json`; return the figures."""
    import torch  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    loop.keep_config(settings, out)
    torch.manual_seed(settings.seed)
    model = new_model(Path(settings.base), Path(settings.begin_with) if settings.begin_with else None)
    tokenizer = tokenizer_of(WEIGHTS)

    def loss(reranker: Any, chosen: Sequence[int], epoch: int) -> tuple[torch.Tensor, int]:
        groups = []
        for i in chosen:
            random = Random(f"{settings.seed} {epoch} {i}")  # noqa: S311
            question = _asked(items[i], settings, random)
            found = learned_from(items[i].candidates, settings.candidates)
            groups.append([(mark(tokenizer, question, each.place), each.right) for each in found])
        return group_loss(reranker, groups)

    figures = loop.run(settings, out, model, len(items), loss, "cpu", progress)
    if settings.interpolation < 1:
        other = new_model(Path(settings.base), Path(settings.interpolation_base))
        loop.move_back(model, loop.trained(other), settings.interpolation)
    own = {name: weight for name, weight in model.state_dict().items() if name not in SHARED}
    write_tensors(own, out / "model.safetensors")
    model.config.save_pretrained(out)
    (out / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def learned_from(candidates: Sequence[Candidate], most: int) -> tuple[Candidate, ...]:
    """The first ones, and where none of them is right, the first that is, in the last one's place."""
    first, rest = tuple(candidates[:most]), candidates[most:]
    if any(each.right for each in first):
        return first
    right = next((each for each in rest if each.right), None)
    return (*first[:-1], right) if right else first


def new_model(base: Path, begin_with: Path | None = None) -> Any:
    """The reader with a third token type, which begins near that of the passage; or a re-ranker that
    there is."""
    import torch  # noqa: PLC0415
    from transformers import BertConfig, BertForQuestionAnswering  # noqa: PLC0415

    weights = read_tensors((begin_with or base) / "model.safetensors")
    shipped = read_tensors(WEIGHTS / "model.safetensors")
    weights |= {name: shipped[name] for name in SHARED}
    types = weights[TOKEN_TYPE_WEIGHTS]
    if len(types) < TOKEN_TYPES:  # (2, 384)
        weights[TOKEN_TYPE_WEIGHTS] = torch.cat([types, types[1:] + 0.02 * torch.randn_like(types[1:])])
    config = BertConfig.from_pretrained(WEIGHTS, local_files_only=True)
    config.update({"type_vocab_size": TOKEN_TYPES})
    model: Any = BertForQuestionAnswering
    model = model.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32).train()
    model.set_attn_implementation("eager")
    for name in SHARED:
        model.get_parameter(name).requires_grad_(False)
    return model


def group_loss(model: Any, groups: Sequence[Sequence[tuple[Marked, bool]]]) -> tuple[torch.Tensor, int]:
    """Mean negative log-likelihood of the groups: that one of the right candidates is chosen, or none
    where none is right; and how many tokens were read."""
    import torch  # noqa: PLC0415

    flat = [(g, marked, right) for g, group in enumerate(groups) for marked, right in group]
    flat.sort(key=lambda item: len(item[1].ids))  # those of like length read together: little padding
    scores = torch.cat(
        [
            span_scores(model, [marked for _, marked, _ in flat[i : i + AT_ONCE]])
            for i in range(0, len(flat), AT_ONCE)
        ]
    )
    n = len(groups)
    of = torch.tensor([g for g, _, _ in flat])
    right = torch.tensor([right for _, _, right in flat])
    zeros = scores.new_zeros(n)  # of "none of them"
    none = torch.tensor([g for g, group in enumerate(groups) if not any(right for _, right in group)])
    none = none.long()  # also where it is empty
    whole = logsumexp(torch.cat([scores, zeros]), torch.cat([of, torch.arange(n)]), n)
    chosen = logsumexp(torch.cat([scores[right], zeros[: len(none)]]), torch.cat([of[right], none]), n)
    return (whole - chosen).mean(), sum(len(marked.ids) for _, marked, _ in flat)


def _asked(item: Item, settings: Settings, random: Random) -> str:
    question = noisy(item.question, random) if random.random() < settings.noise else item.question
    if random.random() < settings.hints:
        places = [candidate.place for candidate in item.candidates]
        said = [place.text[place.start : place.end] for place in places]
        question = hinted(question, places[0].text, said, random)
    return question


def collect(settings: Settings, out: Path, progress: Callable[[int, int], None] | None = None) -> list[Item]:
    """What there is to learn from: found once, and kept in `out`. A run that was killed goes on where it
    was. `progress` gets (parts done, parts)."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "candidates.jsonl"
    path.touch()
    with path.open(encoding="utf-8") as lines:
        known = [line for line in lines if line.endswith("\n")]  # a kill may have cut off the last
    path.write_text("".join(known), encoding="utf-8")
    embedder, reader = Embedder(), Reader(Path(settings.base))
    fresh = written.to_learn_from(settings.reports_from)
    asked: Sequence[ReadingQuestion] = ()
    if settings.squad:
        asked = sample(divide(read_set(data_folder() / "train" / f"{SET}.json.gz"))[0], settings.squad)
    parts: list[QuestionSet | Sequence[ReadingQuestion]] = [*folders.of_reports(fresh, settings.news)]
    parts += [asked[i : i + PART] for i in range(0, len(asked), PART)]
    with path.open("a", encoding="utf-8") as lines:
        for number, part in enumerate(parts[len(known) :], start=len(known) + 1):
            found = (
                _in_folder(part, embedder, reader, settings.passages)
                if isinstance(part, QuestionSet)
                else _in_paragraphs(part, reader)
            )
            lines.write(json.dumps([asdict(item) for item in found], ensure_ascii=False) + "\n")
            lines.flush()
            if progress:
                progress(number, len(parts))
    return read_items(path)


def read_items(path: Path) -> list[Item]:
    """What `collect` kept; questions without any candidate are left out."""
    with path.open(encoding="utf-8") as lines:
        found = [item for line in lines for item in json.loads(line)]
    return [
        Item(
            item["question"],
            tuple(Candidate(Place(*each["place"]), each["right"]) for each in item["candidates"]),
        )
        for item in found
        if item["candidates"]
    ]


def _in_folder(folder: QuestionSet, embedder: Embedder, reader: Reader, passages: int) -> Iterator[Item]:
    for asked in folders.ask(folder, embedder, reader, passages):
        places = confidence.in_passages(asked.answers, asked.hits, asked.documents)
        found = [Candidate(place, right) for place, right in zip(places, asked.right, strict=True)]
        yield Item(asked.question.question, tuple(found))


def _in_paragraphs(questions: Sequence[ReadingQuestion], reader: Reader) -> Iterator[Item]:
    """The questions with the candidates of their own paragraph, in which none is right where it does not
    answer."""
    for question in questions:
        text = question.context
        places = confidence.in_passages(*in_paragraph(question.question, text, reader))
        found = [Candidate(place, says(text[place.start : place.end], question.answers)) for place in places]
        yield Item(question.question, tuple(found))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m qa.training.rerank", description=__doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="settings of the run, TOML")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the weights go")
    arguments = parser.parse_args(argv)
    try:
        settings = Settings(**tomllib.loads(arguments.config.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        parser.error(f"{arguments.config} is not a configuration ({error}); see benchmarks/training")
    with tqdm(unit=" parts", desc="candidates") as bar:
        items = collect(settings, arguments.out, lambda done, parts: _show(bar, done, parts))
    with tqdm(unit=" steps", desc="training") as bar:

        def progress(step: int, steps: int, loss: float, speed: float) -> None:
            bar.set_postfix_str(f"loss {loss:.3f}, {speed:.0f} tokens/s")
            _show(bar, step, steps)

        figures = train(items, settings, arguments.out, progress)
    print(json.dumps(figures, indent=2))


def _show(bar: Any, done: int, whole: int) -> None:
    bar.total = whole
    bar.update(done - bar.n)


if __name__ == "__main__":
    main()

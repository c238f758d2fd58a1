"""Write texts for a file of examples with a checkpoint; ``benchmarks.text_model`` scores them.

    python -m textdiff.predict CHECKPOINT OUT EXAMPLES.jsonl… --steps 1 4 16 --every 10

One file for each set of examples and each setting of the dials: ``OUT/<examples>-<steps>-<diversity>.jsonl``.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import torch

from codeworld.model.tokenizer import CodeTokenizer
from textdiff import checkpoint
from textdiff.choose import ranked
from textdiff.sampler import Dials, Sampler
from textdiff.source import Task, split_source


class Question(msgspec.Struct, frozen=True):
    """One example of an evaluation set (``textdiff.corpus.Example``)."""

    task: Task
    repo: str
    place: str
    source: str
    target: str
    time: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What a model wrote, different texts, best first, with confidences; and how often it wrote each."""

    task: Task
    repo: str
    place: str
    target: str
    texts: list[str]
    confidences: list[float]
    counts: list[int] = []


class Answers(msgspec.Struct, frozen=True):
    """A whole file: how it was made, and the answers. seconds: all of them, on ``device``, in batches."""

    kind: str
    version: str
    device: str
    dials: Dials
    seconds: float
    answers: list[Answer]


def read_questions(path: Path, limit: int | None = None, every: int = 1) -> list[Question]:
    """Questions of a set: one of ``every``; with ``limit`` evenly spread over it."""
    lines = path.read_bytes().splitlines()[::every]
    if limit is not None and len(lines) > limit:
        lines = [lines[i * len(lines) // limit] for i in range(limit)]
    return [msgspec.json.decode(line, type=Question) for line in lines]


def alone(source: str) -> str:
    """A source without the lines of what people wrote near by."""
    head, _, rest = split_source(source)
    return head + rest


def answers(
    sampler: Sampler, questions: Sequence[Question], dials: Dials, batch: int, seed: int = 0
) -> Iterator[Answer]:
    """An answer to each question in order; questions of similar length are read together."""
    generator = torch.Generator(device=sampler.device).manual_seed(seed)
    order = sorted(range(len(questions)), key=lambda i: len(questions[i].source))
    found: dict[int, Answer] = {}
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        asked = sampler.read([questions[i].source for i in part], [""] * len(part))
        written = sampler.sample(asked, dials, generator) or []
        for i, candidates in zip(part, written, strict=True):
            one = questions[i]
            texts = [sampler.tokenizer.decode(candidate.ids).strip() for candidate in candidates]
            best = ranked(texts, [candidate.logprob_nats for candidate in candidates])
            names, confidences = [text for text, _ in best], [confidence for _, confidence in best]
            counts = Counter(texts)
            found[i] = Answer(
                one.task,
                one.repo,
                one.place,
                one.target,
                names,
                confidences,
                [counts[text] for text in names],
            )
    yield from (found[i] for i in range(len(questions)))


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="textdiff.predict", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("examples", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, nargs="+", default=[16])
    parser.add_argument("--diversity", type=float, nargs="+", default=[1.0])
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--length-temperature", type=float, default=1.0)
    parser.add_argument("--clearest", type=float, help="time at which the last tokens are decided")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--limit", type=int, help="questions of each set, evenly spread")
    parser.add_argument("--every", type=int, default=1, help="take one of so many questions")
    parser.add_argument("--alone", action="store_true", help="leave out what people wrote near by")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args(arguments)
    torch.set_float32_matmul_precision("high")
    network = checkpoint.load(given.checkpoint).eval().requires_grad_(False).to(given.device)
    sampler = Sampler(network, CodeTokenizer(given.checkpoint / "tokenizer.json"))
    given.out.mkdir(parents=True, exist_ok=True)
    for path in given.examples:
        questions = read_questions(path, given.limit, given.every)
        if given.alone:
            questions = [msgspec.structs.replace(one, source=alone(one.source)) for one in questions]
        for steps in given.steps:
            for diversity in given.diversity:
                dials = Dials(
                    steps=steps,
                    count=given.count,
                    guidance=given.guidance,
                    diversity=diversity,
                    temperature=given.temperature,
                    length_temperature=given.length_temperature,
                    clearest=given.clearest,
                )
                begin = time.monotonic()
                found = list(answers(sampler, questions, dials, given.batch))
                seconds = time.monotonic() - begin
                whole = Answers(
                    network.config.kind, network.config.version, given.device, dials, seconds, found
                )
                name = f"{path.stem}{'-alone' * given.alone}-{steps}-{diversity:g}.json"
                (given.out / name).write_bytes(msgspec.json.encode(whole))
                print(f"{name}: {len(found)} in {seconds:.1f} s; {found[0].texts[:1]}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

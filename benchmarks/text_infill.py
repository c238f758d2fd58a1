"""Words left out of held-out docstrings: how often do models write them, from the code and what stands around?

    python -m benchmarks.text_infill CHECKPOINT… --examples DIR --limit 100 --out docs/results/text_infill

One to three words in a row of each summary are left out; how many, the models are not told. The autoregressive twin,
which sees only what stands before, goes on from there greedily: its words up to the first that follows the hole count,
or the first two where that does not come. Exact: the same words but for case and punctuation at the ends.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import torch

from benchmarks import results
from codeworld.model.tokenizer import CodeTokenizer
from textdiff import checkpoint, metrics
from textdiff.infill import infill
from textdiff.predict import Question, read_questions
from textdiff.sampler import Dials, Sampler

_MOST_WORDS = 3
_EDGE = ".,:;!?`'\"()"
_ELSE = 2  # words of a continuation that does not come to what follows


class Hole(msgspec.Struct, frozen=True):
    """A text without some of its words."""

    source: str
    before: str
    words: str
    after: str


class Filled(msgspec.Struct, frozen=True):
    """What a model wrote for each hole, the best first; seconds a hole, on ``device``."""

    kind: str
    version: str
    device: str
    seconds: float
    texts: list[list[str]]


def holes(questions: Sequence[Question], seed: int = 0) -> Iterator[Hole]:
    """One in each text that is long enough."""
    rng = random.Random(seed)
    for one in questions:
        words = one.target.split()
        count = rng.randint(1, _MOST_WORDS)
        if len(words) >= count + 2:
            start = rng.randrange(1, len(words) - count)
            before, hole, after = words[:start], words[start : start + count], words[start + count :]
            yield Hole(one.source, " ".join(before), " ".join(hole), " " + " ".join(after))


def writer(sampler: Sampler, count: int) -> Callable[[Hole], list[str]]:
    """Fills by ``textdiff.infill``, or by going on."""
    generator = torch.Generator(device=sampler.device).manual_seed(0)
    if sampler.network.config.kind != "autoregressive":
        dials = Dials(count=count, steps=8)
        return lambda one: [
            w.text for w in infill(sampler, one.source, one.before, one.after, dials, generator)
        ]

    def going_on(one: Hole) -> list[str]:
        asked = sampler.read([one.source], [one.before])
        found = sampler.sample(asked, Dials(count=1, diversity=0.0), generator) or [[]]
        words = sampler.tokenizer.decode(found[0][0].ids).removeprefix(one.before).split()
        behind = one.after.split()[0]
        return [" ".join(words[: words.index(behind)] if behind in words else words[:_ELSE])]

    return going_on


def same(wanted: str, given: str) -> bool:
    return wanted.lower().strip(_EDGE) == given.lower().strip(_EDGE)


class Report(msgspec.Struct):
    """The holes and what was written for them."""

    holes: list[Hole]
    filled: list[Filled]


def figures(report: Report) -> Iterator[results.Figure]:
    yield results.Figure("holes", len(report.holes))
    for one in report.filled:
        pairs = list(zip(report.holes, one.texts, strict=True))
        first = 100 * metrics.mean(bool(own) and same(hole.words, own[0]) for hole, own in pairs)
        five = 100 * metrics.mean(any(same(hole.words, text) for text in own[:5]) for hole, own in pairs)
        yield results.Figure(f"{one.kind}: exact, first and among five, %", f"{first:.1f}, {five:.1f}")
        yield results.Figure(f"{one.kind}: seconds a hole, {one.device}", one.seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_infill", description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--examples", type=Path, required=True, help="folder of text-docstring.jsonl")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--count", type=int, default=1, help="fills of each length")
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    report = Report(list(holes(read_questions(given.examples / "text-docstring.jsonl", given.limit))), [])
    for folder in given.checkpoints:
        network = checkpoint.load(folder).eval().requires_grad_(False)
        write = writer(Sampler(network, CodeTokenizer(folder / "tokenizer.json")), given.count)
        begin = time.monotonic()
        texts = [write(one) for one in report.holes]
        seconds = round((time.monotonic() - begin) / len(texts), 2)
        config = network.config
        report.filled.append(Filled(config.kind, config.version, "CPU", seconds, texts))
        print(f"{config.kind}: {texts[:3]}", file=sys.stderr, flush=True)
    made = results.stamp(", ".join(f"codeworld-text {one.version}, {one.kind}" for one in report.filled))
    results.publish(given.out, "Words left out of docstrings", made, list(figures(report)), report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

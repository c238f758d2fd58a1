"""How long an article of so many words takes from a keyword, by the diffusion model and by its autoregressive twin.

    python -m benchmarks.text_speed ask CHECKPOINT… --out speed.json                  where the GPU is
    python -m benchmarks.text_speed table speed.json --out docs/results/text_speed

Each paragraph goes on from the one before (``textdiff.article``), the best of ``--count`` continuations that are
written side by side. Both models run as CUDA graphs (``textdiff.replay``: the twin with a cache of keys and values),
and as ``textdiff.sampler`` writes, one launch at a time. What was written is kept beside the seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import torch

from codeworld.model.tokenizer import CodeTokenizer
from textdiff import checkpoint, metrics
from textdiff.article import article
from textdiff.choose import ranked
from textdiff.config import Kind
from textdiff.replay import Replay
from textdiff.sampler import Dials, Sampler
from textdiff.wording import fault

KEYWORDS = (
    "Installation",
    "Getting started",
    "Configuration",
    "Command line interface",
    "Logging",
    "Running the tests",
    "Error handling",
    "Contributing",
    "Caching",
    "Plugins",
)


class Text(msgspec.Struct, frozen=True):
    """One article."""

    keyword: str
    seconds: float
    paragraphs: list[str]

    @property
    def words(self) -> int:
        return sum(len(one.split()) for one in self.paragraphs)


class Speed(msgspec.Struct, frozen=True):
    """One way of writing; ready_seconds: until the first source could be read, loading included."""

    kind: Kind
    version: str
    device: str
    way: str
    steps: int
    count: int
    ready_seconds: float
    texts: list[Text]


def one_by_one(sampler: Sampler, dials: Dials) -> Callable[[str], Sequence[str]]:
    """As ``textdiff.writer`` asks."""
    generator = torch.Generator(device=sampler.device).manual_seed(0)

    def write(source: str) -> list[str]:
        found = (sampler.sample(sampler.read([source], [""]), dials, generator) or [[]])[0]
        texts = [sampler.tokenizer.decode(one.ids).strip() for one in found]
        return [text for text, _ in ranked(texts, [one.logprob_nats for one in found])]

    return write


def timed(write: Callable[[str], Sequence[str]], keywords: Sequence[str], words: int) -> Iterator[Text]:
    """An article for each keyword, after one that does not count. Texts are strings, so the device has finished."""
    article(write, keywords[0], words)
    for keyword in keywords:
        begin = time.perf_counter()
        paragraphs = article(write, keyword, words)
        yield Text(keyword, round(time.perf_counter() - begin, 4), paragraphs)


def ask(given: argparse.Namespace) -> Iterator[Speed]:
    """All ways of all checkpoints; one that fails is told and left out."""
    torch.set_float32_matmul_precision("high")
    device = torch.device(given.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    for folder in given.checkpoints:
        begin = time.perf_counter()
        network = checkpoint.load(folder).eval().requires_grad_(False).to(device)
        sampler = Sampler(network, CodeTokenizer(folder / "tokenizer.json"))
        loaded = time.perf_counter() - begin
        kind, version = network.config.kind, network.config.version
        settings = [Dials(steps=n, count=given.count) for n in (given.steps if kind == "gaussian" else (1,))]
        for way, (writer, limit) in _WAYS.items():
            for dials in settings:
                begin = time.perf_counter()
                try:
                    write = writer(sampler, dials)
                    ready = loaded + time.perf_counter() - begin
                    texts = list(timed(write, KEYWORDS[: min(given.limit, limit)], given.words))
                except RuntimeError as error:
                    print(f"{kind}, {way}, {dials.steps} steps: {error}", flush=True)
                    continue
                yield Speed(kind, version, name, way, dials.steps, given.count, round(ready, 2), texts)


_WAYS: dict[str, tuple[Callable[[Sampler, Dials], Callable[[str], Sequence[str]]], int]] = {
    "one launch at a time": (one_by_one, 3),
    "graphs": (Replay, len(KEYWORDS)),
}  # with how many keywords are enough


def figures(found: Sequence[Speed], words: int) -> Iterator[tuple[str, object, str]]:
    """Lines of the table: name, figure, target."""
    for one in found:
        seconds = sorted(text.seconds for text in one.texts)
        paragraphs = [each for text in one.texts for each in text.paragraphs]
        steps = f"{one.steps} steps, " if one.kind == "gaussian" else ""
        name = f"{one.kind}, {steps}{one.way}, best of {one.count}"
        told = f"{seconds[len(seconds) // 2]:.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f})"
        target = "≤ 1.5, goal 0.3" if (one.kind, one.way) == ("gaussian", "graphs") else ""
        yield f"{name}: seconds for {words} words, middle of {len(seconds)} (least to most)", told, target
        total = sum(text.words for text in one.texts)
        yield f"{name}: words a second", round(total / sum(seconds)), ""
        prose = 100 * metrics.mean(not fault(each, lambda word: True) for each in paragraphs)
        new = 100 * metrics.mean(
            each not in text.paragraphs[:number]
            for text in one.texts
            for number, each in enumerate(text.paragraphs)
        )
        yield f"{name}: paragraphs that read like prose, that are new, %", f"{prose:.0f}, {new:.0f}", ""
        yield f"{name}: seconds until ready", one.ready_seconds, ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_speed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    asking = commands.add_parser("ask")
    asking.add_argument("checkpoints", type=Path, nargs="+")
    asking.add_argument("--words", type=int, default=500)
    asking.add_argument("--steps", type=int, nargs="+", default=[16, 4])
    asking.add_argument("--count", type=int, default=8)
    asking.add_argument("--limit", type=int, default=len(KEYWORDS), help="keywords")
    asking.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asking.add_argument("--out", type=Path, required=True)
    table = commands.add_parser("table")
    table.add_argument("speeds", type=Path)
    table.add_argument("--words", type=int, default=500)
    table.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    if given.command == "ask":
        asked: list[Speed] = []
        for one in ask(given):
            asked.append(one)
            given.out.write_bytes(msgspec.json.format(msgspec.json.encode(asked)) + b"\n")
            told = f"{one.kind}, {one.way}, {one.steps} steps: {one.texts[0].seconds} s"
            print(f"{told}; {one.texts[0].paragraphs[:2]}", flush=True)
        return 0
    from benchmarks import results  # wants more than a borrowed GPU machine has

    found = msgspec.json.decode(given.speeds.read_bytes(), type=list[Speed])

    class Report(msgspec.Struct):
        """The runs with their texts."""

        speeds: list[Speed]

    made = results.stamp(
        f"codeworld-text {found[0].version} on {found[0].device}; the table made on this machine"
    )
    listed = [results.Figure(*one) for one in figures(found, given.words)]
    results.publish(given.out, "An article from a keyword", made, listed, Report(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

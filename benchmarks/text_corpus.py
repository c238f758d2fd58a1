"""How large a text corpus is: examples, tokens and bytes by task, what was dropped and why, and what is held out.

    python -m textdiff.corpus … --out DIR
    python -m benchmarks.text_corpus DIR --out docs/results/text_corpus

Tokens are those of one epoch, source and target, estimated from one example of ``--every``.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks import results
from codeworld.model.checkpoint import BUNDLED
from codeworld.model.tokenizer import CodeTokenizer
from textdiff import metrics
from textdiff.config import TextConfig
from textdiff.stream import Mixture, read_examples, tokenise


class Report(msgspec.Struct):
    """What ``textdiff.corpus`` wrote."""

    repositories: int
    selected: dict[str, int]
    dropped: dict[str, int]
    shards: list[tuple[str, int, int]]
    seconds: int


class Size(msgspec.Struct):
    """Of one task: examples, tokens of a source and of a target (means), millions of tokens that an epoch draws."""

    examples: int
    source_tokens: float
    target_tokens: float
    epoch_tokens: float


class Sizes(msgspec.Struct):
    """The figures, and how many examples each file for evaluation has by repository."""

    report: Report
    tasks: dict[str, Size]
    held_out: dict[str, dict[str, int]]


def sizes(folder: Path, report: Report, every: int) -> dict[str, Size]:
    """By task, at the default mixture."""
    coder, limit, mixture = CodeTokenizer(BUNDLED / "tokenizer.json"), TextConfig(), Mixture()
    lengths: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in read_examples(folder / "train", 0, every):
        pieces = tokenise(coder, one["source"], one["target"])
        source = len(pieces.source(history=True, limit=limit.source_tokens))
        lengths[one["task"]].append((source, min(len(pieces.target) + 1, limit.target_tokens)))
    found = {}
    for task, own in lengths.items():
        source, target = (metrics.mean(column) for column in zip(*own, strict=True))
        drawn = report.selected[task] * mixture.weights[task] * (source + target) / 1e6
        found[task] = Size(report.selected[task], round(source, 1), round(target, 1), round(drawn, 1))
    return found


def figures(found: Sizes) -> Iterator[results.Figure]:
    report = found.report
    yield results.Figure("repositories", report.repositories)
    shards = ", ".join(f"{size / 1e6:.1f}" for _, _, size in report.shards)
    total = sum(size for _, _, size in report.shards)
    yield results.Figure(
        f"shards: {len(report.shards)}, MB ({shards})", round(total / 1e6, 1), "≤ 110, each ≤ 16.5"
    )
    for task, one in found.tasks.items():
        yield results.Figure(f"{task}: examples", one.examples)
        yield results.Figure(
            f"{task}: tokens of source, of target", f"{one.source_tokens}, {one.target_tokens}"
        )
        yield results.Figure(f"{task}: million tokens of an epoch, as drawn", one.epoch_tokens)
    whole = sum(one.epoch_tokens for one in found.tasks.values())
    yield results.Figure("million tokens of an epoch, as drawn", round(whole, 1))
    for reason, count in sorted(report.dropped.items(), key=lambda pair: -pair[1]):
        yield results.Figure(f"dropped, {reason}", count)
    for name, repositories in found.held_out.items():
        told = ", ".join(f"{repo} {count}" for repo, count in repositories.items())
        few = told if len(repositories) <= 8 else f"{len(repositories)} repositories"
        yield results.Figure(f"held out, {name}: examples ({few})", sum(repositories.values()))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_corpus", description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    report = msgspec.json.decode((given.corpus / "report.json").read_bytes(), type=Report)
    held_out = {}
    for path in sorted((given.corpus / "evaluation").glob("*.jsonl")):
        lines = path.read_bytes().splitlines()
        held_out[path.stem] = dict(Counter(msgspec.json.decode(line)["repo"] for line in lines).most_common())
    watched = read_examples(given.corpus / "watched", 0, 1)
    held_out["watched"] = dict(Counter(one["repo"] for one in watched).most_common())
    found = Sizes(report, sizes(given.corpus, report, given.every), held_out)
    made = results.stamp("none")
    results.publish(given.out, "The text corpus", made, list(figures(found)), found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

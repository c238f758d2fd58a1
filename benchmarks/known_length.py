"""What not knowing the length of a hole costs: the reader's greedy fill, free to end anywhere and of the right length.

    python -m benchmarks.known_length make HOLES OUT [--model DIR] [--part 0] [--parts 1]
    python -m benchmarks.known_length judge HOLES OUT... --tests mbpp_infilling_dev.jsonl.gz [--machine WHERE]

Only of holes with text on both sides: without a suffix the block's end ends the fill, whatever its length.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.results import Figure, publish, stamp
from codeworld.model import fill, infill
from codeworld.training.generate import Hole
from codeworld.training.scoring import outcomes, read_tests

KINDS = ("single", "multi", "random")
WAYS = ("unknown", "known")


class Target(Hole, frozen=True):
    """A hole with what stood in it."""

    kind: str = ""
    target: str = ""


class Filled(msgspec.Struct, frozen=True):
    """Both fills of one hole."""

    id: str
    kind: str
    texts: dict[str, str]
    model: str


def filled(model: infill.Infiller, hole: Target) -> Filled | None:
    """None where the target is longer than a fill can be."""
    reader = model.reader
    context = reader.context(hole.prefix, hole.suffix, hole.path, outline=hole.outline)
    head = context.head.decode("utf-8", "replace")
    count, most = len(model.tokenizer.encode(head + hole.target)), reader.config.canvas_tokens - 1
    if count > most:
        return None
    allowed = fill.Allowed(reader, context.head, one_line=False)
    ids = {
        "unknown": fill.decode(reader, context, allowed, most)[0],
        "known": fill.decode(reader, context, allowed, count, least=count)[0][:count],
    }
    texts = {way: model.tokenizer.decode(own)[len(head) :] for way, own in ids.items()}
    return Filled(hole.id, hole.kind, texts, model.model)


def holes(path: Path) -> list[Target]:
    """Those with text on both sides."""
    found = [msgspec.json.decode(line, type=Target) for line in path.read_bytes().splitlines()]
    return [hole for hole in found if hole.suffix.strip()]


class Report(msgspec.Struct, frozen=True):
    """Counts by kind of hole; ``passed`` by way too."""

    holes: dict[str, int]
    passed: dict[str, dict[str, int]]


def judge(made: Sequence[Filled], tests: Path) -> Report:
    """Run the programs of both ways."""
    ran = outcomes(
        {(way, one.id): text for one in made for way, text in one.texts.items()}, read_tests(tests)
    )
    count = {kind: sum(one.kind == kind for one in made) for kind in KINDS}
    passed = {
        way: {kind: sum(ran[way, one.id] == "passed" for one in made if one.kind == kind) for kind in KINDS}
        for way in WAYS
    }
    return Report(count, passed)


def figures(report: Report) -> Iterator[Figure]:
    """Pass@1 by kind, both ways, and the gap in points."""
    for kinds in (*((kind,) for kind in KINDS), KINDS):
        size = sum(report.holes[kind] for kind in kinds)
        share = [100 * sum(report.passed[way][kind] for kind in kinds) / max(1, size) for way in WAYS]
        value = f"{share[0]:.1f} / {share[1]:.1f} %, gap {share[1] - share[0]:+.1f} points"
        yield Figure(f"{', '.join(kinds)}: pass@1 unknown / known (n={size})", value, "gap at most 2 points")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("make", "judge"))
    parser.add_argument("holes", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--tests", type=Path, default=Path("../shared/eval/mbpp_infilling_dev.jsonl.gz"))
    parser.add_argument("--machine", default="")
    parser.add_argument("--out", type=Path, default=Path("docs/results/known_length"))
    given = parser.parse_args()
    if given.step == "make":
        model = infill.load("auto", given.model)
        made = (filled(model, hole) for hole in holes(given.holes)[given.part :: given.parts])
        given.files[0].write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in made if one))
        return
    lines = [line for file in given.files for line in file.read_bytes().splitlines()]
    read = [msgspec.json.decode(line, type=Filled) for line in lines]
    where = stamp(f"{read[0].model} on {given.machine}")
    report = judge(read, given.tests)
    publish(given.out, "MBPP infilling with the length known", where, list(figures(report)), report)


if __name__ == "__main__":
    main()

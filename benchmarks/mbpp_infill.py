"""Pass@1 of what ``codeworld infill`` writes into the holes of MBPP programs, length unknown.

    python -m benchmarks.mbpp_infill [--every 4] [--part 0] [--alternatives 4] [--out docs/results/mbpp_infill]

A hole without an answer is a failure. ``accepted`` is the share that passes the checks, at threshold 0.
"""

from __future__ import annotations

import argparse
import gzip
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.results import Figure, stamp, write
from codeworld import cli_infill
from codeworld.backend import Model
from codeworld.complete import CompletionSettings
from codeworld.model import infill
from codeworld.training.execution import run_programs

TARGETS = {"single": "≥ 48 %", "multi": "≥ 20 %", "random": "≥ 27 %"}
SETTINGS = CompletionSettings(0.0, in_comments=True, in_strings=True, in_words=True, multiline=True)


class Problem(msgspec.Struct, frozen=True):
    """One hole and the test of its program."""

    task_id: str
    kind: str
    prompt: str
    suffix: str
    test: str
    entry_point: str


class Report(msgspec.Struct, frozen=True):
    """Counts by kind of hole."""

    alternatives: int
    holes: dict[str, int]
    passed: dict[str, int]
    accepted: dict[str, int]
    accepted_passed: dict[str, int]


def measure(problems: list[Problem], alternatives: int) -> tuple[Report, str]:
    """Fill the holes, then run the programs; the model's name too."""
    infiller = infill.load("cpu")
    model = Model(infiller.infill, infiller.model, infiller.device)
    filled = {
        one.task_id: cli_infill.fill(
            cli_infill.Hole(one.task_id, one.prompt, one.suffix), model, SETTINGS, alternatives
        )
        for one in problems
    }
    programs = {
        one.task_id: f"{one.prompt}{filled[one.task_id].text}{one.suffix}{one.test}\ncheck({one.entry_point})\n"
        for one in problems
    }
    right = {task for task, outcome in run_programs(programs).items() if outcome == "passed"}
    counts = [Counter[str]() for _ in range(4)]
    for one in problems:
        yes = filled[one.task_id].accepted
        for count, counted in zip(
            counts, (True, one.task_id in right, yes, yes and one.task_id in right), strict=True
        ):
            count[one.kind] += counted
    return Report(alternatives, *map(dict, counts)), infiller.model


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, default=Path("../shared/eval/mbpp_infilling_dev.jsonl.gz"))
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--part", type=int, default=0, help="the first hole")
    parser.add_argument("--alternatives", type=int, default=cli_infill.ALTERNATIVES)
    parser.add_argument("--out", type=Path, default=Path("docs/results/mbpp_infill"))
    arguments = parser.parse_args()
    lines = gzip.decompress(arguments.set.read_bytes()).splitlines()[arguments.part :: arguments.every]
    report, name = measure(
        [msgspec.json.decode(line, type=Problem) for line in lines], arguments.alternatives
    )
    figures = []
    for kind, count in report.holes.items():
        share = [f"{100 * part.get(kind, 0) / count:.1f} %" for part in (report.passed, report.accepted)]
        certain = report.accepted_passed.get(kind, 0) / max(1, report.accepted.get(kind, 0))
        figures.append(Figure(f"{kind}: pass@1 (n={count})", share[0], TARGETS.get(kind, "")))
        figures.append(
            Figure(f"{kind}: passes the checks; of those right", f"{share[1]}; {100 * certain:.1f} %")
        )
    write(arguments.out, "MBPP infilling with `codeworld infill`", stamp(f"{name} on cpu"), figures, report)
    print(arguments.out.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()

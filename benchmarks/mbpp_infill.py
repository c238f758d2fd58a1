"""Pass@1 of what ``codeworld infill`` writes into the holes of MBPP programs, length unknown.

    python -m benchmarks.mbpp_infill [--every 4] [--part 0] [--alternatives 4] [--jobs 1] [--out …]

A hole without an answer is a failure. ``accepted`` is the share that passes the checks, at threshold 0.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
import torch

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


def fill(problems: list[Problem], alternatives: int, threads: int = 0) -> tuple[list[cli_infill.Fill], str]:
    """The fills of ``problems`` and the model's name; ``threads`` 0 leaves torch its own number."""
    infiller = infill.load("cpu")
    if threads:
        torch.set_num_threads(threads)
    model = Model(infiller.infill, infiller.model, infiller.device)
    holes = (cli_infill.Hole(one.task_id, one.prompt, one.suffix) for one in problems)
    return [cli_infill.fill(hole, model, SETTINGS, alternatives) for hole in holes], infiller.model


def measure(problems: list[Problem], alternatives: int, jobs: int) -> tuple[Report, str]:
    """Fill the holes in ``jobs`` processes, then run the programs; the model's name too."""
    if jobs == 1:
        made = [fill(problems, alternatives)]
    else:
        shares = [problems[i::jobs] for i in range(jobs)]
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            made = list(pool.map(partial(fill, alternatives=alternatives, threads=1), shares))
    filled = {one.id: one for fills, _ in made for one in fills}
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
    return Report(alternatives, *map(dict, counts)), made[0][1]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, default=Path("../shared/eval/mbpp_infilling_dev.jsonl.gz"))
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--part", type=int, default=0, help="the first hole")
    parser.add_argument(
        "--jobs", type=int, default=1, help="processes, one thread and one copy of the model each"
    )
    parser.add_argument("--alternatives", type=int, default=cli_infill.ALTERNATIVES)
    parser.add_argument("--out", type=Path, default=Path("docs/results/mbpp_infill"))
    arguments = parser.parse_args()
    lines = gzip.decompress(arguments.set.read_bytes()).splitlines()[arguments.part :: arguments.every]
    report, name = measure(
        [msgspec.json.decode(line, type=Problem) for line in lines], arguments.alternatives, arguments.jobs
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

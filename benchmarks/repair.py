"""What the repair engine gets right: ``python -m benchmarks.repair PART … [--every N] [--no-model]``.

Parts: ``syntax`` (DebugBench programs that do not parse), ``mined`` (syntax errors that people committed; see
benchmarks.mine_syntax_errors), ``logic`` (the other DebugBench programs, without tests), ``tests`` (MBPP solutions
broken by one and by two token edits, half of the tests visible), ``served`` (the same by what ``codeworld fix --test``
calls), ``missing`` (MBPP solutions with a statement left out), ``attempts`` (is any fix offered that fails its
verification?). Each part replaces its own rows in docs/results/repair.{md,json}.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import results
from benchmarks.broken_mbpp import damaged, solutions_of
from benchmarks.parts import Journal, Part, add_arguments, made
from benchmarks.repair_mbpp import Run, Tried, missing_rows, served_rows, tests_rows
from benchmarks.repair_scores import Case, Repairer, Scored, Scores, dump, figures, measure, scored, timed
from benchmarks.results import Figures
from codeworld.canvas import Reject
from codeworld.repair.edits import Proposal, apply, difference
from codeworld.repair.localise import fault
from codeworld.repair.logic_search import Scope, logic_proposals
from codeworld.repair.rank import QUICK, Budget, Infill
from codeworld.repair.repair import repair
from codeworld.repair.syntax_edits import neighbours
from codeworld.repair.syntax_search import syntax_proposals
from codeworld.repair.verify import check

EVAL = Path(os.environ.get("CODEWORLD_EVAL", "../shared/eval"))
COMPOUND = ("double", "triple", "quadruple")
ALONE = Scope(inserts=False, writes=False)  # of the search in a program that parses
UNREAD_SCOPES = {"enumeration": ALONE, "enumeration and inserts": Scope(writes=False)}
READ_SCOPES = {"enumeration": ALONE, "enumeration, inserts and the model's own": Scope()}
UNREAD: dict[str, Callable[[Proposal], float]] = {"prior": lambda one: one.score}
READ: dict[str, Callable[[Proposal], float]] = {  # equal ones stay in the order of prior and reader
    "ranked by the reader (autoregressive baseline)": lambda one: one.logprob_nats,
    "prior and reader": lambda one: one.score,
}


class Row(msgspec.Struct):
    """One method on one set of programs."""

    part: str
    method: str
    programs: str
    figures: Figures
    made: str  # stamp: commit, machine, model


class Report(msgspec.Struct):
    """All rows there are."""

    rows: list[Row]


def syntax_part(buggy: str, solution: str) -> frozenset[str]:
    """ASTs after the smallest parts of the reference's changes, line by line, that make the program parse."""
    edits = difference(buggy, solution)
    for size in range(1, min(4, len(edits)) + 1):
        found = {dump(apply(buggy, subset)) for subset in list(combinations(edits, size))[:4000]}
        found.discard(None)
        if found:
            return frozenset(one for one in found if one)
    return frozenset()


def debugbench(*, parsing: bool) -> Iterator[Case]:
    with gzip.open(EVAL / "debugbench_python_dev.jsonl.gz", "rt") as lines:
        for line in lines:
            row: dict[str, Any] = msgspec.json.decode(line)
            whole = dump(row["solution"])
            if whole is None or (dump(row["buggy"]) is not None) != parsing:
                continue
            right = frozenset({whole})
            parts = right if parsing else right | syntax_part(row["buggy"], row["solution"])
            yield Case(row["category"], row["buggy"], row["solution"], right, parts)


def mined(paths: Sequence[Path]) -> Iterator[Case]:
    for path in paths:
        for line in path.read_bytes().splitlines():
            row: dict[str, str] = msgspec.json.decode(line)
            whole = dump(row["good"])
            if whole is not None:
                yield Case(row["repo"], row["bad"], row["good"], frozenset({whole}), frozenset({whole}))


class Measuring(msgspec.Struct, frozen=True):
    """Which programs are measured: every n-th, of these one part; ``only``: methods whose name ends so."""

    infill: Infill | None
    model: str
    every: int
    only: str
    part: Part
    scores: Scores

    def of(self, cases: Iterable[Case]) -> list[tuple[int, Case]]:
        """With their numbers among every n-th."""
        return list(self.part.of(islice(cases, 0, None, self.every)))


def first_that_parses(text: str) -> list[str]:
    """Plain enumeration: single edits in the order of their distance from the reported place."""
    error = fault(text)
    if error is None:
        return []
    near = sorted(neighbours(text, error), key=lambda one: abs(one.edits[0].start_char - error.at_char))
    found = []
    for one in near:
        after = apply(text, one.edits)
        if fault(after) is None:
            found.append(after)
            if len(found) == 3:
                break
    return found


def ruff(text: str) -> list[str]:
    """The peer: what ``ruff check --fix`` makes of it."""
    command = [
        str(Path(sys.prefix, "bin", "ruff")),
        "check",
        "--fix",
        "--isolated",
        "-q",
        "--stdin-filename",
        "a.py",
        "-",
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return [done.stdout] if dump(done.stdout) is not None else []


def syntax_methods(run: Measuring) -> dict[str, Repairer]:
    def with_reader(reader: Infill | None, budget: Budget = Budget()) -> Repairer:
        return lambda text: [
            apply(text, one.edits) for one in syntax_proposals(text, reader, most=3, budget=budget)
        ]

    methods: dict[str, Repairer] = {"ruff --fix": ruff, "enumeration, first that parses": first_that_parses}
    methods["enumeration, prior"] = with_reader(None)
    if run.model:
        methods["enumeration, prior and reader"] = with_reader(run.infill)
        methods["enumeration, prior and reader, quick"] = with_reader(run.infill, QUICK)
    return {name: method for name, method in methods.items() if name.endswith(run.only)}


def verified(text: str, proposals: Iterable[Proposal], most: int) -> list[str]:
    """The first ``most`` programs that pass the checks."""
    programs = (apply(text, one.edits) for one in proposals)
    return list(islice((one for one in programs if not isinstance(check(text, one), Reject)), most))


def syntax_rows(run: Measuring) -> Iterator[tuple[str, str, Figures]]:
    cases = list(debugbench(parsing=False))
    single = run.of(case for case in cases if case.category not in COMPOUND)
    compound = run.of(islice((case for case in cases if case.category in COMPOUND), 0, None, 3))
    sets = {"one kind of error": single, "two to four errors, most of them not of syntax": compound}
    for name, method in syntax_methods(run).items():
        for programs, own in sets.items():
            done = measure("syntax", name, programs, own, method, run.model, run.scores)
            if done:
                yield name, programs, figures(done, 3)


def mined_rows(run: Measuring, paths: Sequence[Path]) -> Iterator[tuple[str, str, Figures]]:
    cases = run.of(mined(paths))
    for name, method in syntax_methods(run).items():
        for seen, programs in enumerate(("repositories not looked at", "repositories learnt from")):
            own = [(at, case) for at, case in cases if sha256(case.category.encode()).digest()[0] % 2 == seen]
            done = measure("mined", name, programs, own, method, run.model, run.scores)
            if done:
                yield name, f"committed by people, {programs}", figures(done, 3)


def logic_rows(run: Measuring) -> Iterator[tuple[str, str, Figures]]:
    """Each search is done once, and what it finds is ranked in several ways."""
    scopes, rankings = (READ_SCOPES, READ) if run.model else (UNREAD_SCOPES, UNREAD)
    cases = run.of(debugbench(parsing=True))
    done: dict[str, list[Scored]] = {}
    for number, case in cases:
        for searched, scope in scopes.items():
            methods = {f"{searched}, {name}": value for name, value in rankings.items()}
            for one in _ranked(run, number, case, scope, methods):
                if one.method.endswith(run.only):
                    done.setdefault(one.method, []).append(one)
        print(f"\r{number}", end="", file=sys.stderr, flush=True)
    for method, own in done.items():
        for group in ("all", "one kind of error", *sorted({one.category for one in own})):
            members = [one for one in own if _is_in(group, one.category)]
            if members:
                yield method, group, figures(members, 5)


def _ranked(
    run: Measuring, number: int, case: Case, scope: Scope, methods: dict[str, Callable[[Proposal], float]]
) -> Iterator[Scored]:
    search = lru_cache(partial(timed, partial(logic_proposals, case.text, run.infill, scope=scope)))

    def row(key: tuple[str, str, str, int, str], value: Callable[[Proposal], float]) -> Scored:
        found, wall_ms, cpu_ms = search()
        best = verified(case.text, sorted(found, key=value, reverse=True), 5)
        return scored(key, case, best, wall_ms, cpu_ms)

    for method, value in methods.items():
        key = ("logic", method, "DebugBench", number, run.model)
        one = run.scores.row(key, partial(row, key, value))
        if one is not None:
            yield one


def _is_in(group: str, category: str) -> bool:
    return group in ("all", category) or (group == "one kind of error" and category not in COMPOUND)


def attempts_rows(infill: Infill | None, every: int) -> Iterator[tuple[str, str, Figures]]:
    """Programs with one to three tokens left out, doubled or swapped; each fix is verified again, here."""
    solutions = [text for text, _, _ in solutions_of(EVAL)]
    offered, failed, silent = 0, 0, 0
    total = 5000 // every
    for number in range(total):
        found = repair(damaged(solutions[number % len(solutions)], number), infill=infill)
        silent += isinstance(found, Reject)
        for one in [] if isinstance(found, Reject) else found:
            offered += 1
            broken = damaged(solutions[number % len(solutions)], number)
            failed += apply(broken, one.edits) != one.text or dump(one.text) is None
    figures: Figures = {"attempts": total, "fixes offered": offered, "fail their verification": failed}
    yield (
        "enumeration, prior" + (" and reader" if infill else ""),
        "MBPP, damaged",
        figures | {"nothing offered": silent},
    )


def load_model() -> tuple[Infill, str]:
    from codeworld.model.infill import load

    infiller = load("cpu")
    infiller.warm_up()
    return infiller.infill, infiller.model


def save(stem: Path, rows: Sequence[Row], model: str) -> None:
    """Put the rows in place of older ones of the same methods. The command in the stamp is this run's."""
    known: list[Row] = []
    if stem.with_suffix(".json").exists():
        stored = msgspec.json.decode(stem.with_suffix(".json").read_bytes())
        known = msgspec.convert(stored["report"]["rows"], list[Row])
    new = {(row.part, row.method, row.programs) for row in rows}
    known = [row for row in known if (row.part, row.method, row.programs) not in new]
    kept = sorted([*known, *rows], key=lambda row: row.part)
    figures = [
        results.Figure(f"{row.part}: {row.method}, {row.programs} [{row.made}]", _line(row.figures))
        for row in kept
    ]
    results.write(stem, "Repair", results.stamp(model), figures, Report(kept))


def _line(figures: Figures) -> str:
    return "; ".join(f"{name} {value}" for name, value in figures.items())


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.repair", description=__doc__)
    parser.add_argument(
        "kinds", nargs="+", choices=["syntax", "mined", "logic", "tests", "served", "missing", "attempts"]
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th program")
    parser.add_argument("--no-model", action="store_true")
    parser.add_argument(
        "--only", default="", help="methods whose name ends so; a pattern for tests and missing"
    )
    parser.add_argument("--programs", default="", help="a pattern for the sets of programs of tests")
    parser.add_argument(
        "--mined", type=Path, nargs="*", default=[], help="files of benchmarks.mine_syntax_errors"
    )
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="of tests and missing, each: 0 is no limit"
    )
    parser.add_argument("--model", default="", help="whose rows are written down with --known")
    parser.add_argument("--out", type=Path, default=Path("docs/results/repair"))
    add_arguments(parser, "build/repair.jsonl")
    return parser


def main() -> int:
    """Measure the parts, one after the other."""
    given = arguments().parse_args()
    loads = not (given.no_model or given.known)
    infill, model = load_model() if loads else (None, given.model)
    how = made(results.stamp(model), given.where)
    part = Part(given.part, given.parts)
    scores = Scores(given.rows, Scored, lambda row: row.key, known=given.known)
    tried = Journal(given.rows.with_suffix(".tried.jsonl"), Tried, lambda row: row.key, known=given.known)
    over = Measuring(infill, model, given.every, given.only, part, scores)
    run = Run(EVAL, tried, infill, model, given.every, given.only, given.programs, given.minutes, part)
    for name in given.kinds:
        measured = {
            "syntax": lambda: syntax_rows(over),
            "mined": lambda: mined_rows(over, given.mined),
            "logic": lambda: logic_rows(over),
            "tests": lambda: tests_rows(run),
            "served": lambda: served_rows(run),
            "missing": lambda: missing_rows(run),
            "attempts": lambda: attempts_rows(infill, given.every),
        }[name]()
        for method, programs, found in measured:
            print(f"{name}: {method}, {programs}: {_line(found)}", flush=True)
            if given.parts == 1:
                save(given.out, [Row(name, method, programs, found, how)], model)
    return 0


if __name__ == "__main__":
    sys.exit(main())

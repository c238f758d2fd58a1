"""What the repair engine gets right: ``python -m benchmarks.repair PART … [--every N] [--no-model]``.

Parts: ``syntax`` (DebugBench programs that do not parse), ``mined`` (syntax errors that people committed; see
benchmarks.mine_syntax_errors), ``logic`` (the other DebugBench programs, without tests), ``tests`` (MBPP solutions
broken by one and by two token edits, half of the tests visible), ``served`` (the same by what ``codeworld fix --test``
calls), ``missing`` (MBPP solutions with a statement left out), ``attempts`` (is any fix offered that fails its
verification?). Each part replaces its own rows in docs/results/repair.{md,json}.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from itertools import combinations, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from benchmarks import results
from benchmarks.broken_mbpp import damaged, solutions_of
from benchmarks.repair_mbpp import Run, missing_rows, served_rows, tests_rows
from benchmarks.results import Figures, quantile, share
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
Repairer = Callable[[str], list[str]]  # a broken program to repaired ones, best first
ALONE = Scope(inserts=False, writes=False)  # of the search in a program that parses
UNREAD_SCOPES = {"enumeration": ALONE, "enumeration and inserts": Scope(writes=False)}
READ_SCOPES = {"enumeration": ALONE, "enumeration, inserts and the model's own": Scope()}
UNREAD: dict[str, Callable[[Proposal], float]] = {"prior": lambda one: one.score}
READ: dict[str, Callable[[Proposal], float]] = {  # equal ones stay in the order of prior and reader
    "ranked by the reader (autoregressive baseline)": lambda one: one.logprob_nats,
    "prior and reader": lambda one: one.score,
}
_T = TypeVar("_T")


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


class Case(msgspec.Struct):
    """``accepted``: ASTs that are right; ``parts``: those that are right about the syntax alone."""

    category: str
    text: str
    solution: str
    accepted: frozenset[str]
    parts: frozenset[str]


def dump(text: str) -> str | None:
    """The AST as text, None when it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return None


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


class Tried(NamedTuple):
    """What a method made of a case, best first, and the time that it took."""

    case: Case
    found: list[str]
    wall_ms: float
    cpu_ms: float


def timed(call: Callable[[], _T]) -> tuple[_T, float, float]:
    """What it returns; milliseconds of wall and of processor time."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    done = call()
    return done, 1e3 * (time.perf_counter() - begin), 1e3 * (time.process_time() - begin_cpu)


def measure(cases: Sequence[Case], method: Repairer, top: int) -> Figures:
    return figures([Tried(case, *timed(partial(method, case.text))) for case in cases], top)


def figures(tries: Sequence[Tried], top: int) -> Figures:
    """Shares are of all programs; times are of one call."""
    count, parsed, exact, exact_top, part, unverified = len(tries), 0, 0, 0, 0, 0
    for case, found, _, _ in tries:
        dumps = [dump(one) for one in found[:top]]
        parsed += bool(found)
        unverified += sum(isinstance(check(case.text, one), Reject) for one in found)
        exact += any(one in case.accepted for one in dumps[:1])
        exact_top += any(one in case.accepted for one in dumps)
        part += any(one in case.parts for one in dumps[:1])
    wall, cpu = [one.wall_ms for one in tries], [one.cpu_ms for one in tries]
    return {
        "programs": count,
        "parse": share(parsed, count),
        "AST-exact top-1": share(exact, count),
        f"AST-exact top-{top}": share(exact_top, count),
        "syntax part exact top-1": share(part, count),
        "offered though not verified": unverified,
        "wall p50 ms": quantile(wall, 0.5),
        "wall p95 ms": quantile(wall, 0.95),
        "CPU p50 ms": quantile(cpu, 0.5),
        "CPU p95 ms": quantile(cpu, 0.95),
    }


def syntax_methods(infill: Infill | None, only: str) -> dict[str, Repairer]:
    def with_reader(reader: Infill | None, budget: Budget = Budget()) -> Repairer:
        return lambda text: [
            apply(text, one.edits) for one in syntax_proposals(text, reader, most=3, budget=budget)
        ]

    methods: dict[str, Repairer] = {"ruff --fix": ruff, "enumeration, first that parses": first_that_parses}
    methods["enumeration, prior"] = with_reader(None)
    if infill is not None:
        methods["enumeration, prior and reader"] = with_reader(infill)
        methods["enumeration, prior and reader, quick"] = with_reader(infill, QUICK)
    return {name: method for name, method in methods.items() if name.endswith(only)}


def verified(text: str, proposals: Iterable[Proposal], most: int) -> list[str]:
    """The first ``most`` programs that pass the checks."""
    programs = (apply(text, one.edits) for one in proposals)
    return list(islice((one for one in programs if not isinstance(check(text, one), Reject)), most))


def syntax_rows(infill: Infill | None, every: int, only: str) -> Iterator[tuple[str, str, Figures]]:
    cases = list(debugbench(parsing=False))
    single = [case for case in cases if case.category not in COMPOUND][::every]
    compound = [case for case in cases if case.category in COMPOUND][:: 3 * every]
    for name, method in syntax_methods(infill, only).items():
        yield name, "one kind of error", measure(single, method, 3)
        yield name, "two to four errors, most of them not of syntax", measure(compound, method, 3)


def mined_rows(
    infill: Infill | None, every: int, only: str, paths: Sequence[Path]
) -> Iterator[tuple[str, str, Figures]]:
    cases = list(mined(paths))[::every]
    for name, method in syntax_methods(infill, only).items():
        for seen, programs in enumerate(("repositories not looked at", "repositories learnt from")):
            own = [case for case in cases if sha256(case.category.encode()).digest()[0] % 2 == seen]
            yield name, f"committed by people, {programs}", measure(own, method, 3)


def logic_rows(infill: Infill | None, every: int, only: str) -> Iterator[tuple[str, str, Figures]]:
    """Each search is done once, and what it finds is ranked in several ways."""
    cases = list(debugbench(parsing=True))[::every]
    scopes, rankings = (READ_SCOPES, READ) if infill else (UNREAD_SCOPES, UNREAD)
    for searched, scope in scopes.items():
        tries: dict[str, list[Tried]] = {
            f"{searched}, {name}": [] for name in rankings if f"{searched}, {name}".endswith(only)
        }
        for case in cases if tries else ():
            search = partial(logic_proposals, case.text, infill, scope=scope)
            found, wall_ms, cpu_ms = timed(search)
            for name, value in rankings.items():
                best = verified(case.text, sorted(found, key=value, reverse=True), 5)
                if f"{searched}, {name}" in tries:
                    tries[f"{searched}, {name}"].append(Tried(case, best, wall_ms, cpu_ms))
        for method, done in tries.items():
            for group in ("all", "one kind of error", *sorted({case.category for case in cases})):
                members = [one for one in done if _is_in(group, one.case.category)]
                if members:
                    yield method, group, figures(members, 5)


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


def main() -> int:
    """Measure the parts, one after the other."""
    parser = argparse.ArgumentParser(prog="benchmarks.repair", description=__doc__)
    parser.add_argument(
        "parts", nargs="+", choices=["syntax", "mined", "logic", "tests", "served", "missing", "attempts"]
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
    parser.add_argument(
        "--rows", type=Path, default=Path("build/repair_mbpp.jsonl"), help="what has been tried"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results/repair"))
    given = parser.parse_args()
    infill, model = (None, "") if given.no_model else load_model()
    made = results.stamp(model)
    run = Run(EVAL, given.rows, model, given.every, given.only, given.programs, given.minutes)
    for part in given.parts:
        measured = {
            "syntax": lambda: syntax_rows(infill, given.every, given.only),
            "mined": lambda: mined_rows(infill, given.every, given.only, given.mined),
            "logic": lambda: logic_rows(infill, given.every, given.only),
            "tests": lambda: tests_rows(infill, run),
            "served": lambda: served_rows(infill, run),
            "missing": lambda: missing_rows(infill, run),
            "attempts": lambda: attempts_rows(infill, given.every),
        }[part]()
        rows = []
        for method, programs, figures in measured:
            rows.append(
                Row(
                    part,
                    method,
                    programs,
                    figures,
                    f"{made.command}, {made.commit[:10]}, {model or 'no model'}, {made.date}",
                )
            )
            print(f"{part}: {method}, {programs}: {_line(figures)}", flush=True)
            save(given.out, rows, model)
    return 0


if __name__ == "__main__":
    sys.exit(main())

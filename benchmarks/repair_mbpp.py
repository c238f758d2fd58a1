"""MBPP solutions that were broken, with half of the tests visible: which repairs pass those, and which all of them.

Each program goes through all methods before the next one, and what came of it is kept, so that an interrupted run has
compared its methods on the same programs, and goes on where it was.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.broken_mbpp import Broken, broken_program, incomplete_program, solutions_of
from benchmarks.parts import Journal, Part
from benchmarks.results import Figures, quantile, share
from codeworld.canvas import Reject
from codeworld.repair.edits import Fix
from codeworld.repair.logic_search import Scope
from codeworld.repair.rank import Infill
from codeworld.repair.repair import Settings, repair
from codeworld.repair.verify import Judge
from codeworld.repair.with_tests import repair_with_tests
from codeworld.training.execution import run_programs

# Of processor time: on a busy machine the clock would end programs that are right.
_MOST_FIXES = 12  # of a program, all but the first for what they say of the confidence
_CPU_LIMIT = "import signal; signal.setitimer(signal.ITIMER_PROF, 0.2)"

Maker = Callable[
    [str, str, list[str], Callable[[str], Judge]], Broken | None
]  # of a solution, as solutions_of says


class Tried(msgspec.Struct, frozen=True):
    """What a method made of a program: the best fix's confidence (-1: none) and whether it passes all tests; the same
    of the fixes behind it."""

    programs: str
    number: int  # of the solution
    method: str
    model: str
    confidence: float
    right: bool
    wall_ms: float
    text: str = ""  # after the fix
    behind: tuple[tuple[float, bool, str], ...] = ()

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What a journal knows it by."""
        return self.programs, self.number, self.method, self.model


class Run(msgspec.Struct, frozen=True):
    """Where the programs come from and go to. ``only``: a pattern for the end of names of methods to try."""

    folder: Path
    tried: Journal[Tried]
    infill: Infill | None
    model: str
    every: int
    only: str
    programs: str  # a pattern for the sets of programs
    minutes: float  # after which no further program is begun, 0: never
    part: Part

    def has(self, number: int) -> bool:
        """Whether the solution of this number is measured."""
        return number % self.every == 0 and self.part.has(number // self.every)


class Method(msgspec.Struct):
    scope: Scope
    infill: Infill | None = None
    traced: bool = False
    observed: bool = False
    screened: bool = False


def tests_rows(run: Run) -> Iterator[tuple[str, str, Figures]]:
    for programs, edits, visible in (
        ("MBPP, 1 edits", 1, 1),
        ("MBPP, 2 edits", 2, 1),
        ("MBPP, 2 edits, two of three tests visible", 2, 2),
    ):
        if re.search(f"(?:{run.programs})$", programs):
            yield from _rows(programs, partial(broken_program, edits=edits, visible_tests=visible), run)


def served_rows(run: Run) -> Iterator[tuple[str, str, Figures]]:
    """What ``codeworld fix --test`` does, with its own budget and its own runs of pytest in the sandbox."""

    def served(case: Broken, key: tuple[str, int, str, str]) -> Tried:
        begin = time.perf_counter()
        with case.project() as tests:
            settings = Settings(threshold=0.0, most_fixes=_MOST_FIXES)
            found = repair_with_tests(case.text, tests, infill=run.infill, settings=settings)
        return _judged(case, key, found, 1e3 * (time.perf_counter() - begin))

    for programs, edits in (("MBPP, 1 edits", 1), ("MBPP, 2 edits", 2)):
        if re.search(f"(?:{run.programs})$", programs):
            tried = [
                row
                for number, case in _cases(partial(broken_program, edits=edits), run)
                if (key := (programs, number, "as served", run.model))
                and (row := run.tried.row(key, partial(served, case, key)))
            ]
            yield "as served", programs, _figures(tried)


def missing_rows(run: Run) -> Iterator[tuple[str, str, Figures]]:
    yield from _rows("MBPP, a statement left out", incomplete_program, run)


def judge_by(tests: str) -> Judge:
    def judge(programs: Sequence[str]) -> list[bool]:
        named = {str(i): f"{_CPU_LIMIT}\n{one}\n{tests}" for i, one in enumerate(programs)}
        return [outcome == "passed" for outcome in run_programs(named, jobs=1, timeout_s=5.0).values()]

    return judge


class Remembering:
    """A judge that runs each program once for all methods; ``known_ms`` is what the others have spent for this one."""

    def __init__(self, judge: Judge) -> None:
        self._judge, self.known_ms = judge, 0.0
        self._known = dict[str, tuple[bool, float]]()

    def __call__(self, programs: Sequence[str]) -> list[bool]:
        new = [one for one in dict.fromkeys(programs) if one not in self._known]
        self.known_ms += sum(self._known[one][1] for one in programs if one in self._known)
        begin = time.perf_counter()
        found = self._judge(new) if new else []
        each_ms = 1e3 * (time.perf_counter() - begin) / max(1, len(new))
        self._known |= {one: (good, each_ms) for one, good in zip(new, found, strict=True)}
        return [self._known[one][0] for one in programs]


def _methods(run: Run) -> dict[str, Method]:
    neighbours, unread = Scope(inserts=False, writes=False), Scope(most_lines=0, most_gaps=0, writes=False)
    methods = {
        "enumeration, prior": Method(neighbours),
        "enumeration and inserts, prior": Method(Scope()),
        "enumeration and inserts, prior, coverage": Method(Scope(), traced=True),
        "enumeration and inserts, prior, behaviour": Method(Scope(), observed=True),
    }
    if run.model:
        methods["enumeration and inserts, prior, what passes is read"] = Method(unread, run.infill)
        methods["enumeration and inserts, prior, behaviour, what passes is read"] = Method(
            unread, run.infill, observed=True
        )
        methods["enumeration and inserts, prior, behaviour, examples, what passes is read"] = Method(
            unread, run.infill, observed=True, screened=True
        )
        methods["enumeration, inserts and the model's own, prior and reader, behaviour, examples"] = Method(
            Scope(), run.infill, observed=True, screened=True
        )
        methods["enumeration, inserts and the model's own, prior and reader, behaviour, coverage"] = Method(
            Scope(), run.infill, True, True
        )
    return {name: method for name, method in methods.items() if re.search(f"(?:{run.only})$", name)}


def _cases(make: Maker, run: Run) -> Iterator[tuple[int, Broken]]:
    """With the numbers of their solutions."""
    end_s = time.monotonic() + 60 * run.minutes if run.minutes else float("inf")
    for number, solution in enumerate(solutions_of(run.folder)):
        if time.monotonic() > end_s:
            break
        case = make(*solution, judge_by) if run.has(number) else None
        if case is not None:
            yield number, case
            print(f"\r{number}", end="", file=sys.stderr, flush=True)


def _rows(programs: str, make: Maker, run: Run) -> Iterator[tuple[str, str, Figures]]:
    methods = _methods(run)
    tried: dict[str, list[Tried]] = {name: [] for name in methods}
    if run.tried.known:
        for row in run.tried.rows.values():
            if (
                row.programs == programs
                and row.model == run.model
                and row.method in methods
                and run.has(row.number)
            ):
                tried[row.method].append(row)
    for number, case in () if run.tried.known else _cases(make, run):
        judge = Remembering(judge_by(case.visible))
        for name, method in methods.items():
            key = (programs, number, name, run.model)
            row = run.tried.row(key, partial(_tried, case, judge, method, key))
            tried[name] += [row] if row else []
    for name, found in tried.items():
        if found:
            yield name, programs, _figures(found)


def _tried(case: Broken, judge: Remembering, method: Method, key: tuple[str, int, str, str]) -> Tried:
    """The first fix counts; whether it would have been offered, its confidence says."""
    settings = Settings(
        threshold=0.0,
        most_fixes=_MOST_FIXES,
        scope=method.scope,
        two_edits="2 edits" in key[0],
        tests_s=600.0,  # on a busy machine
    )
    begin, judge.known_ms = time.perf_counter(), 0.0
    with case.observing() as (observing, screen):
        found = repair(
            case.text,
            infill=method.infill,
            judge=judge,
            trace=case.trace if method.traced else None,
            observe=observing.observe if method.observed else None,
            screen=screen if method.screened else None,
            settings=settings,
        )
    return _judged(case, key, found, 1e3 * (time.perf_counter() - begin) + judge.known_ms)


def _judged(case: Broken, key: tuple[str, int, str, str], found: list[Fix] | Reject, wall_ms: float) -> Tried:
    """What is offered must pass what is visible."""
    if isinstance(found, Reject):
        return Tried(*key, -1.0, False, wall_ms)
    assert judge_by(case.visible)([found[0].text])[0]
    right = judge_by(case.hidden)([one.text for one in found])
    behind = tuple((one.confidence, good, one.text) for one, good in zip(found[1:], right[1:], strict=True))
    return Tried(*key, found[0].confidence, right[0], wall_ms, found[0].text, behind)


def _figures(tried: Sequence[Tried]) -> Figures:
    """Shares are of all programs."""
    figures: Figures = {"programs": len(tried)}
    for threshold in (0.0, 0.5, 0.8):
        offered = [one.right for one in tried if one.confidence >= threshold]
        figures[f"hidden-correct at {threshold}"] = share(sum(offered), len(tried))
        figures[f"wrongly accepted at {threshold}"] = share(len(offered) - sum(offered), len(tried))
    wall = [one.wall_ms for one in tried]
    return figures | {"wall p50 ms": quantile(wall, 0.5), "wall p95 ms": quantile(wall, 0.95)}

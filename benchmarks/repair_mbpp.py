"""MBPP solutions that were broken, with half of the tests visible: which repairs pass those, and which all of them.

Each program goes through all methods before the next one, and what came of it is kept, so that an interrupted run has
compared its methods on the same programs, and goes on where it was.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.broken_mbpp import Broken, broken_programs, incomplete_programs
from benchmarks.results import Figures, quantile, share
from codeworld.canvas import Reject
from codeworld.repair.logic_search import Scope
from codeworld.repair.rank import Infill
from codeworld.repair.repair import Settings, repair
from codeworld.repair.verify import Judge
from codeworld.repair.with_tests import repair_with_tests
from codeworld.training.execution import run_programs

# Of processor time: on a busy machine the clock would end programs that are right.
_CPU_LIMIT = "import signal; signal.setitimer(signal.ITIMER_PROF, 0.2)"


class Run(msgspec.Struct, frozen=True):
    """Where the programs come from and go to. ``only``: a pattern for the end of names of methods to try."""

    folder: Path
    rows: Path
    model: str
    every: int
    only: str
    programs: str  # a pattern for the sets of programs
    minutes: float  # after which no further program is begun, 0: never


class Tried(msgspec.Struct):
    """What a method made of a program: the best fix's confidence (-1: none) and whether it passes all tests."""

    programs: str
    number: int
    method: str
    model: str
    confidence: float
    right: bool
    wall_ms: float
    text: str = ""  # after the fix


class Method(msgspec.Struct):
    scope: Scope
    infill: Infill | None = None
    traced: bool = False
    observed: bool = False
    screened: bool = False


def tests_rows(infill: Infill | None, run: Run) -> Iterator[tuple[str, str, Figures]]:
    for programs, edits, visible in (
        ("MBPP, 1 edits", 1, 1),
        ("MBPP, 2 edits", 2, 1),
        ("MBPP, 2 edits, two of three tests visible", 2, 2),
    ):
        if re.search(run.programs, programs):
            cases = broken_programs(run.folder, edits, judge_by, run.every, visible)
            yield from _rows(programs, cases, infill, run)


def served_rows(infill: Infill | None, run: Run) -> Iterator[tuple[str, str, Figures]]:
    """What ``codeworld fix --test`` does, with its own budget and its own runs of pytest in the sandbox."""
    end_s, tried = time.monotonic() + 60 * run.minutes if run.minutes else float("inf"), list[Tried]()
    for number, case in enumerate(broken_programs(run.folder, 1, judge_by, run.every)):
        if time.monotonic() > end_s:
            break
        begin = time.perf_counter()
        with case.project() as tests:
            found = repair_with_tests(case.text, tests, infill=infill, settings=Settings(threshold=0.0))
        wall_ms = 1e3 * (time.perf_counter() - begin)
        best = None if isinstance(found, Reject) else found[0]
        right = best is not None and judge_by(case.hidden)([best.text])[0]
        sure = -1.0 if best is None else best.confidence
        tried.append(Tried("", number, "", run.model, sure, right, wall_ms))
        print(f"\r{number + 1}: {sure} {right} {wall_ms:.0f} ms", end="", file=sys.stderr, flush=True)
    yield "as served", "MBPP, 1 edits", _figures(tried)


def missing_rows(infill: Infill | None, run: Run) -> Iterator[tuple[str, str, Figures]]:
    cases = incomplete_programs(run.folder, judge_by, run.every)
    yield from _rows("MBPP, a statement left out", cases, infill, run)


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


def _methods(infill: Infill | None, only: str) -> dict[str, Method]:
    neighbours, unread = Scope(inserts=False, writes=False), Scope(most_lines=0, most_gaps=0, writes=False)
    methods = {
        "enumeration, prior": Method(neighbours),
        "enumeration and inserts, prior": Method(Scope()),
        "enumeration and inserts, prior, coverage": Method(Scope(), traced=True),
        "enumeration and inserts, prior, behaviour": Method(Scope(), observed=True),
    }
    if infill is not None:
        methods["enumeration and inserts, prior, what passes is read"] = Method(unread, infill)
        methods["enumeration and inserts, prior, behaviour, what passes is read"] = Method(
            unread, infill, observed=True
        )
        methods["enumeration and inserts, prior, behaviour, examples, what passes is read"] = Method(
            unread, infill, observed=True, screened=True
        )
        methods["enumeration, inserts and the model's own, prior and reader, behaviour, coverage"] = Method(
            Scope(), infill, True, True
        )
    return {name: method for name, method in methods.items() if re.search(f"(?:{only})$", name)}


def _rows(
    programs: str, cases: Iterator[Broken], infill: Infill | None, run: Run
) -> Iterator[tuple[str, str, Figures]]:
    methods = _methods(infill, run.only)
    known = {
        (one.number, one.method): one
        for one in _read(run.rows)
        if one.programs == f"{programs}, every {run.every}"
        and (methods.get(one.method, Method(Scope())).infill is None or one.model == run.model)
    }
    end_s = time.monotonic() + 60 * run.minutes if run.minutes else float("inf")
    run.rows.parent.mkdir(parents=True, exist_ok=True)
    tried: dict[str, list[Tried]] = {name: [] for name in methods}
    for number, case in enumerate(cases):
        if time.monotonic() > end_s:
            break
        judge = Remembering(judge_by(case.visible))
        for name, method in methods.items():
            one = known.get((number, name))
            if one is None:
                one = _tried(case, judge, method, name, f"{programs}, every {run.every}", number, run.model)
                with run.rows.open("ab") as out:
                    out.write(msgspec.json.encode(one) + b"\n")
            tried[name].append(one)
        print(f"\r{number + 1} of {programs}", end="", file=sys.stderr, flush=True)
    for name, found in tried.items():
        yield name, programs, _figures(found)


def _tried(
    case: Broken, judge: Remembering, method: Method, name: str, programs: str, number: int, model: str
) -> Tried:
    """The first fix counts; whether it would have been offered, its confidence says."""
    settings = Settings(
        threshold=0.0,
        scope=method.scope,
        two_edits="2 edits" in programs,
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
    wall_ms = 1e3 * (time.perf_counter() - begin) + judge.known_ms
    if isinstance(found, Reject):
        return Tried(programs, number, name, model, -1.0, False, wall_ms)
    assert judge_by(case.visible)([found[0].text])[0]
    right = judge_by(case.hidden)([found[0].text])[0]
    return Tried(programs, number, name, model, found[0].confidence, right, wall_ms, found[0].text)


def _figures(tried: Sequence[Tried]) -> Figures:
    """Shares are of all programs."""
    figures: Figures = {"programs": len(tried)}
    for threshold in (0.0, 0.5, 0.8):
        offered = [one.right for one in tried if one.confidence >= threshold]
        figures[f"hidden-correct at {threshold}"] = share(sum(offered), len(tried))
        figures[f"wrongly accepted at {threshold}"] = share(len(offered) - sum(offered), len(tried))
    wall = [one.wall_ms for one in tried]
    return figures | {"wall p50 ms": quantile(wall, 0.5), "wall p95 ms": quantile(wall, 0.95)}


def _read(path: Path) -> list[Tried]:
    return (
        [msgspec.json.decode(row, type=Tried) for row in path.read_bytes().splitlines()]
        if path.exists()
        else []
    )

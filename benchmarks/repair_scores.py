"""What methods make of broken programs whose reference is known, one row for each program and method."""

from __future__ import annotations

import ast
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from benchmarks.parts import Journal
from benchmarks.results import Figures, quantile, share
from codeworld.canvas import Reject
from codeworld.repair.verify import check

Repairer = Callable[[str], list[str]]  # a broken program to repaired ones, best first
_T = TypeVar("_T")


class Case(msgspec.Struct):
    """``accepted``: ASTs that are right; ``parts``: those that are right about the syntax alone."""

    category: str
    text: str
    solution: str
    accepted: frozenset[str]
    parts: frozenset[str]


class Scored(msgspec.Struct, frozen=True):
    """What a method made of the ``number``-th program of a set: ``found`` programs, how many of them do not pass the
    checks, the place (from 0) of the first whose AST is the reference's, -1 for none, and whether the first of all is
    right about the syntax alone."""

    part: str
    method: str
    programs: str
    number: int
    model: str
    category: str
    found: int
    unverified: int
    place: int
    syntax: bool
    wall_ms: float
    cpu_ms: float

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """What a journal knows it by."""
        return self.part, self.method, self.programs, self.number, self.model


Scores = Journal[Scored]


def dump(text: str) -> str | None:
    """The AST as text, None when it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return None


def timed(call: Callable[[], _T]) -> tuple[_T, float, float]:
    """What it returns; milliseconds of wall and of processor time."""
    begin, begin_cpu = time.perf_counter(), time.process_time()
    done = call()
    return done, 1e3 * (time.perf_counter() - begin), 1e3 * (time.process_time() - begin_cpu)


def scored(
    key: tuple[str, str, str, int, str], case: Case, found: Sequence[str], wall_ms: float, cpu_ms: float
) -> Scored:
    """``found``: repaired programs, best first."""
    dumps = [dump(one) for one in found]
    place = next((at for at, one in enumerate(dumps) if one in case.accepted), -1)
    unverified = sum(isinstance(check(case.text, one), Reject) for one in found)
    syntax = any(one in case.parts for one in dumps[:1])
    return Scored(*key, case.category, len(found), unverified, place, syntax, wall_ms, cpu_ms)


def measure(
    part: str,
    method: str,
    programs: str,
    cases: Sequence[tuple[int, Case]],
    repairer: Repairer,
    model: str,
    scores: Scores,
) -> list[Scored]:
    """The rows of numbered cases."""

    def row(key: tuple[str, str, str, int, str], case: Case) -> Scored:
        return scored(key, case, *timed(partial(repairer, case.text)))

    done = []
    for number, case in cases:
        key = (part, method, programs, number, model)
        one = scores.row(key, partial(row, key, case))
        done += [one] if one is not None else []
    return done


def figures(done: Sequence[Scored], top: int) -> Figures:
    """Shares are of all programs; times are of one call."""
    count = len(done)
    wall, cpu = [one.wall_ms for one in done], [one.cpu_ms for one in done]
    return {
        "programs": count,
        "parse": share(sum(one.found > 0 for one in done), count),
        "AST-exact top-1": share(sum(one.place == 0 for one in done), count),
        f"AST-exact top-{top}": share(sum(0 <= one.place < top for one in done), count),
        "syntax part exact top-1": share(sum(one.syntax for one in done), count),
        "offered though not verified": sum(one.unverified for one in done),
        "wall p50 ms": quantile(wall, 0.5),
        "wall p95 ms": quantile(wall, 0.95),
        "CPU p50 ms": quantile(cpu, 0.5),
        "CPU p95 ms": quantile(cpu, 0.95),
    }

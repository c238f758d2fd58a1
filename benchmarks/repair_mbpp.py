"""MBPP solutions that were broken, with half of the tests visible: which repairs pass those, and which all of them."""

from __future__ import annotations

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
from codeworld.training.execution import run_programs

# Of processor time: on a busy machine the clock would end programs that are right.
_CPU_LIMIT = "import signal; signal.setitimer(signal.ITIMER_PROF, 0.2)"


def judge_by(tests: str) -> Judge:
    def judge(programs: Sequence[str]) -> list[bool]:
        named = {str(i): f"{_CPU_LIMIT}\n{one}\n{tests}" for i, one in enumerate(programs)}
        return [outcome == "passed" for outcome in run_programs(named, jobs=1, timeout_s=5.0).values()]

    return judge


def tests_rows(
    infill: Infill | None, every: int, folder: Path, only: str
) -> Iterator[tuple[str, str, Figures]]:
    for edits in (1, 2):
        cases = list(broken_programs(folder, edits, judge_by, every))
        for name, method in test_methods(infill, only).items():
            yield name, f"MBPP, {edits} edits", tested(cases, method, two_edits=edits == 2)


def missing_rows(
    infill: Infill | None, every: int, folder: Path, only: str
) -> Iterator[tuple[str, str, Figures]]:
    cases = list(incomplete_programs(folder, judge_by, every))
    for name, method in test_methods(infill, only).items():
        yield name, "MBPP, a statement left out", tested(cases, method, two_edits=False)


class Method(msgspec.Struct):
    scope: Scope
    infill: Infill | None = None
    traced: bool = False


def test_methods(infill: Infill | None, only: str) -> dict[str, Method]:
    neighbours = Scope(inserts=False, writes=False)
    methods = {
        "enumeration, prior": Method(neighbours),
        "enumeration and inserts, prior": Method(Scope()),
        "enumeration and inserts, prior, coverage": Method(Scope(), traced=True),
    }
    if infill is not None:
        methods["enumeration, prior and reader"] = Method(neighbours, infill)
        methods["enumeration and inserts, prior and reader, coverage"] = Method(
            Scope(writes=False), infill, True
        )
        methods["enumeration, inserts and the model's own, prior and reader, coverage"] = Method(
            Scope(), infill, True
        )
    return {name: method for name, method in methods.items() if name.endswith(only)}


def tested(cases: Sequence[Broken], method: Method, *, two_edits: bool) -> Figures:
    """The first fix counts; it is offered when its confidence reaches the threshold."""
    settings = Settings(
        threshold=0.0, scope=method.scope, two_edits=two_edits, most_tests=320, least_tests=80
    )
    confidences, wall = list[tuple[float, bool]](), []
    for case in cases:
        begin = time.perf_counter()
        found = repair(
            case.text,
            infill=method.infill,
            judge=judge_by(case.visible),
            trace=case.trace if method.traced else None,
            settings=settings,
        )
        wall.append(1e3 * (time.perf_counter() - begin))
        if not isinstance(found, Reject):
            assert judge_by(case.visible)([found[0].text])[0]
            confidences.append((found[0].confidence, judge_by(case.hidden)([found[0].text])[0]))
    figures: Figures = {"programs": len(cases)}
    for threshold in (0.0, 0.5, 0.8):
        offered = [good for confidence, good in confidences if confidence >= threshold]
        figures[f"hidden-correct at {threshold}"] = share(sum(offered), len(cases))
        figures[f"wrongly accepted at {threshold}"] = share(len(offered) - sum(offered), len(cases))
    return figures | {"wall p50 ms": quantile(wall, 0.5), "wall p95 ms": quantile(wall, 0.95)}

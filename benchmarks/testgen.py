"""What generated tests are worth: ``python -m benchmarks.testgen PART … [--every N] [--methods …] [--out STEM]``.

Parts: ``programs`` (TestEval's LeetCode programs, development set) and ``functions`` (functions drawn from the
heldout-dev repositories, each in a copy of its repository). Methods: ``codeworld``, ``codeworld+model``, ``pynguin``,
``pynguin-long`` (six times the budget), ``hypothesis`` (``hypothesis write``). Suites are judged by
benchmarks/testgen_judge.py, which shares no code with any of them, under an interpreter of its own that has pytest,
coverage, mutmut 2 and the repositories' dependencies (--judge); pynguin has one, too (--pynguin). Results of single
programs are kept in --work, where an interrupted run goes on; --share and --shares divide them among processes.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import results
from benchmarks.testgen_functions import draw
from codeworld.canvas import Reject
from codeworld.errors import CommandError
from codeworld.testgen.generate import Settings, generate

EVAL = Path(os.environ.get("CODEWORLD_EVAL", "../shared/eval"))
METHODS = ("codeworld", "codeworld+model", "pynguin", "pynguin-long", "hypothesis")
LONG = 6  # times the budget
PYNGUIN_ASSERTS_S = 20.0  # after its search it looks for assertions, by default without a limit
PYNGUIN_MORE_S = 60.0  # than its search, until it is given up
JUDGE_S = 900.0
JUDGE = Path(__file__).with_name("testgen_judge.py")


class Item(msgspec.Struct, frozen=True):
    """One thing to be tested: a module in a project, all of it or one function."""

    part: str
    name: str
    project: Path
    file: Path
    module: str
    qualname: str = ""


class Result(msgspec.Struct):
    """``judged`` is what testgen_judge prints; {} where there is no suite, for ``reason``."""

    part: str
    method: str
    name: str
    wall_s: float
    cpu_s: float
    slowdown: float  # wall seconds for one of the processor, just before
    judged: dict[str, Any]
    reason: str = ""
    doubts: int = 0
    model_calls: int = 0


class Report(msgspec.Struct):
    rows: list[dict[str, Any]]
    results: list[Result]


def programs(work: Path, every: int) -> Iterator[Item]:
    with gzip.open(EVAL / "testeval_dev.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows[::every]:
        project = work / "programs" / f"p{row['task_num']}"
        project.mkdir(parents=True, exist_ok=True)
        file = project / f"program_{row['task_num']}.py"
        file.write_text(row["python_solution"])
        yield Item("programs", str(row["task_num"]), project, file, file.stem)


def functions(work: Path, every: int) -> Iterator[Item]:
    for project, file, module, qualname in [*draw(work / "repositories")][::every]:
        yield Item("functions", f"{module}:{qualname}", project, file, module, qualname)


def ours(item: Item, options: argparse.Namespace, with_model: bool) -> tuple[str | None, str, dict[str, Any]]:
    """The text of the tests, or None and why."""
    extra: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        propose = None
        if with_model:
            from codeworld.backend import open_model
            from codeworld.testgen.propose import Proposer

            model = stack.enter_context(open_model(in_process=True, priority="batch"))
            propose = Proposer(item.file.read_text(), model.infill)
        limit_s = options.budget * options.slow
        settings = Settings(budget_s=limit_s, most_s=limit_s)
        text = item.file.read_text()
        try:
            made = generate(
                item.file, text, item.project, qualname=item.qualname, propose=propose, settings=settings
            )
        except CommandError as error:
            return None, f"it ended in an error: {error}"[:300], extra
        if propose is not None:
            extra["model_calls"] = propose.asked
    if isinstance(made, Reject):
        return None, f"{made.reason}: {made.detail}"[:300], extra
    extra["doubts"] = len(made.doubts)
    return made.text, "", extra


def pynguin(
    item: Item, options: argparse.Namespace, times: int = 1
) -> tuple[str | None, str, dict[str, Any]]:
    """Its tests of a module, or of the one function, after ``times`` the budget."""
    search_s = int(options.budget * options.slow * times)
    out = options.work / "pynguin-out"
    shutil.rmtree(out, ignore_errors=True)
    command = [
        str(options.pynguin), "--project-path", str(import_root(item)), "--module-name", item.module,
        "--output-path", str(out), "--maximum-search-time", str(search_s), "--seed", "0",
        "--maximum-mutation-time", str(int(PYNGUIN_ASSERTS_S * options.slow)),
        *(["--only-cover", item.qualname] if item.qualname else []),
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYNGUIN_DANGER_AWARE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "",
    }
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            cwd=item.project,
            timeout=search_s + PYNGUIN_MORE_S * options.slow,
        )
    except subprocess.TimeoutExpired:
        return None, f"it did not end within {PYNGUIN_MORE_S:.0f} s of its search", {}
    found = [*out.glob("test_*.py")] if out.is_dir() else []
    if not found:
        return None, (done.stderr or done.stdout)[-300:], {}
    return found[0].read_text(), "", {}


def hypothesis(item: Item, options: argparse.Namespace) -> tuple[str | None, str, dict[str, Any]]:
    name = f"{item.module}.{item.qualname}" if item.qualname else item.module
    if not item.qualname:
        import ast

        classes = [one for one in ast.parse(item.file.read_text()).body if isinstance(one, ast.ClassDef)]
        name = f"{item.module}.{classes[-1].name}" if classes else item.module
    done = subprocess.run(
        [str(options.judge.with_name("hypothesis")), "write", "--style", "pytest", name],
        capture_output=True, text=True, cwd=item.project, timeout=120,
        env={**os.environ, "PYTHONPATH": str(import_root(item)), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    return (done.stdout, "", {}) if done.returncode == 0 and done.stdout else (None, done.stderr[-300:], {})


def import_root(item: Item) -> Path:
    return item.file.parents[item.module.count(".") + (item.file.name == "__init__.py")]


def judge(item: Item, text: str, options: argparse.Namespace) -> dict[str, Any]:
    folder = options.work / "judged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tests = folder / f"test_{item.file.stem}_{os.getpid()}.py"
    tests.write_text(text)
    done = subprocess.run(
        [str(options.judge), str(JUDGE), str(item.file), str(tests), str(options.mutants),
         *([item.qualname] if item.qualname else [])],
        capture_output=True, text=True, errors="replace", cwd=folder, timeout=JUDGE_S,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(import_root(item))},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    judged: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return judged


def measure(item: Item, method: str, options: argparse.Namespace) -> Result:
    make: dict[str, Callable[[], tuple[str | None, str, dict[str, Any]]]] = {
        "codeworld": lambda: ours(item, options, False),
        "codeworld+model": lambda: ours(item, options, True),
        "pynguin": lambda: pynguin(item, options),
        "pynguin-long": lambda: pynguin(item, options, LONG),
        "hypothesis": lambda: hypothesis(item, options),
    }
    options.slow = slowdown() if options.busy else 1.0
    begin_s, begin_cpu_s = time.monotonic(), cpu_s()
    text, reason, extra = make[method]()
    wall_s, used_s = time.monotonic() - begin_s, cpu_s() - begin_cpu_s
    judged: dict[str, Any] = {}
    try:
        judged = judge(item, text, options) if text is not None else {}
    except subprocess.TimeoutExpired:
        reason = "judging the suite took too long"
    return Result(
        item.part,
        method,
        item.name,
        round(wall_s, 2),
        round(used_s, 2),
        round(options.slow, 1),
        judged,
        reason,
        **extra,
    )


def slowdown() -> float:
    """Seconds that pass for a second of processor time: what a busy machine makes of a time budget."""
    begin_s, begin_cpu_s = time.monotonic(), time.process_time()
    while time.process_time() - begin_cpu_s < 0.4:
        sum(range(1000))
    return min(20.0, max(1.0, (time.monotonic() - begin_s) / 0.4))


def cpu_s() -> float:
    """Of this process and all that it waited for."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def row(part: str, method: str, found: Sequence[Result]) -> dict[str, Any]:
    """One line of the table; shares are means over programs, a program without a suite counts as 0. The processor time
    that a suite took is not known: what runs in a sandbox is not a child of ours."""
    suites = [one for one in found if one.judged]
    lengths = [length for one in suites for length in one.judged["lengths"]]

    def mean(part: str, whole: str) -> float:
        shares = [
            one.judged.get(part, 0) / one.judged[whole] if one.judged.get(whole) else 1.0 for one in suites
        ]
        return round(sum(shares) / len(found), 3)

    passing = [one for one in suites if one.judged["passing"]]
    killed = [
        one.judged["killed"] / one.judged["mutants"] if one.judged["mutants"] else 1.0 for one in passing
    ]
    return {
        "part": part,
        "method": method,
        "targets": len(found),
        "suites": len(suites),
        "line": mean("lines_run", "lines"),
        "branch": mean("branches_run", "branches"),
        "mutation": round(sum(killed) / len(found), 3),
        "passing 5 shuffled": round(len(passing) / max(1, len(suites)), 3),
        "xfail": sum(one.judged["xfail"] for one in suites),
        "tests": sum(one.judged["tests"] for one in suites),
        "median lines": statistics.median(lengths) if lengths else None,
        "wall s": round(statistics.mean(one.wall_s for one in found), 1),
        "wall s for a second of the processor, median": round(
            statistics.median(one.slowdown for one in found), 1
        ),
    }


def main() -> None:
    options = arguments()
    os.environ["VIRTUAL_ENV"] = str(options.judge.parent.parent)  # the targets' interpreter
    options.work.mkdir(parents=True, exist_ok=True)
    kept = options.work / "results.jsonl"
    done = (
        [msgspec.json.decode(line, type=Result) for line in kept.read_bytes().splitlines()]
        if kept.exists()
        else []
    )
    have = {(one.part, one.method, one.name) for one in done}
    for part in options.parts:
        items = [*{"programs": programs, "functions": functions}[part](options.work, options.every)]
        items = items[options.share :: options.shares]
        for number, item in enumerate(items):
            for method in options.methods:
                if (part, method, item.name) in have:
                    continue
                found = measure(item, method, options)
                done.append(found)
                with kept.open("ab") as file:
                    file.write(msgspec.json.encode(found) + b"\n")
                print(
                    f"{number + 1}/{len(items)} {item.name} {method} {brief(found)}",
                    file=sys.stderr,
                    flush=True,
                )
    report(done, options)


def brief(one: Result) -> str:
    if not one.judged:
        return f"no suite: {one.reason}"
    j = one.judged
    return (
        f"lines {j['lines_run']}/{j['lines']} branches {j['branches_run']}/{j['branches']} "
        f"mutants {j.get('killed', 0)}/{j.get('mutants', 0)} tests {j['tests']} passing {j['passing']} {one.wall_s} s"
    )


def report(done: Sequence[Result], options: argparse.Namespace) -> None:
    groups = dict.fromkeys((one.part, one.method) for one in done)
    rows = [
        row(part, method, [o for o in done if (o.part, o.method) == (part, method)])
        for part, method in groups
    ]
    # Who was measured on a sample is beside the others on the same sample.
    for part, method in groups:
        names = {one.name for one in done if (one.part, one.method) == (part, method)}
        mine = [one for one in done if (one.part, one.method) == (part, "codeworld") and one.name in names]
        if (
            method != "codeworld"
            and mine
            and len(mine) < sum((o.part, o.method) == (part, "codeworld") for o in done)
        ):
            rows.append(row(part, f"codeworld, the sample of {method}", mine))
    for one in rows:
        print(one)
    if options.out is None:
        return
    figures = [
        results.Figure(f"{one['part']}, {one['method']}: {name}", value, TARGETS.get((one["part"], name), ""))
        for one in rows
        for name, value in one.items()
        if name not in ("part", "method")
    ]
    figures += [results.Figure("note", one) for one in options.note]
    made = results.stamp(
        "the bundled model" if any(one.method == "codeworld+model" for one in done) else "none",
        options.machine,
    )
    results.write(options.out, "Generated tests", made, figures, Report(rows, list(done)))


TARGETS = {
    ("programs", "line"): "≥ 0.95",
    ("programs", "branch"): "≥ 0.90",
    ("programs", "mutation"): "≥ 0.85",
    ("programs", "passing 5 shuffled"): "1.0",
    ("functions", "passing 5 shuffled"): "1.0",
    ("programs", "xfail"): "0",
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=["programs", "functions", []], default=[])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["codeworld"])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument(
        "--share", type=int, default=0, help="do every SHARES-th of them, beginning with this"
    )
    parser.add_argument("--shares", type=int, default=1)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds for each target")
    parser.add_argument(
        "--busy", action="store_true", help="the budget is of processor time: others use the machine"
    )
    parser.add_argument("--mutants", type=int, default=30, help="of each target, at most")
    parser.add_argument("--work", type=Path, default=Path("build/testgen"))
    parser.add_argument(
        "--judge", type=Path, required=True, help="an interpreter with pytest, coverage, mutmut 2"
    )
    parser.add_argument("--pynguin", type=Path, help="its command")
    parser.add_argument(
        "--note", action="append", default=[], help="what a reader of the figures has to know"
    )
    parser.add_argument("--machine", default="", help="that the results are of, when it is not this one")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""What a test file is worth, judged by other people's tools: run with an interpreter that has pytest, coverage and
mutmut 2, as ``python testgen_judge.py MODULE.py TESTS.py MUTANTS FUNCTION…``; prints one JSON object.

Line and branch coverage by coverage.py; mutants by mutmut's operators (at most MUTANTS, evenly spread; only those in
the named functions, when there are any), each judged by pytest in a fork of this process; passing in five processes of
their own, shuffled. None of it shares code with what made the tests.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import coverage
import pytest

QUIET = [
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
    "--tb=no",
    "--no-header",
    "-o",
    "addopts=",
]
MUTANT_S = 10.0
RERUNS = 5


def main(module: Path, tests: Path, most: int, functions: list[str]) -> None:
    lines = spans(module, functions)
    judged = {**covered(module, tests, lines), **rerun(module, tests), **length(tests)}
    if judged["passing"]:
        judged |= mutated(module, tests, most, lines)
    print(json.dumps(judged))


def spans(module: Path, functions: list[str]) -> set[int] | None:
    """The lines of the named functions; None for all."""
    if not functions:
        return None
    found: set[int] = set()

    def look(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if prefix + node.name in functions:
                    found.update(range(node.lineno, (node.end_lineno or 0) + 1))
                look(node.body, f"{prefix}{node.name}.")

    look(ast.parse(module.read_text()).body, "")
    return found


def run_pytest(tests: Path, *arguments: str) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return int(pytest.main([*QUIET, *arguments, str(tests)]))


def covered(module: Path, tests: Path, lines: set[int] | None) -> dict[str, object]:
    """In a fork: modules are imported under coverage."""
    with tempfile.NamedTemporaryFile() as file:
        child = os.fork()
        if child == 0:
            measure = coverage.Coverage(include=[str(module)], branch=True, data_file=None, messages=False)
            measure.start()
            run_pytest(tests)
            measure.stop()
            analysis = measure._analyze(str(module))
            possible = analysis.arc_possibilities_set
            branching = {line for line, count in analysis.exit_counts.items() if count > 1}
            branches = {arc for arc in possible if arc[0] in branching}
            run = set(analysis.arcs_executed_set)
            statements = set(analysis.statements)
            if lines is not None:
                statements &= lines
                branches = {arc for arc in branches if arc[0] in lines}
            else:
                statements -= import_time(module)
            Path(file.name).write_text(
                json.dumps(
                    {
                        "lines": len(statements),
                        "lines_run": len(statements - set(analysis.missing)),
                        "branches": len(branches),
                        "branches_run": len(branches & run),
                    }
                )
            )
            os._exit(0)
        os.waitpid(child, 0)
        return json.loads(Path(file.name).read_text() or "{}")


def import_time(module: Path) -> set[int]:
    """Lines that run when the module is imported: no test earns them."""
    tree = ast.parse(module.read_text())
    found = set()

    def look(body: list[ast.stmt]) -> None:
        for node in body:
            found.add(node.lineno)
            if isinstance(node, ast.ClassDef):
                look(node.body)

    look(tree.body)
    return found


def rerun(module: Path, tests: Path) -> dict[str, object]:
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", *QUIET, "--collect-only", str(tests)], capture_output=True, text=True
    ).stdout
    names = [one for one in listed.splitlines() if "::" in one]
    chance, passing, xfails = random.Random(0), bool(names), 0
    for seed in range(RERUNS if names else 0):
        chance.shuffle(names)
        order = list(dict.fromkeys(re.sub(r"\[.*$", "", one) for one in names))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *QUIET, *order], capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )  # fmt: skip
        passing &= done.returncode == 0
        xfails = sum(map(int, re.findall(r"(\d+) x(?:failed|passed)", done.stdout)))
    return {"tests": len(names), "passing": passing, "xfail": xfails}


def length(tests: Path) -> dict[str, object]:
    """Lines of each test function; those of a table count for each of its rows' test alike."""
    found = [
        (node.end_lineno or 0) - min([node.lineno, *(one.lineno for one in node.decorator_list)]) + 1
        for node in ast.walk(ast.parse(tests.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
    ]
    return {"lengths": found, "characters": len(tests.read_text())}


def mutated(module: Path, tests: Path, most: int, lines: set[int] | None) -> dict[str, object]:
    from mutmut import Context, list_mutations, mutate

    text = module.read_text()
    with warnings_off():
        identifiers = list_mutations(Context(source=text, filename=str(module)))
    skipped = import_time(module) if lines is None else set()
    places = [
        one for one in identifiers
        if one.line_number + 1 not in skipped and (lines is None or one.line_number + 1 in lines)
    ]  # fmt: skip
    step = max(1, len(places) / most)
    chosen = [places[int(at * step)] for at in range(min(most, len(places)))]
    killed, alive = 0, []
    saved = module.with_suffix(".orig")
    shutil.copy(module, saved)
    try:
        for one in chosen:
            changed, _ = mutate(Context(source=text, filename=str(module), mutation_id=one))
            module.write_text(changed)
            if fails(tests):
                killed += 1
            else:
                alive.append([one.line_number + 1, one.line.strip()])
    finally:
        os.replace(saved, module)
    return {"mutants": len(chosen), "killed": killed, "alive": alive}


@contextlib.contextmanager
def warnings_off():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def fails(tests: Path) -> bool:
    """Whether the tests notice; also by not ending."""
    child = os.fork()
    if child == 0:
        os.setsid()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                good = all_pass(tests)
            except Fixtures:
                good = run_pytest(tests, "-x") == 0
            except BaseException:  # the module itself may end the process
                good = False
        os._exit(0 if good else 1)
    deadline_s = time.monotonic() + MUTANT_S
    while time.monotonic() < deadline_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.01)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return True


class Fixtures(Exception):
    """Only pytest knows how to call it."""


def all_pass(tests: Path) -> bool:
    """What pytest would say of plain test functions, a hundred times faster."""
    space: dict[str, object] = {"__name__": tests.stem}
    exec(compile(tests.read_text(), str(tests), "exec"), space)
    functions = [one for name, one in space.items() if name.startswith("test") and inspect.isfunction(one)]
    if not functions or any(isinstance(one, type) and "Test" in name for name, one in space.items()):
        raise Fixtures
    for function in functions:
        marks = getattr(function, "pytestmark", [])
        tables = [mark for mark in marks if mark.name == "parametrize"]
        known = {name for mark in tables for name in names_of(mark)}
        if set(inspect.signature(function).parameters) - known or len(tables) > 1:
            raise Fixtures
        rows = (
            [dict(zip(names_of(tables[0]), row, strict=True)) for row in tables[0].args[1]]
            if tables
            else [{}]
        )
        expected = [mark for mark in marks if mark.name == "xfail"]
        for row in rows:
            try:
                function(**row)
                failed = False
            except BaseException:
                failed = True
            if failed != bool(expected):
                return False
    return True


def names_of(mark: pytest.Mark) -> tuple[str, ...]:
    return (
        mark.args[0] if isinstance(mark.args[0], tuple) else tuple(mark.args[0].replace(" ", "").split(","))
    )


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])

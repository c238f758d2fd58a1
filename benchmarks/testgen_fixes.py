"""Whether generated tests notice the bugs that people fixed: ``python -m benchmarks.testgen_fixes FIXES.jsonl …``.

FIXES is of benchmarks.mine_fixes. For each, tests of the function are made on the fixed version, in a checkout of that
commit without its own tests; they have to pass there, and it counts when one of them fails where the file is as it was
before. Both runs are pytest's, in the sandbox. From each repository the newest fixes are taken whose module can be
imported by --judge, an interpreter with pytest and the repositories' dependencies; which module cannot is not known
before it is tried. Results are kept in --work, where an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from benchmarks import results
from benchmarks.mine_fixes import Fix
from benchmarks.testgen import Item, hypothesis, pynguin, slowdown
from benchmarks.testgen_functions import unpack
from codeworld.canvas import Reject
from codeworld.errors import CommandError
from codeworld.testgen.generate import Settings, generate
from codeworld.testgen.project import place_of, shadows_library
from codeworld.verify import sandbox

T = TypeVar("T")
METHODS = ("codeworld", "pynguin", "hypothesis")
GIVE_UP = 12  # fixes in a row that cannot be imported: what is older will not be, either
RUN_S = 60.0

Verdict = Literal["revealed", "not revealed", "no suite", "fails when fixed", "not imported"]


class Result(msgspec.Struct, frozen=True):
    """``detail``: why there is no suite, or the tests that failed."""

    method: str
    repo: str
    commit: str
    function: str
    verdict: Verdict
    detail: str = ""
    wall_s: float = 0.0


class Report(msgspec.Struct):
    rows: list[dict[str, object]]
    results: list[Result]


def measure(fix: Fix, method: str, options: argparse.Namespace) -> Result:
    root = (options.work / "checkouts" / fix.repo.replace("/", "+")).resolve()
    unpack(fix.repo, fix.commit, root)
    file = root / fix.path
    if not file.exists():  # taken for a test
        return Result(
            method, fix.repo, fix.commit, fix.function, "not imported", "not a module of the project"
        )
    package = root / Path(fix.path).parts[0]
    compile_all = [str(options.judge), "-m", "compileall", "-q", str(package)]
    subprocess.run(compile_all, check=False, capture_output=True)  # as a project's modules mostly are
    options.slow = slowdown() if options.busy else 1.0
    begin_s = time.monotonic()
    verdict: Verdict
    text, home, reason = suite(fix, file, root, method, options)
    wall_s = round(time.monotonic() - begin_s, 1)
    if text is None:
        verdict, detail = "not imported" if reason.startswith("does-not-import") else "no suite", reason
    else:
        verdict, detail = judged(fix, file, root, home, text, options)
    return Result(method, fix.repo, fix.commit, fix.function, verdict, detail[:400], wall_s)


def suite(
    fix: Fix, file: Path, root: Path, method: str, options: argparse.Namespace
) -> tuple[str | None, Path, str]:
    """The text of the tests, or None, where they belong, and why there are none."""
    if method == "codeworld":
        limit_s = options.budget * options.slow
        limits = Settings(budget_s=limit_s, most_s=limit_s)
        try:
            made = generate(file, fix.after, root, qualname=fix.function, settings=limits)
        except CommandError as error:
            return None, root, f"it ended in an error: {error}"
        if isinstance(made, Reject):
            return None, root, f"{made.reason}: {made.detail}"
        return made.text, Path(made.path), ""
    item = Item("fixes", fix.commit, root, file, place_of(file, root).module, fix.function)
    text, reason, _ = {"pynguin": pynguin, "hypothesis": hypothesis}[method](item, options)
    return text, root / "test_generated_by_peer.py", reason


def judged(
    fix: Fix, file: Path, root: Path, home: Path, text: str, options: argparse.Namespace
) -> tuple[Verdict, str]:
    def run(module: str) -> sandbox.Outcome:
        place = place_of(file, root)
        # Where the root hides Python's own library, it is not on the path.
        hides = shadows_library(root) and len(place.paths) > 1
        paths = place.paths[:1] if hides else place.paths
        variables = {"PYTHONPATH": os.pathsep.join(os.path.relpath(one, root) for one in paths)}
        return sandbox.run(
            [str(options.judge), "-m", "pytest", "-q", "--tb=no", "-rfE", "-o", "addopts=", "-o", "filterwarnings=",
             "-o", "required_plugins=", str(home.relative_to(root))],
            project=root,
            changed={home: text, file: module},
            limits=sandbox.Limits(wall_s=RUN_S, cpu_s=int(RUN_S), memory_mb=4096),
            # Relative: the sandbox may run a copy of the project.
            variables=variables | ({"PYTHONSAFEPATH": "1"} if hides else {}),
        )  # fmt: skip

    after = run(fix.after)
    if after.exit_code:
        return "fails when fixed", after.output[-300:]
    before = run(fix.before)
    return ("revealed" if before.exit_code else "not revealed"), before.output[-300:]


def rows(done: Sequence[Result]) -> Iterator[dict[str, object]]:
    """Each method's, of all and of each repository; where a peer saw a sample, ours is beside it on the same."""
    for method in dict.fromkeys(one.method for one in done):
        own = [one for one in done if one.method == method]
        for repo in ("all", *dict.fromkeys(one.repo for one in own)):
            yield row(method, repo, [one for one in own if repo in ("all", one.repo)])
        keys = {(one.repo, one.commit) for one in own}
        same = [one for one in done if one.method == "codeworld" and (one.repo, one.commit) in keys]
        if method != "codeworld":
            yield row(f"codeworld, the sample of {method}", "all", same)


def row(method: str, repo: str, found: Sequence[Result]) -> dict[str, object]:
    tried = [one for one in found if one.verdict != "not imported"]
    count = {name: sum(one.verdict == name for one in found) for name in Verdict.__args__}  # type: ignore[attr-defined]
    return {
        "method": method,
        "repository": repo,
        "fixes": len(tried),
        "suites": len(tried) - count["no suite"],
        "revealed": count["revealed"],
        "share revealed": results.share(count["revealed"], len(tried)),
        "suites that fail when fixed": count["fails when fixed"],
        "not imported, left out": count["not imported"],
        "wall s": round(sum(one.wall_s for one in tried) / max(1, len(tried)), 1),
    }


def main() -> None:
    options = arguments()
    os.environ["VIRTUAL_ENV"] = str(options.judge.parent.parent)  # the targets' interpreter
    options.work.mkdir(parents=True, exist_ok=True)
    kept = options.work / "results.jsonl"
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    done = [msgspec.json.decode(line, type=Result) for line in lines]
    every = [msgspec.json.decode(line, type=Fix) for line in options.fixes.read_bytes().splitlines()]
    groups = [[fix for fix in every if fix.repo == repo] for repo in dict.fromkeys(one.repo for one in every)]
    fixes = [*in_turn([iter(one) for one in groups])][options.share :: options.shares]
    for method in options.methods:
        waiting = [
            of_repository([fix for fix in fixes if fix.repo == repo], method, done, options)
            for repo in dict.fromkeys(one.repo for one in fixes)
        ]
        for one in in_turn(waiting):
            done.append(one)
            with kept.open("ab") as file:
                file.write(msgspec.json.encode(one) + b"\n")
            last = one.detail.strip().splitlines()[-1:]
            print(
                method,
                one.repo,
                one.commit[:9],
                one.function,
                one.verdict,
                *last,
                one.wall_s,
                file=sys.stderr,
                flush=True,
            )
    report(done, options)


def in_turn(waiting: Sequence[Iterator[T]]) -> Iterator[T]:
    """One of each, and again: an interrupted run has seen all repositories."""
    left = [*waiting]
    while left:
        for one in [*left]:
            found = next(one, None)
            if found is None:
                left.remove(one)
            else:
                yield found


def of_repository(
    fixes: Sequence[Fix], method: str, done: Sequence[Result], options: argparse.Namespace
) -> Iterator[Result]:
    """Results that are not there yet, until there are --most of the repository's, or no more can be imported."""
    have = {(one.repo, one.commit): one for one in done if one.method == method}  # before this run
    measured, failures = 0, 0
    for fix in fixes:
        if measured >= options.most or failures >= GIVE_UP:
            return
        known = have.get((fix.repo, fix.commit))
        one = known or measure(fix, method, options)
        if one.verdict == "not imported":
            failures += 1
        else:
            measured, failures = measured + 1, 0
        if known is None:
            yield one


def report(done: Sequence[Result], options: argparse.Namespace) -> None:
    made = [*rows(done)]
    figures = [
        results.Figure(
            f"{one['method']}, {one['repository']}: {name}",
            value,
            GOALS.get((one["method"], one["repository"], name), ""),
        )
        for one in made
        for name, value in one.items()
        if name not in ("method", "repository")
    ]
    figures += [results.Figure("note", one) for one in options.note]
    results.publish(
        options.out,
        "Fixes that generated tests notice",
        results.stamp("none", options.machine),
        figures,
        Report(made, [*done]),
    )


GOALS = {("codeworld", "all", "share revealed"): "≥ 0.30", ("codeworld", "all", "fixes"): "≥ 200"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fixes", type=Path)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=["codeworld"])
    parser.add_argument("--most", type=int, default=60, help="of each repository")
    parser.add_argument(
        "--share", type=int, default=0, help="do every SHARES-th of them, beginning with this"
    )
    parser.add_argument("--shares", type=int, default=1)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds for each target")
    parser.add_argument(
        "--busy", action="store_true", help="the budget is of processor time: others use the machine"
    )
    parser.add_argument("--work", type=Path, default=Path("build/testgen-fixes"))
    parser.add_argument(
        "--judge", type=Path, required=True, help="an interpreter with pytest and dependencies"
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

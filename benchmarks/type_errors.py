"""Type errors that people fixed (PyTyDefects, MIT): ``python -m benchmarks.type_errors PYTY MIRRORS [--set …]``.

PYTY is a clone of sola-st/PyTy, MIRRORS a folder of ``owner+name/repo`` histories; of the dataset, the errors whose
repositories are there are taken: the text before the fix, and after its one hunk. The set's own checker and its
projects' dependencies are not needed: mypy judges the file alone. An error counts where mypy sees it: something that it
reports is gone with the human fix, and nothing is new. A repair is right in the dataset's own sense: the error is gone,
and nothing is new; how many are the human's own text is said, too.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import results
from benchmarks.repair import Row, dump, save
from benchmarks.results import Figures, quantile, share
from codeworld.canvas import Reject
from codeworld.repair.typed import repair_types
from codeworld.verify.type_check import Complaint

_TEST_SET = "src/output/test_data_baseline_top50_pyter_comparison.json"
_NAME = re.compile(r".*/dd_out_(.+)_([0-9a-f]{7})\.json")
_OPTIONS = [
    "--no-error-summary", "--no-color-output", "--no-pretty", "--hide-error-context", "--follow-imports=skip",
    "--ignore-missing-imports", "--check-untyped-defs", "--no-implicit-optional",
    "--enable-error-code=possibly-undefined",
]  # fmt: skip
_ERROR = re.compile(r"^[^\n:]+:(?P<line>\d+):(?:\d+:)*\s*error: (?P<message>.*?)(?:  \[[\w-]+\])?$", re.M)


class Case(msgspec.Struct):
    """One error: ``rule`` and ``line`` (from 0) are the dataset's own checker's."""

    repo: str
    path: str
    line: int
    rule: str
    before: str
    after: str


class Mypy:
    """Checks one text alone; what it knows of the standard library is kept in ``cache``."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def __call__(self, text: str) -> list[Complaint] | None:
        from mypy import api

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "checked.py")
            path.write_text(text)
            said, _, code = api.run([*_OPTIONS, f"--cache-dir={self._cache}", str(path)])
        if code not in (0, 1):
            return None
        return [Complaint(int(one["line"]) - 1, one["message"]) for one in _ERROR.finditer(said)]


def cases(pyty: Path, mirrors: Path, wanted: str) -> Iterator[Case]:
    test = {_key(one) for one in json.loads(_shown(pyty, f"HEAD:{_TEST_SET}") or "[]")}
    here = {name.replace("+", "-", 1): mirrors / name / "repo" for name in os.listdir(mirrors)}
    listed = subprocess.run(
        ["git", "-C", str(pyty), "ls-tree", "-r", "--name-only", "HEAD", "src/Input"],
        capture_output=True,
        text=True,
    )
    seen = set[str]()
    for name in listed.stdout.splitlines():
        match = _NAME.match(name)
        if match is None or match[1] not in here:
            continue
        for row in json.loads(_shown(pyty, f"HEAD:{name}") or "[]"):
            if not row.get("min_patch_found") or not row.get("single_hunk") or not row.get("fit_TFix"):
                continue
            key = (row["project"], row["commit"][:7], row["filename"], row["warning_line_no"])
            before = _shown(here[match[1]], f"{row['commit']}^:{row['filename']}")
            after = _patched(before, row["min_patch"][0]["diff_format"]) if before else None
            if before and after and (key in test) == (wanted == "test") and f"{key} {before}" not in seen:
                seen.add(f"{key} {before}")
                yield Case(key[0], key[2], key[3] - 1, row["rule_id"], before, after)


def _key(one: dict[str, Any]) -> tuple[str, str, str, int]:
    return one["repo"], one["target_changeid"][:7], one["source_filename"], one["linter_report"]["line_begin"]


def _shown(repository: Path, name: str) -> str | None:
    done = subprocess.run(["git", "-C", str(repository), "show", name], capture_output=True)
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _patched(before: str, hunk: str) -> str | None:
    header, *changed = hunk.split("\n")
    start = re.match(r"@@ -(\d+)", header)
    old = [line[1:].rstrip() for line in changed if line[:1] in (" ", "-")]
    lines = before.split("\n")
    if start is None or [line.rstrip() for line in lines[int(start[1]) - 1 :][: len(old)]] != old:
        return None
    at = int(start[1]) - 1
    return "\n".join(
        [*lines[:at], *(one[1:] for one in changed if one[:1] in (" ", "+")), *lines[at + len(old) :]]
    )


def seen_error(case: Case, mypy: Mypy) -> Complaint | None:
    """The error that the human fix ends, the one nearest to the reported line; None where mypy sees none, or the fix
    makes new ones."""
    try:
        ast.parse(case.before)
    except SyntaxError:
        return None
    before, after = mypy(case.before), mypy(case.after)
    if before is None or after is None:
        return None
    left, was = Counter(one.message for one in after), Counter(one.message for one in before)
    if left - was:
        return None
    gone = [one for one in before if one.message in was - left]
    return min(gone, key=lambda one: abs(one.line - case.line), default=None)


def measure(found: list[tuple[Case, Complaint]], mypy: Mypy) -> Figures:
    removed, exact, top, wall = 0, 0, 0, list[float]()
    for case, complaint in found:
        begin = time.process_time()
        fixes = repair_types(case.before, complaint, mypy)
        wall.append(time.process_time() - begin)
        offered = [] if isinstance(fixes, Reject) else fixes
        same = [dump(one.text) == dump(case.after) for one in offered]
        removed += bool(offered)
        exact += any(same[:1])
        top += any(same)
        shown = offered[0].kind if offered else fixes
        print(
            f"{case.rule} | {complaint.message[:100]} | {shown} {any(same[:1])}", file=sys.stderr, flush=True
        )
    count = len(found)
    return {
        "errors": count,
        "error gone and nothing new": share(removed, count),
        "the human's own fix top-1": share(exact, count),
        "the human's own fix top-3": share(top, count),
        "CPU p50 s": quantile(wall, 0.5),
        "CPU p95 s": quantile(wall, 0.95),
    }


def main() -> int:
    """Write the rows."""
    parser = argparse.ArgumentParser(prog="benchmarks.type_errors", description=__doc__)
    parser.add_argument("pyty", type=Path)
    parser.add_argument("mirrors", type=Path)
    parser.add_argument("--set", choices=["test", "rest"], default="test")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/results/repair"))
    given = parser.parse_args()
    made = results.stamp("")
    with tempfile.TemporaryDirectory() as cache:
        mypy = Mypy(Path(cache))
        every = list(cases(given.pyty, given.mirrors, given.set))[given.first :: given.every]
        found = [(case, one) for case in every if (one := seen_error(case, mypy)) is not None]
        name = f"PyTyDefects, {given.set}, seen by mypy in {len(found)} of {len(every)} files"
        figures = measure(found, mypy)
    row = Row(
        "types",
        "what the message suggests and enumeration",
        name,
        figures,
        f"{made.command}, {made.commit[:10]}, no model, {made.date}",
    )
    print(f"{row.programs}: {figures}")
    save(given.out, [row], "")
    return 0


if __name__ == "__main__":
    sys.exit(main())

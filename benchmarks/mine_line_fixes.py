"""One-line fixes that people made, from git histories: the file before and after, and the line.

``python -m benchmarks.mine_line_fixes OUT.jsonl MIRROR/*`` where each MIRROR is a folder with a bare ``repo``. Kept are
commits whose message speaks of a fix, which replace one line within one function (beside tests, which may change at
will) by something that is not just another string, comment or docstring.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.small_changes import open_blobs, small_changes
from codeworld.training.breaker import LineFix

MAX_BYTES = 200_000
SAYS_FIX = re.compile(
    r"\b(fix|fixe[sd]|fixing|bugs?|bugfix|hotfix|wrong(ly)?|incorrect(ly)?|correct(s|ed)?|crash(es)?|broken"
    r"|regression|mistake|typo|off.by.one|errors?)\b",
    re.IGNORECASE,
)
TESTS = re.compile(r"(^|/)(tests?|testing|docs?|examples?)/|(^|/)(test_\w+|\w+_test|conftest|setup)\.py$")


def function_at(tree: ast.Module, line: int) -> tuple[str, int, int] | None:
    """The innermost function around a line (from 0): qualified name, first line, last line."""
    found: tuple[str, int, int] | None = None
    unseen: list[tuple[ast.AST, str]] = [(tree, "")]
    while unseen:
        node, name = unseen.pop()
        for child in ast.iter_child_nodes(node):
            own = name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own = f"{name}.{child.name}".lstrip(".")
                first, last = child.lineno - 1, (child.end_lineno or child.lineno) - 1
                if not first <= line <= last:
                    continue
                if not isinstance(child, ast.ClassDef) and (found is None or first >= found[1]):
                    found = (own, first, last)
            unseen.append((child, own))
    return found


def meaning(text: str) -> str | None:
    """The tree without the contents of its strings; None when ``text`` does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def mine(git_dir: Path, repo: str) -> Iterator[LineFix]:
    """The repository's one-line fixes, newest first."""
    with open_blobs(git_dir) as blobs:
        for change in small_changes(git_dir, 1):
            if len(change.before) != 1 or len(change.after) != 1 or TESTS.search(change.path):
                continue
            if not SAYS_FIX.search(change.message) or not all(map(TESTS.search, change.others)):
                continue
            before, after = (blobs.read(name, MAX_BYTES) for name in (change.old_blob, change.new_blob))
            if before is None or after is None or "\r" in before:
                continue
            old, new = meaning(before), meaning(after)
            if old is None or new is None or old == new:
                continue
            function = function_at(ast.parse(before), change.line)
            if function is not None and function_at(ast.parse(after), change.line) == function:
                subject = change.message.strip().split("\n")[0]
                yield LineFix(
                    repo, change.commit, change.path, subject, function[0], change.line, before, after
                )


def main() -> int:
    """Append the fixes of each mirror to the file."""
    parser = argparse.ArgumentParser(prog="benchmarks.mine_line_fixes", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("mirrors", type=Path, nargs="+")
    given = parser.parse_args()
    encoder, seen = msgspec.json.Encoder(), set[tuple[str, str]]()
    with given.out.open("ab") as out:
        for mirror in given.mirrors:
            count = 0
            for one in mine(mirror / "repo", mirror.name.replace("+", "/", 1)):
                lines = one.before.split("\n")[one.line], one.after.split("\n")[one.line]
                if lines not in seen:  # backports repeat one another
                    seen.add(lines)
                    out.write(encoder.encode(one) + b"\n")
                    count += 1
            out.flush()
            print(f"{count} {mirror.name}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Fixes of one function that people made, from git histories: the file before and after.

``python -m benchmarks.mine_fixes OUT.jsonl MIRROR/*`` where each MIRROR is a folder with a bare ``repo``. Kept are
commits whose subject speaks of a fix (not of style, types or documents), which change one Python file (beside tests and
documents, which may change at will) by few lines, and in it what one function does: more than its strings, comments,
annotations or the imports.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.mine_line_fixes import MAX_BYTES, SAYS_FIX, TESTS
from benchmarks.small_changes import log_of, open_blobs

MOST_LINES = 30  # added, and taken away
_SAYS_STYLE = re.compile(
    r"\b(ruff|lint\w*|flake8|pep ?8|pylint|pyupgrade|mypy|typing|docs?|docstrings?|spelling)\b", re.I
)
_TEST_SUITE = re.compile(r"(^|/)testsuite/")
_COMMIT = "\x1e"
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Fix(msgspec.Struct, frozen=True):
    """``function`` is the qualified name of what changed between ``before`` and ``after``, the texts of ``path``."""

    repo: str
    commit: str
    path: str
    subject: str
    function: str
    before: str
    after: str


def mine(git_dir: Path, repo: str) -> Iterator[Fix]:
    """The repository's one-function fixes, newest first."""
    with open_blobs(git_dir) as blobs:
        for commit, subject, path, old, new in _one_file_changes(git_dir):
            if not SAYS_FIX.search(subject) or _SAYS_STYLE.search(subject) or _TEST_SUITE.search(path):
                continue
            before, after = blobs.read(old, MAX_BYTES), blobs.read(new, MAX_BYTES)
            function = changed_function(before, after) if before and after else ""
            if before and after and function:
                yield Fix(repo, commit, path, subject, function, before, after)


def _one_file_changes(git_dir: Path) -> Iterator[tuple[str, str, str, str, str]]:
    """Commit, subject, path, blob before and blob after of commits that modify one Python file beside tests."""
    command = log_of(git_dir)
    command += ["--raw", "--numstat", "--no-abbrev", f"--format={_COMMIT}%H%n%s", "--", "*.py"]
    listed = subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8", "replace")
    for entry in listed.split(_COMMIT)[1:]:
        commit, subject, *lines = entry.split("\n")
        raw = [one[1:].split("\t") for one in lines if one.startswith(":")]
        changed = [(fields.split(), path) for fields, path in raw if not TESTS.search(path)]
        if len(changed) != 1 or changed[0][0][4] != "M":
            continue
        (_, _, old, new, _), path = changed[0]
        counts = next(one.split("\t") for one in lines if one.endswith(f"\t{path}") and one[0] != ":")
        if all(one.isdigit() and int(one) <= MOST_LINES for one in counts[:2]):
            yield commit, subject, path, old, new


def changed_function(before: str, after: str) -> str:
    """The one function or method that is in both and does not do the same; "" when there is none, or more."""
    old, new = _parts(before), _parts(after)
    if old is None or new is None or old.keys() != new.keys():
        return ""
    changed = [name for name in old if old[name] != new[name]]
    return changed[0] if len(changed) == 1 else ""


def _parts(text: str) -> dict[str, str] | None:
    """What each function does, by qualified name, and, by "", the rest; None when ``text`` does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _Plain().visit(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return None
    found: dict[str, str] = {}

    def take(body: list[ast.stmt], prefix: str) -> None:
        for at, node in enumerate(body):
            if isinstance(node, Function):
                found[prefix + node.name] = found.get(prefix + node.name, "") + ast.dump(node)
                body[at] = ast.Pass()
            elif isinstance(node, ast.ClassDef):
                take(node.body, f"{prefix}{node.name}.")

    take(tree.body, "")
    tree.body = [one for one in tree.body if not isinstance(one, (ast.Import, ast.ImportFrom))]
    return {**found, "": ast.dump(tree)}


class _Plain(ast.NodeTransformer):
    """Takes away what does not change what a program does, and what strings say."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("" if isinstance(node.value, str) else node.value)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign([node.target], node.value, lineno=node.lineno))


def main() -> int:
    """Write the fixes of the mirrors, once where several commits make the same one."""
    parser = argparse.ArgumentParser(prog="benchmarks.mine_fixes", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("mirrors", type=Path, nargs="+")
    given = parser.parse_args()
    seen: set[tuple[str, str]] = set()
    with given.out.open("wb") as out:
        for mirror in given.mirrors:
            count = 0
            for one in mine(mirror / "repo", mirror.name.replace("+", "/", 1)):
                if (one.before, one.after) not in seen:
                    seen.add((one.before, one.after))
                    out.write(msgspec.json.encode(one) + b"\n")
                    count += 1
            print(f"{count} {mirror.name}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

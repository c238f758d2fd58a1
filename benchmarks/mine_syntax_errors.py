"""Syntax errors that people made, from git histories: a version that does not parse and the next one that does.

``python -m benchmarks.mine_syntax_errors OUT.jsonl MIRROR/*`` where each MIRROR is a folder with a bare ``repo``.
Python 2 and merge conflicts are left out, and so are changes of more than three lines.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import msgspec

MAX_BYTES = 40_000
MAX_LINES = 3  # changed on either side
MAX_MODIFICATIONS = 40_000  # per repository, newest first
_PYTHON_2 = re.compile(
    r"Missing parentheses in call|multiple exception types|leading zeros|inconsistent use of tabs"
    r"|invalid decimal literal|Did you mean print"
)
_OLD_SYNTAX = re.compile(
    r"^(<{7}|>{7}|={7})|^\s*print\s+[^\s(=]|^\s*print\s*$|\bexcept\s+[\w.]+\s*,"
    r"|^\s*exec\s+[^(]|<>|`|\bur?'|raise \w+,|\basync\b",
    re.MULTILINE,
)


class Pair(msgspec.Struct):
    """A file before and after the commit that made it parse again."""

    repo: str
    commit: str
    path: str
    bad: str
    good: str


def error_of(text: str) -> str | None:
    """CPython's message, None when ``text`` parses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return type(error).__name__
    return None


def changed(bad: str, good: str) -> tuple[list[str], list[str]]:
    """The lines between the common beginning and the common end."""
    one, other = bad.splitlines(), good.splitlines()
    start = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    one, other = one[start:], other[start:]
    end = next(
        (i for i, (a, b) in enumerate(zip(one[::-1], other[::-1], strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return one[: len(one) - end], other[: len(other) - end]


def small(bad: str, good: str) -> bool:
    """Whether one place of a few lines was changed, and not from Python 2."""
    one, other = changed(bad, good)
    return (
        0 < max(len(one), len(other)) <= MAX_LINES
        and not _OLD_SYNTAX.search("\n".join(one))
        and bool("".join(other).strip() or "".join(one).strip())
    )


def modifications(git_dir: Path) -> Iterator[tuple[str, str, str, str]]:
    """(commit, blob before, blob after, path), newest first."""
    command = ["git", f"--git-dir={git_dir}", "log", "--no-merges", "--no-renames", "--raw", "--no-abbrev"]
    command += ["--diff-filter=M", "--format=%H", "--", "*.py"]
    commit = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if line.startswith(":"):
                fields, _, path = line.partition("\t")
                _, _, old, new, _ = fields.split(" ")
                yield commit, old, new, path
            elif line:
                commit = line
        process.kill()


def read_blob(pipe: tuple[IO[bytes], IO[bytes]], name: str) -> str | None:
    """A blob's text; None when it is large, missing or not UTF-8."""
    asking, answering = pipe
    asking.write(name.encode() + b"\n")
    asking.flush()
    head = answering.readline().split()
    if len(head) != 3:
        return None
    body = answering.read(int(head[2]) + 1)[:-1]
    if len(body) > MAX_BYTES:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def mine(git_dir: Path, repo: str) -> Iterator[Pair]:
    """The repository's pairs, each pair of texts once."""
    command = ["git", f"--git-dir={git_dir}", "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pipe = process.stdin, process.stdout
        parsed: dict[str, bool] = {}  # blobs recur: after in one commit is before in the next
        for commit, old, new, path in islice(modifications(git_dir), MAX_MODIFICATIONS):
            if parsed.get(old):
                continue
            bad = read_blob(pipe, old)
            message = error_of(bad) if bad is not None else None
            parsed[old] = message is None
            if bad is None or message is None or _PYTHON_2.search(message):
                continue
            good = read_blob(pipe, new)
            if good is not None and error_of(good) is None and small(bad, good):
                yield Pair(repo, commit, path, bad, good)
        process.stdin.close()


def main() -> int:
    """Append the pairs of each mirror to the file."""
    parser = argparse.ArgumentParser(prog="benchmarks.mine_syntax_errors", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("mirrors", type=Path, nargs="+")
    given = parser.parse_args()
    encoder = msgspec.json.Encoder()
    with given.out.open("ab") as out:
        for mirror in given.mirrors:
            count = 0
            for pair in mine(mirror / "repo", mirror.name.replace("+", "/", 1)):
                out.write(encoder.encode(pair) + b"\n")
                count += 1
            out.flush()
            print(f"{count} {mirror.name}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

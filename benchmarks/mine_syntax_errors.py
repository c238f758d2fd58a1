"""Syntax errors that people made, from git histories: a version that does not parse and the next one that does.

``python -m benchmarks.mine_syntax_errors OUT.jsonl MIRROR/*`` where each MIRROR is a folder with a bare ``repo``.
Python 2 and merge conflicts are left out, and so are changes of more than three lines.
"""

from __future__ import annotations

import argparse
import ast
import keyword
import re
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.small_changes import open_blobs, small_changes

MAX_LINES = 3  # changed on either side
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


def may_mend(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether a change of these lines can decide if a file parses. Most changes cannot, and parsing whole files is what
    takes long: other names and numbers in the same places, or statements that are whole before and after."""
    old, new = "\n".join(before), "\n".join(after)
    if not (old + new).strip() or _OLD_SYNTAX.search(old) or _skeleton(old) == _skeleton(new):
        return False
    return not (_ends(before) == _ends(after) and _is_whole(old) and _is_whole(new))


def _skeleton(text: str) -> str:
    text = re.sub(r"[^\W\d]\w*", lambda word: word[0] if keyword.iskeyword(word[0]) else "n", text)
    return re.sub(r"\d[\w.]*", "0", text)


def _ends(lines: Sequence[str]) -> tuple[str, str]:
    """The indentation of the first line and the last character of the last."""
    full = [line for line in lines if line.strip()]
    return (full[0][: -len(full[0].lstrip())], full[-1].rstrip()[-1]) if full else ("", "")


def _is_whole(text: str) -> bool:
    block = textwrap.dedent(text)
    return error_of(block + " pass" if block.rstrip().endswith(":") else block) is None


def mine(git_dir: Path, repo: str) -> Iterator[Pair]:
    """The repository's pairs, newest first."""
    with open_blobs(git_dir) as blobs:
        for change in small_changes(git_dir, MAX_LINES):
            if not may_mend(change.before, change.after):
                continue
            bad = blobs.read(change.old_blob)
            message = error_of(bad) if bad is not None else None
            if bad is None or message is None or _PYTHON_2.search(message):
                continue
            good = blobs.read(change.new_blob)
            if good is not None and error_of(good) is None:
                yield Pair(repo, change.commit, change.path, bad, good)


def main() -> int:
    """Append the pairs of each mirror to the file."""
    parser = argparse.ArgumentParser(prog="benchmarks.mine_syntax_errors", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("mirrors", type=Path, nargs="+")
    given = parser.parse_args()
    encoder, seen = msgspec.json.Encoder(), set[str]()
    with given.out.open("ab") as out:
        for mirror in given.mirrors:
            count = 0
            for pair in mine(mirror / "repo", mirror.name.replace("+", "/", 1)):
                if pair.bad not in seen:  # forks and branches repeat one another
                    seen.add(pair.bad)
                    out.write(encoder.encode(pair) + b"\n")
                    count += 1
            out.flush()
            print(f"{count} {mirror.name}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

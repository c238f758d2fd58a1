"""Small Python commits from a repository's history: (before, after, message), for edit and commit-message training.

One `git log -p` stream is parsed as it comes; no object is asked for one by one. Before and after are the hunks' lines
with three lines of context, joined per file, so a record is a few kilobytes at most. E-mail addresses are masked in
all three. Only plain commits are read (`--no-merges`), newest first.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from codeworld.training import filters

MAX_DIFF_BYTES: Final = 4_096
MAX_FILES: Final = 2
# Neither byte occurs in a text diff of Python or in a message that git stores.
_COMMIT: Final = "\x1e"
END: Final = "\x1f"
_PATCH: Final = ("-p", "--unified=3", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
_NAMES: Final = ("--raw", "--no-abbrev", "--no-renames")
TRAILER: Final = re.compile(
    r"^(signed-off-by|co-authored-by|change-id|reviewed-by|acked-by|tested-by|closes-bug)\b.*$",
    re.IGNORECASE | re.MULTILINE,
)


class FileChange(msgspec.Struct):
    """One file's hunks as they were and as they became, context included."""

    path: str
    before: str
    after: str


class Change(msgspec.Struct):
    """One small commit; `time` is the author's, in seconds since 1970 (UTC)."""

    commit: str
    time: int
    message: str
    files: list[FileChange]


def mine(git_dir: Path, *, since: str | None = None, revision: str = "HEAD") -> Iterator[Change]:
    """Small changes reachable from `revision`.

    since: a date git understands; histories older than a relicensing are cut with it.
    """
    for entry in log_entries(git_dir, "%H%n%at%n%B", since=since, revision=revision, paths=("*.py",)):
        change = parse(entry)
        if change is not None:
            yield change


def log_entries(
    git_dir: Path,
    fields: str,
    *,
    since: str | None = None,
    revision: str = "HEAD",
    paths: Sequence[str] = (),
    limit: int | None = None,
    names_only: bool = False,
) -> Iterator[str]:
    """`fields` (git's format), END and the diff of each plain commit, newest first, in one text per commit;
    `names_only`: the names and objects of changed files (git's raw format) in the diff's place, for which no file is
    read."""
    shown = _NAMES if names_only else _PATCH
    words = ["log", revision, "--no-merges", *shown, f"--format={_COMMIT}{fields}{END}"]
    words += [*([f"--since={since}"] if since else []), *([f"--max-count={limit}"] if limit else [])]
    return _streamed(git_dir, [*words, "--", *paths])


def entries_of(
    git_dir: Path, commits: Sequence[str], fields: str, *, paths: Sequence[str] = ()
) -> Iterator[str]:
    """As `log_entries`, of the given commits in their order. It ends at a commit that lacks an object."""
    words = ["diff-tree", "--stdin", "-r", "--root", *_PATCH, f"--format={_COMMIT}{fields}{END}"]
    return _streamed(git_dir, [*words, "--", *paths], "".join(f"{commit}\n" for commit in commits))


def _streamed(git_dir: Path, words: list[str], told: str = "") -> Iterator[str]:
    """The texts that a git command prints, one per commit; `told` is its standard input."""
    command = ["git", f"--git-dir={git_dir}", "-c", "core.quotePath=false", *words]
    environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1"}  # a partial mirror must not ask the network
    with tempfile.TemporaryFile() as stdin:  # not a pipe: git and we could wait for each other
        stdin.write(told.encode())
        stdin.seek(0)
        with subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            assert process.stdout is not None
            lines = (line.decode("utf-8", "replace") for line in process.stdout)
            try:
                yield from _entries(lines)
            finally:
                process.kill()  # a caller that stops early must not wait for the rest of the history


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """One text per commit. A huge commit is cut as it streams in: its length is known to be too much by then."""
    entry: list[str] = []
    size = 0
    for line in lines:
        if line.startswith(_COMMIT):
            if entry:
                yield "".join(entry)
            entry, size = [line[1:]], 0
        elif size <= 4 * MAX_DIFF_BYTES:
            entry.append(line)
            size += len(line)
    if entry:
        yield "".join(entry)


def parse(entry: str) -> Change | None:
    """The change in one commit's log text; None when it is too large, touches too much, adds or deletes files."""
    head, separator, diff = entry.partition(END)
    commit, _, rest = head.partition("\n")
    moment, _, message = rest.partition("\n")
    parts = re.split(r"^diff --git ", diff, flags=re.MULTILINE)[1:]
    if not separator or not 1 <= len(parts) <= MAX_FILES or len(diff.encode()) > MAX_DIFF_BYTES:
        return None
    files = [change for part in parts if (change := _file(part))]
    message = filters.mask_emails(TRAILER.sub("", message).strip())[0]
    if len(files) != len(parts) or not message:
        return None
    return Change(commit, int(moment), message, files)


def _file(part: str) -> FileChange | None:
    """One file's change; None for a new, deleted or binary file or when nothing but the mode changed."""
    before: list[str] = []
    after: list[str] = []
    path = ""
    inside = False
    for line in part.splitlines(keepends=True):
        if line.startswith("@@ "):
            inside = True
        elif not inside:
            if line.startswith(("new file", "deleted file", "Binary files")):
                return None
            if line.startswith("+++ b/"):
                path = line[6:].rstrip("\n\t")
        elif line[0] in " -+":
            if line[0] != "+":
                before.append(line[1:])
            if line[0] != "-":
                after.append(line[1:])
    if not path or before == after or filters.path_reason(path):
        return None
    return FileChange(path, filters.mask_emails("".join(before))[0], filters.mask_emails("".join(after))[0])


def main(arguments: list[str] | None = None) -> int:
    """Print a repository's changes as JSON lines, and how fast they were found on standard error."""
    parser = argparse.ArgumentParser(prog="codeworld.training.history", description=__doc__)
    parser.add_argument("git_dir", type=Path)
    parser.add_argument("--since", help="ignore older commits")
    given = parser.parse_args(arguments)
    begin, count = time.monotonic(), 0
    for count, change in enumerate(mine(given.git_dir, since=given.since), 1):  # noqa: B007
        sys.stdout.write(msgspec.json.encode(change).decode() + "\n")
    print(f"{count} changes in {time.monotonic() - begin:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Changes of one place in a Python file, as ``git log`` streams them: no object is asked for until it is wanted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

MAX_BYTES = 40_000  # of a file
_COMMIT = "\x1e"  # neither byte occurs in a text diff of Python or in a message that git stores
_END = "\x1f"


class SmallChange(NamedTuple):
    """One hunk: the lines before and after, without their ends; ``line`` is the first one's number afterwards, from 0.
    ``others`` are the commit's other modified Python files."""

    commit: str
    message: str
    path: str
    old_blob: str
    new_blob: str
    before: list[str]
    after: list[str]
    line: int
    others: tuple[str, ...]


def log_of(git_dir: Path) -> list[str]:
    """``git log`` of a bare repository, ready for what is to be told of each commit."""
    return [
        "git", f"--git-dir={git_dir}", "-c", "core.quotePath=false", "log", "--no-merges", "--no-renames",
    ]  # fmt: skip


def small_changes(git_dir: Path, most_lines: int) -> Iterator[SmallChange]:
    """Files modified in one place, at most ``most_lines`` lines on either side, newest commit first."""
    command = log_of(git_dir)
    command += ["-p", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--full-index"]
    command += ["--diff-filter=M", f"--format={_COMMIT}%H%n%B{_END}", "--", "*.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            lines = (raw.decode("utf-8", "replace").rstrip("\n") for raw in process.stdout)
            for commit, message, files in _commits(lines, most_lines):
                for one in files:
                    if len(one.before) <= most_lines >= len(one.after):
                        others = tuple(other.path for other in files if other is not one)
                        yield SmallChange(commit, message, *one, others)
        finally:
            process.kill()


class _File(NamedTuple):
    path: str
    old_blob: str
    new_blob: str
    before: list[str]
    after: list[str]
    line: int


def _commits(lines: Iterator[str], most_lines: int) -> Iterator[tuple[str, str, list[_File]]]:
    """Each commit with its files; a file of several hunks counts as one of too many lines."""
    commit, message, files, in_message, in_hunk = "", "", list[_File](), False, False
    for line in lines:
        if line.startswith(_COMMIT):
            if commit:
                yield commit, message, files
            commit, message, files, in_message, in_hunk = line[1:], "", [], True, False
        elif in_message:
            text, end, _ = line.partition(_END)
            message += text + "\n"
            in_message = not end
        elif line.startswith("diff --git "):
            files.append(_File(line.rpartition(" b/")[2], "", "", [], [], 0))
            in_hunk = False
        elif not in_hunk and line.startswith("index "):
            old, _, new = line.split(" ")[1].partition("..")
            files[-1] = files[-1]._replace(old_blob=old, new_blob=new)
        elif line.startswith("@@ "):
            files[-1] = files[-1]._replace(line=max(0, int(line.split("+")[1].split()[0].split(",")[0]) - 1))
            if in_hunk:
                files[-1].before.extend([""] * (most_lines + 1))
            in_hunk = True
        elif in_hunk:
            side = {"-": files[-1].before, "+": files[-1].after}.get(line[:1])
            if side is not None and len(side) <= most_lines:
                side.append(line[1:])
    if commit:
        yield commit, message, files


class Blobs:
    """One ``git cat-file``; see ``open_blobs``."""

    def __init__(self, asking: IO[bytes], answering: IO[bytes]) -> None:
        self._asking, self._answering = asking, answering

    def read(self, name: str, most_bytes: int = MAX_BYTES) -> str | None:
        """A blob's text; None when it is large, missing or not UTF-8."""
        self._asking.write(name.encode() + b"\n")
        self._asking.flush()
        head = self._answering.readline().split()
        if len(head) != 3:
            return None
        body = self._answering.read(int(head[2]) + 1)[:-1]
        if len(body) > most_bytes:
            return None
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return None


@contextmanager
def open_blobs(git_dir: Path) -> Iterator[Blobs]:
    """The repository's objects by name."""
    command = ["git", f"--git-dir={git_dir}", "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Blobs(process.stdin, process.stdout)
        finally:
            process.stdin.close()
            process.kill()

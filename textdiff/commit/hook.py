"""The ``prepare-commit-msg`` hook: puts a message into the editor that git is about to open, and never stands in
the way."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from pathlib import Path

from codeworld import git
from codeworld.canvas import Reject

NAME = "prepare-commit-msg"
_MARK = "codeworld commit-message"
# $2 says where a message comes from already (-m, -F, a template, a merge, a squash, an amended commit): then it stays.
# A failure of ours must not keep anybody from committing.
_SCRIPT = """#!/bin/sh
# Written by `{mark} --install-hook`; delete this file to be rid of it.
test -z "$2" || exit 0
{python} -m codeworld commit-message --into "$1" || :
"""


def install(root: Path) -> Path | Reject:
    """Write the hook of the repository that holds ``root``; one that is there already is left as it is. Returns its
    path."""
    place = git.run(root, "rev-parse", "--git-path", "hooks")
    if place.code != 0:
        return Reject("no-repository", place.err or f"{root} is not inside a git repository")
    path = (root / os.fsdecode(place.out.rstrip(b"\n")) / NAME).absolute()
    if path.exists() or path.is_symlink():
        ours = path.is_file() and _MARK in path.read_text(encoding="utf-8", errors="replace")
        if ours:
            return path
        return Reject("hook-exists", f'{path} exists; have it call: codeworld commit-message --into "$1"')
    path.parent.mkdir(parents=True, exist_ok=True)
    script = _SCRIPT.format(mark=_MARK, python=shlex.quote(sys.executable))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def put(message: str, into: Path) -> bool:
    """Put a message before what git has written into the file; not when somebody has written a message already."""
    try:
        before = into.read_bytes()
    except OSError:
        before = b""
    lines = before.split(b"\n")
    scissors = next((i for i, line in enumerate(lines) if b"------ >8 ------" in line), len(lines))
    if any(line.strip() and not line.startswith((b"#", b";")) for line in lines[:scissors]):
        return False
    into.write_bytes(
        message.encode("utf-8", "replace") + (before if before.startswith(b"\n") else b"\n" + before)
    )
    return True

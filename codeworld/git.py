"""Git commands that only read. A repository's own configuration must not run programs meanwhile, and a partial clone
must not fetch what it lacks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

TIMEOUT_S = 120
_HARMLESS = (
    "core.fsmonitor=false",
    "log.showSignature=false",
    "protocol.allow=never",
    "core.quotePath=false",
)


class Done(NamedTuple):
    """How a command ended; ``code`` is 127 when there is no git, 124 when it took too long."""

    code: int
    out: bytes
    err: str


def command(root: Path, *arguments: str) -> list[str]:
    """The words of a git command in the work tree (or bare repository) ``root``."""
    settings = [word for setting in _HARMLESS for word in ("-c", setting)]
    return ["git", "--no-optional-locks", *settings, "-C", str(root), *arguments]


def run(root: Path, *arguments: str, stdin: bytes = b"", timeout_s: float = TIMEOUT_S) -> Done:
    """Run a git command to its end. Never raises."""
    words = command(root, *arguments)
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout_s, env=_environment())
    except subprocess.TimeoutExpired:
        return Done(124, b"", f"git {arguments[0]} took longer than {timeout_s:.0f} s")
    except OSError as error:
        return Done(127, b"", f"git cannot be run: {error.strerror}")
    return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").strip())


def text(root: Path, *arguments: str) -> str:
    """The output of a git command; "" when it fails or there is no git."""
    done = run(root, *arguments)
    return done.out.decode("utf-8", errors="replace") if done.code == 0 else ""


@contextmanager
def stream(root: Path, *arguments: str) -> Iterator[IO[bytes]]:
    """The output of a git command while it runs; the command is ended with the block. Empty when there is no git."""
    words = command(root, *arguments)
    try:
        process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env=_environment(),
        )
    except OSError:
        with open(os.devnull, "rb") as nothing:
            yield nothing
        return
    with process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    """The caller's, for a hook's index file, in plain English and with nothing asked."""
    return os.environ | {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}

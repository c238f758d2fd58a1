"""The processes behind an editor: its language servers, the engine, and ending all that a test started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Path(os.environ.get("CODEWORLD_EDITORS", ROOT / "build" / "editors"))


def write_program(path: Path) -> Path:
    """A ``codeworld`` program that runs this checkout with this Python."""
    path.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m codeworld "$@"\n')
    path.chmod(0o755)
    return path


def wait_for(what: str, found: Callable[[], T], timeout_s: float = 60.0) -> T:
    """The first true value of ``found()``. Raises TimeoutError."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := found()):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.05)
    return value


def servers(runtime: Path) -> list[psutil.Process]:
    """The language servers that use this runtime directory."""
    return _running(runtime, lambda command: command[2:5] == ["-m", "codeworld", "lsp"])


def engines(runtime: Path) -> list[psutil.Process]:
    """The engine processes that use this runtime directory."""
    return _running(runtime, lambda command: "codeworld.engine.process" in command)


def _running(runtime: Path, is_one: Callable[[list[str]], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if is_one(process.cmdline()) and process.environ().get("CODEWORLD_RUNTIME_DIR") == str(runtime):
                found.append(process)
    return found


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and the group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

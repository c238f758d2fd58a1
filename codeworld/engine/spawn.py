"""Starting the engine process when none listens, and not starting it again and again when it keeps crashing.

Every start is noted in a file that an orderly end removes. Starts left in it are crashes: after the third
within ``CRASH_WINDOW_S`` nobody starts another before ``delay_s`` has passed, which grows with each.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket as sockets
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

import codeworld
from codeworld.engine import paths
from codeworld.engine.protocol import Request, Status, frame

START_TIMEOUT_S = 15.0
PROBE_TIMEOUT_S = 1.0
CRASH_WINDOW_S = 10 * 60.0
FREE_CRASHES = 2
FIRST_DELAY_S = 10.0
MAX_DELAY_S = 300.0
# Reasons to end after which the next start is not held back.
ORDERLY = frozenset({"shutdown", "idle", "SIGTERM", "SIGINT", "the socket's file is gone"})

# Engines this process started. They outlive it; kept only to be reaped when one ends before that.
_children: list[subprocess.Popen[bytes]] = []


class EngineUnavailable(Exception):
    """No engine can be reached or started. The message is one line for the user."""


def is_listening(path: Path) -> bool:
    """Whether a living engine listens at ``path``. Raises EngineUnavailable when that cannot be found out."""
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
            # For a moment after its death a killed process still takes connections: only an answer tells.
            probe.sendall(frame(Request(0, Status())))
            return bool(probe.recv(1))
        except TimeoutError:
            return True  # alive, but busy: while it imports torch it is deaf for a while
        except (FileNotFoundError, ConnectionError, BlockingIOError):
            return False
        except OSError as error:
            raise EngineUnavailable(f"cannot use {path}: {error.strerror or error}") from error


def spawn_engine() -> subprocess.Popen[bytes]:
    """Start the engine process and return at once; then try ``paths.socket_path()`` until it answers (0.2 s).

    Harmless when one runs or starts already. Raises EngineUnavailable while crashes hold it back.
    """
    try:
        if not is_locked():  # a running engine is among the starts, and no crash
            refuse_crash_loop()
        # Safe path (-P), and a directory of our own: with `-m` the current directory comes first on the path,
        # and an editor's current directory is a repository that may hold any `codeworld.py`.
        child = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                os.environ.get("CODEWORLD_ENGINE_MODULE") or "codeworld.engine.process",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=paths.runtime_dir(),
            env=_environment(),
            start_new_session=True,  # Ctrl-C in a terminal is not for the engine, which others share
        )
        _children[:] = [other for other in _children if other.poll() is None] + [child]
        return child
    except paths.RuntimeDirectoryError as error:
        raise EngineUnavailable(str(error)) from error
    except OSError as error:
        raise EngineUnavailable(f"cannot start the engine: {error.strerror or error}") from error


def ensure_running(socket: Path | None = None, timeout_s: float = START_TIMEOUT_S) -> Path:
    """The socket of a running engine; starts one when none listens there. Raises EngineUnavailable.

    ``socket`` other than the default one is only looked at: who names a socket runs the engine behind it.
    """
    default = default_socket()
    path = socket or default
    if is_listening(path):
        return path
    if path != default:
        raise EngineUnavailable(f"no engine listens at {path}")
    deadline_s = time.monotonic() + timeout_s
    process = spawn_engine()
    while time.monotonic() < deadline_s:
        if is_listening(path):
            return path
        if process.poll():
            refuse_crash_loop()
            if is_locked():
                raise EngineUnavailable(f"the engine with process id {lock_owner()} does not answer")
            raise EngineUnavailable(
                f"the engine ended with status {process.returncode} at its start; see {paths.log_path()}"
                " or run `python -m codeworld.engine.process`"
            )
        time.sleep(0.01)
    raise EngineUnavailable(f"the engine did not start within {timeout_s:.0f} s; see {paths.log_path()}")


def default_socket() -> Path:
    """paths.socket_path(), raising EngineUnavailable."""
    try:
        return paths.socket_path()
    except paths.RuntimeDirectoryError as error:
        raise EngineUnavailable(str(error)) from error


def is_locked() -> bool:
    """Whether an engine runs or starts."""
    with contextlib.suppress(FileNotFoundError):
        lock = os.open(paths.lock_path(), os.O_RDWR)
        try:
            # Shared, so that two who ask do not see each other; an engine that starts right now tries again.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    return False


def lock_owner() -> str:
    """Process id the lock's holder wrote down, "?" if it did not."""
    with contextlib.suppress(OSError):
        return paths.lock_path().read_text().strip() or "?"
    return "?"


def refuse_crash_loop() -> None:
    """Raise EngineUnavailable while crashes hold back the next start."""
    wait_s = delay_s(_read_starts(), time.time())
    if wait_s > 0:
        raise EngineUnavailable(
            f"the engine crashed repeatedly; next try in {wait_s:.0f} s; see {paths.log_path()}"
        )


def delay_s(starts: Sequence[float], now: float) -> float:
    """Seconds until the next start is allowed, given the (Unix) times of the starts that ended in a crash."""
    recent = [start for start in starts if 0 <= now - start < CRASH_WINDOW_S]
    if len(recent) <= FREE_CRASHES:
        return 0.0
    wait_s = min(MAX_DELAY_S, FIRST_DELAY_S * 3.0 ** (len(recent) - FREE_CRASHES - 1))
    return max(0.0, max(recent) + wait_s - now)


def crashes() -> int:
    """How often the engine crashed within CRASH_WINDOW_S."""
    recent = [start for start in _read_starts() if 0 <= time.time() - start < CRASH_WINDOW_S]
    return max(0, len(recent) - is_locked())  # the one that runs has not crashed


def record_start() -> None:
    """Note that an engine starts now. Only for the owner of the lock."""
    recent = [start for start in _read_starts() if 0 <= time.time() - start < CRASH_WINDOW_S]
    paths.starts_path().write_text("".join(f"{start}\n" for start in [*recent, time.time()]))


def forget_starts() -> None:
    """Note that the engine ended in good order. Only for the owner of the lock."""
    paths.starts_path().unlink(missing_ok=True)


def _read_starts() -> list[float]:
    try:
        return [float(line) for line in paths.starts_path().read_text().split()]
    except (OSError, ValueError):
        return []


def _environment() -> dict[str, str]:
    """This process's environment; from a source checkout also the way to our package."""
    environment = dict(os.environ)
    root = str(Path(codeworld.__path__[0]).resolve().parent)
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = root + (os.pathsep + inherited if inherited else "")
    return environment

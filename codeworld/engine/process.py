"""The engine process (``python -m codeworld.engine.process``): one for each user, no torch until it is used.

Exclusive by an flock held for life: of two processes started at once one serves and the other ends quietly.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import fcntl
import logging
import logging.handlers
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from codeworld.engine import paths, spawn
from codeworld.engine.core import Patience
from codeworld.engine.front import Front
from codeworld.engine.worker import Backend, stack

log = logging.getLogger("codeworld.engine")

LOCK_WAIT_S = 8.0  # for a predecessor that is about to end
# The thread that answers clients gets the interpreter back from a busy model thread after this long, not 5 ms.
SWITCH_INTERVAL_S = 0.001


def load_infiller() -> Backend:
    """The real model, warm. Runs on the worker's thread; the first call imports torch."""
    from codeworld.model import infill

    checkpoint = os.environ.get("CODEWORLD_MODEL")
    infiller = infill.load(
        os.environ.get("CODEWORLD_DEVICE") or "auto", Path(checkpoint) if checkpoint else None
    )
    infiller.warm_up()
    return infiller


def patience_from_environment() -> Patience:
    """Waiting times; ``CODEWORLD_IDLE_S`` sets the idle ones, in proportion."""
    try:
        idle_s = float(os.environ["CODEWORLD_IDLE_S"])
    except (KeyError, ValueError):
        return Patience()
    return Patience(idle_s=idle_s, exit_s=4 * idle_s) if idle_s > 0 else Patience()


def take_lock(wait_s: float = LOCK_WAIT_S) -> int | None:
    """The locked file's descriptor, or None when another engine serves. Raises TimeoutError when one holds the
    lock and does not serve."""
    lock = os.open(paths.lock_path(), os.O_RDWR | os.O_CREAT, 0o600)
    deadline_s = time.monotonic() + wait_s
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
            return lock
        if spawn.is_listening(paths.socket_path()):
            os.close(lock)
            return None
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the engine with process id {spawn.lock_owner()} does not answer")
        time.sleep(0.02)


def listen() -> socket.socket:
    """The socket, mode 0600. Only for the owner of the lock: what a dead engine left there is replaced."""
    path = paths.socket_path()
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))  # under the umask of 077, so it is never open to others
    path.chmod(0o600)
    listener.listen(64)
    listener.setblocking(False)
    return listener


def open_log() -> None:
    """Log to a file: 1 MB and one older one. Only our own logger, for others might quote documents."""
    handler = logging.handlers.RotatingFileHandler(paths.log_path(), maxBytes=1_000_000, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


async def serve(listener: socket.socket, factory: Callable[[], Backend], patience: Patience) -> str:
    """Serve until the engine ends, also on SIGTERM and SIGINT; returns why it ended."""
    front = Front(factory, patience)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, front.end, signal.Signals(number).name)
    return await front.serve(listener)


def main(factory: Callable[[], Backend] = load_infiller) -> int:
    """Run the engine; returns the exit status: 0 also when another one serves, 1 with a line on stderr."""
    os.umask(0o077)
    try:
        if take_lock() is None:
            return 0
        spawn.refuse_crash_loop()  # who spawned us could not know whether the lock's last owner was crashing
    except (TimeoutError, OSError, paths.RuntimeDirectoryError, spawn.EngineUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    open_log()
    spawn.record_start()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with paths.crash_path().open("w") as crashes:
        faulthandler.enable(crashes)
        try:
            reason = asyncio.run(serve(listen(), factory, patience_from_environment()))
        except Exception as error:
            log.critical("the engine ends: %s [%s]", type(error).__name__, stack(error))
            return 1
        finally:
            faulthandler.disable()
    log.info("ended: %s", reason)
    if reason in spawn.ORDERLY:
        spawn.forget_starts()
    return 0


def run(factory: Callable[[], Backend] = load_infiller) -> None:
    """``main``, then leave without the interpreter's clean-up: it may wait for, or crash in, model libraries."""
    status = main(factory)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    run()

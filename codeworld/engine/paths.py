"""Where the engine's files lie, and the check that nobody else can reach them.

Environment overrides: ``CODEWORLD_RUNTIME_DIR`` (directory of socket, lock and logs), ``CODEWORLD_ENGINE_MODULE``
(the module to run as engine; tests put a slow fake there) and, read by the engine process, ``CODEWORLD_MODEL``
(checkpoint directory), ``CODEWORLD_DEVICE``, ``CODEWORLD_IDLE_S`` (seconds until the model is unloaded).
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path

# Linux allows 108 bytes and macOS 104, both with the final NUL.
MAX_SOCKET_PATH_BYTES = 103


class RuntimeDirectoryError(Exception):
    """The runtime directory cannot be made, or is not the user's own. The message is one line."""


def runtime_dir() -> Path:
    """The directory of socket, lock and logs, made with mode 0700 when missing.

    ``$CODEWORLD_RUNTIME_DIR``, else ``$XDG_RUNTIME_DIR/codeworld``, else ``/tmp/codeworld-<uid>``.
    Raises RuntimeDirectoryError when it belongs to somebody else or others may write to it.
    """
    override = os.environ.get("CODEWORLD_RUNTIME_DIR")
    if override:
        return _own_directory(Path(override).absolute())
    session = os.environ.get("XDG_RUNTIME_DIR")
    # After `su` or `sudo -E` the variable names another user's directory: fall through instead of failing.
    if session and os.path.isdir(session) and os.stat(session).st_uid == os.geteuid():
        return _own_directory(Path(session) / "codeworld")
    return _own_directory(Path(f"/tmp/codeworld-{os.geteuid()}"))


def _own_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()  # not stat: a link planted in /tmp must not pass for the directory
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise RuntimeDirectoryError(f"{path} is not a directory owned by user {os.geteuid()}")
        if found.st_mode & 0o022:
            raise RuntimeDirectoryError(f"{path} is writable by others; remove it or `chmod 700` it")
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise RuntimeDirectoryError(f"cannot use {path}: {error.strerror}") from error
    return path


def socket_path() -> Path:
    """The engine's socket. Raises RuntimeDirectoryError, also when the path is too long for an address."""
    path = runtime_dir() / "engine.sock"
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise RuntimeDirectoryError(
            f"{path} is too long for a socket: set CODEWORLD_RUNTIME_DIR to a shorter one"
        )
    return path


def lock_path() -> Path:
    """The file the running engine holds an exclusive flock on; its content is the engine's process id."""
    return runtime_dir() / "engine.lock"


def log_path() -> Path:
    """The rotating log; it never contains text of documents."""
    return runtime_dir() / "engine.log"


def starts_path() -> Path:
    """Times of the engine starts that were not followed by an orderly end (see codeworld.engine.spawn)."""
    return runtime_dir() / "engine.starts"


def crash_path() -> Path:
    """Stacks (functions and lines, no values) that faulthandler writes when the process dies of a signal."""
    return runtime_dir() / "engine.crash"


def is_own_peer(connection: socket.socket) -> bool:
    """Whether this user runs the process at the other end; true where the platform cannot tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    credentials = struct.Struct("3i")  # pid, uid, gid
    _, uid, _ = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, option, credentials.size))
    return bool(uid == os.geteuid())

"""Inside the sandbox: take the limits on, then become the command. Standard library only; run as a script."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all of Linux's 64-bit architectures
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_CHILD_SUBREAPER = 36
_PATH_BENEATH = 1
_READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read file, read directory
_ALL = (1 << 13) - 1  # what ABI 1 knows


class Plan:
    """Limits and, where Landlock is to guard the files, what may be read and what written."""

    def __init__(
        self,
        cpu_s: int,
        memory_mb: int,
        file_mb: int,
        processes: int,
        landlock: Sequence[str] = (),
        writable: Sequence[str] = (),
    ) -> None:
        self.cpu_s, self.memory_mb, self.file_mb, self.processes = cpu_s, memory_mb, file_mb, processes
        self.landlock, self.writable = list(landlock), list(writable)

    def encode(self) -> str:
        """As an argument of a command line."""
        return json.dumps(vars(self))


def limit(plan: Plan) -> None:
    """Limits of this process and its children."""
    for kind, most in (
        (resource.RLIMIT_CPU, plan.cpu_s),
        (resource.RLIMIT_AS, plan.memory_mb << 20),
        (resource.RLIMIT_FSIZE, plan.file_mb << 20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(
            kind, (most, most + (kind == resource.RLIMIT_CPU))
        )  # first a signal that tells why
    if plan.processes:
        resource.setrlimit(resource.RLIMIT_NPROC, (plan.processes, plan.processes))


def guard(plan: Plan) -> bool:
    """Landlock: files only where the plan says. False where the kernel has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    handled = ctypes.c_uint64(_ALL)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    if ruleset < 0:
        return False
    for paths, access in ((plan.landlock, _READ), (plan.writable, _ALL), (["/dev/null"], _READ | (1 << 1))):
        for path in paths:
            _allow(libc, ruleset, path, access)
    return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH)
    except OSError:
        return
    if not os.path.isdir(path):
        access &= (1 << 0) | (1 << 1) | (1 << 2)  # files know no more
    rule = access.to_bytes(8, sys.byteorder) + opened.to_bytes(4, sys.byteorder)
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(opened)


def adopt_orphans() -> None:
    """Stay behind as the parent of all that the command leaves, so that the watchdog finds it. Returns in the child."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        return
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def main(arguments: list[str]) -> None:
    """Never returns."""
    plan = Plan(**json.loads(arguments[0]))
    limit(plan)
    if plan.landlock:
        guard(plan)
        adopt_orphans()  # bubblewrap has an init of its own
    try:
        os.execvp(arguments[1], arguments[1:])
    except OSError as error:
        print(f"{arguments[1]}: {error.strerror}", file=sys.stderr)
        os._exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])

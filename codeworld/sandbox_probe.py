"""What this machine offers for running untrusted code: bubblewrap, user namespaces, Landlock, seccomp."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

_LANDLOCK_CREATE_RULESET = 444  # system call number, the same on all of Linux's 64-bit architectures
_LANDLOCK_CREATE_RULESET_VERSION = 1
_PROBE_TIMEOUT_S = 10.0


class Sandbox(msgspec.Struct, frozen=True):
    """What works, tried out; ``landlock_abi`` is 0 where the kernel has none."""

    bubblewrap: bool
    user_namespaces: bool
    landlock_abi: int
    seccomp: bool

    def missing(self) -> list[str]:
        """One line for each thing that does not work."""
        lines = []
        if not self.bubblewrap:
            lines.append("bubblewrap does not work: install the package bubblewrap")
        if not self.user_namespaces:
            lines.append("user namespaces without privileges are off (unshare -rn fails)")
        if not self.landlock_abi:
            lines.append("the kernel has no Landlock")
        if not self.seccomp:
            lines.append("the kernel has no seccomp filters")
        return lines

    def describe(self) -> str:
        """One line."""
        names = {
            "bubblewrap": self.bubblewrap,
            "user namespaces": self.user_namespaces,
            "seccomp": self.seccomp,
        }
        landlock = f"Landlock ABI {self.landlock_abi}" if self.landlock_abi else "no Landlock"
        return ", ".join([name if there else f"no {name}" for name, there in names.items()] + [landlock])


def probe() -> Sandbox:
    """Try everything out; nothing is left behind."""
    return Sandbox(
        bubblewrap=_succeeds(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "true"]),
        user_namespaces=_succeeds(["unshare", "-rn", "true"]),
        landlock_abi=_landlock_abi(),
        seccomp=Path("/proc/sys/kernel/seccomp/actions_avail").exists(),
    )


def _succeeds(command: Sequence[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        return subprocess.run(command, capture_output=True, timeout=_PROBE_TIMEOUT_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _landlock_abi() -> int:
    """The ABI version that landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) reports."""
    if not sys.platform.startswith("linux"):
        return 0
    version = ctypes.CDLL(None, use_errno=True).syscall(
        _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION
    )
    return max(0, int(version))

"""The project's own type checker: what it says of a file, with other texts in its place.

A checker counts as the project's where it is configured there and installed in its environment. It runs in the sandbox,
because its plugins are the project's code. Without an answer within the time limit nothing is known.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from codeworld.canvas import Reject
from codeworld.verify import sandbox

_LIMITS = sandbox.Limits(wall_s=60.0, address_mb=1 << 16)  # node reserves far more addresses than it uses
_MYPY_LINE = re.compile(
    r"^(?P<path>[^\n:]+):(?P<line>\d+):(?:\d+:)*\s*error: (?P<message>.*?)(?:  \[[\w-]+\])?$", re.MULTILINE
)
_MYPY = [
    "--no-error-summary",
    "--no-color-output",
    "--no-pretty",
    "--hide-error-context",
    "--cache-dir=/dev/null",
]
_ENVIRONMENTS = (".venv", "venv", "env", ".env")


class Complaint(msgspec.Struct, frozen=True):
    """An error that is reported for a ``line`` (from 0)."""

    line: int
    message: str


class TypeChecker(msgspec.Struct, frozen=True):
    """An installed checker and the project that configures it."""

    name: Literal["mypy", "basedpyright", "pyright"]
    executable: Path
    root: Path

    def complaints(
        self, path: Path, text: str, should_stop: Callable[[], bool] = lambda: False
    ) -> list[Complaint] | None:
        """The errors that are reported for ``path`` with ``text``; None without an answer."""
        options = _MYPY if self.name == "mypy" else ["--outputjson"]
        name = path.resolve().relative_to(self.root).as_posix()
        done = sandbox.run(
            [str(self.executable), *options, name],
            project=self.root,
            changed={path.resolve(): text},
            limits=_LIMITS,
            should_stop=should_stop,
        )
        if done.status == "stopped" or done.exit_code not in (0, 1):
            return None
        return _of_mypy(done.output, name) if self.name == "mypy" else _of_pyright(done.output, name)


def comparison(
    complaints: Callable[[str], Sequence[Complaint] | None], before: str
) -> Callable[[str], tuple[str, ...] | Reject]:
    """What says of a text whether its errors have grown against the text ``before``: ("types",) where no error is new,
    () without an answer; reason: "type-error". Where the errors stand does not matter."""
    known: list[Counter[str] | None] = []

    def errors(text: str) -> Counter[str] | None:
        found = complaints(text)
        return None if found is None else Counter(one.message for one in found)

    def compare(text: str) -> tuple[str, ...] | Reject:
        if not known:
            known.append(errors(before))
        after = errors(text) if known[0] is not None else None
        if known[0] is None or after is None:
            return ()
        new = after - known[0]
        return Reject("type-error", next(iter(new))) if new else ("types",)

    return compare


def find(root: Path) -> TypeChecker | None:
    """The checker of the project ``root``, None where none is configured or installed."""
    root = root.resolve()
    for name in _configured(root):
        executable = _installed(root, name)
        if executable is not None:
            return TypeChecker(name, executable, root)
    return None


def _configured(root: Path) -> list[Literal["mypy", "basedpyright", "pyright"]]:
    tools: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
    found: list[Literal["mypy", "basedpyright", "pyright"]] = []
    if "basedpyright" in tools:
        found.append("basedpyright")
    if "pyright" in tools or (root / "pyrightconfig.json").exists():
        found += ["basedpyright", "pyright"]
    if "mypy" in tools or any(
        map(_speaks_of_mypy, (root / "mypy.ini", root / ".mypy.ini", root / "setup.cfg"))
    ):
        found.append("mypy")
    return found


def _speaks_of_mypy(path: Path) -> bool:
    try:
        return "[mypy]" in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _installed(root: Path, name: str) -> Path | None:
    places = [root / one / "bin" for one in _ENVIRONMENTS]
    if os.environ.get("VIRTUAL_ENV"):
        places.append(Path(os.environ["VIRTUAL_ENV"], "bin"))
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)]))
    return Path(found).absolute() if found else None


def _of_mypy(output: str, name: str) -> list[Complaint]:
    found = _MYPY_LINE.finditer(output)
    return [Complaint(int(one["line"]) - 1, one["message"]) for one in found if one["path"] == name]


class _Position(msgspec.Struct):
    line: int = 0


class _Range(msgspec.Struct):
    start: _Position = msgspec.field(default_factory=_Position)


class _Diagnostic(msgspec.Struct):
    file: str
    severity: str
    message: str
    place: _Range = msgspec.field(name="range", default_factory=_Range)


class _Report(msgspec.Struct, rename={"diagnostics": "generalDiagnostics"}):
    diagnostics: list[_Diagnostic]


def _of_pyright(output: str, name: str) -> list[Complaint] | None:
    try:
        report = msgspec.json.decode(output[output.index("{") :], type=_Report)
    except (ValueError, msgspec.DecodeError):
        return None
    return [
        Complaint(one.place.start.line, one.message)
        for one in report.diagnostics
        if one.severity == "error" and one.file.endswith(name)
    ]

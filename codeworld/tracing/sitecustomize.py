"""Which lines of one file each test runs. Python imports this before a program where it lies on PYTHONPATH; pytest
takes it as a plugin (PYTEST_DONT_REWRITE). It runs inside the sandbox, in the project's own interpreter: standard
library only.

CODEWORLD_LINES names the file (relative to the project); the report, a JSON line between two marks, goes to standard
error when the process ends. CODEWORLD_TESTS, a JSON list of test ids, has pytest run only those.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

MARK = "\x1ecodeworld-lines\x1e"

_file = os.environ.get("CODEWORLD_LINES", "")
_selected = json.loads(os.environ.get("CODEWORLD_TESTS", "[]"))
_lines: set[int] = set()  # run since the last look
_everywhere: set[int] = set()  # run outside of tests, such as at import
_tests: list[tuple[str, set[int]]] = []
_failed: set[str] = set()
_known: dict[str, bool] = {}


def _follow(frame: FrameType, event: str, argument: object) -> Any:
    if event == "call" and not _is_it(frame.f_code.co_filename):
        return None
    if event == "line":
        _lines.add(frame.f_lineno)
    return _follow


def _is_it(filename: str) -> bool:
    if filename not in _known:
        _known[filename] = os.path.realpath(filename) == _path
    return _known[filename]


def _located() -> str:
    """The file, in the project that the command was started in; a Makefile may have gone further down."""
    here = Path.cwd()
    found = (folder / _file for folder in (here, *here.parents))
    return next((os.path.realpath(one) for one in found if one.is_file()), "")


def _report() -> None:
    sys.settrace(None)
    _everywhere.update(_lines)
    tests = [[name, name in _failed, sorted(lines)] for name, lines in _tests]
    text = MARK + json.dumps({"everywhere": sorted(_everywhere), "tests": tests}) + MARK + "\n"
    os.write(_channel, text.encode())


if _file and "CODEWORLD_LINES_OWNER" not in os.environ:
    os.environ["CODEWORLD_LINES_OWNER"] = str(os.getpid())  # what the program starts is not followed
    _path = _located()
    _channel = os.dup(2)  # pytest puts its own in place of 2
    atexit.register(_report)
    threading.settrace(_follow)
    sys.settrace(_follow)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Files without a selected test are not even imported."""
    if not _selected or collection_path.is_dir():
        return None
    name = collection_path.as_posix()
    return None if any(name.endswith(one.partition("::")[0]) for one in _selected) else True


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Keep the selected tests."""
    if _selected:
        config.hook.pytest_deselected(items=[one for one in items if one.nodeid not in _selected])
        items[:] = [one for one in items if one.nodeid in _selected]


def pytest_runtest_logstart(nodeid: str) -> None:
    """A test begins: what was run until now was no test's."""
    _everywhere.update(_lines)
    _lines.clear()
    _tests.append((nodeid, set()))


def pytest_runtest_logreport(report: Any) -> None:
    """A part of a test has ended."""
    if _tests and _tests[-1][0] == report.nodeid:
        _tests[-1][1].update(_lines)
    _lines.clear()
    if report.failed:
        _failed.add(report.nodeid)

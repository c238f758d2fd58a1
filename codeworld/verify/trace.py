"""What a traced run of tests says about one file: the lines that each test ran, and the lines in its tracebacks."""

from __future__ import annotations

import re

import msgspec

from codeworld.tracing.sitecustomize import MARK

_FRAME = re.compile(
    r'File "(?P<quoted>[^"\n]+)", line (?P<number>\d+)|^(?P<plain>[^\s:]+\.py):(?P<row>\d+): ', re.MULTILINE
)


class TestRun(msgspec.Struct, frozen=True):
    """What one test ran of the file: ``lines`` from 0. A command that is not pytest is one test, named ""."""

    __test__ = False  # pytest takes its name for a test's

    name: str
    failed: bool
    lines: frozenset[int]


class Trace(msgspec.Struct, frozen=True):
    """One run of the whole command. ``frames``: lines of the file (from 0) in the tracebacks that it printed, as they
    were printed: the innermost of the last traceback at the end."""

    runs: tuple[TestRun, ...] = ()
    frames: tuple[int, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the tests that failed."""
        return tuple(one.name for one in self.runs if one.failed)


def trace_of(output: str, name: str, *, failed: bool) -> Trace:
    """From what the command printed; ``name`` is the file's, relative to the project, ``failed`` the command's own
    end."""
    runs: list[TestRun] = []
    for text in output.split(MARK)[1::2]:
        try:
            runs += _runs(msgspec.json.decode(text, type=_Report), failed)
        except msgspec.DecodeError:
            continue  # cut off, or a program that prints our mark
    frames = []
    for match in _FRAME.finditer(output):
        path = match["quoted"] or match["plain"]
        if path == name or path.endswith(f"/{name}"):
            frames.append(int(match["number"] or match["row"]) - 1)
    return Trace(tuple(runs), tuple(frames))


class _Report(msgspec.Struct):
    everywhere: list[int]
    tests: list[tuple[str, bool, list[int]]]


def _runs(report: _Report, failed: bool) -> list[TestRun]:
    """Lines that were run outside of tests are those of every test."""
    everywhere = frozenset(line - 1 for line in report.everywhere)
    if not report.tests:
        return [TestRun("", failed, everywhere)]
    return [
        TestRun(name, bad, everywhere | {line - 1 for line in lines}) for name, bad, lines in report.tests
    ]

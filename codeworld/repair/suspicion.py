"""Where a failing test says that the fault is: Ochiai's measure over the statements that tests ran, and tracebacks.

Ochiai (Abreu et al. 2007): of a statement that f of the F failing tests ran, and p passing ones, f / √(F·(f + p)).
"""

from __future__ import annotations

import ast
import math

import msgspec

from codeworld.repair.edits import Edit
from codeworld.repair.program import Program
from codeworld.verify.trace import Trace

_OUTER_FRAME = 0.6  # of a traceback, against 1 for the innermost
_SPECTRUM = 0.6  # share of the measure, the rest is the traceback's
_UNKNOWN = 0.3  # of what a traceback alone does not speak of


class Suspicion(msgspec.Struct, frozen=True):
    """Of statements, by their first line (from 0), in [0, 1]; ``elsewhere`` is that of all others."""

    of_line: dict[int, float]
    elsewhere: float

    def at(self, statement: int) -> float:
        """Of the statement that begins in this line."""
        return self.of_line.get(statement, self.elsewhere)


def suspicion(program: Program, trace: Trace) -> Suspicion | None:
    """What a run in which a test failed says of ``program``; None when it says nothing."""
    statements = Statements(program)
    spectrum = _ochiai(statements, trace)
    frames = {statements.of_line(line): _OUTER_FRAME for line in trace.frames}
    if trace.frames:
        frames[statements.of_line(trace.frames[-1])] = 1.0
    if not spectrum:
        return Suspicion(frames, _UNKNOWN) if frames else None
    share = _SPECTRUM if frames else 1.0
    best = max(spectrum.values())
    return Suspicion(
        {
            line: share * spectrum.get(line, 0.0) / best + (1 - share) * frames.get(line, 0.0)
            for line in spectrum.keys() | frames.keys()
        },
        0.0,
    )


def _ochiai(statements: Statements, trace: Trace) -> dict[int, float]:
    failing = [
        {statements.of_line(line) for line in one.lines} for one in trace.runs if one.failed and one.lines
    ]
    passing = [{statements.of_line(line) for line in one.lines} for one in trace.runs if not one.failed]
    found = {}
    for line in set[int]().union(*failing):
        failed = sum(line in one for one in failing)
        passed = sum(line in one for one in passing)
        found[line] = failed / math.sqrt(len(failing) * (failed + passed))
    return found


class Statements:
    """The first lines (from 0) of a program's statements."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._innermost: dict[int, int] = {}
        self._beside: dict[tuple[int, int], int] = {}  # (line behind it, or its own; column): first line
        for node in ast.walk(program.tree):  # outer ones first
            if isinstance(node, ast.stmt):
                first, end = node.lineno - 1, node.end_lineno or node.lineno
                for line in range(first, end):
                    self._innermost[line] = first
                self._beside[first, node.col_offset] = first
                self._beside[end, node.col_offset] = first

    def of_line(self, line: int) -> int:
        """Of the innermost statement around a line; the line itself where there is none."""
        return self._innermost.get(line, line)

    def of_edit(self, edit: Edit) -> int:
        """Of the statement that an edit changes, or of one beside a line that it adds, which runs where that does."""
        line = self._program.text.count("\n", 0, edit.start_char)
        if edit.start_char == edit.end_char and "\n" in edit.new_text:
            added = edit.new_text.strip("\n").split("\n")[0]
            column = len(added) - len(added.lstrip())
            line += edit.new_text.startswith("\n")
            if (line, column) in self._beside:
                return self._beside[line, column]
        return self.of_line(line)

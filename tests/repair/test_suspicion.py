"""Where failing tests say that the fault is."""

from __future__ import annotations

import math

import pytest

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.repair.edits import Edit
from codeworld.repair.logic_search import Scope, logic_proposals
from codeworld.repair.program import Program
from codeworld.repair.suspicion import Statements, Suspicion, suspicion
from codeworld.verify.trace import TestRun, Trace

TEXT = """def sign(x):
    if x > 0:
        return 1
    y = (
        x - x
    )
    return y + 1


def other(a):
    return a - 1
"""
PASSING = TestRun("a", False, frozenset({0, 1, 2, 9}))
FAILING = TestRun("b", True, frozenset({0, 1, 4, 6, 9}))


def test_ochiai() -> None:
    found = suspicion(Program.of(TEXT), Trace((PASSING, FAILING)))
    assert found is not None
    assert found.at(6) == found.at(3) == 1.0  # the second line of the statement is the one that was reported
    assert found.at(1) == pytest.approx(1 / math.sqrt(2))
    assert found.at(2) == found.at(10) == 0.0


def test_a_traceback_decides_between_lines_that_only_the_failing_test_runs() -> None:
    found = suspicion(Program.of(TEXT), Trace((PASSING, FAILING), frames=(1, 4)))
    assert found is not None
    assert found.at(3) == 1.0
    assert found.at(1) > 0.6 * 1 / math.sqrt(2)
    assert found.at(6) == pytest.approx(0.6)


def test_a_traceback_alone() -> None:
    found = suspicion(Program.of(TEXT), Trace(frames=(1, 6)))
    assert found is not None
    assert found.at(6) > found.at(1) > found.at(10) > 0


def test_nothing_said_nothing_suspected() -> None:
    assert suspicion(Program.of(TEXT), Trace()) is None
    assert suspicion(Program.of(TEXT), Trace((PASSING,))) is None


@pytest.mark.parametrize(
    ("edit", "statement"),
    [
        (Edit(TEXT.index("x - x"), TEXT.index("x - x") + 1, "0"), 3),
        (Edit(TEXT.index("    y ="), TEXT.index("    y ="), "        z()\n"), 2),  # at the end of the block
        (Edit(TEXT.index("    y ="), TEXT.index("    y ="), "    z()\n"), 3),  # behind the block
        (Edit(len(TEXT), len(TEXT), "    return 2\n"), 10),
    ],
)
def test_an_added_line_is_as_suspect_as_what_runs_beside_it(edit: Edit, statement: int) -> None:
    assert Statements(Program.of(TEXT)).of_edit(edit) == statement


def test_search_begins_where_the_failure_is() -> None:
    where = Suspicion({10: 1.0}, 0.0)
    found = logic_proposals(TEXT, None, scope=Scope(suspicion=where))
    assert TEXT.count("\n", 0, found[0].edits[0].start_char) == 10
    everywhere = logic_proposals(TEXT, None)
    assert TEXT.count("\n", 0, everywhere[0].edits[0].start_char) != 10
    assert {one.edits for one in found} == {one.edits for one in everywhere}


def test_the_reader_sees_only_so_many_lines_of_a_long_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from codeworld.repair import logic_search

    text = "".join(f"a{i} = b{i} + {i}\n" for i in range(30))
    asked: list[str] = []

    def infill(hole: InfillRequest) -> InfillReply:
        asked.append(hole.prefix)
        return InfillReply((), 1.0, "cpu", "told")

    monkeypatch.setattr(logic_search, "_MOST_READ", 5)
    where = Suspicion(dict.fromkeys(range(20, 25), 0.5), 0.1)
    scope = Scope(suspicion=where, most_lines=0, most_gaps=0)
    logic_proposals(text, infill, scope=scope)
    assert len(asked) == 1
    assert asked[0].endswith("a24 = b24 + 24\n")

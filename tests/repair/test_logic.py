"""Programs that parse: neighbours, what tests judge, and silence where nothing says that something is wrong."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Reject, Source
from codeworld.repair.edits import apply
from codeworld.repair.logic_search import Scope, logic_proposals
from codeworld.repair.program import Program
from codeworld.repair.repair import Settings, repair
from codeworld.repair.tree_edits import tree_neighbours
from codeworld.repair.verify import check

BREAKS = [
    ("def f(a, b):\n    return a < b\n", "def f(a, b):\n    return a <= b\n"),
    ("def f(a, b):\n    return a in b\n", "def f(a, b):\n    return a not in b\n"),
    ("def f(a):\n    return a[1]\n", "def f(a):\n    return a[0]\n"),
    ("def f(a):\n    return a[: len(a)]\n", "def f(a):\n    return a[: len(a) - 1]\n"),
    ("def f(a, b):\n    return a + a\n", "def f(a, b):\n    return a + b\n"),
    ("def f(a, b):\n    return g(a, b)\n", "def f(a, b):\n    return g(b, a)\n"),
    ("def f(a):\n    if a:\n        return 1\n", "def f(a):\n    if not a:\n        return 1\n"),
    ("def f(a):\n    b = a\n", "def f(a):\n    b = a\n    return b\n"),
    ("def f(a):\n    return a and b or c\n", "def f(a):\n    return a or b or c\n"),
    ("def f(a):\n    while a:\n        break\n", "def f(a):\n    while a:\n        continue\n"),
    ("def f(ä):\n    return 'é' + ä - 1\n", "def f(ä):\n    return 'é' + ä + 1\n"),
    ("def f(total):\n    return totl\n", "def f(total):\n    return total\n"),
    ("def f(a):\n    a -= 1\n    return a\n", "def f(a):\n    a += 1\n    return a\n"),
    ("def f(a):\n    return min(a)\n", "def f(a):\n    return max(a)\n"),
    ("def f(xs, n):\n    return n(xs)\n", "def f(xs, n):\n    return len(xs)\n"),
    ("def f(a):\n    return [i for j in a]\n", "def f(a):\n    return [i for i in a]\n"),
    ("x = [].apend(1)\n", "x = [].append(1)\n"),
]


@pytest.mark.parametrize(("broken", "wanted"), BREAKS)
def test_the_repair_is_a_neighbour(broken: str, wanted: str) -> None:
    wanted_tree = ast.dump(ast.parse(wanted))
    found = [apply(broken, one.edits) for one in tree_neighbours(Program.of(broken))]
    assert any(_dump(text) == wanted_tree for text in found)


def _dump(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return None


def judge_of(*asserts: str):  # type: ignore[no-untyped-def]
    def judge(programs: Sequence[str]) -> list[bool]:
        return [passes(program) for program in programs]

    def passes(program: str) -> bool:
        try:
            exec("\n".join([program, *asserts]), {})
        except Exception:
            return False
        return True

    return judge


LARGEST = """def largest(xs):
    best = xs[0]  # so far
    for x in xs:
        if x < best:
            best = x
    return best
"""


def test_tests_judge() -> None:
    fixes = repair(LARGEST, judge=judge_of("assert largest([1, 3, 2]) == 3", "assert largest([4, 1]) == 4"))
    assert not isinstance(fixes, Reject)
    assert fixes[0].text in (LARGEST.replace("<", ">"), LARGEST.replace("<", ">="))
    assert fixes[0].checks == ("parses", "names", "tests")


def test_two_edits_where_one_is_not_enough() -> None:
    broken = "def f(a, b):\n    c = a - b\n    return c - 1\n"
    judge = judge_of("assert f(1, 2) == 4", "assert f(5, 3) == 9", "assert f(0, 0) == 1")
    assert isinstance(repair(broken, judge=judge), Reject)
    fixes = repair(broken, judge=judge, settings=Settings(two_edits=True, threshold=0.2))
    assert not isinstance(fixes, Reject)
    assert fixes[0].text == "def f(a, b):\n    c = a + b\n    return c + 1\n"


def test_no_fix_that_fails_a_test_is_offered() -> None:
    assert repair(LARGEST, judge=lambda programs: [False] * len(programs)) == Reject("no-test-passes")


@pytest.mark.parametrize("judge", [None, lambda programs: [True] * len(programs)])
def test_silence_where_nothing_is_wrong(judge) -> None:  # type: ignore[no-untyped-def]
    found = repair(LARGEST, judge=judge)
    assert isinstance(found, Reject)
    assert found.reason == "nothing-wrong"


def test_a_broken_program_must_pass_the_tests_too() -> None:
    broken = "def f(a):\n    return [a\n"
    fixes = repair(broken, judge=judge_of("assert f(1) == [1]"))
    assert not isinstance(fixes, Reject)
    assert fixes[0].text == "def f(a):\n    return [a]\n"
    assert "tests" in fixes[0].checks


def test_new_undefined_names_are_refused() -> None:
    before = "def f(a):\n    return a\n"
    assert check(before, "def f(a):\n    return b\n") == Reject("undefined-name", "b")
    assert check(before, "def f(a:\n") == Reject("parse")
    assert check("from x import *\nf(a)\n", "from x import *\nf(b)\n") == ("parses", "names")


def test_the_reader_finds_the_line_and_the_edit() -> None:
    def infill(hole: InfillRequest) -> InfillReply:
        def likely(text: str) -> float:
            return 0.0 if "x > best" in text else -20.0 if "x < best" in text else -5.0

        scored = [Candidate(text, Source.GIVEN, likely(text), 4) for text in hole.given]
        return InfillReply(tuple(scored), 1.0, "cpu", "told")

    best = logic_proposals(LARGEST, infill)[0]
    assert apply(LARGEST, best.edits) == LARGEST.replace("<", ">")


def test_the_description_reaches_the_reader() -> None:
    seen: list[str] = []

    def infill(hole: InfillRequest) -> InfillReply:
        seen.append(hole.prefix)
        return InfillReply((), 1.0, "cpu", "told")

    repair(LARGEST, infill=infill, settings=Settings(describe="the largest\nof xs"))
    assert seen
    assert all(prefix.startswith("# the largest of xs\n") for prefix in seen)


def test_only_the_lines_asked_for_are_changed() -> None:
    for one in logic_proposals(LARGEST, None, scope=Scope(lines=frozenset({3}))):
        assert LARGEST.count("\n", 0, one.edits[0].start_char) == 3

"""Statements that are missing: what is proposed, and that all of it parses."""

from __future__ import annotations

import ast

import pytest

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Reject, Source
from codeworld.repair.edits import apply
from codeworld.repair.insertions import insertions
from codeworld.repair.logic_search import Scope, logic_proposals
from codeworld.repair.program import Program
from codeworld.repair.repair import Settings, repair
from tests.repair.test_logic import judge_of

MISSING = [
    # initialisation
    ("def f(xs):\n    for x in xs:\n        n += 1\n    return n\n", "    n = 0\n"),
    ("def f(xs):\n    for x in xs:\n        out.append(x)\n    return out\n", "    out = []\n"),
    ("def f(xs):\n    for x in xs:\n        seen.add(x)\n    return seen\n", "    seen = set()\n"),
    ("def f(xs):\n    for x in xs:\n        d[x] = 1\n    return d\n", "    d = {}\n"),
    # update
    ("def f(n):\n    i = 0\n    while i < n:\n        print(i)\n", "        i += 1\n"),
    ("def f(xs):\n    n = 0\n    for x in xs:\n        print(x)\n    return n\n", "        n += x\n"),
    (
        "def f(xs):\n    out = []\n    for x in xs:\n        y = x\n    return out\n",
        "        out.append(y)\n",
    ),
    (
        "def f(xs):\n    d = {}\n    for x in xs:\n        y = x\n    return d\n",
        "        d[x] = d.get(x, 0) + 1\n",
    ),
    # return
    ("def f(a):\n    b = a\n", "    return b\n"),
    ("def f(a):\n    if a:\n        return True\n", "    return False\n"),
    ("def f(a):\n    if a:\n        b = 2\n    return 1\n", "        return 1\n"),
    # guard and base case
    ("def f(n):\n    return n * f(n - 1)\n", "    if n <= 1:\n        return 1\n"),
    ("def f(xs):\n    return xs[0]\n", "    if not xs:\n        return None\n"),
    # way out
    ("def f(xs):\n    for x in xs:\n        if x:\n            y = x\n    return y\n", "            break\n"),
]


@pytest.mark.parametrize(("incomplete", "line"), MISSING, ids=[line for _, line in MISSING])
def test_the_missing_statement_is_proposed(incomplete: str, line: str) -> None:
    found = [one.edits[0].new_text for one in insertions(Program.of(incomplete))]
    assert line in found


@pytest.mark.parametrize("incomplete", [one for one, _ in MISSING])
@pytest.mark.parametrize("form", ["plain", "no end of line", "comments", "tabs"])
def test_what_is_proposed_parses_and_only_adds(incomplete: str, form: str) -> None:
    text = {
        "plain": incomplete,
        "no end of line": incomplete.removesuffix("\n"),
        "comments": incomplete.replace("\n", "  # é\n"),
        "tabs": incomplete.replace("    ", "\t"),
    }[form]
    found = insertions(Program.of(text))
    assert found
    for one in found:
        (edit,) = one.edits
        assert edit.start_char == edit.end_char
        after = apply(text, one.edits)
        assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(text))
        assert set(text.split("\n")) <= set(after.split("\n"))


def test_a_statement_behind_another_on_its_line_gets_no_neighbour() -> None:
    assert insertions(Program.of("def f(a): b = a\n")) == []
    for one in insertions(Program.of("def f(a):\n    b = a; c = b\n")):
        ast.parse(apply("def f(a):\n    b = a; c = b\n", one.edits))


def test_what_is_defined_needs_no_initialisation() -> None:
    text = "import os\nN = 1\n\n\ndef f(a):\n    for i in a:\n        i += N\n        print(os, i)\n    return i\n"
    assert not [one for one in insertions(Program.of(text)) if one.kind == "missing initialisation"]


def test_a_missing_statement_passes_the_test() -> None:
    text = "def f(xs):\n    out = []\n    for x in xs:\n        y = x + 1\n    return out\n"
    fixes = repair(text, judge=judge_of("assert f([1, 5]) == [2, 6]"), settings=Settings(threshold=0.0))
    assert not isinstance(fixes, Reject)
    assert fixes[0].text == text.replace("x + 1\n", "x + 1\n        out.append(y)\n")
    alone = Settings(threshold=0.0, scope=Scope(inserts=False))
    assert isinstance(repair(text, judge=judge_of("assert f([1, 5]) == [2, 6]"), settings=alone), Reject)


def told(writes: dict[str, list[tuple[str, Source]]]):  # type: ignore[no-untyped-def]
    """A model that writes these lines where the suffix begins with the key, and finds all else unlikely."""

    def infill(hole: InfillRequest) -> InfillReply:
        found = [Candidate(text, Source.GIVEN, -9.0, 4) for text in hole.given]
        for start, lines in writes.items():
            if hole.suffix.startswith(start) and Source.VERIFIED in hole.sources:
                found += [Candidate(text, source, -1.0, 4) for text, source in lines]
        return InfillReply(tuple(found), 1.0, "cpu", "told")

    return infill


ODD = "def odd(xs):\n    kept = list(xs)\n    return kept\n"


def test_the_model_writes_a_line_anew() -> None:
    infill = told({"\n    return": [("kept = [x for x in xs if x % 2]", Source.VERIFIED)]})
    best = logic_proposals(ODD, infill)[0]
    assert best.kind == "model: line"
    assert apply(ODD, best.edits) == ODD.replace("list(xs)", "[x for x in xs if x % 2]")
    assert all(one.kind[:5] != "model" for one in logic_proposals(ODD, infill, scope=Scope(writes=False)))


def test_the_model_adds_a_line() -> None:
    infill = told({"\n    return": [("    kept.sort()", Source.VERIFIED), ("    # sorted", Source.VERIFIED)]})
    best = [one for one in logic_proposals(ODD, infill) if one.kind == "model: added line"]
    assert [apply(ODD, one.edits) for one in best] == [
        ODD.replace("    return", "    kept.sort()\n    return")
    ]


def test_a_token_that_the_model_would_rather_see() -> None:
    infill = told(
        {"\n    return": [("kept = sorted(xs)", Source.REVISED), ("kept = list(xs)", Source.REVISED)]}
    )
    found = [one for one in logic_proposals(ODD, infill) if one.kind == "model: token"]
    assert [apply(ODD, one.edits) for one in found] == [ODD.replace("list(", "sorted(")]


def test_what_the_model_writes_is_offered_only_where_a_test_judges() -> None:
    infill = told({"\n    return": [("kept = [x for x in xs if x % 2]", Source.VERIFIED)]})
    asked = Settings(threshold=0.0, describe="the odd ones")
    untested = repair(ODD, infill=infill, settings=asked)
    assert isinstance(untested, Reject) or all("model" not in one.kind for one in untested)
    tested = repair(ODD, infill=infill, judge=judge_of("assert odd([1, 2, 3]) == [1, 3]"), settings=asked)
    assert not isinstance(tested, Reject)
    assert tested[0].kind == "model: line"

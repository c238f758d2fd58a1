"""What versions of a module do on the inputs of its tests and on inputs like those."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codeworld.testgen.observing import Call, Observing, calls_of, observer, observing
from codeworld.testgen.project import place_of
from codeworld.verify.project_tests import ProjectTests

RIGHT = "def largest(xs, start=0):\n    return max([start, *xs])\n"
SAME = "def largest(xs, start=0):\n    return sorted([*xs, start])[-1]\n"
WRONG = "def largest(xs, start=0):\n    return xs[-1]\n"
RAISES = "def largest(xs, start=0):\n    return xs.best\n"
HANGS = "def largest(xs, start=0):\n    while True:\n        pass\n"
TEST = "from scores import largest\n\ndef test_it():\n    assert largest([1, 3]) == 3\n"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    (tmp_path / "scores.py").write_text(RIGHT)
    (tmp_path / "test_scores.py").write_text(TEST)
    return tmp_path / "scores.py"


def test_versions_are_told_apart_where_they_differ(scores: Path) -> None:
    found = observing(scores, scores.parent, RIGHT)
    assert found is not None
    right, same, wrong, raises = found.observe([RIGHT, SAME, WRONG, RAISES])
    assert right == same
    assert right != wrong
    assert right[0] == wrong[0]  # the test's own call, which does not tell them apart
    assert not any(one.startswith("!") for one in right)
    assert {one.name for one in scores.parent.iterdir()} == {"scores.py", "test_scores.py"}
    assert all(one.startswith("!") for one in raises)


def test_what_hangs_or_ends_the_process_says_so_and_others_are_heard(scores: Path) -> None:
    found = Observing(place_of(scores, scores.parent), [Call("largest", "([1],)"), Call("largest", "([2],)")])
    ends = "import os\ndef largest(xs):\n    os._exit(3)\n"
    hung, ended, right = found.observe([HANGS, ends, RIGHT])
    assert hung == ("!hung", "!hung")
    assert ended == ("!ended", "!ended")
    assert len(set(right)) == 2


def test_arguments_that_change_and_prints_are_seen(scores: Path) -> None:
    found = Observing(place_of(scores, scores.parent), [Call("f", "([2, 1],)")])
    programs = ["xs.sort()", "xs.reverse()", "xs.append(3)", "pass", "print(1)"]
    seen = found.observe([f"def f(xs):\n    {one}\n" for one in programs])
    assert seen[0] == seen[1]
    assert len({*seen}) == 4


def test_calls_with_literals_and_inputs_like_theirs() -> None:
    tree = ast.parse("f(1, [2, 3])\nf(x, [2])\nmodule.f(5, b=[6])\nf(*rest)\nf(**rest)\n")
    shown = [node.value for node in tree.body if isinstance(node, ast.Expr)]
    calls = calls_of("def f(a, b): pass\n", [one for one in shown if isinstance(one, ast.Call)])
    assert calls[:2] == [Call("f", "(1, [2, 3])"), Call("f", "(5,)", "{'b': [6]}")]
    assert len(calls) > 20
    assert all(one.function == "f" and len(ast.literal_eval(one.arguments)) in (1, 2) for one in calls)


def test_nothing_to_observe_where_nobody_calls_it(tmp_path: Path) -> None:
    (tmp_path / "scores.py").write_text(RIGHT)
    assert observing(tmp_path / "scores.py", tmp_path, RIGHT) is None


def test_it_observes_what_the_tests_judge(scores: Path) -> None:
    tests = ProjectTests(scores, scores.parent, "python -m pytest -q")
    observe = observer(tests, WRONG)
    assert observe is not None
    right, wrong = observe([RIGHT, WRONG])
    assert right != wrong


def test_nothing_is_known_where_it_is_stopped(scores: Path) -> None:
    found = Observing(place_of(scores, scores.parent), [Call("largest", "([1],)")], lambda: True)
    assert found.observe([RIGHT, WRONG]) == [(), ()]

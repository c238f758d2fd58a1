"""Which programs return what the tests' plain examples expect."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from codeworld.repair.repair import Settings
from codeworld.repair.with_tests import repair_with_tests
from codeworld.testgen.project import place_of
from codeworld.testgen.screening import Example, Screen, examples_of, screen
from codeworld.verify.project_tests import ProjectTests

RIGHT = "def larger(a, b):\n    return a if a > b else b\n"
WRONG = "def larger(a, b):\n    return a if a < b else b\n"
TEST = """import unittest
from app import larger

class Tests(unittest.TestCase):
    def test_it(self):
        self.assertEqual(larger(2, 3), 3)
        self.assertEqual(5, larger(5, 4))
        assert larger(x, 1) == 1
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(WRONG)
    (tmp_path / "test_app.py").write_text(TEST.replace("        assert larger(x, 1) == 1\n", ""))
    return tmp_path / "app.py"


def test_examples_are_assertions_with_literals_alone() -> None:
    assert [*examples_of(TEST, {"larger"})] == [Example("larger(2, 3)", "3"), Example("larger(5, 4)", "5")]
    assert not [*examples_of("assert larger(2, 3) != 3\nassert f(1) == 1\nassert (", {"larger"})]


def test_each_program_is_counted_whatever_others_do(app: Path) -> None:
    found = Screen(place_of(app, app.parent), [Example("larger(2, 3)", "3"), Example("larger(5, 4)", "5")])
    half = "def larger(a, b):\n    return b\n"
    ends = "import os\ndef larger(a, b):\n    os._exit(0)\n"
    hangs = "def larger(a, b):\n    while True:\n        pass\n"
    prints = f"print('x' * 100)\n{RIGHT}"
    programs = [RIGHT, ends, WRONG, hangs, half, "def larger(", prints]
    assert found.satisfied(programs, time.monotonic() + 60) == [2, 0, 0, 0, 1, 0, 2]


def test_nothing_is_said_when_time_is_up(app: Path) -> None:
    found = Screen(place_of(app, app.parent), [Example("larger(2, 3)", "3")])
    assert found.satisfied([RIGHT], time.monotonic() - 1) == []


def test_tests_without_an_example_have_no_screen(app: Path) -> None:
    tests = ProjectTests(app, app.parent, "true")
    assert screen(tests, WRONG) is not None
    (app.parent / "test_app.py").write_text(
        "from app import larger\n\ndef test_it(two):\n    assert larger(two, 3) == 3\n"
    )
    assert screen(tests, WRONG) is None


def test_what_satisfies_the_examples_is_still_run(app: Path) -> None:
    """The examples alone would take ``max``; the command forbids it, and a refusal is no fix."""
    command = "sh -c \"grep -q 'a > b' app.py && python -m unittest -q\""
    found = repair_with_tests(WRONG, ProjectTests(app, app.parent, command), settings=Settings(threshold=0.0))
    assert isinstance(found, list)
    assert found[0].text == RIGHT
    assert all("a > b" in one.text for one in found)
    none = repair_with_tests(WRONG, ProjectTests(app, app.parent, "false"), settings=Settings(tests_s=5.0))
    assert not isinstance(none, list)

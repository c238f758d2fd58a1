"""A project's own tests as judge and as witness."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from codeworld.errors import BadInput
from codeworld.tracing.sitecustomize import MARK
from codeworld.verify.project_tests import ProjectTests
from codeworld.verify.trace import TestRun, trace_of

APP = """import threading


def sign(x):
    if x > 0:
        return 1
    return inner([], x)


def inner(y, x):
    return y[x]


def in_thread():
    thread = threading.Thread(target=sign, args=(1,))
    thread.start()
    thread.join()
"""
TESTS = """import pathlib
import app

def test_a():
    assert app.sign(3) == 1

def test_b():
    pathlib.Path(__import__("os").environ["HOME"], "ran").touch()
    assert app.sign(-3) == -1
"""
PYTEST = f"{sys.executable} -m pytest -q -p no:asyncio"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    (folder / "app.py").write_text(APP)
    (folder / "tests" / "test_app.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    return folder


def test_each_tests_lines_and_the_traceback(project: Path) -> None:
    found = ProjectTests(project / "app.py", project, PYTEST).trace(APP)
    passed, failed = found.runs
    assert (passed.name, passed.failed) == ("tests/test_app.py::test_a", False)
    assert (failed.name, failed.failed) == ("tests/test_app.py::test_b", True)
    assert passed.lines - failed.lines == {5}
    assert failed.lines - passed.lines == {6, 10}
    assert found.frames[-1] == 10


@pytest.mark.parametrize(
    ("code", "lines"),
    [("import app; app.sign(-1)", {4, 6, 10}), ("import app; app.in_thread()", {4, 5, 14, 15, 16})],
)
def test_a_command_that_is_not_pytest_is_one_test(project: Path, code: str, lines: set[int]) -> None:
    (run,) = ProjectTests(project / "app.py", project, f'{sys.executable} -c "{code}"').trace(APP).runs
    assert run.name == ""
    assert run.lines - {0, 3, 9, 13} == lines


def test_what_the_command_starts_is_not_followed(project: Path) -> None:
    code = "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'import app'], capture_output=True))"
    found = ProjectTests(project / "app.py", project, f'{sys.executable} -c "{code}"').trace(APP)
    assert [one.lines for one in found.runs] == [frozenset()]


def test_failing_tests_are_run_alone_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codeworld.verify import sandbox

    tests, printed = ProjectTests(project / "app.py", project, PYTEST), list[str]()
    run = sandbox.run

    def listened(*arguments, **named):  # type: ignore[no-untyped-def]
        done = run(*arguments, **named)
        printed.append(done.output)
        return done

    tests.trace(APP)
    monkeypatch.setattr(sandbox, "run", listened)
    right = APP.replace("return inner([], x)", "return -1")
    assert tests.judge([APP, right]) == [False, True]
    alone, selected, whole = printed
    assert "1 failed, 1 deselected" in alone
    assert "1 passed, 1 deselected" in selected
    assert "2 passed" in whole


def test_what_passes_the_failing_test_alone_does_not_pass(project: Path) -> None:
    tests = ProjectTests(project / "app.py", project, PYTEST)
    tests.trace(APP)
    assert tests.judge([APP.replace("return 1", "return -1").replace("inner([], x)", "-1")]) == [False]


def test_a_command_that_cannot_be_run_is_told(project: Path) -> None:
    with pytest.raises(BadInput, match="cannot be run"):
        ProjectTests(project / "app.py", project, "no-such-command").judge([APP])
    for command in ("", "'"):
        with pytest.raises(BadInput):
            ProjectTests(project / "app.py", project, command)


@pytest.mark.parametrize("text", ["{", '{"everywhere": 5, "tests": []}', "[]", '{"tests": []}', ""])
def test_a_damaged_report_says_nothing(text: str) -> None:
    assert trace_of(f"x{MARK}{text}{MARK}y", "app.py", failed=True).runs == ()


def test_a_whole_report_is_found_among_other_output() -> None:
    report = '{"everywhere": [1], "tests": [["t", true, [3]]]}'
    output = f'noise{MARK}{report}{MARK}\nFile "/x/app.py", line 3, in f\nFile "/x/my_app.py", line 9\napp.py:4: E\n'
    found = trace_of(output, "app.py", failed=True)
    assert found.runs == (TestRun("t", True, frozenset({0, 2})),)
    assert found.frames == (2, 3)


def test_another_file_of_that_name_is_another_file(project: Path) -> None:
    (project / "tests" / "other").mkdir()
    (project / "tests" / "other" / "app.py").write_text("a = 1\nb = 2\n" * 20)
    code = "import sys; sys.path.insert(0, 'tests/other'); import app; print(app.b)"
    (run,) = ProjectTests(project / "app.py", project, f'{sys.executable} -c "{code}"').trace(APP).runs
    assert run.lines == frozenset()
    moved = (
        f'sh -c \'cd tests && {sys.executable} -c "import sys; sys.path.insert(0, \\"..\\"); import app"\''
    )
    (run,) = ProjectTests(project / "app.py", project, moved).trace(APP).runs
    assert 3 in run.lines

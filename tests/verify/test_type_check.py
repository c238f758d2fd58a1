"""The project's own type checker: found where it is configured, asked in the sandbox, silent where it cannot answer."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from codeworld.canvas import Reject
from codeworld.repair.repair import Settings, repair
from codeworld.repair.verify import Comparison
from codeworld.verify import type_check

WRONG = "def f(a: int) -> str:\n    return a\n\n\ndef g(b: str) -> int:\n    return len(b\n"
RIGHT = WRONG.replace("len(b", "len(b)")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(RIGHT)
    (tmp_path / "pyproject.toml").write_text("[tool.mypy]\nstrict = true\n")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "mypy").symlink_to(Path(sys.executable).parent / "mypy")
    return tmp_path


def fake(project: Path, name: str, script: str) -> None:
    path = project / ".venv" / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("pyproject.toml", "[tool.mypy]\n", True),
        ("mypy.ini", "[mypy]\n", True),
        ("setup.cfg", "[mypy]\nstrict = True\n", True),
        ("setup.cfg", "[metadata]\nname = x\n", False),
        ("pyproject.toml", "[tool.ruff]\n", False),
        ("pyproject.toml", "[tool.mypy", False),
        ("pyrightconfig.json", "{}", False),  # configured, not installed
    ],
)
def test_a_checker_is_the_projects_where_it_is_configured_and_installed(
    project: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, found: bool
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    (project / "pyproject.toml").unlink()
    (project / file).write_text(text)
    assert (type_check.find(project) is not None) == found


def compared(project: Path, before: str) -> Comparison:
    checker = type_check.find(project)
    assert checker is not None
    return type_check.comparison(partial(checker.complaints, project / "app.py"), before)


def test_no_new_error_is_let_through(project: Path) -> None:
    compare = compared(project, RIGHT)
    assert compare(RIGHT.replace("len(b)", "len(b) + 1")) == ("types",)  # the old error stays where it is
    refused = compare(RIGHT.replace("len(b)", "b"))
    assert isinstance(refused, Reject)
    assert refused.reason == "type-error"
    assert "Incompatible return value" in refused.detail


def test_repairs_are_compared(project: Path) -> None:
    text = "def larger(a: int, b: int) -> int:\n    return a if a < b else b\n"
    judge = lambda programs: ["a > b" in one or "a >= b" in one for one in programs]  # noqa: E731
    compare = compared(project, text)
    fixes = repair(text, judge=judge, types=compare, settings=Settings(threshold=0.0))
    assert not isinstance(fixes, Reject)
    assert fixes[0].checks == ("parses", "names", "tests", "types")
    never = repair(
        text, judge=judge, types=lambda one: Reject("type-error", "x"), settings=Settings(threshold=0.0)
    )
    assert never == Reject("type-error", "x")


def test_a_checker_that_crashes_or_hangs_decides_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(project, "mypy", "import sys; sys.exit(2)")
    compare = compared(project, RIGHT)
    assert compare(RIGHT) == ()
    monkeypatch.setattr(type_check, "_LIMITS", type_check.sandbox.Limits(wall_s=0.5))
    fake(project, "mypy", "import time; time.sleep(60)")
    assert compared(project, RIGHT)(RIGHT) == ()


PYRIGHT = """import json, sys
text = open(sys.argv[-1]).read()
found = [{"file": "/x/app.py", "severity": "error", "message": "bad"}] * text.count("BAD")
found += [{"file": "/x/app.py", "severity": "warning", "message": "odd"}] * text.count("ODD")
print(json.dumps({"version": "1", "generalDiagnostics": found}))
sys.exit(1 if found else 0)
"""


def test_what_pyright_reports(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.basedpyright]\n")
    fake(project, "basedpyright", PYRIGHT)
    compare = compared(project, "BAD = 1\n")
    assert compare("BAD = ODD = 2\n") == ("types",)
    assert compare("BAD = BAD\n") == Reject("type-error", "bad")
    fake(project, "basedpyright", "print('no json')")
    assert compare("BAD = BAD\n") == ()

"""``codeworld fix``: exit codes, what is printed, what is written, what is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Codeworld

BROKEN = "def add(a, b:  # kept\r\n    return a + b\r\n"
FIXED = BROKEN.replace("b:", "b):")
WRONG = "def larger(a, b):\n    return a if a < b else b\n"
TEST = f'{sys.executable} -c "from app import larger; assert larger(2, 3) == 3; assert larger(5, 4) == 5"'

pytestmark = pytest.mark.usefixtures("with_tiny_model")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_bytes(BROKEN.encode())
    return path


def test_a_patch_is_printed_that_applies(codeworld: Codeworld, file: Path) -> None:
    done = codeworld("fix", file, "--no-engine")
    assert done.code == 0
    assert file.read_bytes() == BROKEN.encode()
    assert "+def add(a, b):  # kept" in done.out


def test_it_is_written_and_nothing_else_changes(codeworld: Codeworld, file: Path) -> None:
    os.chmod(file, 0o640)
    assert codeworld("fix", file, "--write", "--no-engine").code == 0
    assert file.read_bytes() == FIXED.encode()
    assert file.stat().st_mode & 0o777 == 0o640
    again = codeworld("fix", file, "--no-engine")
    assert again.code == 1
    assert again.out == ""
    assert again.err.startswith("codeworld: nothing to offer: nothing-wrong")


def test_json(codeworld: Codeworld, file: Path) -> None:
    done = codeworld("fix", file, "--json", "--no-engine")
    best = json.loads(done.out)["fixes"][0]
    assert best["edits"] == [{"start_char": 12, "end_char": 12, "new_text": ")"}]
    assert best["checks"] == ["parses"]


@pytest.mark.timeout(300)  # a hundred programs are run, each in a sandbox
def test_a_test_judges_in_the_sandbox(codeworld: Codeworld, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(WRONG)
    done = codeworld("fix", path, "--test", TEST, "--write", "--no-engine")
    assert done.code == 0
    assert subprocess.run(["sh", "-c", TEST], cwd=tmp_path, check=False).returncode == 0


def test_a_test_that_nothing_passes(codeworld: Codeworld, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(WRONG)
    mark = tmp_path.parent / "planted"
    test = f"{sys.executable} -c \"open({str(mark)!r}, 'w'); assert 0\""
    done = codeworld("fix", path, "--test", test, "--budget", "5", "--write", "--json", "--no-engine")
    assert done.code == 1
    assert json.loads(done.out)["reason"] == "no-test-passes"
    assert path.read_text() == WRONG
    assert not mark.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere.py",),
        ("app.py", "--write", "--diff"),
        ("app.py", "--test", "'"),
        ("app.py", "--test", " "),
        ("app.py", "--test", "no-such-command"),
        ("app.py", "--types"),  # no checker is configured
    ],
)
def test_bad_input(
    codeworld: Codeworld, file: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(file.parent)
    done = codeworld("fix", *arguments, "--no-engine")
    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines()[-1].startswith("codeworld: ")
    assert file.read_bytes() == BROKEN.encode()


@pytest.mark.timeout(300)  # a hundred programs are run, each in a sandbox
def test_types_are_checked_where_that_is_asked_for(codeworld: Codeworld, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(WRONG.replace("(a, b)", "(a: int, b: int) -> int"))
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "mypy").symlink_to(Path(sys.executable).parent / "mypy")
    done = codeworld("fix", path, "--test", TEST, "--types", "--budget", "60", "--json", "--no-engine")
    assert json.loads(done.out)["fixes"][0]["checks"] == ["parses", "names", "tests", "types"]


def test_a_damaged_model_is_said_and_the_prior_is_used(
    codeworld: Codeworld, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_MODEL", str(tmp_path / "no-model"))
    done = codeworld("fix", file, "--no-engine")
    assert done.code == 0
    assert "cannot read" in done.err


def test_what_the_type_checker_complains_of_is_repaired(codeworld: Codeworld, tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("def greet(name: str = None) -> None:\n    print(name)\n")
    (tmp_path / "mypy.ini").write_text("[mypy]\nno_implicit_optional = True\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "mypy").symlink_to(Path(sys.executable).parent / "mypy")
    done = codeworld("fix", path, "--types", "--write", "--no-engine")
    assert done.code == 0
    assert "name: Optional[str] = None" in path.read_text()
    again = codeworld("fix", path, "--types", "--no-engine")
    assert again.code == 1
    assert "the type checker is content" in again.err

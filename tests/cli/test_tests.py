"""``codeworld tests``: exit codes, what is printed, what is written, what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Codeworld

SIGN = "def sign(n: int) -> int:\n    if n < 0:\n        return -1\n    return 1 if n else 0\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    path = tmp_path / "signs.py"
    path.write_text(SIGN)
    return path


def test_a_patch_is_printed_and_nothing_is_written(codeworld: Codeworld, file: Path) -> None:
    done = codeworld("tests", f"{file}:sign", "--budget", "1")
    assert done.code == 0
    assert "+from signs import sign" in done.out
    assert "mutants" in done.err
    assert sorted(one.name for one in file.parent.iterdir()) == [".git", "signs.py"]


def test_they_are_written_and_green(codeworld: Codeworld, file: Path) -> None:
    done = codeworld("tests", file, "--budget", "1", "--write", "--json")
    assert done.code == 0
    generated = json.loads(done.out)["generated"]
    path = Path(generated["path"])
    assert path == file.parent / "tests" / "test_signs.py"
    assert path.read_text() == generated["text"]
    assert generated["before"] is None
    command = [sys.executable, *generated["command"][1:], "-q", "-p", "no:cacheprovider"]
    assert subprocess.run(command, cwd=file.parent, check=False).returncode == 0


def test_with_a_model(codeworld: Codeworld, file: Path, with_tiny_model: None) -> None:
    done = codeworld("tests", file, "--budget", "1", "--model", "--no-engine", "--json")
    assert done.code == 0
    assert json.loads(done.out)["degraded"] == ""


def test_a_damaged_model_is_said_and_done_without(
    codeworld: Codeworld, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_MODEL", str(tmp_path / "no-model"))
    done = codeworld("tests", file, "--budget", "1", "--model", "--no-engine")
    assert done.code == 0
    assert "cannot read" in done.err


def test_nothing_to_offer(codeworld: Codeworld, file: Path) -> None:
    file.write_text("import no_such_module\n\n\ndef f():\n    return 1\n")
    done = codeworld("tests", file, "--write")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("codeworld: nothing to offer: does-not-import ModuleNotFoundError")
    assert not (file.parent / "tests").exists()


@pytest.mark.parametrize(
    "target",
    ["nowhere.py", "signs.py:nothing", "signs.py:no-name", "broken.py", "data.txt", ".", "broken.py:f"],
)
def test_bad_input(codeworld: Codeworld, file: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    (file.parent / "broken.py").write_text("def f(:\n")
    (file.parent / "data.txt").write_text("text")
    monkeypatch.chdir(file.parent)
    done = codeworld("tests", target, "--write")
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert not (file.parent / "tests").exists()

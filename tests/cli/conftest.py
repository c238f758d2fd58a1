from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.cli import run
from tests.cli.command import Codeworld, Outcome
from tests.textdiff.repository import Repository


@pytest.fixture
def codeworld(capfd: pytest.CaptureFixture[str]) -> Codeworld:
    """Runs a command in this process."""

    def call(*arguments: str | Path) -> Outcome:
        code = run([str(argument) for argument in arguments])
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture
def with_tiny_model(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEWORLD_MODEL", str(tiny_model))
    monkeypatch.setenv("CODEWORLD_DEVICE", "cpu")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_text("def add(a, b):\n    return \n\n\nprint(add(1, 2))\n")
    return path


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")

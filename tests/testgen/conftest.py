from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from codeworld.canvas import Reject
from codeworld.testgen.cases import Generated
from codeworld.testgen.generate import Settings, generate

Make = Callable[..., Generated | Reject]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    return root


@pytest.fixture
def make(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes tests of a module of the project and checks what holds for all: nothing is written, the tests pass."""

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def call(
        text: str, qualname: str = "", name: str = "shop.py", budget_s: float = 2.0
    ) -> Generated | Reject:
        path = root / name
        path.write_text(text)
        before = {one: one.read_bytes() for one in root.rglob("*") if one.is_file()}
        made = generate(path, text, root, qualname=qualname, settings=Settings(budget_s=budget_s, runs=2))
        assert {one: one.read_bytes() for one in root.rglob("*") if one.is_file()} == before
        assert not [*temporary.iterdir()]
        return made

    return call


def made(found: Generated | Reject) -> Generated:
    assert isinstance(found, Generated), found
    return found


def run(found: Generated, root: Path) -> subprocess.CompletedProcess[str]:
    """Write the tests and run the command that is said to run them."""
    path = Path(found.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.text)
    framework = "pytest" if found.framework == "pytest" or "pytest" in found.command else "unittest"
    assert framework in found.command
    command = [sys.executable, "-B", *found.command[1:]]
    if framework == "pytest":
        command += ["-q", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

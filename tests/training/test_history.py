"""Mining small commits from a repository made here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from codeworld.training import filters, history


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.com"]

    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2001-02-03T04:05:06Z")

    def commit(message: str, **files: str) -> None:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", message], check=True, env={**os.environ, **dates})

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    commit("Add a", a="x = 1\ny = 2\n")
    commit("Fix y for jane@corp.io\n\nBecause.\n\nSigned-off-by: J <jane@corp.io>", a="x = 1\ny = 3\n")
    commit("Add b, c and d", b="b = 1\n", c="c = 1\n", d="d = 1\n")
    commit("Change two", b="b = 2\n", c="c = 2\n")
    commit("Change three", b="b = 3\n", c="c = 3\n", d="d = 3\n")
    commit("Change much", a="".join(f"value_{i} = {i}\n" for i in range(2000)))
    (tmp_path / "notes.md").write_text("no Python")
    commit("Notes only")
    return tmp_path / ".git"


def test_mine(git_dir: Path) -> None:
    two, fix = list(history.mine(git_dir))
    assert fix.message == f"Fix y for {filters.MASKED_EMAIL}\n\nBecause."
    assert fix.files == [history.FileChange("a.py", "x = 1\ny = 2\n", "x = 1\ny = 3\n")]
    assert [file.path for file in two.files] == ["b.py", "c.py"]
    assert fix.time <= two.time


def test_since_cuts(git_dir: Path) -> None:
    assert list(history.mine(git_dir, since="2010-01-01")) == []
    assert len(list(history.mine(git_dir, since="2000-01-01"))) == 2


def test_stopping_early_ends_git(git_dir: Path) -> None:
    changes = history.mine(git_dir)
    next(changes)
    changes.close()  # type: ignore[attr-defined]


def test_command_line(git_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert history.main([str(git_dir)]) == 0
    captured = capsys.readouterr()
    assert len([json.loads(line) for line in captured.out.splitlines()]) == 2
    assert captured.err.startswith("2 changes")

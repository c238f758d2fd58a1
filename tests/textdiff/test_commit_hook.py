"""``prepare-commit-msg`` as git itself calls it, and the command line around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codeworld.cli import run
from tests.textdiff.repository import Repository
from textdiff.commit import hook

ROOT = Path(__file__).parents[2]


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git opens "true" as the editor: what the hook wrote is committed."""
    monkeypatch.setenv("GIT_EDITOR", "true")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def subject(repo: Repository) -> str:
    return repo.git("log", "-1", "--format=%s").strip()


@pytest.mark.usefixtures("editor")
def test_git_calls_the_hook(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    assert run(["commit-message", "--repo", str(repo.root), "--install-hook"]) == 0
    repo.stage("box.py", "def take():\n    pass\n")
    repo.git("commit", "-q")
    assert subject(repo) == "Add box"
    repo.stage("a.py", "x = 2\n")
    repo.git("commit", "-q", "-m", "Mine")
    assert subject(repo) == "Mine"
    repo.stage("a.py", "x = 3\n")
    repo.git("commit", "-q", "--amend")
    assert subject(repo) == "Mine"
    repo.write("a.py", "x = 4\n")  # not staged: git stages it itself, in an index of its own
    repo.git("commit", "-q", "-a")
    assert subject(repo) == "Update `x` in a"


@pytest.mark.usefixtures("editor")
def test_merge_and_squash_keep_gits_message(repo: Repository) -> None:
    repo.commit("Start", a_py="x = 1\n")
    hook.install(repo.root)
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("Side", b_py="x = 2\n")
    repo.git("checkout", "-q", "main")
    repo.commit("Main", c_py="x = 2\n")
    repo.git("merge", "-q", "--edit", "side")
    assert subject(repo) == "Merge branch 'side'"
    repo.git("checkout", "-q", "-b", "more")
    repo.commit("More", d_py="x = 2\n")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--squash", "more")
    repo.git("commit", "-q")
    assert subject(repo) == "Squashed commit of the following:"


@pytest.mark.usefixtures("editor")
def test_a_failure_never_keeps_anybody_from_committing(repo: Repository) -> None:
    path = hook.install(repo.root)
    assert isinstance(path, Path)
    path.write_text(path.read_text().replace(sys.executable, "/nowhere/python"))
    repo.stage("a.py", "x = 1\n")
    repo.git("commit", "-q", "-m", "Mine")
    assert subject(repo) == "Mine"


def test_a_hook_of_somebody_else_stays(repo: Repository, capfd: pytest.CaptureFixture[str]) -> None:
    path = repo.root / ".git/hooks/prepare-commit-msg"
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\necho mine\n")
    assert run(["commit-message", "--repo", str(repo.root), "--install-hook"]) == 1
    assert path.read_text() == "#!/bin/sh\necho mine\n"
    assert "--into" in capfd.readouterr().err
    path.unlink()
    assert run(["commit-message", "--repo", str(repo.root), "--install-hook"]) == 0
    assert run(["commit-message", "--repo", str(repo.root), "--install-hook"]) == 0  # ours already
    assert os.access(path, os.X_OK)


def test_what_somebody_has_written_stays(tmp_path: Path) -> None:
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text("Mine\n\n# comment\n")
    assert not hook.put("Ours\n", file)
    assert file.read_text() == "Mine\n\n# comment\n"
    file.write_text("\n# Please enter\n# ------------------------ >8 ------------------------\ndiff --git\n")
    assert hook.put("Ours\n", file)
    assert file.read_text().startswith("Ours\n\n# Please enter\n")


def test_the_command_line(repo: Repository, capfd: pytest.CaptureFixture[str]) -> None:
    repo.stage("box.py", "def take():\n    pass\n")
    assert run(["commit-message", "--repo", str(repo.root)]) == 0
    assert capfd.readouterr().out == "Add box\n"
    assert run(["commit-message", "--repo", str(repo.root), "--json"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert (printed["subject"], printed["type"]) == ("Add box", "feat")
    assert printed["phrases"] == [{"slot": "subject", "text": "Add box", "source": "facts"}]


def test_exit_codes(repo: Repository, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    repo.commit("Start", a_py="x = 1\n")
    for arguments, code in (
        (["--repo", str(repo.root)], 1),
        (["--repo", str(tmp_path / "nowhere")], 2),
        (["--repo", str(repo.root / "a.py")], 2),
    ):
        assert run(["commit-message", *arguments]) == code
        captured = capfd.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1


def test_reading_starts_nothing(repo: Repository) -> None:
    """A repository's configuration must not run programs when somebody asks for a message."""
    repo.commit("Start", a_py="x = 1\n")
    mark = repo.root / "ran"
    repo.git("config", "diff.external", f"touch {mark}")
    repo.git("config", "core.fsmonitor", f"touch {mark}")
    repo.stage("a.py", "x = 2\n")
    mark.unlink(missing_ok=True)  # staging by hand runs the monitor
    done = subprocess.run(
        [sys.executable, "-m", "codeworld", "commit-message", "--repo", str(repo.root)],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout == b"Update `x` in a\n"
    assert not mark.exists()

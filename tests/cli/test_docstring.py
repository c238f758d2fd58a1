"""``codeworld docstring``: exit codes, what is printed, what is written, what is not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import Codeworld
from tests.textdiff.repository import Repository

CODE = '''import os


def load_box(path):
    """Load a box.

    Args:
        path: Where.
    """
    return os.stat(path)


def find_box(boxes):
    return boxes[0]
'''.replace("\n", "\r\n")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_bytes(CODE.encode())
    return path


def test_a_patch_is_printed_that_applies(
    codeworld: Codeworld, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    done = codeworld("docstring", "app.py:find_box", "--style", "google")
    assert done.code == 0
    assert file.read_bytes() == CODE.encode()
    assert "+        boxes: Required." in done.out
    applied = subprocess.run(
        ["git", "apply", "--check", "-p1", "-"], input=done.out.encode(), cwd=file.parent
    )
    assert applied.returncode == 0


def test_it_is_written_and_nothing_else_changes(codeworld: Codeworld, file: Path) -> None:
    os.chmod(file, 0o640)
    done = codeworld("docstring", f"{file}:find_box", "--write", "--style", "plain")
    assert (done.code, done.out) == (0, "1 docstrings in 1 files\n")
    wanted = CODE.replace("(boxes):\r\n", '(boxes):\r\n    """Find box."""\r\n')
    assert file.read_bytes() == wanted.encode()
    assert file.stat().st_mode & 0o777 == 0o640
    assert codeworld("docstring", f"{file}:find_box").code == 1


@pytest.mark.parametrize("coding", ["latin-1", "utf-8-sig"])
def test_the_encoding_is_kept(codeworld: Codeworld, tmp_path: Path, coding: str) -> None:
    head = "# -*- coding: latin-1 -*-\n" if coding == "latin-1" else ""
    path = tmp_path / "app.py"
    code = f"{head}def get_café():\n    return 'é'\n"
    path.write_bytes(code.encode(coding))
    assert codeworld("docstring", f"{path}:get_café", "--write", "--style", "plain").code == 0
    assert path.read_bytes() == code.replace("():\n", '():\n    """Get café."""\n').encode(coding)


def test_json_says_where_each_phrase_came_from(codeworld: Codeworld, file: Path) -> None:
    done = codeworld(
        "docstring", f"{file}:find_box", "--json", "--style", "google", "--summary", "give the first one"
    )
    report = json.loads(done.out)
    (offer,) = report["files"][0]["offers"]
    assert offer["docstring"].startswith("Give the first one.")
    assert offer["phrases"][0]["source"] == "given"
    assert report["written"] == 0


def test_a_project(codeworld: Codeworld, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("secret.py\n")
    for name in ("a.py", "b.py", "secret.py", "test_c.py", "broken.py"):
        (tmp_path / name).write_text(
            "def find_it(x):\n    return x\n" if name != "broken.py" else "def f(:\n"
        )
    done = codeworld("docstring", tmp_path, "--write", "--json")
    assert done.code == 0
    assert [Path(one["path"]).name for one in json.loads(done.out)["files"]] == ["a.py", "b.py"]
    for name in ("secret.py", "test_c.py"):
        assert '"""' not in (tmp_path / name).read_text()
    assert codeworld("docstring", tmp_path, "--write").code == 1


def test_what_was_committed_tells_what_changed(codeworld: Codeworld, repo: Repository) -> None:
    code = '''def load(path, size=3):
    """Load.

    Args:
        path: Where.
        size: Most. Defaults to 3.
    """
    return path, size
'''
    repo.commit("Start", app_py=code)
    path = repo.root / "app.py"
    path.write_text(code.replace("size=3", "limit=5").replace("path, size\n", "path, limit\n"))
    assert codeworld("docstring", f"{path}:load", "--write").code == 0
    assert "        limit: Most. Defaults to 5.\n" in path.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere.py",),
        ("nowhere.py:f",),
        ("app.py:nothing",),
        ("app.py:no-name",),
        ("app.py", "--style", "other"),
        ("app.py", "--summary", "For what?"),
        ("text.txt",),
        ("broken.py",),
    ],
)
def test_bad_input(
    codeworld: Codeworld, file: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(file.parent)
    Path("text.txt").write_text("def f(): pass\n")
    Path("broken.py").write_text("def f(:\n")
    done = codeworld("docstring", *arguments, "--write")
    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines()[-1].startswith("codeworld: ")
    assert file.read_bytes() == CODE.encode()

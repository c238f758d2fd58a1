"""Fixes taken out of a history, and whether generated tests notice what they mended."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from benchmarks import testgen_functions, testgen_pack
from benchmarks.mine_fixes import Fix, changed_function, mine
from benchmarks.testgen_fixes import Result, measure, row
from tests.history import commit_each

GOOD = "def sign(number: int) -> int:\n    if number < 0:\n        return -1\n    return 1 if number else 0\n"
BAD = GOOD.replace("1 if number else 0", "1")
SAME = GOOD.replace("1 if number else 0", "int(number > 0)")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with one repository, ``a/b``."""
    history = [
        ("start", {"app.py": BAD, "other.py": "x = 1\n"}),
        ("Fix sign of zero", {"app.py": GOOD, "tests/test_app.py": "assert 1\n"}),
        ("Fix lint", {"app.py": SAME}),
        ("fix strings", {"app.py": SAME.replace("def", "'''Signs.'''\n\n\ndef")}),
        ("fix it in another way", {"app.py": GOOD}),
        ("fix two files", {"app.py": BAD, "other.py": "x = 2\n"}),
    ]
    work = tmp_path / "work"
    work.mkdir()
    commit_each(work, history)
    mirror = tmp_path / "mirror" / "a+b" / "repo"
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(mirror)], check=True)
    monkeypatch.setattr(testgen_functions, "MIRROR", tmp_path / "mirror")
    return mirror


def test_one_function_changes_in_one_file(repository: Path) -> None:
    found = [*mine(repository, "a/b")]
    assert [(one.subject, one.function) for one in found] == [
        ("fix it in another way", "sign"),
        ("Fix sign of zero", "sign"),
    ]
    assert (found[1].before, found[1].after) == (BAD, GOOD)


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ("def f():\n    return 1\n", "def f():\n    return 2\n", "f"),
        (
            "class A:\n    def f(self):\n        return 1\n",
            "class A:\n    def f(self):\n        return 2\n",
            "A.f",
        ),
        ("def f():\n    return 1\n", "import os\ndef f():\n    return os.sep\n", "f"),
        ("def f(a):\n    return a\n", "def f(a: int) -> int:\n    return a\n", ""),
        ("def f():\n    return 'a'\n", "def f():\n    'It.'\n    return 'b'\n", ""),
        ("def f():\n    return 1\n", "def f():\n    return 2\nx = 1\n", ""),
        ("def f():\n    return 1\n", "def f():\n    return g()\ndef g():\n    return 2\n", ""),
        ("def f(:\n", "def f():\n    return 2\n", ""),
    ],
)
def test_what_a_function_does_changes(before: str, after: str, name: str) -> None:
    assert changed_function(before, after) == name


def options(tmp_path: Path) -> argparse.Namespace:
    return argparse.Namespace(work=tmp_path / "judging", judge=Path(sys.executable), budget=2.0, busy=False)


def test_generated_tests_notice_a_bug_and_nothing_where_there_is_none(
    repository: Path, tmp_path: Path
) -> None:
    same, real = mine(repository, "a/b")
    assert measure(real, "codeworld", options(tmp_path)).verdict == "revealed"
    assert measure(same, "codeworld", options(tmp_path)).verdict == "not revealed"


def test_what_cannot_be_imported_is_left_out(repository: Path, tmp_path: Path) -> None:
    commit = next(mine(repository, "a/b")).commit
    broken = "import no_such_package\n\n\n" + GOOD
    found = measure(Fix("a/b", commit, "app.py", "", "sign", BAD, broken), "codeworld", options(tmp_path))
    assert found.verdict == "not imported"
    told = row("codeworld", "all", [found, Result("codeworld", "a/b", "c", "f", "revealed")])
    assert (told["fixes"], told["revealed"], told["not imported, left out"]) == (1, 1, 1)


def test_a_packed_mirror_gives_the_same_files_without_git(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixes = [*mine(repository, "a/b")]
    git = ["git", f"--git-dir={repository}"]
    with tarfile.open(tmp_path / "packed.tar.xz", "w:xz") as archive:
        testgen_pack.pack(archive, "a/b", git, [one.commit for one in fixes])
    with tarfile.open(tmp_path / "packed.tar.xz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")

    def files(root: Path) -> dict[str, str]:
        found = [one for one in root.rglob("*") if one.is_file()]
        return {str(one.relative_to(root)): one.read_text() for one in found}

    for one in fixes:
        monkeypatch.setattr(testgen_functions, "MIRROR", tmp_path / "mirror")
        testgen_functions.unpack("a/b", one.commit, tmp_path / "with")
        monkeypatch.setattr(testgen_functions, "MIRROR", tmp_path / "unpacked")
        monkeypatch.setenv("PATH", "")
        testgen_functions.unpack("a/b", one.commit, tmp_path / "without")
        monkeypatch.undo()
        assert files(tmp_path / "with") == files(tmp_path / "without")
        assert files(tmp_path / "without")["app.py"] == one.after

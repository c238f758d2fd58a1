from __future__ import annotations

import os
from pathlib import Path

import pytest

from codeworld.context.ignore import MAX_BYTES, IgnoreRules


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    return tmp_path


def test_git_ignore_files_hold_for_their_folder_and_below(root: Path) -> None:
    write(root, **{".gitignore": "build/\n*.gen.py\n/top.py\n", "a/.gitignore": "!keep.gen.py\nlocal.py\n"})
    write(root, **{"build/x.py": "", "a/x.gen.py": "", "a/keep.gen.py": "", "a/local.py": "", "local.py": ""})
    write(root, **{"top.py": "", "a/top.py": "", "a/build/x.py": "", "x.py": ""})
    rules = IgnoreRules.for_root(root)
    allowed = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if rules.allows(path)}
    assert allowed == {"a/keep.gen.py", "local.py", "a/top.py", "x.py"}


def test_nothing_below_an_ignored_folder_can_be_taken_back(root: Path) -> None:
    write(root, **{".gitignore": "out/\n!out/x.py\n", "out/.gitignore": "!x.py\n", "out/x.py": ""})
    assert not IgnoreRules.for_root(root).allows(root / "out" / "x.py")


def test_lines_that_git_cannot_understand_are_passed_over(root: Path) -> None:
    write(root, **{".gitignore": "!\nodd\\\n\\\na.py\n", "a.py": "", "b.py": ""})
    rules = IgnoreRules.for_root(root)
    assert [rules.allows(root / name) for name in ("a.py", "b.py")] == [False, True]


def test_our_own_rule_file_comes_after_git(root: Path) -> None:
    write(root, **{".gitignore": "a.py\n", ".codeworldignore": "!a.py\nb.py\n", "a.py": "", "b.py": ""})
    rules = IgnoreRules.for_root(root)
    assert (rules.allows(Path("a.py")), rules.allows(Path("b.py"))) == (True, False)


def test_excludes_of_the_clone_and_of_the_work_tree_around_the_root(root: Path) -> None:
    write(root, **{".git/info/exclude": "mine.py\n", ".gitignore": "a/other.py\n"})
    rules = IgnoreRules.for_root(root / "a")
    assert not rules.allows(root / "a" / "mine.py")
    assert not rules.allows(root / "a" / "other.py")
    assert rules.allows(root / "a" / "x.py")


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        ".env.py",
        "prod.env",
        ".envrc",
        "server.pem",
        "server.key",
        "id_rsa",
        "id_ed25519.pub",
        ".netrc",
        ".pypirc",
        ".npmrc",
        ".ssh/config.py",
        ".aws/credentials",
        "credentials.json",
        "secrets.yaml",
        "secrets.yml",
        "secrets.toml",
        "a.p12",
        "a.jks",
        "terraform.tfstate",
        "node_modules/x/a.py",
        ".venv/lib/a.py",
        "site-packages/a.py",
        ".git/hooks/a.py",
    ],
)
def test_secrets_and_other_peoples_code_are_never_read_whatever_git_says(root: Path, name: str) -> None:
    write(root, **{".gitignore": "!*\n", ".codeworldignore": "!*\n!**/*\n", name: "x = 1\n"})
    assert not IgnoreRules.for_root(root).allows(root / name)
    outside = IgnoreRules.for_root(root / "elsewhere")
    assert not outside.allows(root / name)


@pytest.mark.parametrize(
    "name", ["environment.py", "keys.py", "secrets.py", "credentials.py", "venv_tools.py"]
)
def test_code_about_secrets_is_code(root: Path, name: str) -> None:
    write(root, **{name: "x = 1\n"})
    assert IgnoreRules.for_root(root).allows(root / name)


def test_binary_large_and_special_files_are_not_read(root: Path) -> None:
    (root / "binary.py").write_bytes(b"x = 1\0")
    (root / "large.py").write_bytes(b"#" * (MAX_BYTES + 1))
    (root / "largest.py").write_bytes(b"#" * MAX_BYTES)
    os.mkfifo(root / "pipe.py")
    rules = IgnoreRules.for_root(root)
    names = ("binary.py", "large.py", "largest.py", "pipe.py", "not-saved-yet.py")
    assert [rules.allows(root / name) for name in names] == [False, False, True, False, True]


def test_links_lead_nowhere_that_may_not_be_read(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere, **{"a.py": ""})
    write(root, **{".env": "", "a.py": ""})
    (root / "out.py").symlink_to(elsewhere / "a.py")
    (root / "env.py").symlink_to(root / ".env")
    (root / "inside.py").symlink_to(root / "a.py")
    (root / "loop.py").symlink_to(root / "loop.py")
    rules = IgnoreRules.for_root(root)
    assert not rules.allows(root / "out.py")
    assert not rules.allows(root / "env.py")
    assert not rules.allows(root / "loop.py")
    assert rules.allows(root / "inside.py")


def test_rule_files_are_known() -> None:
    names = [".gitignore", "a/.codeworldignore", ".git/info/exclude", "exclude", "a.py"]
    assert [IgnoreRules.is_rule_file(Path(name)) for name in names] == [True, True, True, False, False]

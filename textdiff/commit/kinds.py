"""What a file is for, told by its name alone."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Literal

FileKind = Literal[
    "test", "docs", "changelog", "ci", "dependencies", "lock", "generated", "config", "code", "data"
]

_LOCKS_TEXT = """
    poetry.lock pdm.lock uv.lock pipfile.lock package-lock.json yarn.lock pnpm-lock.yaml cargo.lock
    gemfile.lock composer.lock go.sum pixi.lock conda-lock.yml npm-shrinkwrap.json flake.lock bun.lock
"""
_LOCKS = frozenset(_LOCKS_TEXT.split())
_GENERATED = re.compile(
    r"(_pb2(_grpc)?\.pyi?|\.min\.(js|css)|\.(map|svg|snap|ipynb)|_generated\.\w+|\.egg-info/.*)$|"
    r"(^|/)(dist|build|node_modules|vendor|_vendor|third_party)/"
)
_DEPENDENCIES = re.compile(
    r"(^|/)(requirements[^/]*\.(txt|in)|requirements/.*|[^/]*-requirements\.txt|constraints[^/]*\.txt|pipfile|"
    r"environment\.ya?ml|package\.json|go\.mod|cargo\.toml|\.pre-commit-config\.ya?ml)$"
)
_CI = re.compile(
    r"(^|/)(\.github/|\.circleci/|\.gitlab-ci|\.travis|appveyor|azure-pipelines|jenkinsfile|tox\.ini|noxfile\.py|"
    r"\.pre-commit|codecov\.yml|\.codecov|dependabot)"
)
_CHANGELOG = re.compile(
    r"(^|/)(change(s|log)|history|news|releases?|release[_-]notes?)(\.(md|rst|txt))?$|(^|/)release/"
)
_FRAGMENT = re.compile(
    r"(^|/)(newsfragments|changelog\.d|changes|news)/[\w.+-]*\.(added|changed|feature|bugfix|fix|fixed|doc|docs|misc|removal|"
    r"removed|deprecation|deprecated|security|break|breaking|performance)(\.\d+)?(\.(md|rst|txt))?$"
)
_DOCS = frozenset({".md", ".rst", ".txt", ".adoc", ".mdx", ".tex"})
_CONFIG = frozenset(
    {".toml", ".cfg", ".ini", ".yml", ".yaml", ".json", ".conf", ".in", ".mk", ".editorconfig", ".lock"}
)
_CODE_TEXT = """
    .py .pyi .pyx .c .h .cc .cpp .cu .js .jsx .ts .tsx .go .rs .java .rb .sh .bash .css .scss .html .lua
    .sql .vue .kt .swift .scala .r .jl .pl
"""
_CODE = frozenset(_CODE_TEXT.split())
_CONFIG_NAMES_TEXT = """
    makefile dockerfile .gitignore .gitattributes .dockerignore .flake8 .coveragerc procfile
"""
_CONFIG_NAMES = frozenset(_CONFIG_NAMES_TEXT.split())


def is_fragment(path: str) -> bool:
    """Whether a file is one entry of a changelog that is put together later (towncrier's)."""
    return _FRAGMENT.search(path.lower()) is not None


def kind_of(path: str) -> FileKind:
    """The kind of the file ``path`` (POSIX, relative to the repository)."""
    lowered = path.lower()
    pure = PurePosixPath(lowered)
    if pure.name in _LOCKS:
        return "lock"
    if _DEPENDENCIES.search(lowered):
        return "dependencies"
    if _GENERATED.search(lowered):
        return "generated"
    if _CI.search(lowered):
        return "ci"
    if is_fragment(path) or (_CHANGELOG.search(lowered) and pure.suffix in {"", ".md", ".rst", ".txt"}):
        return "changelog"
    return _by_ending(pure)


def _by_ending(pure: PurePosixPath) -> FileKind:
    if pure.suffix in _CODE and _is_test(pure):
        return "test"
    if pure.suffix in _DOCS or pure.name in {
        "readme",
        "license",
        "authors",
        "contributing",
        "notice",
        "copying",
    }:
        return "docs"
    if pure.suffix in _CODE:
        return "docs" if pure.parts[0] in {"docs", "doc"} else "code"
    if pure.suffix in _CONFIG or pure.name in _CONFIG_NAMES:
        return "config"
    return "docs" if pure.parts[0] in {"docs", "doc"} else "data"


def _is_test(pure: PurePosixPath) -> bool:
    return (
        pure.name.startswith("test_")
        or pure.stem.endswith(("_test", ".test", ".spec"))
        or pure.name == "conftest.py"
        or any(part in {"test", "tests", "testing"} for part in pure.parts[:-1])
    )

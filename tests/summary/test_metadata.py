"""Scripts and dependencies from every style of packaging metadata, with the lines that declare them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.summary.packaging import Metadata, read
from codeworld.summary.sources import Sources
from tests.summary.repository import write

STYLES = {
    "project": ("pyproject.toml", '[project]\nname = "a"\n[project.scripts]\ntool = "a.b:main"\n', 4),
    "inline": ("pyproject.toml", '[project]\nname = "a"\nscripts = { tool = "a.b:main" }\n', 3),
    "poetry": (
        "pyproject.toml",
        '[tool.poetry]\nname = "a"\n\n[tool.poetry.scripts]\ntool = "a.b:main"\n',
        5,
    ),
    "quoted": ("pyproject.toml", "[project.scripts]\n'tool' = 'a.b:main'\n", 2),
    "setup.cfg": ("setup.cfg", "[options.entry_points]\nconsole_scripts =\n    tool = a.b:main\n", 3),
    "setup.py": (
        "setup.py",
        'setup(name="a",\n  entry_points={"console_scripts": [\n "tool=a.b:main"]})\n',
        3,
    ),
    "setup.py string": (
        "setup.py",
        'from setuptools import setup\nE = """\n"""\nsetup(\n  entry_points={"console_scripts": "tool = a.b:main"})\n',
        5,
    ),
    "setup.py settings": (
        "setup.py",
        'S = {"name": "a"}\nS["entry_points"] = {"console_scripts": ["tool=a.b:main"]}\nsetup(**S)\n',
        2,
    ),
    "setup.py dict": (
        "setup.py",
        'S = dict(\n  entry_points={"console_scripts": ["tool=a.b:main"]})\nsetup(**S)\n',
        2,
    ),
    "dotted": ("pyproject.toml", '[project]\nscripts.tool = "a.b:main"\n', 2),
    "setup.py name": ("setup.py", 'S = ["tool=a.b:main"]\nsetup(entry_points={"console_scripts": S})\n', 1),
}


def metadata(root: Path, files: dict[str, str]) -> Metadata:
    write(root, files)
    return read(Sources(root))


@pytest.mark.parametrize("style", STYLES)
def test_console_scripts(tmp_path: Path, style: str) -> None:
    path, text, line = STYLES[style]
    found = metadata(tmp_path, {path: text}).scripts
    assert [(one.group, one.name, one.target) for one in found] == [("scripts", "tool", "a.b:main")]
    assert (found[0].citation.path, found[0].citation.line) == (path, line)


def test_the_same_name_elsewhere_does_not_mislead(tmp_path: Path) -> None:
    text = '[tool.x]\ntool = "a.b:main"\n[project.scripts]\nother = "a.b:main"\ntool = "a.b:main"\n'
    found = metadata(tmp_path, {"pyproject.toml": text}).scripts
    assert [(one.name, one.citation.line) for one in found] == [("other", 4), ("tool", 5)]


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["a>=1", "b[x]<2; os_name == \'nt\'"]\n', {"a": "", "b": ""}),
        ("pyproject.toml", '[dependency-groups]\ndev = ["a", {include-group = "b"}]\n', {"a": "dev"}),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3"\na = {version = "1"}\n', {"a": ""}),
        ("pyproject.toml", '[tool.poetry.group.dev.dependencies]\na = "1"\n', {"a": "dev"}),
        ("pyproject.toml", '[project]\ndependencies = ["a>=1; os_name == \\"nt\\""]\n', {"a": ""}),
        ("pyproject.toml", '[tool.poetry.dev-dependencies]\na = "1"\n', {"a": "dev"}),
        ("setup.py",
         'setup(install_requires=["a==%s" % v, f"b>={v}", f"{v}c", "d or %s" % v, "e>=1" + marker])\n',
         {"a": "", "b": "", "e": ""}),
        ("setup.cfg", "[options]\ninstall_requires =\n  a>=1,<2\n  b\n[options.extras_require]\nt = c\n",
         {"a": "", "b": "", "c": "t"}),
        ("setup.py", 'X = {}\nX["t"] = ["c"]\nsetup(install_requires=["a"] + ["b"], extras_require=X)\n',
         {"a": "", "b": "", "c": "t"}),
        ("requirements.txt", "# all\n-r other.txt\na==1  # why\n./local\n", {"a": "requirements"}),
    ],
)  # fmt: skip
def test_dependencies(tmp_path: Path, path: str, text: str, wanted: dict[str, str]) -> None:
    sources_root = tmp_path / "root"
    found = metadata(sources_root, {path: text}).dependencies
    assert {one.name: one.extra for one in found} == wanted
    lines = text.split("\n")
    assert all(one.name in lines[one.citation.line - 1] for one in found)


@pytest.mark.parametrize(
    ("path", "text"),
    [("setup.py", 'setup(scripts=["bin/tool"])\n'), ("setup.cfg", "[options]\nscripts =\n  bin/tool\n")],
)
def test_scripts_that_are_files(tmp_path: Path, path: str, text: str) -> None:
    found = metadata(tmp_path, {path: text, "bin/tool": "#!/bin/sh\n"}).scripts
    assert [(one.group, one.name, one.target) for one in found] == [("scripts", "tool", "bin/tool")]


@pytest.mark.parametrize(("path", "text"), [("pyproject.toml", "[project\n"), ("setup.py", "setup(\n")])
def test_broken_metadata_is_named(tmp_path: Path, path: str, text: str) -> None:
    assert metadata(tmp_path, {path: text}).unreadable == [path]


def test_metadata_is_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    metadata(tmp_path, {"setup.py": f"open({str(marker)!r}, 'w')\nsetup(name='a')\n"})
    assert not marker.exists()

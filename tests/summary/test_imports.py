"""Imports are resolved as Python would, names are followed to where they are defined."""

from __future__ import annotations

from pathlib import Path

from codeworld.summary.api import offered
from codeworld.summary.graph import ImportGraph
from codeworld.summary.python_facts import read
from codeworld.summary.sources import Sources
from tests.summary.repository import write


def graph(root: Path, files: dict[str, str]) -> ImportGraph:
    write(root, files)
    sources = Sources(root)
    return ImportGraph({path: read(sources.lines(path)) for path in sources.paths})


def test_absolute_relative_nested_and_foreign_imports(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        {
            "src/a/__init__.py": "",
            "src/a/b/__init__.py": "from ..c import x\n",
            "src/a/b/d.py": "from . import e\nfrom .e import y as z\nimport a.c\n",
            "src/a/b/e.py": "import os, numpy.linalg\n",
            "src/a/c.py": "def f():\n    from a.b import d\n",
        },
    )
    pairs = {(link.source[4:], link.target[4:], link.name, link.line) for link in found.links}
    assert pairs == {
        ("a/b/__init__.py", "a/c.py", "x", 1),
        ("a/b/d.py", "a/b/e.py", "", 1),
        ("a/b/d.py", "a/b/e.py", "y", 2),
        ("a/b/d.py", "a/c.py", "", 3),
        ("a/c.py", "a/b/d.py", "", 2),
    }
    assert set(found.outside) == {"os", "numpy"}


def test_what_comes_from_outside_is_cited_where_it_is_named(tmp_path: Path) -> None:
    found = graph(tmp_path, {"a.py": "import x, \\\n    z\nfrom y.b import (\n    c,\n    d,\n)\n"})
    assert dict(found.outside) == {"x": [("a.py", 1)], "z": [("a.py", 2)], "y": [("a.py", 3), ("a.py", 3)]}


def test_names_for_type_checkers_are_not_offered(tmp_path: Path) -> None:
    init = (
        "import typing\nif typing.TYPE_CHECKING:\n    from .a import T\nelse:\n    T = 1\nfrom .a import U\n"
    )
    found = graph(tmp_path, {"p/__init__.py": init, "p/a.py": "T = U = 1\n"})
    assert {one.name: one.defined and one.defined.line for one in offered(found, "p/__init__.py")} == {
        "T": 5,
        "U": 1,
    }


def test_of_two_packages_with_one_name_the_nearer_is_meant(tmp_path: Path) -> None:
    files = {f"{side}/app/__init__.py": "" for side in ("one", "two")}
    files |= {f"{side}/main.py": "import app\n" for side in ("one", "two")}
    found = graph(tmp_path, files)
    assert {(link.source, link.target) for link in found.links} == {
        ("one/main.py", "one/app/__init__.py"),
        ("two/main.py", "two/app/__init__.py"),
    }


def test_rank_follows_imports(tmp_path: Path) -> None:
    found = graph(tmp_path, {"a.py": "import c\n", "b.py": "import c\n", "c.py": "import d\n", "d.py": ""})
    assert sorted(found.rank, key=lambda path: -found.rank[path])[:2] == ["d.py", "c.py"]
    assert abs(sum(found.rank.values()) - 1) < 1e-9


def test_public_names_follow_stars_aliases_and_all(tmp_path: Path) -> None:
    found = graph(
        tmp_path,
        {
            "p/__init__.py": "from .a import *\nfrom .b import _hidden, Other as Shown\nimport os\nlimit = 3\n",
            "p/a.py": "from .c import deep\n__all__ = ['one', 'deep']\n__all__ += ['two']\ndef one(): ...\n"
            "class two: ...\n",
            "p/b.py": "def _hidden(): ...\nclass Other: ...\n",
            "p/c.py": '"""Deep."""\ndef deep():\n    """It goes deep."""\n',
        },
    )
    names = {one.name: one.defined for one in offered(found, "p/__init__.py")}
    assert {name: (at.path, at.line) for name, at in names.items() if at} == {
        "one": ("p/a.py", 4),
        "two": ("p/a.py", 5),
        "deep": ("p/c.py", 2),
        "Shown": ("p/b.py", 2),
        "limit": ("p/__init__.py", 4),
    }


def test_what_is_tried_first_is_meant_not_its_substitute(tmp_path: Path) -> None:
    init = "try:\n    from .real import main\nexcept ImportError:\n    def main(): ...\nfrom .real import other\n"
    found = graph(
        tmp_path, {"p/__init__.py": init + "def other(): ...\n", "p/real.py": "def main(): ...\nother = 1\n"}
    )
    places = {
        one.name: one.defined and (one.defined.path, one.defined.line)
        for one in offered(found, "p/__init__.py")
    }
    assert places == {"main": ("p/real.py", 1), "other": ("p/__init__.py", 6)}
    found = graph(
        tmp_path, {"p/__init__.py": "def late(): ...\nfrom .real import late\n", "p/real.py": "late = 1\n"}
    )
    assert [one.defined and one.defined.path for one in offered(found, "p/__init__.py")] == ["p/real.py"]


def test_all_can_grow(tmp_path: Path) -> None:
    text = "__all__ = ['a']\n__all__ += ['b']\n__all__.append('c')\n__all__.extend(('d', 'e'))\n"
    found = graph(tmp_path, {"p/__init__.py": text})
    assert {one.name: one.listed.line for one in offered(found, "p/__init__.py")} == {
        "a": 1, "b": 2, "c": 3, "d": 4, "e": 4,
    }  # fmt: skip


def test_imports_in_circles_end(tmp_path: Path) -> None:
    found = graph(tmp_path, {"p/__init__.py": "from .a import *\n", "p/a.py": "from p import *\nx = 1\n"})
    assert [one.name for one in offered(found, "p/__init__.py")] == ["x"]

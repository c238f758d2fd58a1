"""New docstrings: what they say, where they stand, that linters have nothing to say, that nothing else changes."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from codeworld.canvas import Reject
from textdiff.docstring.document import Offer, Settings, apply, at_line, offers
from textdiff.docstring.project import Project
from textdiff.docstring.styles import NAMES, Style, StyleName, detect
from textdiff.docstring.understand import read

CODE = """
class Box(Base):
    lid: bool = True

    def __init__(self, size: int, lid: bool = True) -> None:
        self.size = size
        if size < 0:
            raise ValueError("size must not be negative")

    @property
    def is_open(self) -> bool:
        return not self.lid

    def __len__(self) -> int:
        return self.size

    async def put_item(self, item: str, *more: str, count: int = 1, **options: int) -> list[str]:
        if count > 3:
            raise TooMany(count)
        return [item] * count

    @overload
    def take(self, n: int) -> int: ...

    def take_items(self, n):
        # take items from the box
        yield from range(n)

    def both(self, n: int) -> Iterator[int]:
        yield n


def find_box(boxes: "list[Box]", path: Path | None = None) -> Box:
    def nested(a: int) -> int:
        return a

    for box in boxes:
        if box.lid:
            return box
    try:
        return load_box(path)
    except OSError:
        raise


def one_line(x: int) -> int: return x + 1
"""


def made(text: str, qualname: str | None = None, style: StyleName = "google", **more: object) -> list[Offer]:
    settings = Settings(style=Style(style), **more)  # type: ignore[arg-type]
    found = offers(text, qualname=qualname, settings=settings)
    assert not isinstance(found, Reject), found
    return found


def docstring(text: str, qualname: str, style: StyleName = "google", **more: object) -> str:
    after = read(apply(text, made(text, qualname, style, **more)))
    assert not isinstance(after, Reject)
    node = next(one.node for one in after.targets if one.qualname == qualname)
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module)
    return ast.get_docstring(node) or ""


def test_google() -> None:
    assert docstring(CODE, "Box.put_item").split("\n") == [
        "Put item.",
        "",
        "Args:",
        "    item (str): Required.",
        "    *more (str): Further positional arguments.",
        "    count (int): Defaults to ``1``.",
        "    **options (int): Further keyword arguments.",
        "",
        "Returns:",
        "    list[str]: ``[item] * count``.",
        "",
        "Raises:",
        "    TooMany: If ``count > 3``.",
    ]


def test_numpy() -> None:
    assert docstring(CODE, "find_box", "numpy").split("\n") == [
        "Find box.",
        "",
        "Parameters",
        "----------",
        "boxes : 'list[Box]'",
        "    Iterated over.",
        "path : Path | None",
        "    Passed to ``load_box``. Defaults to ``None``.",
        "",
        "Returns",
        "-------",
        "Box",
        "",
        "Raises",
        "------",
        "OSError",
        "    On ``OSError``.",
    ]


def test_sphinx() -> None:
    assert docstring(CODE, "Box.both", "sphinx", summary="Give both").split("\n") == [
        "Give both.",
        "",
        ":param n: Required.",
        ":type n: int",
        ":yields: ``n``.",
        ":ytype: int",
    ]


@pytest.mark.parametrize(
    ("code", "name", "summary", "source"),
    [
        ("class A(B):\n    def f(self): ...\n", "A.f", "Get what the base gets.", "override"),
        ("class A:\n    def __len__(self): return 1\n", "A.__len__", "Return len(self).", "language"),
        ("# parses the given text\ndef p(text): ...\n", "p", "Parse the given text.", "comment"),
        ("def load_user_by_id(id): ...\n", "load_user_by_id", "Load user by id.", "name"),
        ("def is_open(box): return box.lid\n", "is_open", "Check whether ``box`` is open.", "name"),
        ("class A:\n    @property\n    def name(self): return 1\n", "A.name", "Return the name.", "name"),
        ("def mean(values): return sum(values)\n", "mean", "Return ``sum(values)``.", "body"),
        ("def edge_count(g):\n    a = 1\n    return a\n", "edge_count", "Return the edge count.", "name"),
    ],
)
def test_a_summary_is_taken_only_where_it_is_certain(code: str, name: str, summary: str, source: str) -> None:
    project = Project()
    base = read('class B:\n    def f(self):\n        """Get what the base gets."""\n')
    assert not isinstance(base, Reject)
    project.learn(base)
    found = offers(code, project=project, qualname=name, settings=Settings(style=Style("plain")))
    assert isinstance(found, list)
    assert (found[0].phrases[0].text, found[0].phrases[0].source) == (summary, source)


@pytest.mark.parametrize(
    "code", ["def frobnicate(x):\n    x()\n    y()\n", "def f():\n    a = 1\n    b = 2\n"]
)
def test_else_nothing_is_offered(code: str) -> None:
    name = code[4 : code.index("(")]
    found = offers(code, qualname=name)
    assert isinstance(found, Reject)
    assert found.reason == "no-summary"
    assert docstring(code, name, summary="do it").startswith("Do it.")


def test_a_parameter_is_described_as_the_project_does() -> None:
    project = Project()
    for name in "ab":
        text = f'def {name}(graph):\n    """Do.\n\n    Args:\n        graph: A directed graph.\n    """\n'
        source = read(text)
        assert not isinstance(source, Reject)
        project.learn(source)
    code = "def count_edges(graph):  # of a directed\n    return graph.edges\n"
    found = offers(code, project=project, qualname="count_edges")
    assert isinstance(found, list)
    assert "graph: A directed graph." in found[0].docstring
    assert {one.source for one in found[0].phrases if one.slot == "parameter graph"} == {"project"}


def test_the_model_may_name_only_what_exists() -> None:
    class Text:
        confidence = 0.9

        def __init__(self, text: str) -> None:
            self.text = text

    def writer(task: str, source: str, *, allowed: object, **more: object) -> list[Text]:
        assert "def frob" in source
        return [
            Text("Call `missing_thing` often"),
            Text("Call call `helper` often"),
            Text("Call `helper` twicewise"),
            Text("Call `helper` often"),
        ]

    text = '"""Call helpers, often."""\n\n\ndef frob(x):\n    helper()\n    helper()\n'
    found = offers(text, qualname="frob", writer=writer)  # type: ignore[arg-type]
    assert isinstance(found, list)
    assert (found[0].phrases[0].text, found[0].phrases[0].source) == ("Call `helper` often.", "writer")


@pytest.mark.parametrize("style", NAMES)
def test_lint_clean(style: StyleName, tmp_path: Path) -> None:
    pytest.importorskip("pydoclint")
    # What a person has to add (types that are not there) is taken out: the linters judge signatures, too.
    text = '"""A module."""\n' + CODE.replace(
        "def take_items(self, n):", "def take_items(self, n: int) -> Iterator[int]:"
    )
    found = made(text, style=style, private=True)
    assert len(found) >= 7
    file = tmp_path / "box.py"
    file.write_text(apply(text, found), encoding="utf-8")
    convention = {"google": "google", "numpy": "numpy"}.get(style, "pep257")
    config = f'lint.pydocstyle.convention = "{convention}"'
    command = [
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "D",
        "--ignore",
        "D1",
        "--config",
        config,
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + file.read_text()
    if style != "plain":
        command = ["pydoclint.main", "--style", style, "-q", str(file)]
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + file.read_text()


@pytest.mark.parametrize(
    "code",
    [
        "def get_it(): return 1\n",
        "def get_it():  # why\n    return 1\n",
        "def get_it(\n    a: int,  # first\n    b=f'{1}',\n) -> int:\n\n    # a comment\n\n    return a\n",
        "class A:\n\tdef get_it(self):\n\t\treturn self\n",
        "def get_it():\r\n    return 1\r\n",
        "if True:\n  def get_it():\n    return 1\n",
        "@deco(\n    1\n)\nasync def get_it(é='😀'):\n    return é\n",
        "def get_it():\n    f'''no {1} docstring'''\n    return 1\n",
        "def get_it():\n    b'no docstring'\n    return 1\n",
        "class A: x = 1; y = 2\n",
        "def get_it():\n    @deco\n    def inner():\n        pass\n    return inner\n",
        "def get_it(a=lambda x: 1): return a\n",
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nimport a\n\n\ndef get_it(): pass\n",
        "def get_it(a='\\n', b=\"'''\", c='\"\"\"'):\n    return a",
    ],
)
@pytest.mark.parametrize("style", NAMES)
def test_nothing_else_changes(code: str, style: StyleName) -> None:
    found = made(code, style=style, private=True)
    after = apply(code, found)
    for line in filter(str.strip, code.splitlines()):
        assert line.split(": return")[0].split(": x")[0].split(": pass")[0].strip() in after
    assert ("\r\n" in code) == ("\r\n" in after)
    assert "\n" not in after.replace("\r\n", "") if "\r\n" in code else True
    again = offers(after, settings=Settings(style=Style(style), private=True))
    assert isinstance(again, Reject), again  # what is there is true


def test_overloads_and_locals_are_left_alone() -> None:
    names = {one.qualname for one in made(CODE)}
    assert "Box.take" not in names
    assert "find_box.<locals>.nested" not in names
    assert "Box.__init__" not in names
    assert docstring(CODE, "find_box.<locals>.nested", "plain") == "Return ``a``."


def test_the_style_is_the_projects() -> None:
    google = '"""Do.\n\nArgs:\n    a: One.\n"""'
    numpy = '"""Do.\n\nParameters\n----------\na : int\n    One.\n"""'
    sphinx = '"""Do.\n\n:param a: One.\n"""'
    assert detect([google] * 3 + [numpy]) == Style("google", types=False)
    assert detect([numpy] * 3 + [sphinx]) == Style("numpy", types=True)
    assert detect([sphinx] * 3) == Style("sphinx", types=False)
    assert detect(["Do."] * 9) == Style("plain")


@pytest.mark.parametrize(
    ("code", "name", "reason"),
    [("def f(:\n", None, "does-not-parse"), ("x = 1\n", "f", "no-such-name"), ("\0", None, "does-not-parse")],
)
def test_bad_input(code: str, name: str | None, reason: str) -> None:
    found = offers(code, qualname=name)
    assert isinstance(found, Reject)
    assert found.reason == reason


def test_it_stops() -> None:
    found = offers(CODE, should_stop=lambda: True)
    assert isinstance(found, Reject)
    assert found.reason == "cancelled"


def test_who_asks_for_a_docstring_may_stand_anywhere_in_the_function() -> None:
    text = "class Box:\n    def join(self, names):\n        text = names\n        return text\n"
    assert isinstance(at_line(text, 3), Reject)
    inner = at_line(text, 3, within=True)
    assert not isinstance(inner, Reject)
    assert inner.qualname == "Box.join"

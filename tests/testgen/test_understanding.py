"""What is read from a module before anything of it runs."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

from codeworld.errors import BadInput
from codeworld.testgen.inputs import Maker, Pool
from codeworld.testgen.mutants import mutants_of
from codeworld.testgen.pools import bound, calls_in_repository, pool_of, read_examples
from codeworld.testgen.project import home_of, place_of
from codeworld.testgen.shapes import of_text
from codeworld.testgen.target import (
    at_line,
    bindings,
    documented_exceptions,
    lines_of,
    preparing,
    read_module,
    typing_imports,
)

MODULE = '''"""Shapes."""
import abc
from dataclasses import dataclass


class Stack:
    def __init__(self, limit: int = 3):
        self.items = []

    def push(self, item: str) -> int:
        """Put one on top.

        Raises:
            OverflowError: it is full.

        >>> Stack().push("a")
        1
        """
        return len(self.items)

    @property
    def top(self):
        return self.items[-1]

    @classmethod
    def of(cls, *items): return cls()

    def _hidden(self): return 1

    @abc.abstractmethod
    def shape(self): ...


@dataclass
class Point:
    x: int = 0

    def moved(self, by: "int | None" = None) -> "Point":
        return Point(self.x + (by or 1))


def test_nothing(): pass


async def fetch(urls): return [one.strip() for one in urls]
'''


def test_targets_of_a_module() -> None:
    found = {one.qualname: one for one in read_module(MODULE).targets}
    assert {name: one.kind for name, one in found.items()} == {
        "Stack": "constructor",
        "Stack.push": "method",
        "Stack.top": "property",
        "Stack.of": "class method",
        "Point.moved": "method",
        "fetch": "function",
    }
    push = found["Stack.push"]
    assert push.raises == ("OverflowError",)
    assert [(one.source, one.want, one.line) for one in push.examples] == [('Stack().push("a")', "1", 16)]
    assert [str(one.shape) for one in found["Point.moved"].parameters] == ["int | none"]
    assert found["fetch"].is_async


def test_one_can_be_named_even_if_it_is_private() -> None:
    assert [one.qualname for one in read_module(MODULE, "Stack._hidden").targets] == ["Stack._hidden"]
    assert [one.qualname for one in read_module(MODULE, "Point").targets] == ["Point.moved"]
    with pytest.raises(BadInput, match="no function or class 'Nowhere'"):
        read_module(MODULE, "Nowhere")
    with pytest.raises(BadInput, match="does not parse"):
        read_module("def f(:")


def test_what_cannot_be_called_is_told() -> None:
    untested = {one.qualname: one.reason for one in read_module(MODULE).untested}
    assert untested == {"Stack.shape": "it is abstractmethod: there is nothing to call"}


@pytest.mark.parametrize(
    ("line", "name"), [(1, ""), (6, "Stack"), (10, "Stack.push"), (21, "Stack.top"), (99, "")]
)
def test_the_target_at_a_line(line: int, name: str) -> None:
    assert at_line(MODULE, line) == name


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Raises:\n    KeyError: missing\n    ValueError: wrong", ("KeyError", "ValueError")),
        (":raises TypeError: never", ("TypeError",)),
        ("Raises\n------\nIndexError\n    out of it", ()),
        ("It raises a LookupError.", ("LookupError",)),
        ("Raises the bar.", ()),
    ],
)
def test_exceptions_that_a_docstring_names(text: str, names: tuple[str, ...]) -> None:
    assert documented_exceptions(text) == names


@pytest.mark.parametrize(
    ("annotation", "shape"),
    [
        ("int", "int"),
        ("Optional[List[str]]", "list[str] | none"),
        ("typing.Dict[str, list[int]]", "dict[str, list[int]]"),
        ("Tuple[int, ...]", "tuple[int]"),
        ("tuple[int, str]", "fixed tuple[int, str]"),
        ("Literal['a', 2]", "'a' | 2"),
        ("int | str | int", "int | str"),
        ("models.User", "models.User"),
        ("'Later'", "Later"),
        ("not valid(", "any"),
    ],
)
def test_annotations(annotation: str, shape: str) -> None:
    assert str(of_text(annotation)) == shape


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("return p.split(',')", "str"),
        ("return [x + 1 for x in p]", "list[int]"),
        ("for word in p: print(word.upper())", "list[str]"),
        ("return p > 3", "int"),
        ("return p['name']", "dict['name', any]"),
        ("return p.items()", "dict[str, any]"),
        ("return p(2)", "callable[any]"),
        ("return range(p)", "int"),
        ("return p[0][1] + 1", "list[list[int]]"),
        ("return isinstance(p, (int, str))", "int | str"),
        ("return p.left.value", "Node | none"),
        ("return p", "any"),
    ],
)
def test_use_tells_what_an_annotation_would(body: str, shape: str) -> None:
    text = f"class Node:\n    left: int\n    value: int\n\n\ndef f(p):\n    {body}\n"
    assert str(read_module(text, "f").targets[0].parameters[0].shape) == shape


def test_a_default_tells_it_too() -> None:
    (target,) = read_module("def f(a=None, b=2, *, c='x'):\n    return a\n").targets
    assert [(one.name, str(one.shape), one.required) for one in target.parameters] == [
        ("a", "int | none", False),
        ("b", "int", False),
        ("c", "str", False),
    ]


def test_mutants_are_programs_that_differ() -> None:
    text = (
        "class A:\n    def f(self, n: int = 1):\n        '''doc'''\n        if n > 1 and self.x:\n"
        "            return n + 2\n        return 'a'\n"
    )
    module = read_module(text)
    before = ast.unparse(module.tree)
    found = [*mutants_of("A.f", module.functions["A.f"], 10)]
    assert ast.unparse(module.tree) == before
    assert [one.number for one in found] == [*range(10, 10 + len(found))]
    assert len({one.source for one in found}) == len(found)
    assert {"Gt → GtE", "Add → Sub", "and ↔ or", "returns None", "string changed"} <= {
        one.description for one in found
    }
    for one in found:
        compile(one.source, "mutant", "exec")
        assert "'doc" in one.source or '"doc' in one.source
        assert one.source.startswith("class A:")


def test_a_doctest_is_read_with_the_lines_before_it() -> None:
    text = '''import networkx as nx


def order(graph, n=1):
    """
    >>> G = nx.path_graph(4)
    >>> order(G, n=2)
    4
    >>> order(unknown(G))
    """
    return len(graph) + n
'''
    module = read_module(text)
    (target,) = module.targets
    assert [(one.source, one.depends) for one in target.examples] == [
        ("order(nx.path_graph(4), n=2)", True),
        ("order(unknown(nx.path_graph(4)))", True),
    ]
    names = bindings(module.tree)
    assert names == {"nx": ("networkx", "=nx"), "order": None}
    calls = [ast.parse(one.source, mode="eval").body for one in target.examples]
    assert [bound(target, one, names) for one in calls if isinstance(one, ast.Call)] == [
        {"graph": "nx.path_graph(4)", "n": "2"},
        {},
    ]


def test_lines_that_a_test_can_run() -> None:
    module = read_module(
        "def f(a):\n    '''doc'''\n    if a:\n        return (1 +\n                2)\n    global x\n"
    )
    assert lines_of(module.functions["f"]) == {3, 4}


def test_literals_and_calls_are_inputs(root: Path) -> None:
    (root / "app.py").write_text("from shop import price\nprint(price('tea', 7), price(name, 8))\n")
    (root / "test_app.py").write_text(
        "def test_a():\n    kind = 'milk'\n    n = 1\n    n = 2\n    price(kind, count=n)\n"
    )
    (root / ".gitignore").write_text("hidden.py\n")
    (root / "hidden.py").write_text("price('secret', 1)\n")
    text = "KINDS = ['x']\ndef price(kind: str, count: int):\n    return 3 if kind == 'coffee' and count > 40 else 0\n"
    module = read_module(text)
    calls = calls_in_repository(frozenset({"price"}), root, root / "shop.py")["price"]
    pool = pool_of(module.targets[0], module.functions["price"], module.tree, calls)
    assert {3, 40} <= set(pool.numbers)
    assert {"coffee", "x"} <= set(pool.strings)
    assert pool.by_name == {"kind": ("'milk'", "'tea'"), "count": ("7", "8")}
    assert [bound(module.targets[0], one) for one in calls] == [
        {"kind": "'milk'"},
        {"kind": "'tea'", "count": "7"},
        {"count": "8"},
    ]


def test_a_variable_that_is_set_to_a_call_with_itself(root: Path) -> None:
    (root / "app.py").write_text("def f(price, x):\n    price = price(x=price, y=x)\n    return price\n")
    (call,) = calls_in_repository(frozenset({"price"}), root, root / "shop.py")["price"]
    assert ast.unparse(call) == "price(x=price(x=price, y=x), y=x)"


def test_methods_that_prepare_for_another() -> None:
    module = read_module(
        "class A:\n    def __init__(self):\n        self.a = 1\n\n    def set(me):\n        me.a, me.b = 1, 2\n\n"
        "    def clear(self):\n        self.a = self.c = 0\n\n    def get(self):\n        return self.a + self.b\n\n"
        "class B:\n    def set(self):\n        self.b = 1\n\ndef get(self):\n    return self.b\n"
    )
    ready = {one.qualname: preparing(one, module.functions) for one in module.targets}
    assert ready["A.get"] == {"set"}
    assert ready["A.set"] == ready["A.clear"] == ready["get"] == ready["B.set"] == frozenset()


def test_imports_for_annotations_alone() -> None:
    tree = ast.parse(
        "import a\nif TYPE_CHECKING:\n    import b.c\n    import d as e\n    from ..f import g\n"
        "    from ....h import i\n    from . import j as k\nelse:\n    import l\n"
    )
    assert typing_imports(tree, "one.two.three") == {
        "b": ("b.c", ""),
        "e": ("d", "=e"),
        "g": ("one.two.f", "g"),
    }


@pytest.mark.parametrize(("numbers", "most"), [((), 6), ((8, 99), 8)])
def test_a_board_is_as_large_as_the_program_says(numbers: tuple[int, ...], most: int) -> None:
    maker = Maker(random.Random(0), Pool(numbers=numbers), lambda name: {"kind": "unknown"})
    grid = of_text("list[list[str]]")
    boards = [ast.literal_eval(maker.make(grid, maker.scale())) for _ in range(500)]
    assert max(map(len, boards)) == most
    assert any(len(one) == most and all(len(row) == most for row in one) for one in boards)


def test_examples_are_read_here_first_and_beside(root: Path) -> None:
    (root / "other.py").write_text(
        '"""\n>>> a = 1\n>>> a=2\n>>> a = f(5)\n>>> b = [\n... 2]\n>>> c = f(3)\n"""\n'
    )
    found = read_examples(frozenset("abc"), root / "shop.py", '"""\n    >>> a = 4\n    >>> a = a + 1\n"""\n')
    assert {name: [*map(ast.unparse, values)] for name, values in found.values.items()} == {
        "a": ["4", "a + 1", "f(5)"],
        "c": ["f(3)"],
    }


@pytest.mark.parametrize(
    ("files", "module", "home"),
    [
        ({"shop.py": ""}, "shop.py", "tests/test_shop.py"),
        (
            {"src/shop/price.py": "", "src/shop/__init__.py": "", "test/test_x.py": ""},
            "src/shop/price.py", "test/test_price.py",
        ),
        (
            {"shop/price.py": "", "shop/__init__.py": "", "tests/shop/test_x.py": ""},
            "shop/price.py", "tests/shop/test_price.py",
        ),
        ({"shop.py": "", "shop_test.py": "", "other_test.py": ""}, "shop.py", "shop_test.py"),
        ({"price.py": "", "lib/other_test.py": ""}, "price.py", "lib/price_test.py"),
        (
            {"a/util.py": "", "a/__init__.py": "", "tests/test_all.py": "from a.util import f"},
            "a/util.py", "tests/test_all.py",
        ),
        ({"a/util.py": "", "b/util.py": "", "tests/b/test_util.py": ""}, "a/util.py", "tests/test_a_util.py"),
    ],
)  # fmt: skip
def test_tests_land_where_the_project_keeps_them(
    root: Path, files: dict[str, str], module: str, home: str
) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    found = home_of(place_of(root / module, root), True)
    assert found.path.relative_to(root.resolve()).as_posix() == home
    assert (found.text is not None) == (root / home).exists()


def test_a_module_is_imported_by_its_packages(root: Path) -> None:
    for name in ("src/shop/__init__.py", "src/shop/parts/price.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    place = place_of(root / "src/shop/parts/price.py", root)
    assert place.module == "shop.parts.price"
    assert place.paths[0] == str(root.resolve() / "src")
    assert home_of(place, True).python_path == "src"
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["src"]\n')
    assert home_of(place, True).python_path == ""


def test_the_style_is_the_projects(root: Path) -> None:
    (root / "tests").mkdir()
    (root / "shop.py").write_text("")
    (root / "pyproject.toml").write_text("[tool.ruff]\nline-length = 110\n")
    (root / "tests" / "test_a.py").write_text(
        "import unittest\n\n\nclass A(unittest.TestCase):\n"
        "    def test_a(self) -> None:\n        self.assertEqual('a', 'b')\n"
    )
    style = home_of(place_of(root / "shop.py", root), True).style
    assert (style.framework, style.annotated, style.single_quotes, style.width) == (
        "unittest",
        True,
        True,
        110,
    )
    (root / "tests" / "test_a.py").write_text('def test_a():\n    assert "a"\n')
    style = home_of(place_of(root / "shop.py", root), True).style
    assert (style.framework, style.annotated, style.single_quotes, style.parametrized) == (
        "pytest",
        False,
        False,
        False,
    )
    assert home_of(place_of(root / "shop.py", root), False).style.framework == "unittest"

"""Doctests and other people's objects as inputs: what lines before an example build, and what classes take."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codeworld.testgen.cases import Built, Target
from codeworld.testgen.layout import laid_out
from codeworld.testgen.neighbours import smaller
from codeworld.testgen.pools import stands
from codeworld.testgen.target import read_module
from tests.testgen.conftest import Make, made, run

GRAPH = '''"""Graphs.

>>> tower = Tower(4, "left")
"""


class Graph:
    def __init__(self):
        self.edges = {}

    def add_edge(self, start, end, weight=1):
        self.edges[start, end] = weight


def heaviest(graph):
    """The edge that weighs most.

    >>> G = Graph()
    >>> G.add_edge("a", "b", weight=7)
    >>> G.add_edge("b", "c", weight=2)
    >>> heaviest(G)
    ('a', 'b')
    >>> least = Graph()
    >>> edge, weight = heaviest(least), 3
    """
    if len(graph.edges) < 2:
        return None
    best = max(graph.edges.values())
    return [edge for edge, weight in graph.edges.items() if weight == best][0]


class Tower:
    def __init__(self, height, side):
        if height != 4 or side != "left":
            raise TypeError("no such tower")
        self.height = height

    def above(self, other):
        return other < self.height
'''


def target(name: str) -> Target:
    (found,) = read_module(GRAPH, name).targets
    return found


def test_statements_before_an_example_belong_to_it() -> None:
    first, second = target("heaviest").examples
    statements = ("G.add_edge('a', 'b', weight=7)", "G.add_edge('b', 'c', weight=2)")
    assert first.built == (Built("G", "Graph()", statements),)
    assert (first.source, first.depends) == ("heaviest(G)", True)
    assert (second.source, second.depends, second.built) == ("(heaviest(Graph()), 3)", True, ())


def test_the_modules_own_examples_count() -> None:
    assert [one.source for one in target("Tower.__init__").examples] == ["Tower(4, 'left')"]


def test_an_object_is_built_as_in_the_example(make: Make, root: Path) -> None:
    found = made(make(GRAPH, "heaviest", budget_s=4.0))
    (summary,) = found.summaries
    assert summary.lines_run == summary.lines
    assert ".add_edge(" in found.text
    assert run(found, root).returncode == 0


def test_instances_are_made_as_in_an_example(make: Make, root: Path) -> None:
    found = made(make(GRAPH, "Tower.above"))
    assert 'Tower(4, "left")' in found.text
    assert run(found, root).returncode == 0


def test_an_init_is_its_class() -> None:
    constructor = target("Tower.__init__")
    assert (constructor.kind, constructor.qualname, constructor.line) == ("constructor", "Tower", 33)
    assert [one.name for one in constructor.parameters] == ["height", "side"]


def test_a_class_of_another_module_that_takes_others_of_it(make: Make, root: Path) -> None:
    (root / "kit.py").write_text(
        "from __future__ import annotations\n\n\n"
        "class Command:\n    def __init__(self, name: str) -> None:\n        self.name = name.upper()\n\n\n"
        "class Context:\n    def __init__(self, command: Command) -> None:\n"
        "        self.title = 'run ' + command.name\n"
    )
    text = "import kit\n\n\ndef title(context: kit.Context) -> str:\n    return f'<{context.title}>'\n"
    found = made(make(text))
    assert "kit.Context(kit.Command(" in found.text
    assert run(found, root).returncode == 0


INFERRED = """
class Shelf:
    def __init__(self, names):
        self._names = [name.strip() for name in names]

    def holds(self, name):
        return name.lower() in self._names
"""


def test_a_constructor_takes_what_its_body_uses(make: Make, root: Path) -> None:
    found = made(make(INFERRED, "Shelf.holds"))
    assert "is True" in found.text or "True)" in found.text
    assert run(found, root).returncode == 0


@pytest.mark.parametrize(("single", "key"), [(False, '"alpha": '), (True, "'alpha': ")])
def test_keys_of_a_broken_dictionary_have_the_projects_quotes(single: bool, key: str) -> None:
    lines = laid_out("x = ", "{'alpha': [1, 2, 3], 'beta': [4, 5, 6]}", "", 0, 20, single)
    assert any(line.strip().startswith(key) for line in lines)


TREE = """
def depth(tree):
    if tree is None:
        return 0
    return 1 + max(depth(tree.left), depth(tree.right))


def smallest(root):
    node = root
    while node.left:
        node = node.left
    return node.value


def area(box):
    return box.width * box.height if box.shape == "box" else 0


def closed(door):
    return door.close() or door.state
"""


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("depth", "object with left, right | none"),
        ("smallest", "object with left, value | none"),
        ("area", "object with shape, width, height"),
        ("closed", "any"),
    ],
)
def test_an_object_of_which_only_attributes_are_read_is_made_of_them(name: str, shape: str) -> None:
    (found,) = read_module(TREE, name).targets
    assert str(found.parameters[0].shape) == shape


def test_trees_are_made_of_attributes(make: Make, root: Path) -> None:
    found = made(make(TREE, "depth"))
    (summary,) = found.summaries
    assert summary.mutants_killed == summary.mutants
    assert "from types import SimpleNamespace" in found.text
    assert run(found, root).returncode == 0


def test_a_smaller_tree_is_one_with_branches_cut_off() -> None:
    tree = "SimpleNamespace(left=SimpleNamespace(left=None, right=None), right=None)"
    assert "SimpleNamespace(left=None, right=None)" in [*smaller(tree)]


def test_a_wrong_type_is_tried_where_it_is_refused(make: Make, root: Path) -> None:
    text = (
        "def total(prices: list[int], tax: int) -> int:\n    if not isinstance(prices, list):\n"
        "        raise TypeError('a list of prices')\n    return sum(prices) + tax\n"
    )
    found = made(make(text))
    assert 'pytest.raises(TypeError, match="a list of prices")' in found.text
    assert not found.doubts  # of what it makes of the wrong types that it does not refuse
    assert run(found, root).returncode == 0


def test_what_depends_on_the_command_line_is_dropped(make: Make, root: Path) -> None:
    text = "import sys\n\n\ndef first(n: int) -> object:\n    return [n, *sys.argv[1:]] if n > 2 else n\n"
    found = made(make(text))
    assert "[" not in found.text.partition("def test")[2]


def test_a_base_class_is_tested_through_a_class_that_completes_it(make: Make, root: Path) -> None:
    package = root / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("from shop.app import App\n")
    (package / "app.py").write_text(
        "from shop.base import Base\n\n\nclass App(Base):\n    def rate(self) -> int:\n        return 3\n"
    )
    text = (
        "import abc\n\n\nclass Base(abc.ABC):\n    @abc.abstractmethod\n    def rate(self) -> int: ...\n\n"
        "    def price(self, count: int) -> int:\n        return self.rate() * count if count > 2 else 0\n"
    )
    found = made(make(text, "Base.price", name="shop/base.py"))
    assert "from shop.app import App" in found.text
    assert run(found, root).returncode == 0


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("{i: 10 for i in range(3)}", True),
        ("[2 * n for n in sizes]", False),
        ("nx.path_graph(2 + 2)", True),
        ("lambda u, v: u < v", True),
        ("f(*rest)", False),
        ("open('x')", False),
    ],
)
def test_what_means_the_same_in_a_test(text: str, alone: bool) -> None:
    assert stands(ast.parse(text, mode="eval").body, {"nx", "f"}) is alone


def test_a_function_that_is_handed_back_is_told_by_its_type(make: Make, root: Path) -> None:
    text = "def adder(n: int) -> object:\n    def add(m):\n        return n + m\n\n    return add if n > 3 else None\n"
    found = made(make(text))
    assert "__name__ ==" in found.text
    assert run(found, root).returncode == 0


def test_what_is_made_a_folder_is_a_path(make: Make, root: Path) -> None:
    text = (
        "import os\n\n\ndef prepare(place):\n    if not os.path.isdir(place):\n        os.makedirs(place)\n"
        "    return len(os.listdir(place))\n"
    )
    found = made(make(text))
    assert "tmp_path" in found.text
    assert run(found, root).returncode == 0


def test_where_the_project_lies_is_not_recorded(make: Make, root: Path) -> None:
    text = "import os\n\n\ndef place(n: int) -> object:\n    return os.path.join(os.getcwd(), 'a') if n > 3 else n\n"
    found = made(make(text))
    assert str(root) not in found.text
    assert run(found, root).returncode == 0


def test_what_draws_through_another_module_is_seeded(make: Make, root: Path) -> None:
    (root / "dice.py").write_text("import random\n\n\ndef throw():\n    return random.randint(1, 10**6)\n")
    text = "import dice\n\n\ndef play(n: int) -> int:\n    return n + dice.throw() if n > 1 else n\n"
    found = made(make(text))
    tests = found.text.split("def test")[1:]
    assert {"random.seed(0)" in one for one in tests} == {True, False}
    assert run(found, root).returncode == 0


def test_arguments_are_changed_as_examples_change_them(make: Make, root: Path) -> None:
    (root / "nets.py").write_text(
        'class Net:\n    """A net.\n\n    >>> net = Net()\n    >>> net.tie("a", "b")\n    """\n\n'
        "    def __init__(self):\n        self.knots = set()\n\n"
        "    def tie(self, one, other):\n        self.knots |= {one, other}\n"
    )
    text = (
        "from nets import Net\n\n\ndef knots(net):\n    if len(net.knots) > 2:\n        return 3\n"
        "    return len(net.knots)\n\n\nempty = Net()\n"
    )
    found = made(make(text, qualname="knots"))
    assert "net.tie(" in found.text
    (summary,) = found.summaries
    assert summary.lines_run == summary.lines
    assert run(found, root).returncode == 0

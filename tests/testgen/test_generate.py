"""Tests that ran, that bite, that look like the project's own."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Reject, Source
from codeworld.testgen.generate import Settings, generate
from codeworld.testgen.propose import Proposer
from tests.testgen.conftest import Make, made, run

CLAMP = """def clamp(x: int, low: int, high: int) -> int:
    if x < low:
        return low
    if x > high:
        return high
    return x
"""


def test_they_pass_and_bite(make: Make, root: Path) -> None:
    found = made(make(CLAMP))
    assert found.path == str(root / "tests" / "test_shop.py")
    assert found.before is None
    (summary,) = found.summaries
    assert summary.lines_run == summary.lines == 5
    assert summary.mutants_killed >= summary.mutants - 2  # x <= low and x >= high are equivalent
    assert run(found, root).returncode == 0
    for old, new in (("return low", "return high"), ("x > high", "x > low"), ("return x", "return -x")):
        (root / "shop.py").write_text(CLAMP.replace(old, new))
        assert run(found, root).returncode == 1
    assert "it does today" in found.text


def test_each_case_is_needed(make: Make, root: Path) -> None:
    found = made(make(CLAMP))
    assert len(found.kept) <= 6
    assert all(one.arcs or one.kills for one in found.kept)


def test_a_file_that_is_there_is_extended_and_nothing_in_it_changes(make: Make, root: Path) -> None:
    (root / "tests").mkdir()
    path = root / "tests" / "test_shop.py"
    human = (
        "import shop\n\n\ndef test_clamp():\n    assert shop.clamp(1, 0, 2) == 1\n\n\n"
        'if __name__ == "__main__":\n    test_clamp()\n'
    )
    path.write_bytes(human.replace("\n", "\r\n").encode())
    found = made(make(CLAMP))
    assert found.before == human.replace("\n", "\r\n")
    assert "\n" not in found.text.replace("\r\n", "")
    rest = iter(found.text.splitlines())
    assert all(line in rest for line in human.splitlines())  # in this order, others between them
    names = re.findall(r"def (test_\w+)", found.text)
    assert len(names) == len(set(names)) > 1
    path.write_bytes(found.text.encode())
    assert run(found, root).returncode == 0
    assert path.read_bytes().decode().rstrip().endswith("test_clamp()")


def test_a_unittest_project_gets_unittest(make: Make, root: Path) -> None:
    (root / "tests").mkdir()
    (root / "tests" / "test_other.py").write_text(
        "import unittest\n\n\nclass OtherTest(unittest.TestCase):\n"
        "    def test_a(self):\n        self.assertEqual(1, 1)\n"
    )
    text = (
        CLAMP
        + "\n\ndef half(n: int) -> float:\n    if n < 0:\n        raise ValueError('negative')\n    return n / 3\n"
    )
    found = made(make(text))
    assert found.framework == "unittest"
    assert "pytest" not in found.text
    assert "class ShopRecordedTest(unittest.TestCase):" in found.text
    assert "assertRaises" in found.text
    assert run(found, root).returncode == 0


def test_a_project_with_an_environment_of_its_own_and_without_pytest(make: Make, root: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")], check=True)
    found = made(make("import sys\n\n\ndef own() -> bool:\n    return '.venv' in sys.prefix\n"))
    assert found.framework == "unittest"
    assert found.command[0] == str(root.resolve() / ".venv" / "bin" / "python")
    assert "assertIs(own(), True)" in found.text
    assert "unittest" in found.command


@pytest.mark.parametrize(
    "options", ["addopts = --no-such-option", "filterwarnings =\n    error\n    ignore::nowhere.Gone"]
)
def test_a_project_whose_pytest_options_cannot_be_had_here(make: Make, root: Path, options: str) -> None:
    (root / "pytest.ini").write_text(f"[pytest]\n{options}\n")
    found = made(make(CLAMP))
    assert "addopts=" in found.command  # what works here is what is said
    assert run(found, root).returncode == 0


def test_types_that_are_imported_for_annotations_alone(make: Make, root: Path) -> None:
    (root / "shop").mkdir()
    (root / "shop" / "__init__.py").write_text("")
    (root / "shop" / "order.py").write_text(
        "class Order:\n    def __init__(self, count: int) -> None:\n        self.count = count\n"
    )
    head = "from __future__ import annotations\nimport typing\n\nif typing.TYPE_CHECKING:\n"
    body = "\n\ndef price(order: Order) -> int:\n    return 7 * order.count\n"
    found = made(make(f"{head}    from .order import Order\n{body}", name="shop/price.py"))
    assert "from shop.order import Order" in found.text
    assert "import Order, price" not in found.text
    assert run(found, root).returncode == 0
    gone = make(f"{head}    from nowhere import Order\n{body}", name="shop/price.py")
    assert isinstance(gone, Reject)
    assert "no value of type Order" in gone.detail


def test_examples_beside_it_tell_what_a_parameter_is(make: Make, root: Path) -> None:
    (root / "forest.py").write_text(
        'class Wood:\n    """Trees.\n\n    >>> wood = Wood(["oak", "ash"])\n'
        '    >>> wood = forest.Wood(["oak"])\n    """\n\n'
        "    def __init__(self, trees):\n        self.trees = trees\n"
    )
    found = made(make("import forest\n\n\ndef planks(wood):\n    return 3 * len(wood.trees)\n"))
    assert "planks(forest.Wood([" in found.text
    assert run(found, root).returncode == 0


QUEUE = """class Queue:
    def __init__(self) -> None:
        self.size = 0

    def start(self, first: int) -> None:
        self.items = [first]

    def other(self) -> None:
        self.size += 1

    def last(self) -> int:
        return 10 * self.items[-1]
"""


def test_one_method_is_called_after_others_of_its_class(make: Make, root: Path) -> None:
    found = made(make(QUEUE, "Queue.last"))
    assert "queue.start(" in found.text
    assert {one.target.qualname for one in found.kept} == {"Queue.last"}
    assert run(found, root).returncode == 0


KINDS = {
    "class": (
        "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item: int) -> None:\n"
        "        self.items.append(item)\n\n    def pop(self) -> int:\n        if not self.items:\n"
        "            raise LookupError('empty')\n        return self.items.pop()\n",
        ["stack.push(", "pytest.raises(LookupError", "stack.items == ["],
    ),
    "async": (
        "import asyncio\n\n\nasync def double(n: int) -> int:\n    await asyncio.sleep(0)\n    return 2 * n\n",
        ["asyncio.run(double("],
    ),
    "generator": (
        "def evens(n: int):\n    for i in range(n):\n        if i % 2 == 0:\n            yield i\n",
        ["list(evens("],
    ),
    "context manager": (
        "import contextlib\n\n\n@contextlib.contextmanager\ndef doubled(n: int):\n    yield n * 2 + 1\n",
        ["with doubled(", "as value:"],
    ),
    "dataclass": (
        "from dataclasses import dataclass\n\n\n@dataclass\nclass Point:\n    x: int\n    y: int\n\n"
        "    def mirrored(self) -> 'Point':\n        return Point(self.y, self.x)\n",
        ["Point(", ").mirrored() == Point(x="],
    ),
    "changed argument": (
        "def drop_odd(values: list[int]) -> None:\n    values[:] = [one for one in values if one % 2 == 0]\n",
        ["drop_odd(values)", "assert values == ["],
    ),
    "file": (
        "from pathlib import Path\n\n\ndef save(path: Path, text: str) -> None:\n    path.write_text(text.upper())\n",
        ["tmp_path", ".read_text() =="],
    ),
    "printed": ("def greet(name: str) -> None:\n    print('Hello', name)\n", ["capsys.readouterr().out == "]),
    "seed": (
        "import random\n\n\ndef roll(n: int) -> int:\n    return random.randint(1, 6) + n\n",
        ["random.seed(0)"],
    ),
    "float": ("def third(n: int) -> float:\n    return n / 3\n", ["third("]),
    "own collection": (
        "class Bag:\n    def __init__(self, items: list[int]) -> None:\n        self._items = items\n\n"
        "    def __len__(self) -> int:\n        return len(self._items)\n\n"
        "    def __iter__(self):\n        return iter(self._items)\n\n"
        "    def __contains__(self, one: object) -> bool:\n        return one in self._items\n\n\n"
        "def halves(n: int) -> tuple[int, Bag]:\n    return n + 1, Bag([n, n // 2])\n",
        ["assert result[0] == ", "assert list(result[1]) == ["],
    ),
    "enum": (
        "import enum\n\n\nclass Kind(enum.Enum):\n    TEA = 1\n    MILK = 2\n\n\ndef other(kind: Kind) -> Kind:\n"
        "    return Kind.MILK if kind is Kind.TEA else Kind.TEA\n",
        ["other(Kind.TEA) == Kind.MILK", "import Kind, other"],
    ),
    "no annotations": (
        "def initials(name):\n    return ''.join(part[0].upper() for part in name.split())\n",
        ["initials("],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_targets(make: Make, root: Path, kind: str) -> None:
    text, expected = KINDS[kind]
    found = made(make(text, budget_s=3.0))
    for one in expected:
        assert one in found.text
    done = run(found, root)
    assert done.returncode == 0, done.stdout


def test_doctests_are_inputs_and_false_ones_are_reported(make: Make, root: Path) -> None:
    text = '''def slug(text: str) -> str:
    """In lower case.

    >>> slug("Hello World")
    'hello-world'
    >>> slug("a  b")
    'a-b'
    """
    return text.lower().replace(" ", "-")
'''
    found = made(make(text))
    (doubt,) = [one for one in found.doubts if one.source == "doctest"]
    assert (doubt.line, doubt.call, doubt.expected, doubt.observed) == (6, 'slug("a  b")', "'a-b'", "'a--b'")
    assert "a--b" not in found.text
    assert 'slug("Hello World") == "hello-world"' in found.text
    assert "As its documentation says." in found.text


def test_what_contradicts_an_annotation_is_not_frozen(make: Make, root: Path) -> None:
    text = "def first(items: list[int]) -> int:\n    if not items:\n        return None\n    return items[0] + 1\n"
    found = made(make(text))
    assert [(one.source, one.expected) for one in found.doubts] == [("annotation", "int")]
    assert "None" not in found.text


def test_an_accident_is_not_frozen_and_a_refusal_is(make: Make, root: Path) -> None:
    text = (
        "def share(total: int, people: int) -> float:\n    if people < 0:\n        raise ValueError('no such people')\n"
        "    return total / people\n"
    )
    found = made(make(text))
    assert [(one.source, one.observed.partition(":")[0]) for one in found.doubts] == [
        ("crash", "ZeroDivisionError")
    ]
    assert "ZeroDivisionError" not in found.text
    assert 'pytest.raises(ValueError, match="no such people")' in found.text


def test_what_changes_from_run_to_run_is_dropped(make: Make, root: Path) -> None:
    text = (
        "import os\nimport time\n\n\ndef now(n: int) -> float:\n    return time.time_ns() + os.getpid() + n\n"
    )
    found = make(text)
    assert isinstance(found, Reject)
    assert found.reason == "no-test"


def test_hash_order_is_found_by_reruns(make: Make, root: Path) -> None:
    found = make(
        "def order(words: list[str]) -> str:\n    return '-'.join(set(words) | {'a', 'b', 'c', 'd', 'e'})\n"
    )
    assert isinstance(found, Reject)
    assert found.reason == "no-test"


def test_the_models_calls_are_tried(root: Path) -> None:
    """A door that no search opens, and the model does once the search has got stuck."""
    text = (
        "import hashlib\n\n\ndef opens(word: str) -> bool:\n"
        f"    return hashlib.md5(word.encode()).hexdigest() == '{hashlib.md5(b'sesame').hexdigest()}'\n"
    )
    (root / "door.py").write_text(text)
    asked: list[InfillRequest] = []

    def infill(hole: InfillRequest) -> InfillReply:
        asked.append(hole)
        texts = ("'sesame'", "not python(", "unknown")
        return InfillReply(
            tuple(Candidate(one, Source.VERIFIED, -1.0, 3) for one in texts), 1.0, "cpu", "told"
        )

    propose = Proposer(text, infill)
    settings = Settings(budget_s=5.0, runs=1)
    found = made(generate(root / "door.py", text, root, propose=propose, settings=settings))
    assert "sesame" in found.text
    assert asked[0].prefix.endswith("assert opens(")
    assert asked[0].suffix.startswith(")")
    assert propose.asked == len(asked) <= 6
    assert propose.given == 2 * len(asked)  # what is no Python is no call


def test_a_project_with_its_modules_in_src(make: Make, root: Path) -> None:
    """Also where the sandbox runs a copy of the project."""
    (root / "src").mkdir()
    (root / "tests").mkdir()
    (root / "tests" / "test_other.py").write_text("def test_a():\n    assert True\n")
    found = made(make(CLAMP, name="src/shop.py"))
    assert "from shop import clamp" in found.text
    assert any(one.startswith("PYTHONPATH=src") for one in found.command)


def test_a_folder_that_is_called_as_a_module_of_python(make: Make, root: Path) -> None:
    for name in ("queue", "sort"):
        (root / name).mkdir()
    (root / "queue" / "__init__.py").write_text("raise ImportError\n")
    found = made(make(CLAMP, name="sort/shop.py"))
    assert "PYTHONSAFEPATH=1" in found.command
    path = Path(found.path)
    path.parent.mkdir(exist_ok=True)
    path.write_text(found.text)
    environment = os.environ | dict(one.split("=", 1) for one in found.command if one.startswith("PYTHON"))
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)]
    assert subprocess.run(command, cwd=root, env=environment, check=False).returncode == 0
    hidden = [sys.executable, "-B", "-c", "import queue"]
    assert subprocess.run(hidden, cwd=root, env=os.environ, check=False).returncode == 1
    assert subprocess.run(hidden, cwd=root, env=environment, check=False).returncode == 0


def test_what_is_imported_when_a_function_is_first_called_takes_none_of_its_time(
    make: Make, root: Path
) -> None:
    """``slow`` needs more than a call may, and is no part of the project: imported once, not in every process."""
    library = root / "lib" / "site-packages"
    library.mkdir(parents=True)
    (library / "slow.py").write_text(
        "import time\n\nend = time.process_time() + 0.6\nwhile time.process_time() < end:\n    pass\n"
    )
    text = (
        "import sys\n\nsys.path.append('lib/site-packages')\n\n\n"
        "def double(number: int) -> int:\n    import slow\n\n    return 2 * number if slow.end else 0\n"
    )
    found = made(make(text, budget_s=8.0))
    (summary,) = found.summaries
    assert summary.lines_run == summary.lines
    assert summary.tests >= 1

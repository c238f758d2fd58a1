"""Which of thousands of programs return what the tests' plain examples expect.

An example is an assertion that a function of the program, called with literals, returns a literal. Whether it holds is
found out a hundred times faster than the test command runs, so that it decides which programs that is run for.
"""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from codeworld.syntax.trees import parsed
from codeworld.testgen.execution import Place
from codeworld.testgen.expressions import is_literal
from codeworld.testgen.observation_worker import MARK
from codeworld.testgen.pools import python_files
from codeworld.testgen.project import place_of
from codeworld.verify import sandbox
from codeworld.verify.project_tests import ProjectTests

_SCRIPT = Path(__file__).with_name("screening_worker.py")
_QUESTION = ".codeworld-screened.json"
_MOST_EXAMPLES = 40
_MOST_FILES = 40
_READ_S = 1.0
_BATCH_CHARS = 4_000_000
_BATCH = 20_000  # programs: the sandbox keeps the end of what is printed
_EQUAL = ("assertEqual", "assertEquals")
_GRACE_S = 10.0  # for what starts and ends the worker


class Example(NamedTuple):
    """A call and the value that it should have, as expressions."""

    call: str
    value: str


class Screen:
    """Runs programs in the place of a file."""

    def __init__(
        self, place: Place, examples: Sequence[Example], should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._place, self._should_stop = place, should_stop
        self._examples = [*examples]
        self.total = len(self._examples)

    def satisfied(self, programs: Sequence[str], end_s: float) -> list[int]:
        """How many examples each of the first programs satisfies, of as many as there is time for until ``end_s``
        (time.monotonic). Raises OSError when no sandbox can be started."""
        found = list[int]()
        while len(found) < len(programs) and time.monotonic() < end_s and not self._should_stop():
            chars, last = 0, len(found)
            while last < min(len(programs), len(found) + _BATCH) and chars < _BATCH_CHARS:
                chars += len(programs[last])
                last += 1
            said = self._batch(programs[len(found) : last], end_s - time.monotonic())
            found += said
            if not said:
                break
        return found

    def _batch(self, programs: Sequence[str], seconds: float) -> list[int]:
        place = self._place
        question = {
            "programs": programs,
            "examples": self._examples,
            **place.told,
            "seconds": seconds,
        }
        done = sandbox.run(
            [place.python, "-B", str(_SCRIPT), _QUESTION],
            project=place.root,
            changed={place.root / _QUESTION: json.dumps(question)},
            limits=sandbox.Limits(wall_s=seconds + _GRACE_S, cpu_s=int(seconds + _GRACE_S)),
            readable=[_SCRIPT.parent],
            variables={"PYTHONHASHSEED": "0"},
            should_stop=self._should_stop,
        )
        said = done.output.split(MARK)
        return [*bytes.fromhex(said[-2])] if len(said) > 2 else []  # nothing where it was stopped


def screen(tests: ProjectTests, text: str, should_stop: Callable[[], bool] = lambda: False) -> Screen | None:
    """For the file that ``tests`` judge programs for, whose content is ``text``; None where no test has an example."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    names = frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    found = examples_in_tests(names, tests.root, tests.path) if names else []
    return Screen(place_of(tests.path, tests.root), found, should_stop) if found else None


def examples_in_tests(names: Collection[str], root: Path, file: Path) -> list[Example]:
    """Of functions with these names, in the repository's test files; looks for a second at most."""
    found, parsed, deadline_s = dict[Example, None](), 0, time.monotonic() + _READ_S
    for path in python_files(root, deadline_s):
        if parsed >= _MOST_FILES or len(found) >= _MOST_EXAMPLES or time.monotonic() > deadline_s:
            break
        if path == file or "test" not in f"{path.parent.name}/{path.name}":
            continue
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if any(f"{name}(" in text for name in names):
            parsed += 1
            found |= dict.fromkeys(examples_of(text, names))
    return [*found][:_MOST_EXAMPLES]


def examples_of(text: str, names: Collection[str]) -> Iterator[Example]:
    """The examples among the assertions of ``text``."""
    tree = parsed(text)
    if tree is None:
        return
    for node in ast.walk(tree):
        for call, value in _compared(node):
            if _is_own(call, names) and is_literal(value):
                assert isinstance(call, ast.Call)
                name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr  # type: ignore[attr-defined]
                plain = ast.Call(ast.Name(name, ast.Load()), call.args, call.keywords)
                yield Example(ast.unparse(plain), ast.unparse(value))


def _compared(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What an assertion says is equal, in both orders."""
    pair: list[ast.expr] = []
    if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
        if len(node.test.ops) == 1 and isinstance(node.test.ops[0], (ast.Eq, ast.Is)):
            pair = [node.test.left, *node.test.comparators]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _EQUAL:
        pair = node.args[:2]
    if len(pair) == 2:
        yield pair[0], pair[1]
        yield pair[1], pair[0]


def _is_own(call: ast.expr, names: Collection[str]) -> bool:
    """Whether it calls one of these functions with literals."""
    if not isinstance(call, ast.Call):
        return False
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else name
    given = [*call.args, *(one.value for one in call.keywords)]
    return name in names and all(one.arg for one in call.keywords) and all(map(is_literal, given))

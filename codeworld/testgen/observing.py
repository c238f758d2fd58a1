"""What versions of a module do when its functions are called as its tests call them, and on inputs like those.

Two versions that pass the same tests are told apart by it, or found to do the same.
"""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from codeworld.testgen.execution import Place
from codeworld.testgen.expressions import is_literal
from codeworld.testgen.inputs import Maker, Pool
from codeworld.testgen.neighbours import neighbour
from codeworld.testgen.observation_worker import MARK
from codeworld.testgen.pools import calls_in_repository
from codeworld.testgen.project import place_of
from codeworld.verify import sandbox
from codeworld.verify.project_tests import ProjectTests

_SCRIPT = Path(__file__).with_name("observation_worker.py")
_QUESTION = ".codeworld-observed.json"
_MOST_CALLS = 32
_MOST_SHOWN = 8  # calls of tests among them
_MOST_CHARS = 400
_BATCH = 100  # programs in one sandbox, which keeps the end of what it prints
_BATCH_S = 120.0


class Call(NamedTuple):
    """A function's name, a tuple of its arguments and a dict of its keywords, as expressions."""

    function: str
    arguments: str
    keywords: str = "{}"


class Observing:
    """Runs programs in the place of a file; see ``calls_of``."""

    def __init__(
        self, place: Place, calls: Sequence[Call], should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._place, self._calls, self._should_stop = place, calls, should_stop

    def observe(self, programs: Sequence[str]) -> list[tuple[str, ...]]:
        """What each program does on each call, see observation_worker; nothing where the sandbox says nothing. Raises
        OSError when none can be started."""
        found = list[tuple[str, ...]]()
        for at in range(0, len(programs), _BATCH):
            found += self._batch(programs[at : at + _BATCH])
        return found

    def _batch(self, programs: Sequence[str]) -> list[tuple[str, ...]]:
        place = self._place
        question = {
            "programs": programs,
            "calls": self._calls,
            **place.told,
        }
        done = sandbox.run(
            [place.python, "-B", str(_SCRIPT), _QUESTION],
            project=place.root,
            changed={place.root / _QUESTION: json.dumps(question)},
            limits=sandbox.Limits(wall_s=_BATCH_S),
            readable=[_SCRIPT.parent],
            variables={"PYTHONHASHSEED": "0"},
            should_stop=self._should_stop,
        )
        said = done.output.split(MARK)
        if len(said) < 3:  # stopped
            return [()] * len(programs)
        return [tuple(one) for one in json.loads(said[-2])]


def observer(
    tests: ProjectTests, text: str, should_stop: Callable[[], bool] = lambda: False
) -> Callable[[Sequence[str]], list[tuple[str, ...]]] | None:
    """For the file that ``tests`` judge programs for, whose content is ``text``; see ``observing``."""
    found = observing(tests.path, tests.root, text, should_stop)
    return found.observe if found is not None else None


def observing(
    path: Path, root: Path, text: str, should_stop: Callable[[], bool] = lambda: False
) -> Observing | None:
    """For the file ``path`` of the project ``root``, whose content is ``text``; None where nothing in the project
    calls its functions with literals."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    names = frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    found = calls_in_repository(names, root, path) if names else {}
    calls = calls_of(text, (call for group in found.values() for call in group))
    return Observing(place_of(path, root), calls, should_stop) if calls else None


def calls_of(text: str, shown: Iterable[ast.Call]) -> list[Call]:
    """Those ``shown`` that have literals as arguments, and calls with inputs like theirs; of functions in ``text``."""
    own = [*dict.fromkeys(one for one in map(_as_call, shown) if one is not None)][:_MOST_SHOWN]
    maker = Maker(random.Random(0), _pool(text), lambda name: {})
    found = [*own]
    for one in own:
        found += _like(one, maker, (_MOST_CALLS - len(own)) // len(own))
    return list(dict.fromkeys(found))


def _as_call(node: ast.Call) -> Call | None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else name
    keywords = [(one.arg, one.value) for one in node.keywords]
    if not name or not all(map(is_literal, [*node.args, *(value for _, value in keywords)])):
        return None
    if any(key is None for key, _ in keywords):
        return None
    named = ast.Dict([ast.Constant(key) for key, _ in keywords], [value for _, value in keywords])
    return Call(name, ast.unparse(ast.Tuple(node.args, ast.Load())), ast.unparse(named))


def _like(one: Call, maker: Maker, most: int) -> list[Call]:
    """Small changes of its arguments, and changes of these."""
    count = len(_elements(one.arguments))
    walked, found = [one.arguments], list[Call]()
    for attempt in range(4 * most if count else 0):
        start = one.arguments if attempt % 2 else maker.chance.choice(walked)
        arguments = neighbour(start, maker, maker.scale())
        same = len(_elements(arguments)) == count and len(arguments) <= _MOST_CHARS
        if same and arguments not in walked:
            walked.append(arguments)
            found.append(one._replace(arguments=arguments))
        if len(found) == most:
            break
    return found


def _elements(arguments: str) -> list[ast.expr]:
    body = ast.parse(arguments, mode="eval").body
    return body.elts if isinstance(body, ast.Tuple) else []


def _pool(text: str) -> Pool:
    """What the program compares with."""
    values = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    texts = [one for one in values if isinstance(one, str) and len(one) <= 40]
    letters = {letter for one in texts for letter in one if letter.isalnum() or letter == " "}
    return Pool(
        numbers=tuple(dict.fromkeys(one for one in values if type(one) is int and abs(one) < 10**6))[:40],
        strings=tuple(dict.fromkeys(one for one in texts if 0 < len(one) <= 12 and "\n" not in one))[:40],
        alphabet="".join(sorted(letters))[:30],
    )

"""Literals and calls that a program and its repository already hold: the best inputs there are."""

from __future__ import annotations

import ast
import contextlib
import copy
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from codeworld.context.ignore import IgnoreRules
from codeworld.syntax.trees import parsed
from codeworld.testgen.cases import Target
from codeworld.testgen.expressions import filled
from codeworld.testgen.inputs import Pool
from codeworld.testgen.usage import Function

_MOST_FILES = 40
_MOST_CALLS = 12
_READ_S = 1.0
_MOST_CHARS = 120
# That an input may use.
_BUILTINS = (
    "range", "len", "list", "dict", "set", "tuple", "frozenset", "str", "int", "float", "bool", "bytes", "complex",
    "object", "sorted", "reversed", "zip", "enumerate", "map", "filter", "iter", "min", "max", "sum", "abs", "round",
)  # fmt: skip
_SET_IN_EXAMPLE = re.compile(r"^\s*>>> (\w+)\s*=(?!=)\s*(.+)$", re.M)
_CHANGED_IN_EXAMPLE = re.compile(r"^\s*>>> ((\w+)\.(\w+)\(.*\))$", re.M)
_MOST_CHANGES = 2  # by one method


class Examples(msgspec.Struct, frozen=True):
    """What doctests do with variables, by their names: what they set them to, and calls of their methods that stand
    for themselves in a line, for what they change."""

    values: dict[str, list[ast.expr]] = {}
    changes: dict[str, list[ast.expr]] = {}


NO_EXAMPLES = Examples()


def pool_of(
    target: Target,
    function: Function | None,
    tree: ast.Module,
    calls: Sequence[ast.Call],
    names: Collection[str] = (),
    examples: Examples = NO_EXAMPLES,
) -> Pool:
    """What the target's own body compares with and, of lesser weight, its module's constants, its calls and what
    ``examples`` set variables to that are called as its parameters without annotation, and how they change them."""
    roots: list[ast.AST] = [function] if function is not None else []
    roots += [one for one in tree.body if isinstance(one, (ast.Assign, ast.AnnAssign))]
    constants = [
        node.value
        for root in roots
        for node in ast.walk(root)
        if isinstance(node, ast.Constant) and node.value != target.docstring
    ]
    strings = [one for one in constants if isinstance(one, str) and 0 < len(one) <= 40 and "\n" not in one]
    numbers = [
        one for one in constants if isinstance(one, int) and not isinstance(one, bool) and abs(one) < 10**12
    ]
    letters = {letter for one in strings if len(one) <= 3 for letter in one if letter.isprintable()}
    return Pool(
        numbers=tuple(dict.fromkeys(numbers))[:40],
        floats=tuple(dict.fromkeys(one for one in constants if isinstance(one, float)))[:20],
        strings=tuple(dict.fromkeys(strings))[:60],
        alphabet="".join(sorted(letters))[:30],
        by_name=_by_name(target, calls, names, examples.values),
        changes=_changes(target, names, examples.changes),
    )


def _changes(
    target: Target, names: Collection[str], changes: Mapping[str, Sequence[ast.expr]]
) -> dict[str, tuple[str, ...]]:
    known = [one.name for one in target.parameters if one.name in changes]
    return {
        name: tuple(dict.fromkeys(ast.unparse(one) for one in changes[name] if stands(one, {*names, name})))
        for name in known
    }


def _by_name(
    target: Target,
    calls: Sequence[ast.Call],
    names: Collection[str],
    examples: Mapping[str, Sequence[ast.expr]],
) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for call in calls:
        for name, value in bound(target, call, names).items():
            found.setdefault(name, []).append(value)
    for one in target.parameters:
        values = () if one.annotated else examples.get(one.name, ())
        texts = [ast.unparse(value) for value in values if stands(value, names)]
        found.setdefault(one.name, []).extend(text for text in texts if len(text) <= _MOST_CHARS)
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def bound(target: Target, call: ast.Call, names: Collection[str] = ()) -> dict[str, str]:
    """The arguments of a call that stand for themselves, by parameter: literals, and what is made of them with
    ``names`` of the module."""
    found = {}
    positional = [one.name for one in target.parameters if not one.keyword_only]
    pairs = [*zip(positional, call.args, strict=False)]
    pairs += [(one.arg, one.value) for one in call.keywords if one.arg is not None]
    known = {one.name for one in target.parameters}
    for name, node in pairs:
        text = ast.unparse(node)
        if name in known and stands(node, names) and len(text) <= _MOST_CHARS:
            found[name] = text
    return found


def stands(node: ast.expr, names: Collection[str]) -> bool:
    """Whether it means the same in a test that has ``names``."""
    inside = {*names, *_BUILTINS}
    for one in ast.walk(node):
        if isinstance(one, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Starred)):
            return False
        if isinstance(one, ast.comprehension):
            inside |= {inner.id for inner in ast.walk(one.target) if isinstance(inner, ast.Name)}
        elif isinstance(one, ast.Lambda):
            inside |= {inner.arg for inner in ast.walk(one.args) if isinstance(inner, ast.arg)}
    return all(one.id in inside for one in ast.walk(node) if isinstance(one, ast.Name))


def read_examples(names: frozenset[str], file: Path, text: str) -> Examples:
    """What doctests do with variables of these names: in ``text``, the content of ``file``, and what is made or changed
    in another way in the modules beside it."""
    found = _set_in_examples(names, text)
    changes: dict[str, dict[str, list[ast.expr]]] = {}
    _changed_in_examples(names, text, changes)
    deadline_s = time.monotonic() + _READ_S
    for path in sorted(file.parent.glob("*.py"))[:_MOST_FILES]:
        if time.monotonic() > deadline_s:
            break
        if path != file:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                beside = path.read_text(encoding="utf-8")
                for name, values in _set_in_examples(names, beside).items():
                    held = found.setdefault(name, [])
                    known = {_made_by(one) for one in held}
                    held += [one for by, one in {_made_by(o): o for o in values}.items() if by not in known]
                _changed_in_examples(names, beside, changes)
    return Examples(
        {name: values[: 2 * _MOST_CALLS] for name, values in found.items()},
        {
            name: [one for few in by.values() for one in few][: 2 * _MOST_CALLS]
            for name, by in changes.items()
        },
    )


def _changed_in_examples(
    names: frozenset[str], text: str, found: dict[str, dict[str, list[ast.expr]]]
) -> None:
    """Add calls of methods, by variable and method."""
    for call, name, method in _CHANGED_IN_EXAMPLE.findall(text):
        if name in names and len(call) <= _MOST_CHARS:
            held = found.setdefault(name, {}).setdefault(method, [])
            if len(held) < _MOST_CHANGES:
                with contextlib.suppress(SyntaxError, ValueError):
                    held.append(ast.parse(call, mode="eval").body)


def _made_by(value: ast.expr) -> str:
    """The function that is called for it, else what kind of expression it is."""
    return ast.unparse(value.func) if isinstance(value, ast.Call) else type(value).__name__


def _set_in_examples(names: frozenset[str], text: str) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for name, value in _SET_IN_EXAMPLE.findall(text):
        if name in names and len(found.get(name, ())) < _MOST_CALLS:
            with contextlib.suppress(SyntaxError, ValueError):
                found.setdefault(name, []).append(ast.parse(value, mode="eval").body)
    return {name: values for name, values in found.items() if values}


def calls_in_repository(
    names: frozenset[str], root: Path, file: Path, own: str = ""
) -> dict[str, list[ast.Call]]:
    """Calls of functions with these names in ``own``, the text of ``file``, and in the repository's other readable
    Python files, by name; looks for a second at most, into tests first."""
    found: dict[str, list[ast.Call]] = {}
    deadline_s = time.monotonic() + _READ_S
    mentioned = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\(") if names else None
    parsed = 0
    for path in python_files(root, deadline_s):
        if mentioned is None or parsed >= _MOST_FILES or time.monotonic() > deadline_s:
            break
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if path == file or not mentioned.search(text):
            continue
        parsed += 1
        _add_calls(found, _calls(text, names))
    _add_calls(found, _calls(own, names))
    return found


def _add_calls(found: dict[str, list[ast.Call]], calls: Iterable[ast.Call]) -> None:
    for call in calls:
        held = found.setdefault(_called(call), [])
        if len(held) < _MOST_CALLS:
            held.append(call)


def python_files(root: Path, deadline_s: float) -> Iterator[Path]:
    """The repository's readable Python files, tests first, until the deadline (time.monotonic)."""
    rules = IgnoreRules.for_root(root)
    later = []
    for folder, folders, names in os.walk(root):
        if time.monotonic() > deadline_s:
            return
        here = Path(folder)
        folders[:] = [one for one in folders if not one.startswith(".") and rules.allows(here / one)]
        for name in names:
            if name.endswith(".py") and rules.allows(here / name):
                if "test" in name or "test" in here.name:
                    yield here / name
                else:
                    later.append(here / name)
    yield from later


def _calls(text: str, names: frozenset[str]) -> Iterator[ast.Call]:
    """Calls of what is called so; variables that their function sets once are replaced by what they are set to."""
    tree = parsed(text)
    if tree is None:
        return
    inner = [one for one in ast.walk(tree) if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))]
    seen: set[ast.AST] = set()
    for scope in [*inner, tree]:
        nodes = [*ast.walk(scope)]
        found = [
            one for one in nodes if isinstance(one, ast.Call) and _called(one) in names and one not in seen
        ]
        seen.update(found)
        given = _set_once(nodes) if found else {}
        for call in map(copy.deepcopy, found):  # x = call(x) is what x stands for
            call.args = [filled(one, given) for one in call.args]
            for keyword in call.keywords:
                keyword.value = filled(keyword.value, given)
            yield call


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _set_once(nodes: Sequence[ast.AST]) -> dict[str, ast.expr]:
    stores = Counter(one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
    return {
        one.targets[0].id: one.value
        for one in nodes
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and stores[one.targets[0].id] == 1
    }

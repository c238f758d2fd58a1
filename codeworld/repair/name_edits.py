"""Another name in a name's place: a variable of the same function, a built-in function, a method, an imported module.

What stands where it makes no sense is doubted first: a name that nothing binds there, a module that is indexed, the
same operand twice, a variable that nothing reads, an attribute that no object of that kind has.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from codeworld.repair.program import Found, Program, change, local_names, own_nodes
from codeworld.syntax.names import bound, undefined

_OPPOSITES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "append": "extend", "extend": "append", "True": "False",
    "False": "True", "keys": "values", "values": "items", "items": "values", "upper": "lower", "lower": "upper",
    "startswith": "endswith", "endswith": "startswith", "left": "right", "right": "left", "add": "remove", "row": "col",
}  # fmt: skip
_METHODS = frozenset(
    name for kind in (str, list, dict, set, tuple, bytes) for name in dir(kind) if not name.startswith("_")
) | {"popleft", "appendleft", "heappush", "heappop"}
_USUAL_METHODS = (
    "append", "join", "add", "items", "get", "pop", "split", "sort", "keys", "values", "extend", "count", "index",
    "remove", "replace", "lower", "upper", "strip", "insert", "update", "isdigit", "find", "startswith", "endswith",
    "reverse", "format", "isalpha", "clear", "copy", "isupper", "islower", "union", "most_common", "popleft",
)  # fmt: skip
_BUILT_IN = (
    "len", "range", "list", "int", "str", "sum", "max", "min", "set", "sorted", "map", "abs", "tuple", "enumerate",
    "zip", "dict", "next", "reversed", "any", "all", "filter", "float", "round", "ord", "chr", "isinstance", "pow",
    "iter", "bool", "print", "divmod", "bin", "type",
)  # fmt: skip
_LIKELY_BUILT_IN = 14  # so many are tried for what may well be called
_LIBRARIES = frozenset({
    "bisect", "cmath", "collections", "copy", "datetime", "functools", "heapq", "itertools", "json", "math", "operator",
    "os", "random", "re", "statistics", "string", "sys", "time",
})  # fmt: skip
_MOST_NAMES = 12  # of the scope that a name is replaced by
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_BUILTINS = frozenset(dir(builtins))
_TWICE, _NO_VALUE = 0.8, 1.6  # what another name costs less: beside itself, or no value where one is wanted
_UNREAD = 1.0  # and a name that nothing reads, in its place


def _names(program: Program) -> Found:
    """Another name of the same function; for undefined ones, which the file cannot mean, any that is like it."""
    missing, everywhere = undefined(program.tree), bound(program.tree)
    astray = _read_astray(program.tree)
    doubted = _doubted(program.tree)
    modules = _modules(program.tree)
    for scope in _scopes(program.tree):
        local = [n for n in dict.fromkeys(local_names(scope)) if n not in missing]
        unread = _unread(scope, local)
        for node in own_nodes(scope):
            if not isinstance(node, ast.Name):
                continue
            start, end = program.start(node), program.end(node)
            lost = node.id in missing or node in astray
            pool = [*local, *everywhere] if node.id in missing else local
            near = set(difflib.get_close_matches(node.id, pool, 4, 0.6))
            base = 1.0 if lost else 3.0 - doubted.get(node, 0.0)
            order = sorted(dict.fromkeys(pool), key=lambda name: (name not in near, name not in unread, name))
            for other in order[:_MOST_NAMES]:
                if other != node.id:
                    cost = base - 0.5 * (other in near) - _UNREAD * (other in unread)
                    yield change(start, end, other, "name", max(cost, 0.5))
            for other in modules - {node.id}:
                yield change(start, end, other, "module", 3.4 - 1.2 * (node in doubted))
            if node.id in _OPPOSITES:
                yield change(start, end, _OPPOSITES[node.id], "opposite", 1.9)
            if node.id in missing:
                yield change(start, start, "self.", "self", 1.2)


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node


def _unread(scope: ast.AST, names: Sequence[str]) -> set[str]:
    """Those that nothing in the scope reads; none of a class's or a module's, which others may read."""
    if isinstance(scope, ast.Module):
        return set()
    read = {
        node.id for node in ast.walk(scope) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return {name for name in names if name not in read and not name.startswith("_") and name != "self"}


def _read_astray(tree: ast.Module) -> set[ast.Name]:
    """Names that are read outside of the comprehensions which alone bind them."""
    inner = _targets(tree)
    elsewhere = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)} | _modules(tree) | _BUILTINS
    elsewhere |= {
        n.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load) and n not in inner
    }
    alone = {node.id for node in inner} - elsewhere
    found = set[ast.Name]()
    unseen: list[tuple[ast.AST, frozenset[str]]] = [(tree, frozenset())]
    while unseen and alone:
        node, known = unseen.pop()
        if isinstance(node, _COMPREHENSIONS):
            known |= {name.id for one in node.generators for name in _names_in(one.target)}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in alone - known:
            found.add(node)
        unseen += [(child, known) for child in ast.iter_child_nodes(node)]
    return found


def _targets(tree: ast.Module) -> set[ast.Name]:
    """What comprehensions bind."""
    comprehensions = (node for node in ast.walk(tree) if isinstance(node, ast.comprehension))
    return {name for node in comprehensions for name in _names_in(node.target)}


def _names_in(node: ast.AST) -> list[ast.Name]:
    return [one for one in ast.walk(node) if isinstance(one, ast.Name)]


def _modules(tree: ast.Module) -> set[str]:
    return {
        (one.asname or one.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for one in node.names
    }


def _doubted(tree: ast.Module) -> dict[ast.AST, float]:
    """What another name costs less, for names that are strange where they stand."""
    modules = _modules(tree)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    odd = modules | defined | (_BUILTINS - bound(tree))
    found = dict[ast.AST, float]()
    for node in ast.walk(tree):
        side_by_side, values = _roles(node, modules)
        for left, right in pairwise(side_by_side):
            if isinstance(left, ast.Name) and isinstance(right, ast.Name) and left.id == right.id:
                found[left] = found[right] = _TWICE
        for one in values:
            if isinstance(one, ast.Name) and one.id in odd:
                found[one] = _NO_VALUE
    return found


def _roles(node: ast.AST, modules: set[str]) -> tuple[list[ast.expr], list[ast.expr]]:
    """The parts of a node that are not often the same, and those that are no function, class or module."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right], [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators], [node.left, *node.comparators]
    if isinstance(node, ast.Call):
        return node.args, [one for one in node.args if isinstance(one, ast.Name) and one.id in modules]
    if isinstance(node, ast.Subscript):
        return [], [node.slice]
    if isinstance(node, ast.comprehension | ast.For):
        return [], [node.target]
    return [], []


def _missing_names(program: Program) -> Found:
    """A name that is read and bound nowhere, or not there: perhaps what binds it is called otherwise."""
    astray = sorted({node.id for node in _read_astray(program.tree)})
    inner = _targets(program.tree) if astray else set()
    missing = sorted(undefined(program.tree))
    for node in ast.walk(program.tree) if missing or astray else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            start, end = program.start(node), program.end(node)
            names = missing + (astray if node in inner else [])
            yield from (change(start, end, name, "bind name", 1.4) for name in names if name != node.id)
        elif isinstance(node, ast.arg):
            start = program.char(node.lineno, node.col_offset)
            yield from (change(start, start + len(node.arg), name, "bind name", 1.6) for name in missing)


def _called(program: Program) -> Found:
    """A call of what is no function: one of the built-in ones."""
    callable_ = {node.name for node in ast.walk(program.tree) if hasattr(node, "name")}
    values = bound(program.tree) - callable_
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            strange = node.func.id in values
            names = _BUILT_IN if strange else _BUILT_IN[:_LIKELY_BUILT_IN]
            for rank, name in enumerate(names):
                if name != node.func.id:
                    cost = 1.2 + 0.1 * rank if strange else 3.4
                    yield change(program.start(node.func), program.end(node.func), name, "built-in", cost)


def _attributes(program: Program) -> Found:
    known = {node.attr for node in ast.walk(program.tree) if isinstance(node, ast.Attribute)}
    known |= {node.name for node in ast.walk(program.tree) if isinstance(node, ast.FunctionDef)}
    libraries = _imported_libraries(program.tree)
    classes = any(isinstance(node, ast.ClassDef) for node in ast.walk(program.tree))
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Attribute):
            continue
        end = program.end(node)
        start = end - len(node.attr)
        if node.attr in _OPPOSITES:
            yield change(start, end, _OPPOSITES[node.attr], "opposite", 2.2)
        library = libraries.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if library is not None:
            yield from _of_library(library, node.attr, start, end)
            continue
        strange = 0.0 if node.attr in _METHODS else -1.0
        for other in difflib.get_close_matches(node.attr, sorted((known | _METHODS) - {node.attr}), 3, 0.7):
            yield change(start, end, other, "attribute", 3.2 + strange)
        if strange and not classes:  # no object of this file has it, and perhaps none at all
            for rank, other in enumerate(_USUAL_METHODS):
                yield change(start, end, other, "attribute", 2.2 + 0.05 * rank)


def _imported_libraries(tree: ast.Module) -> dict[str, str]:
    return {
        one.asname or one.name: one.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for one in node.names
        if one.name in _LIBRARIES
    }


def _of_library(library: str, attribute: str, start: int, end: int) -> Found:
    """Another function of a standard library's module; any where it has none of this name."""
    names = _public(library)
    near = difflib.get_close_matches(attribute, names, 4, 0.5)
    strange = attribute not in names
    for other in near:
        if other != attribute:
            yield change(start, end, other, "attribute", 1.2 if strange else 3.0)
    if strange and len(names) <= 80:
        yield from (change(start, end, other, "attribute", 2.4) for other in names)


@lru_cache
def _public(library: str) -> tuple[str, ...]:
    return tuple(name for name in dir(importlib.import_module(library)) if not name.startswith("_"))


def _imports(program: Program) -> Found:
    """A module that the standard library does not have, for one that it has and that is spelt like it."""
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Import):
            continue
        for one in node.names:
            if one.name not in sys.stdlib_module_names:
                start = program.char(one.lineno, one.col_offset)
                for other in difflib.get_close_matches(one.name, sorted(sys.stdlib_module_names), 3, 0.6):
                    yield change(start, start + len(one.name), other, "import", 2.6)


NAME_PROPOSERS: tuple[Callable[[Program], Found], ...] = (
    _names,
    _missing_names,
    _called,
    _attributes,
    _imports,
)

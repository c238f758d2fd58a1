"""One-edit neighbours of a program that parses: another operator, constant, name, order, negation, a missing return."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.names import bound, undefined

_COMPARE = ("==", "!=", "<=", ">=", "<", ">")
_CLOSE = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_ARITHMETIC = {
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "//",
    "//": "/",
    "%": "//",
    "**": "*",
    "&": "|",
    "|": "&",
    "^": "&",
    "<<": ">>",
    ">>": "<<",
}
_OPPOSITES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "append": "extend", "extend": "append", "True": "False",
    "False": "True", "keys": "values", "values": "items", "items": "values", "upper": "lower", "lower": "upper",
    "startswith": "endswith", "endswith": "startswith", "left": "right", "right": "left", "add": "remove", "row": "col",
}  # fmt: skip
_METHODS = frozenset(
    name for kind in (str, list, dict, set, tuple, bytes) for name in dir(kind) if not name.startswith("_")
) | {"popleft", "appendleft", "heappush", "heappop"}
_BUILT_IN = (
    "len",
    "range",
    "list",
    "int",
    "str",
    "sum",
    "max",
    "min",
    "set",
    "sorted",
    "map",
    "abs",
    "tuple",
    "enumerate",
)
_MOST_NAMES = 12  # of the scope that a name is replaced by

Found = Iterator[Proposal]


class Program(NamedTuple):
    """A parsed text. ``starts`` are the offsets of its lines in ``source``, its UTF-8."""

    text: str
    source: bytes
    tree: ast.Module
    starts: list[int]

    @classmethod
    def of(cls, text: str) -> Program:
        """Raises SyntaxError, or ValueError for text with null bytes."""
        source = text.encode("utf-8", "surrogatepass")
        starts = [0, *(match.end() for match in re.finditer(rb"\r\n|\n|\r", source))]
        return cls(text, source, ast.parse(text), starts)

    def char(self, line: int, column_byte: int) -> int:
        """The character of a position of the tree."""
        byte = self.starts[line - 1] + column_byte
        return (
            byte
            if len(self.source) == len(self.text)
            else len(self.source[:byte].decode("utf-8", "surrogatepass"))
        )

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Where a node begins."""
        return self.char(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Where it ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.char(node.end_lineno, node.end_col_offset)

    def of_node(self, node: ast.expr | ast.stmt) -> str:
        """A node's text."""
        return self.text[self.start(node) : self.end(node)]


def tree_neighbours(program: Program) -> list[Proposal]:
    """Proposals, cheapest first, each text once; many of them make no sense."""
    cheapest: dict[tuple[Edit, ...], Proposal] = {}
    for propose in _PROPOSERS:
        for one in propose(program):
            known = cheapest.get(one.edits)
            if known is None or one.cost < known.cost:
                cheapest[one.edits] = one
    return sorted(cheapest.values(), key=lambda one: (one.cost, one.edits))


def _change(start: int, end: int, new: str, kind: str, cost: float) -> Proposal:
    return Proposal((Edit(start, end, new),), kind, cost)


def _between(program: Program, left: ast.expr, right: ast.expr, operator: str) -> tuple[int, int] | None:
    """Where an operator stands between two operands."""
    start, end = program.end(left), program.start(right)
    at = program.text.find(operator, start, end)
    return None if at < 0 else (at, at + len(operator))


def _operators(program: Program) -> Found:
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for left, right in pairwise(operands):
                yield from _comparison(program, left, right)
        elif isinstance(node, ast.BinOp):
            yield from _arithmetic(program, node.left, node.right, "")
            yield _change(program.end(node.left), program.end(node), "", "drop operand", 3.6)
            if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod):
                first, second = program.of_node(node.left), program.of_node(node.right)
                middle = program.text[program.end(node.left) : program.start(node.right)]
                yield _change(
                    program.start(node), program.end(node), second + middle + first, "swap operands", 4.0
                )
        elif isinstance(node, ast.AugAssign):
            yield from _arithmetic(program, node.target, node.value, "=")
        elif isinstance(node, ast.BoolOp):
            word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:], strict=False):
                span = _between(program, left, right, word)
                if span:
                    yield _change(*span, other, "and or", 2.4)
                    yield from (_change(*span, new, "compare", 3.4) for new in ("==", "!=", "<", ">"))


def _comparison(program: Program, left: ast.expr, right: ast.expr) -> Found:
    middle = program.text[program.end(left) : program.start(right)]
    found = re.search(r"==|!=|<=|>=|<|>|\bnot\s+in\b|\bin\b|\bis\s+not\b|\bis\b", middle)
    if found is None:
        return
    start, end = program.end(left) + found.start(), program.end(left) + found.end()
    words = {"in": "not in", "is": "is not"}
    for short, long in words.items():
        if found[0].split() == long.split():
            yield _change(start, end, short, "negate comparison", 2.2)
        elif found[0] == short:
            yield _change(start, end, long, "negate comparison", 2.2)
    if found[0] in _COMPARE:
        for other in _COMPARE:
            if other != found[0]:
                near = 1.5 if other == _CLOSE[found[0]] else 2.0 if other == _FLIPPED.get(found[0]) else 2.8
                yield _change(start, end, other, "compare", near)


def _arithmetic(program: Program, left: ast.expr, right: ast.expr, suffix: str) -> Found:
    middle = program.text[program.end(left) : program.start(right)]
    found = re.search(r"\*\*|//|<<|>>|[-+*/%&|^]", middle)
    if found is None or found[0] not in _ARITHMETIC:
        return
    start = program.end(left) + found.start()
    others = [_ARITHMETIC[found[0]], *(one for one in ("+", "-", "*", "//", "%") if one != found[0])]
    for rank, other in enumerate(dict.fromkeys(others)):
        yield _change(start, start + len(found[0]), other, "arithmetic", 2.0 if not rank else 3.2)
    if suffix:
        yield _change(start, start + len(found[0]), "", "plain assignment", 3.5)


def _constants(program: Program) -> Found:
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Constant):
            continue
        start, end = program.start(node), program.end(node)
        if isinstance(node.value, bool):
            yield _change(start, end, str(not node.value), "true false", 2.2)
        elif isinstance(node.value, int):
            for other, cost in ((node.value - 1, 1.9), (node.value + 1, 1.9), (0, 2.6), (1, 2.6), (2, 3.4)):
                if other != node.value and other >= -1:
                    yield _change(start, end, str(other), "constant", cost)
            yield _change(start, end, f"-{program.text[start:end]}", "negate", 3.2)
        elif isinstance(node.value, str) and node.value == "":
            yield _change(start, end, '" "', "constant", 3.6)


def _off_by_one(program: Program) -> Found:
    """``+ 1`` and ``- 1`` where something is counted."""
    for node in ast.walk(program.tree):
        counted: list[ast.expr] = []
        if isinstance(node, ast.Subscript):
            ends = [node.slice.lower, node.slice.upper] if isinstance(node.slice, ast.Slice) else [node.slice]
            counted = [one for one in ends if one is not None]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            counted = [] if node.func.id in ("print", "set", "list", "dict", "sorted") else node.args
        elif isinstance(node, ast.Compare):
            counted = node.comparators
        elif isinstance(node, ast.Return) and node.value is not None:
            counted = [node.value]
        for one in counted:
            if isinstance(one, ast.Name | ast.Call | ast.BinOp | ast.Attribute | ast.Subscript):
                at = program.end(one)
                yield _change(at, at, " + 1", "off by one", 2.6)
                yield _change(at, at, " - 1", "off by one", 2.6)


def _names(program: Program) -> Found:
    """Another name of the same function; for undefined ones, which the file cannot mean, any that is like it."""
    missing, everywhere = undefined(program.tree), bound(program.tree)
    for scope in _scopes(program.tree):
        local = [n for n in dict.fromkeys(_local_names(scope)) if n not in missing]
        for node in own_nodes(scope):
            if not isinstance(node, ast.Name):
                continue
            start, end = program.start(node), program.end(node)
            pool = local if node.id not in missing else [*local, *everywhere]
            near = set(difflib.get_close_matches(node.id, pool, 4, 0.6))
            base = 1.0 if node.id in missing else 3.0
            for other in sorted(dict.fromkeys(pool), key=lambda name: (name not in near, name))[:_MOST_NAMES]:
                if other != node.id:
                    yield _change(start, end, other, "name", base - 0.5 * (other in near))
            if node.id in _OPPOSITES:
                yield _change(start, end, _OPPOSITES[node.id], "opposite", 1.9)
            if node.id in missing:
                yield _change(start, start, "self.", "self", 1.2)


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the functions in it."""
    unseen = list(ast.iter_child_nodes(scope))
    while unseen:
        node = unseen.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            unseen += ast.iter_child_nodes(node)


def _local_names(scope: ast.AST) -> Iterator[str]:
    for node in own_nodes(scope):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _missing_names(program: Program) -> Found:
    """A name that is read and bound nowhere: perhaps what binds it is called otherwise."""
    missing = sorted(undefined(program.tree))
    for node in ast.walk(program.tree) if missing else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            start, end = program.start(node), program.end(node)
            yield from (_change(start, end, name, "bind name", 1.4) for name in missing)
        elif isinstance(node, ast.arg):
            start = program.char(node.lineno, node.col_offset)
            yield from (_change(start, start + len(node.arg), name, "bind name", 1.6) for name in missing)


def _called(program: Program) -> Found:
    """A call of what is no function: one of the built-in ones."""
    callable_ = {node.name for node in ast.walk(program.tree) if hasattr(node, "name")}
    values = bound(program.tree) - callable_
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            strange = node.func.id in values
            for rank, name in enumerate(_BUILT_IN):
                if name != node.func.id:
                    cost = 1.2 + 0.1 * rank if strange else 3.4
                    yield _change(program.start(node.func), program.end(node.func), name, "built-in", cost)


def _attributes(program: Program) -> Found:
    known = {node.attr for node in ast.walk(program.tree) if isinstance(node, ast.Attribute)}
    known |= {node.name for node in ast.walk(program.tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Attribute):
            continue
        end = program.end(node)
        start = end - len(node.attr)
        if node.attr in _OPPOSITES:
            yield _change(start, end, _OPPOSITES[node.attr], "opposite", 2.2)
        strange = 0.0 if node.attr in _METHODS else -1.0
        for other in difflib.get_close_matches(node.attr, sorted((known | _METHODS) - {node.attr}), 3, 0.7):
            yield _change(start, end, other, "attribute", 3.2 + strange)


def _calls(program: Program) -> Found:
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call):
            for one, other in zip(node.args, node.args[1:], strict=False):
                middle = program.text[program.end(one) : program.start(other)]
                swapped = program.of_node(other) + middle + program.of_node(one)
                yield _change(program.start(one), program.end(other), swapped, "swap arguments", 3.0)
            if len(node.args) == 1 and not node.keywords:
                yield _change(
                    program.start(node), program.end(node), program.of_node(node.args[0]), "unwrap call", 3.8
                )


def _conditions(program: Program) -> Found:
    for node in ast.walk(program.tree):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            yield _change(program.start(node), program.start(node.operand), "", "drop negation", 2.6)
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            test = node.test
            simple = isinstance(test, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
            if simple:
                yield _change(program.start(test), program.start(test), "not ", "negate", 2.4)
            elif not isinstance(test, ast.UnaryOp | ast.Constant | ast.Compare):
                yield _change(
                    program.start(test), program.end(test), f"not ({program.of_node(test)})", "negate", 3.4
                )


def _statements(program: Program) -> Found:
    words = {ast.Break: "continue", ast.Continue: "break"}
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Break | ast.Continue):
            yield _change(program.start(node), program.end(node), words[type(node)], "break continue", 2.6)
        elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            yield _change(program.start(node), program.start(node), "return ", "return", 3.4)
        elif isinstance(node, ast.FunctionDef) and not any(
            isinstance(n, ast.Return | ast.Yield) for n in ast.walk(node)
        ):
            yield from _missing_return(program, node)
        elif isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            start = program.start(node.orelse[0])
            if program.text[start : start + 4] == "elif":
                yield _change(start, start + 4, "if", "elif", 3.6)


def _missing_return(program: Program, node: ast.FunctionDef) -> Found:
    at = program.end(node.body[-1])
    indent = " " * node.body[0].col_offset
    line = program.text.rfind("\n", 0, program.start(node.body[0])) + 1
    own = program.text[line : program.start(node.body[0])]
    for rank, name in enumerate(dict.fromkeys(_local_names(node))):
        if name != "self":
            yield _change(
                at,
                at,
                f"\n{own if not own.strip() else indent}return {name}",
                "missing return",
                2.6 + 0.1 * rank,
            )


_PROPOSERS: tuple[Callable[[Program], Found], ...] = (
    _operators,
    _constants,
    _off_by_one,
    _names,
    _missing_names,
    _called,
    _attributes,
    _calls,
    _conditions,
    _statements,
)

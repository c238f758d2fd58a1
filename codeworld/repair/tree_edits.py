"""One-edit neighbours of a program that parses: another operator, constant, name, order, negation, a missing return."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.name_edits import NAME_PROPOSERS
from codeworld.repair.program import Found, Program, change, local_names

_MOST_NUMBERS = 8  # of the program, in place of one another
_COMPARE = ("==", "!=", "<=", ">=", "<", ">")
_NUMERIC = ("+", "-", "*", "//", "%")
_COMPARISON = re.compile(r"==|!=|<=|>=|<|>|\bnot\s+in\b|\bin\b|\bis\s+not\b|\bis\b")
_ARITHMETIC_SIGN = re.compile(r"\*\*|//|<<|>>|[-+*/%&|^]")
_OF_NUMBERS = ("abs", "int", "float", "pow", "range", "round", "str", "chr", "divmod", "bin", "print")
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


def tree_neighbours(program: Program) -> list[Proposal]:
    """Proposals, cheapest first, each text once; many of them make no sense."""
    cheapest: dict[tuple[Edit, ...], Proposal] = {}
    for propose in _PROPOSERS:
        for one in propose(program):
            known = cheapest.get(one.edits)
            if known is None or one.cost < known.cost:
                cheapest[one.edits] = one
    return sorted(cheapest.values(), key=lambda one: (one.cost, one.edits))


def _between(program: Program, left: ast.expr, right: ast.expr, operator: str) -> tuple[int, int] | None:
    """Where an operator stands between two operands."""
    start, end = program.end(left), program.start(right)
    at = program.text.find(operator, start, end)
    return None if at < 0 else (at, at + len(operator))


def _operators(program: Program) -> Found:
    counted, asked = _counted(program.tree), _asked(program.tree)
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for left, right in pairwise(operands):
                span = _sign(program, left, right, _COMPARISON)
                if span:
                    yield from _comparison(program, *span)
                    yield from _other_kind(span, _NUMERIC, node in counted)
        elif isinstance(node, ast.BinOp):
            yield from _arithmetic(program, node.left, node.right, "")
            span = _sign(program, node.left, node.right, _ARITHMETIC_SIGN)
            if span:
                yield from _other_kind(span, _COMPARE, node in asked)
            yield change(program.end(node.left), program.end(node), "", "drop operand", 3.6)
            if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod):
                first, second = program.of_node(node.left), program.of_node(node.right)
                middle = program.text[program.end(node.left) : program.start(node.right)]
                yield change(
                    program.start(node), program.end(node), second + middle + first, "swap operands", 4.0
                )
        elif isinstance(node, ast.AugAssign):
            yield from _arithmetic(program, node.target, node.value, "=")
        elif isinstance(node, ast.BoolOp):
            word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:], strict=False):
                span = _between(program, left, right, word)
                if span:
                    yield change(*span, other, "and or", 2.4)
                    yield from (
                        change(*span, new, "compare", 3.4) for new in ("==", "!=", "<=", ">=", "<", ">")
                    )
                    yield from _other_kind(span, _NUMERIC, node in counted)


def _other_kind(span: tuple[int, int], signs: Sequence[str], strange: bool) -> Found:
    """A number's operator in place of a condition's, or the other way round."""
    for rank, sign in enumerate(signs):
        yield change(*span, sign, "other operator", (2.2 if strange else 3.6) + 0.1 * rank)


def _counted(tree: ast.Module) -> set[ast.AST]:
    """What stands where a number is wanted."""
    found = set[ast.AST]()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            found |= {node.left, node.right}
        elif isinstance(node, ast.AugAssign):
            found.add(node.value)
        elif isinstance(node, ast.Subscript):
            found.add(node.slice)
        elif isinstance(node, ast.Compare):
            found |= {node.left, *node.comparators}
        elif isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            of_module = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
            library = node.func.value.id if of_module else ""  # type: ignore[attr-defined]
            if name in _OF_NUMBERS or library in ("math", "cmath"):
                found.update(node.args)
    return found


def _asked(tree: ast.Module) -> set[ast.AST]:
    """What stands where a condition is wanted."""
    found = set[ast.AST]()
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            found.add(node.test)
        elif isinstance(node, ast.BoolOp):
            found.update(node.values)
        elif isinstance(node, ast.comprehension):
            found.update(node.ifs)
    return found


def _sign(
    program: Program, left: ast.expr, right: ast.expr, pattern: re.Pattern[str]
) -> tuple[int, int] | None:
    """Where the operator between two operands stands."""
    found = pattern.search(program.text, program.end(left), program.start(right))
    return None if found is None else found.span()


def _comparison(program: Program, start: int, end: int) -> Found:
    sign = program.text[start:end]
    words = {"in": "not in", "is": "is not"}
    for short, long in words.items():
        if sign.split() == long.split():
            yield change(start, end, short, "negate comparison", 2.2)
        elif sign == short:
            yield change(start, end, long, "negate comparison", 2.2)
    if sign in _COMPARE:
        for other in _COMPARE:
            if other != sign:
                near = 1.5 if other == _CLOSE[sign] else 2.0 if other == _FLIPPED.get(sign) else 2.8
                yield change(start, end, other, "compare", near)


def _arithmetic(program: Program, left: ast.expr, right: ast.expr, suffix: str) -> Found:
    span = _sign(program, left, right, _ARITHMETIC_SIGN)
    if span is None:
        return
    sign = program.text[slice(*span)]
    others = [_ARITHMETIC[sign], *(one for one in _NUMERIC if one != sign)]
    for rank, other in enumerate(dict.fromkeys(others)):
        yield change(*span, other, "arithmetic", 2.0 if not rank else 3.2)
    if suffix:
        yield change(*span, "", "plain assignment", 3.5)


def _constants(program: Program) -> Found:
    values = (node.value for node in ast.walk(program.tree) if isinstance(node, ast.Constant))
    numbers = [one for one in dict.fromkeys(values) if type(one) is int][:_MOST_NUMBERS]
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Constant):
            continue
        start, end = program.start(node), program.end(node)
        if isinstance(node.value, bool):
            yield change(start, end, str(not node.value), "true false", 2.2)
        elif isinstance(node.value, int):
            near = [(node.value - 1, 1.9), (node.value + 1, 1.9), (0, 2.6), (1, 2.6), (2, 3.4)]
            own = [(number, 3.2) for number in numbers]
            for other, cost in [*near, *own, (3, 4.0), (4, 4.2), (5, 4.2), (10, 4.2)]:
                if other != node.value and other >= -1:
                    yield change(start, end, str(other), "constant", cost)
            yield change(start, end, f"-{program.text[start:end]}", "negate", 3.2)
        elif isinstance(node.value, str) and node.value == "":
            yield change(start, end, '" "', "constant", 3.6)


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
                yield change(at, at, " + 1", "off by one", 2.6)
                yield change(at, at, " - 1", "off by one", 2.6)


def _calls(program: Program) -> Found:
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call):
            for one, other in zip(node.args, node.args[1:], strict=False):
                middle = program.text[program.end(one) : program.start(other)]
                swapped = program.of_node(other) + middle + program.of_node(one)
                yield change(program.start(one), program.end(other), swapped, "swap arguments", 3.0)
            if len(node.args) == 1 and not node.keywords:
                yield change(
                    program.start(node), program.end(node), program.of_node(node.args[0]), "unwrap call", 3.8
                )


def _conditions(program: Program) -> Found:
    for node in ast.walk(program.tree):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            yield change(program.start(node), program.start(node.operand), "", "drop negation", 2.6)
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            test = node.test
            simple = isinstance(test, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
            if simple:
                yield change(program.start(test), program.start(test), "not ", "negate", 2.4)
            elif not isinstance(test, ast.UnaryOp | ast.Constant | ast.Compare):
                yield change(
                    program.start(test), program.end(test), f"not ({program.of_node(test)})", "negate", 3.4
                )


def _statements(program: Program) -> Found:
    words = {ast.Break: "continue", ast.Continue: "break"}
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Break | ast.Continue):
            yield change(program.start(node), program.end(node), words[type(node)], "break continue", 2.6)
        elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            yield change(program.start(node), program.start(node), "return ", "return", 3.4)
        elif isinstance(node, ast.FunctionDef) and not any(
            isinstance(n, ast.Return | ast.Yield) for n in ast.walk(node)
        ):
            yield from _missing_return(program, node)
        elif isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            start = program.start(node.orelse[0])
            if program.text[start : start + 4] == "elif":
                yield change(start, start + 4, "if", "elif", 3.6)


def _missing_return(program: Program, node: ast.FunctionDef) -> Found:
    at = program.end(node.body[-1])
    indent = " " * node.body[0].col_offset
    line = program.text.rfind("\n", 0, program.start(node.body[0])) + 1
    own = program.text[line : program.start(node.body[0])]
    for rank, name in enumerate(dict.fromkeys(local_names(node))):
        if name != "self":
            yield change(
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
    *NAME_PROPOSERS,
    _calls,
    _conditions,
    _statements,
)

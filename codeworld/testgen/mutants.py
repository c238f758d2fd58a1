"""Small changes to a function, each of which a good test notices.

The operators are those that mutation tools have in common (Offutt's sufficient set and statement deletion): arithmetic,
comparison, logical and constant replacement, negated conditions, removed statements, empty results. Own ones because
maintained libraries (mutmut, cosmic-ray) rewrite files for a process per mutant; these are compiled and put in place
within a running process, a thousand times faster.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

from codeworld.testgen.cases import Mutant
from codeworld.testgen.usage import Function

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
}
_MOST = 400  # of one function


def mutants_of(qualname: str, function: Function, first_number: int, flags: str = "") -> Iterator[Mutant]:
    """Mutants of the function with this qualified name, numbered on. ``flags``: future imports of its module, a
    line of source."""
    path = tuple(qualname.split("."))
    line = min([function.lineno, *(one.lineno for one in function.decorator_list)])
    alone = copy.deepcopy(function)
    alone.decorator_list = []
    whole = _within_classes(alone, path)
    seen = {ast.unparse(whole)}
    for at, description, _ in _changes(alone):
        source = ast.unparse(whole)
        if source not in seen:
            yield Mutant(first_number + len(seen) - 1, at, description, path, line, flags + source)
            seen.add(source)
        if len(seen) > _MOST:
            return


def _within_classes(function: Function, path: tuple[str, ...]) -> ast.Module:
    """The function within bare classes of the same names: private names and ``super()`` mean the same."""
    node: ast.stmt = function
    for name in reversed(path[:-1]):
        bare = ast.parse(f"class {name}: ...").body[0]
        assert isinstance(bare, ast.ClassDef)
        bare.body = [node]
        node = bare
    return ast.fix_missing_locations(ast.Module([node], []))


def _changes(function: Function) -> Iterator[tuple[int, str, ast.AST]]:
    """``(line, what, where)``; between two of them the function is changed, behind them it is as before."""
    untouched = _untouched_nodes(function)
    nodes = [*ast.walk(function)]
    parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
    for node in nodes:
        if node in untouched or node is function:
            continue
        for what, change in _of_node(node):
            kept = [(one, _fields(one)) for one in (node, parents[node])]
            change(node, parents[node])
            yield getattr(node, "lineno", function.lineno), what, node
            for one, fields in kept:
                for name, value in fields.items():
                    setattr(one, name, value)


def _fields(node: ast.AST) -> dict[str, object]:
    return {name: [*value] if isinstance(value, list) else value for name, value in ast.iter_fields(node)}


Change = Callable[[ast.AST, ast.AST], None]  # of a node and its parent, in place


def _of_node(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.stmt) and not isinstance(node, (ast.AugAssign, ast.If, ast.While)):
        yield from _of_statement(node)
    elif isinstance(node, ast.Compare):
        yield from _comparison(node)
    elif isinstance(node, (ast.BinOp, ast.AugAssign)):
        for other in _OPERATORS.get(type(node.op), ()):
            yield f"{type(node.op).__name__} → {other.__name__}", _set("op", other)
    elif isinstance(node, ast.BoolOp):
        yield "and ↔ or", _set("op", ast.Or if isinstance(node.op, ast.And) else ast.And)
        for at in range(len(node.values)):
            yield f"operand {at + 1} dropped", _drop(at)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield f"{type(node.op).__name__} dropped", _replace_by_operand
    elif isinstance(node, ast.Constant):
        yield from _constant(node)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(
        node.test, (ast.Compare, ast.UnaryOp)
    ):
        yield "condition negated", _negate


def _of_statement(node: ast.stmt) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "returns None", _return_none
        if not isinstance(node.value, ast.Constant):
            yield "returns an empty value", _return_empty
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield (
            "break ↔ continue",
            _replace_statement(ast.Continue() if isinstance(node, ast.Break) else ast.Break()),
        )
    elif isinstance(node, (ast.Assign, ast.Raise)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Await))
    ):
        yield "statement removed", _replace_statement(ast.Pass())


def _comparison(node: ast.Compare) -> Iterator[tuple[str, Change]]:
    for at, operator in enumerate(node.ops):
        for other in _COMPARISONS.get(type(operator), ()):

            def change(found: ast.AST, _: ast.AST, at: int = at, other: type[ast.cmpop] = other) -> None:
                assert isinstance(found, ast.Compare)
                found.ops[at] = other()

            yield f"{type(operator).__name__} → {other.__name__}", change


def _constant(node: ast.Constant) -> Iterator[tuple[str, Change]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} → {not value}", _set_value(not value)
    elif isinstance(value, (int, float)):
        yield f"{value} → {value + 1}", _set_value(value + 1)
        if value not in (0, 1):
            yield f"{value} → {value - 1}", _set_value(value - 1)
    elif isinstance(value, str):
        yield "string changed", _set_value(f"{value}~" if value else "~")
    elif isinstance(value, bytes):
        yield "bytes changed", _set_value(value + b"~")


def _set(field: str, kind: type[ast.AST]) -> Change:
    def change(node: ast.AST, _: ast.AST) -> None:
        setattr(node, field, kind())

    return change


def _set_value(value: object) -> Change:
    def change(node: ast.AST, _: ast.AST) -> None:
        node.value = value  # type: ignore[attr-defined]

    return change


def _drop(at: int) -> Change:
    def change(node: ast.AST, parent: ast.AST) -> None:
        assert isinstance(node, ast.BoolOp)
        del node.values[at]
        if len(node.values) == 1:
            _put(parent, node, node.values[0])

    return change


def _negate(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, (ast.If, ast.While, ast.IfExp))
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _return_none(node: ast.AST, _: ast.AST) -> None:
    assert isinstance(node, ast.Return)
    node.value = ast.Constant(None)


def _return_empty(node: ast.AST, _: ast.AST) -> None:
    """Of the same type: 0, an empty string or list."""
    assert isinstance(node, ast.Return)
    assert node.value is not None
    empty = ast.parse("(lambda value: type(value)())(None)", mode="eval").body
    assert isinstance(empty, ast.Call)
    empty.args = [node.value]
    node.value = empty


def _replace_by_operand(node: ast.AST, parent: ast.AST) -> None:
    assert isinstance(node, ast.UnaryOp)
    _put(parent, node, node.operand)


def _replace_statement(other: ast.stmt) -> Change:
    def change(node: ast.AST, parent: ast.AST) -> None:
        _put(parent, node, other)

    return change


def _put(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put ``new`` where ``old`` is."""
    new = ast.copy_location(new, old)
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, new)
        elif isinstance(value, list):
            setattr(parent, field, [new if one is old else one for one in value])


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _untouched_nodes(function: Function) -> set[ast.AST]:
    """Annotations, decorators and docstrings: changing them changes nothing that a test could see."""
    roots: list[ast.AST] = [*function.decorator_list]
    for node in ast.walk(function):
        if isinstance(node, (ast.arg, ast.AnnAssign)):
            roots += [node.annotation] if node.annotation is not None else []
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            roots += [node.returns] if node.returns is not None else []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            roots.append(node)
        elif isinstance(node, ast.Raise) and node.exc is not None:
            roots += [one for one in ast.walk(node.exc) if isinstance(one, (ast.JoinedStr, ast.BinOp))]
    return {inner for root in roots for inner in ast.walk(root)}

"""Doctests: the expressions in them that name a target, and what the lines before build for those."""

from __future__ import annotations

import ast
import copy
import doctest
import re

from codeworld.testgen.cases import Built, Example
from codeworld.testgen.expressions import filled
from codeworld.testgen.usage import Function


def examples_of(node: Function | ast.ClassDef | ast.Module, name: str) -> tuple[Example, ...]:
    """Doctests of a docstring that are one expression which names the target."""
    if not node.body or not isinstance(node.body[0], ast.Expr):
        return ()
    raw = getattr(node.body[0].value, "value", "")
    if not isinstance(raw, str) or ">>>" not in raw:
        return ()
    try:
        found = doctest.DocTestParser().get_examples(raw)
    except ValueError:
        return ()
    kept, session = [], _Session()
    for one in found:
        try:
            parsed = ast.parse(one.source.strip()).body
        except SyntaxError:
            continue
        if len(parsed) != 1:
            continue
        held = parsed[0]
        if not isinstance(held, (ast.Assign, ast.Expr)):
            continue
        if re.search(rf"\b{re.escape(name)}\b", ast.unparse(held.value)):
            line = node.body[0].lineno + one.lineno
            source = one.source.strip() if isinstance(held, ast.Expr) else None
            kept.append(session.example(held.value, source, one.want.strip(), line))
        if isinstance(held, ast.Assign):
            for target in held.targets:
                session.set(target, held.value)
        elif not one.want:
            session.happen(held.value)
    return tuple(kept)


class _Session:
    """The variables of a doctest, and the statements that change them."""

    def __init__(self) -> None:
        self._values: dict[str, ast.expr] = {}
        self._statements: dict[str, list[str]] = {}

    def set(self, target: ast.expr, value: ast.expr) -> None:
        made = self._with_values(value)
        for name in _names(target):
            self._statements.pop(name, None)
            self._values.pop(name, None)
        if made is not None and isinstance(target, ast.Name):
            self._values[target.id] = made

    def happen(self, value: ast.expr) -> None:
        """A call of a variable's method, or of a function of a module that takes the variable first."""
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            return
        first = [one.id for one in (_root(value.func), *value.args[:1]) if isinstance(one, ast.Name)]
        name = next((one for one in first if one in self._values), "")
        made = self._with_values(value, name) if name else None
        if made is not None:
            self._statements.setdefault(name, []).append(ast.unparse(made))

    def example(self, value: ast.expr, source: str | None, want: str, line: int) -> Example:
        """``source`` None: what the expression gives is not printed."""
        if not self._values and source is not None:
            return Example(source, want, line)
        named = _names(value) & self._values.keys()
        built = tuple(
            Built(one, ast.unparse(self._values[one]), tuple(self._statements[one]))
            for one in sorted(named)
            if one in self._statements
        )
        rest = {one: held for one, held in self._values.items() if one not in self._statements}
        text = ast.unparse(filled(copy.deepcopy(value), rest))
        return Example(text, want, line, depends=True, built=built)

    def _with_values(self, value: ast.expr, but: str = "") -> ast.expr | None:
        """With variables replaced but for one; None where one would have to be built by statements."""
        if any(one in self._statements for one in _names(value) - {but}):
            return None
        rest = {one: held for one, held in self._values.items() if one != but}
        return filled(copy.deepcopy(value), rest)


def _root(node: ast.expr) -> ast.expr:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node


def _names(node: ast.expr) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}

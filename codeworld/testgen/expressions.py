"""Expressions that mean the same elsewhere: literals, and names replaced by what they stand for."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping

from codeworld.testgen.cases import Case


def is_literal(value: str | ast.expr) -> bool:
    """Whether it means the same everywhere."""
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def filled(node: ast.expr, given: Mapping[str, ast.expr]) -> ast.expr:
    """The expression with names replaced, changed in place."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            return given.get(name.id, name)

    result: ast.expr = Fill().visit(node)
    return result


def shown(case: Case, names: Collection[str] | None = None) -> str:
    """A case's call with its arguments in their places; only those in ``names``, if given."""
    given = {
        name: ast.parse(text, mode="eval").body for name, text in case.setup if names is None or name in names
    }
    return ast.unparse(filled(ast.parse(case.call, mode="eval").body, given))

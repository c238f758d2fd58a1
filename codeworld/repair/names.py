"""Which names a program uses without binding them anywhere."""

from __future__ import annotations

import ast
import builtins

GIVEN = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__class__"}


def bound(tree: ast.AST) -> set[str]:
    """Names that are assigned, imported, defined or declared somewhere in the tree."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.update(node.names)
    return found


def undefined(tree: ast.AST) -> set[str]:
    """Names that are read and bound nowhere; empty where a star import may bind them."""
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return set()
    read = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return read - bound(tree) - GIVEN

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


def unused(tree: ast.Module) -> dict[str, set[str]]:
    """Of each function, as its tree in text: names that it assigns and nobody reads, and parameters of the module's own
    functions. Those of methods and callbacks are others' wish; what only a loop counts with, what comes with others and
    what begins with an underscore is meant so."""
    found = dict[str, set[str]]()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes = list(ast.walk(function))
            names = [node for node in nodes if isinstance(node, ast.Name)]
            elsewhere = {
                name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
            }
            given = [node.target for node in nodes if isinstance(node, ast.For | ast.comprehension)]
            given += [node for node in nodes if isinstance(node, ast.Tuple)]
            counted = {node for target in given for node in ast.walk(target)}
            own = {node.id for node in names if isinstance(node.ctx, ast.Store) and node not in counted}
            own |= {
                node.arg
                for node in ast.walk(function.args)
                if isinstance(node, ast.arg) and function in tree.body
            }
            read = {node.id for node in names if not isinstance(node.ctx, ast.Store)} | elsewhere
            found[ast.dump(function)] = {name for name in own - read if not name.startswith("_")}
    return found

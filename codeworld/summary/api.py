"""The names a package offers: its ``__all__``, or the public names that its ``__init__`` defines or imports."""

from __future__ import annotations

from typing import NamedTuple

from codeworld.summary.facts import Citation, Import, Symbol
from codeworld.summary.graph import ImportGraph

_MAX_HOPS = 12  # of imports that hand a name on


class Offered(NamedTuple):
    """``name`` of ``module``: where it is handed out, and where and what it is defined as, as far as was found."""

    module: str
    name: str
    listed: Citation
    defined: Citation | None
    symbol: Symbol | None


def offered(graph: ImportGraph, path: str) -> list[Offered]:
    """The public names of the module at ``path``, as ``from module import *`` gives them."""
    names = public_names(graph, path)
    found = []
    for name, (where, line, quote) in names.items():
        definition = define(graph, path, name)
        cited, symbol = definition or (None, None)
        found.append(Offered(graph.names[path], name, Citation(where, line, quote), cited, symbol))
    return found


def public_names(
    graph: ImportGraph, path: str, seen: frozenset[str] = frozenset()
) -> dict[str, tuple[str, int, str]]:
    """Each public name with the file, line and text that hands it out. Kept in ``graph.public_names``."""
    if path in seen:
        return {}
    if path not in graph.public_names:
        names = _public_names(graph, path, seen)
        if seen:  # a circle of imports may have cut it short
            return names
        graph.public_names[path] = names
    return graph.public_names[path]


def _public_names(graph: ImportGraph, path: str, seen: frozenset[str]) -> dict[str, tuple[str, int, str]]:
    facts = graph.files[path]
    if facts.exported is not None:
        return {name: (path, line, name) for name, line in facts.exported}
    found: dict[str, tuple[str, int, str]] = {}
    is_package = path.endswith("__init__.py")
    for statement in facts.imports:
        if not statement.top:
            continue
        for name, alias, line in statement.names:
            target = _source(graph, path, statement, name)
            if name == "*" and target:
                found |= public_names(graph, target, seen | {path})
            elif not alias.startswith("_") and name != "*" and is_package and (target or statement.dots):
                found[alias.split(".")[0]] = (path, line, alias.split(".")[0])
    for symbol in facts.symbols:
        if not symbol.name.startswith("_"):
            found[symbol.name] = (path, symbol.line, symbol.name)
    return found


def define(graph: ImportGraph, path: str, name: str, hops: int = 0) -> tuple[Citation, Symbol | None] | None:
    """Where ``name`` of the module at ``path`` is defined; imports are followed. A module is defined by its file."""
    own = next((symbol for symbol in graph.files[path].symbols if symbol.name == name), None)
    imported = _define_elsewhere(graph, path, name, own, hops) if hops < _MAX_HOPS else None
    return imported or ((Citation(path, own.line, name), own) if own else None)


def _define_elsewhere(
    graph: ImportGraph, path: str, name: str, own: Symbol | None, hops: int
) -> tuple[Citation, Symbol | None] | None:
    """The definition of an imported name. One that is defined here (``own``), too, must be imported after that, unless
    it is a substitute, as in ``try: from ._main import main``."""
    for statement in graph.files[path].imports:
        if not (statement.module or statement.dots):
            continue
        if own and not (statement.top and (own.conditional or statement.line > own.line)):
            continue
        for original, alias, _ in statement.names:
            if alias != name and (own or alias != "*"):
                continue
            target = _source(graph, path, statement, original)
            if target is None or target == path:
                continue
            wanted = name if original == "*" else original
            if original == "*" and wanted not in public_names(graph, target):
                continue
            if found := define(graph, target, wanted, hops + 1):
                return found
            if graph.names[target].rpartition(".")[2] == wanted:
                return Citation(target, 1, ""), None
    return None


def imported_module(graph: ImportGraph, path: str, name: str) -> str | None:
    """The file of the repository that ``name``, as the file at ``path`` uses it, is the module of."""
    for statement in graph.files[path].imports:
        for original, alias, _ in statement.names:
            if alias == name and original != "*":
                target = _source(graph, path, statement, original)
                is_module = not (statement.module or statement.dots) or (
                    target is not None and graph.names[target].rpartition(".")[2] == original
                )
                return target if is_module else None
    return None


def _source(graph: ImportGraph, path: str, statement: Import, name: str) -> str | None:
    """The file that ``name`` of an import comes from: the submodule of that name, else the module."""
    if not statement.module and not statement.dots:
        return graph.resolve(path, name)
    inner = f"{statement.module}.{name}" if statement.module else name
    return (graph.resolve(path, inner, statement.dots) if name != "*" else None) or graph.resolve(
        path, statement.module, statement.dots
    )

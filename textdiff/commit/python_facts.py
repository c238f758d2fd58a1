"""What changed in a Python file: its definitions before and after, compared by syntax tree and not by line."""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Iterator
from functools import cached_property

import msgspec

from codeworld.syntax.position import LINE_END
from textdiff.commit.fact import Fact, Kind, What

_RENAMED = 0.6  # share of equal lines from which a removed and an added definition are the same one
_COMPARED = 40  # more removed × added pairs than this squared are not compared


class Definition:
    """One function, class or constant. What costs time is worked out when it is asked for: most are as they were."""

    def __init__(self, node: ast.stmt, name: str, what: What, where: str, lines: list[str]) -> None:
        self._node = node
        self.name, self.what, self.where = name, what, where
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(one.lineno for one in decorators)])
        self.text = "\n".join(lines[first - 1 : node.end_lineno])

    @property
    def public(self) -> bool:
        """Whether no part of its name begins with an underscore."""
        return not any(part.startswith("_") for part in f"{self.where}.{self.name}".split("."))

    @cached_property
    def signature(self) -> tuple[tuple[str, str, str], ...]:
        """(name, annotation, default) of each parameter, and the annotation of what is returned as "->"."""
        if not isinstance(self._node, ast.FunctionDef | ast.AsyncFunctionDef):
            return ()
        returns = ast.unparse(self._node.returns) if self._node.returns else ""
        return (*_parameters(self._node.args), ("->", returns, ""))

    @cached_property
    def head(self) -> str:
        """Decorators and bases."""
        parts = [*getattr(self._node, "decorator_list", []), *getattr(self._node, "bases", [])]
        return " ".join(map(ast.unparse, [*parts, *getattr(self._node, "keywords", [])]))

    @cached_property
    def body(self) -> str:
        """The code without name and docstring; of a class without its methods, of a constant its value."""
        body = getattr(self._node, "body", None)
        if not isinstance(body, list):
            value = getattr(self._node, "value", None)
            return ast.unparse(value) if value is not None else ""
        if self.what in ("class", "test") and isinstance(self._node, ast.ClassDef):
            body = [one for one in body if not isinstance(one, _DEFINING)]
        return "\n".join(map(ast.unparse, body[1:] if self.docstring and body else body))

    @cached_property
    def docstring(self) -> str:
        """The docstring, "" for none."""
        if not isinstance(self._node, _DEFINING):
            return ""
        return ast.get_docstring(self._node) or ""


Module = dict[str, Definition]
_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def definitions(text: str | None) -> Module | None:
    """The definitions of a module by qualified name; None when it cannot be parsed."""
    if text is None:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        lines = LINE_END.split(text)
        return {f"{one.where}.{one.name}".strip("."): one for one in _in(tree.body, "", lines)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _in(body: list[ast.stmt], where: str, lines: list[str]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            what: What = "test" if node.name.startswith("test") else "method" if where else "function"
            yield Definition(node, node.name, what, where, lines)
        elif isinstance(node, ast.ClassDef):
            tests = node.name.startswith("Test") or node.name.endswith("Test")
            yield Definition(node, node.name, "test" if tests else "class", where, lines)
            yield from _in(node.body, f"{where}.{node.name}".strip("."), lines)
        elif isinstance(node, ast.If | ast.Try):
            yield from _in([*node.body, *node.orelse], where, lines)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            yield from (Definition(node, name, "constant", where, lines) for name in names)


def _parameters(arguments: ast.arguments) -> Iterator[tuple[str, str, str]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    for one, default in zip(positional, defaults, strict=True):
        yield _parameter(one, default)
    if arguments.vararg:
        yield _parameter(arguments.vararg, None, "*")
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(one, default)
    if arguments.kwarg:
        yield _parameter(arguments.kwarg, None, "**")


def _parameter(one: ast.arg, default: ast.expr | None, stars: str = "") -> tuple[str, str, str]:
    annotation = ast.unparse(one.annotation) if one.annotation else ""
    return stars + one.arg, annotation, ast.unparse(default) if default is not None else ""


def compare(path: str, before: Module, after: Module) -> list[Fact]:
    """The facts of one file, in the order of the new text. What was renamed is told once, with its class only."""
    removed = {name: one for name, one in before.items() if name not in after}
    added = {name: one for name, one in after.items() if name not in before}
    facts: list[Fact] = []
    for old, new in _renamed(removed, added):
        facts.append(_fact("renamed", added[new], path, old=removed[old].name, new=added[new].name))
        del removed[old], added[new]
    for name, one in after.items():
        if name in added:
            if one.where not in added:  # a new class is one fact, not one for each method
                facts.append(_fact("added", one, path, new=one.docstring.split("\n")[0]))
        elif name in before:
            facts += _changed(path, before[name], one)
    facts += [_fact("removed", one, path) for one in removed.values() if one.where not in removed]
    return facts


def _fact(kind: Kind, one: Definition, path: str, old: str = "", new: str = "") -> Fact:
    return Fact(kind, one.what, one.name, path, old=old, new=new, where=one.where, public=one.public)


def _renamed(removed: Module, added: Module) -> list[tuple[str, str]]:
    """Pairs of a removed and an added definition of the same kind and place, with (nearly) the same body."""
    if len(removed) * len(added) > _COMPARED**2:
        return []
    scored = []
    for old, one in removed.items():
        for new, other in added.items():
            if (one.what, one.where) == (other.what, other.where) and one.what != "constant" and one.body:
                lines = one.body.replace(one.name, other.name).split("\n"), other.body.split("\n")
                score = difflib.SequenceMatcher(None, *lines, autojunk=False).ratio()
                if score >= _RENAMED and (len(lines[0]) > 1 or score == 1.0):
                    scored.append((score, old, new))
    pairs: list[tuple[str, str]] = []
    for _, old, new in sorted(scored, key=lambda item: -item[0]):
        if all(old != one and new != other for one, other in pairs):
            pairs.append((old, new))
    return pairs


def _changed(path: str, old: Definition, new: Definition) -> Iterator[Fact]:
    if old.text == new.text:
        return
    if new.what == "constant":
        if old.body != new.body:
            yield _fact("value", new, path, old=old.body, new=new.body)
    elif old.signature != new.signature:
        yield from _signature(path, old, new)
    elif old.body != new.body or old.head != new.head:
        if new.what != "class":
            yield _fact("body", new, path)
        elif old.head != new.head:
            yield _fact("signature", new, path, old=old.head, new=new.head)
    elif old.docstring != new.docstring:
        yield _fact("docstring", new, path)


def _signature(path: str, old: Definition, new: Definition) -> Iterator[Fact]:
    """Parameters that came and went, or that the signature changed otherwise."""
    before, after = ({name: rest for name, *rest in one.signature if name != "->"} for one in (old, new))
    for name in after.keys() - before.keys():
        yield Fact("added", "parameter", name.lstrip("*"), path, where=new.name, public=new.public)
    for name in before.keys() - after.keys():
        yield Fact("removed", "parameter", name.lstrip("*"), path, where=new.name, public=new.public)
    if before.keys() == after.keys():
        yield _fact("signature", new, path)


def moved(facts: list[Fact]) -> list[Fact]:
    """The facts with "removed here, added there" told as moved."""
    gone = {(one.name, one.what): one for one in facts if one.kind == "removed"}
    told: set[tuple[str, str]] = set()
    result = []
    for one in facts:
        from_ = gone.get((one.name, one.what))
        if one.kind == "added" and from_ is not None and from_.path != one.path and one.what != "constant":
            result.append(msgspec.structs.replace(one, kind="moved", old=from_.path, new=one.path))
            told.add((one.name, one.what))
        else:
            result.append(one)
    return [one for one in result if one.kind != "removed" or (one.name, one.what) not in told]

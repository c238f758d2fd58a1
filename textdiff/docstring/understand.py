"""What a docstring has to say of a function, class or module, read off its syntax tree: nothing is run or
guessed.

Positions are characters of the text; lines count from 0.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from typing import Literal

import msgspec

from codeworld.canvas import Reject
from codeworld.syntax.position import LINE_END

Kind = Literal["function", "method", "property", "class", "module"]
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SCOPES = (*_DEFINITIONS, ast.Lambda)
_ITERATORS = {"Generator", "Iterator", "Iterable", "AsyncGenerator", "AsyncIterator", "AsyncIterable"}
_STUBS = {"overload", "typing.overload", "t.overload"}
_PROPERTIES = ("property", "cached_property", "abstractproperty")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Parameter(msgspec.Struct, frozen=True):
    """``name`` carries its stars; ``annotation`` and ``default`` are source text, "" for none."""

    name: str
    annotation: str = ""
    default: str = ""


class Raised(msgspec.Struct, frozen=True):
    """An exception the body raises: its type, the condition right around it, its message where that is a literal."""

    type: str
    condition: str = ""
    message: str = ""


class Target(msgspec.Struct, frozen=True):
    """What may be documented. ``node`` is its syntax tree (the module's, for a module)."""

    kind: Kind
    name: str
    qualname: str
    node: ast.AST
    parameters: tuple[Parameter, ...] = ()
    attributes: tuple[Parameter, ...] = ()
    returns: str = ""
    returns_value: bool = False
    returns_early: bool = False  # with nothing, and the signature does not say so
    yields: bool = False
    yields_in_passing: bool = False  # only as part of other expressions, where linters do not look
    yield_type: str = ""
    raises: tuple[Raised, ...] = ()
    raises_unknown: bool = False
    docstring: str | None = None
    owner: str = ""
    bases: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    line: int = 0
    end_line: int = 0

    @property
    def public(self) -> bool:
        """Whether others may use it: no part of its name begins with an underscore, and it is in no function."""
        return "<locals>" not in self.qualname and not any(
            part.startswith("_") and not part.endswith("__") for part in self.qualname.split(".")
        )

    @property
    def annotated(self) -> bool:
        """Whether every parameter has a type."""
        return all(one.annotation for one in self.parameters)


class Source:
    """A module's text with its tree and everything in it that may be documented."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text, self.tree = text, tree
        self.starts = [0, *(match.end() for match in LINE_END.finditer(text))]
        self.lines = LINE_END.split(text)
        self.targets = [_module(tree), *_inside(tree, "", "")]

    def segment(self, node: ast.AST) -> str:
        """The text of a node."""
        return ast.get_source_segment(self.text, node) or ""

    def char(self, line: int, column_byte: int) -> int:
        """The character at a line (from 1) and a column in UTF-8 bytes, as syntax trees have them."""
        row = self.lines[line - 1]
        column = column_byte if row.isascii() else len(row.encode()[:column_byte].decode())
        return self.starts[line - 1] + column


def read(text: str) -> Source | Reject:
    """The module, or why it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Source(text, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return Reject("does-not-parse", f"line {line}" if line else type(error).__name__)


def _module(tree: ast.Module) -> Target:
    return Target("module", "", "", tree, docstring=ast.get_docstring(tree, clean=False))


def _inside(node: ast.AST, prefix: str, owner: str) -> Iterator[Target]:
    """Definitions in the order of the text, at any depth."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield _class(child, prefix)
            yield from _inside(child, f"{prefix}{child.name}.", child.name)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            target = _function(child, prefix, owner)
            if not set(target.decorators) & _STUBS:
                yield target
            yield from _inside(child, f"{prefix}{child.name}.<locals>.", "")
        elif not isinstance(child, ast.expr):
            yield from _inside(child, prefix, owner)


def _function(node: Function, prefix: str, owner: str) -> Target:
    decorators = tuple(ast.unparse(one) for one in node.decorator_list)
    names = [one.partition("(")[0].rpartition(".")[2] for one in decorators]
    kind: Kind = "method" if owner else "function"
    if owner and any(name in _PROPERTIES or name == "getter" for name in names):
        kind = "property"
    parameters = parameters_of(node.args)
    if owner and "staticmethod" not in names and parameters and not parameters[0].name.startswith("*"):
        parameters = parameters[1:]
    returns = ast.unparse(node.returns) if node.returns is not None else ""
    own = list(walk(node))
    raises, unknown = raised(node)
    values = [one for one in own if isinstance(one, ast.Return) and not _is_none(one.value)]
    yields = any(map(_is_yield, own))
    return Target(
        kind,
        node.name,
        prefix + node.name,
        node,
        parameters=tuple(one for one in parameters if one.name.strip("_*") or one.name.startswith("*")),
        returns=returns,
        returns_value=bool(values),
        returns_early=not returns and not values and any(isinstance(one, ast.Return) for one in own),
        yields=yields,
        yields_in_passing=yields
        and not any(isinstance(one, ast.Expr) and _is_yield(one.value) for one in own),
        yield_type=_yielded(node.returns) if yields else "",
        raises=tuple(raises),
        raises_unknown=unknown,
        docstring=ast.get_docstring(node, clean=False),
        owner=owner,
        decorators=decorators,
        line=node.lineno - 1,
        end_line=(node.end_lineno or node.lineno) - 1,
    )


def _class(node: ast.ClassDef, prefix: str) -> Target:
    inits = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    init = _function(inits[-1], "", node.name) if inits else None
    return Target(
        "class",
        node.name,
        prefix + node.name,
        node,
        parameters=init.parameters if init else (),
        attributes=tuple(_attributes(node)),
        raises=init.raises if init else (),
        raises_unknown=init.raises_unknown if init else False,
        docstring=ast.get_docstring(node, clean=False),
        bases=tuple(ast.unparse(one) for one in node.bases),
        decorators=tuple(ast.unparse(one) for one in node.decorator_list),
        line=node.lineno - 1,
        end_line=(node.end_lineno or node.lineno) - 1,
    )


def _attributes(node: ast.ClassDef) -> Iterator[Parameter]:
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            default = ast.unparse(one.value) if one.value is not None else ""
            yield Parameter(one.target.id, ast.unparse(one.annotation), default)
        elif isinstance(one, ast.Assign):
            for target in one.targets:
                if isinstance(target, ast.Name):
                    yield Parameter(target.id, "", ast.unparse(one.value))


def parameters_of(arguments: ast.arguments) -> list[Parameter]:
    """The parameters in the order of the signature."""
    positional = [*arguments.posonlyargs, *arguments.args]
    missing = len(positional) - len(arguments.defaults)
    found = [
        _parameter(one, arguments.defaults[i - missing] if i >= missing else None)
        for i, one in enumerate(positional)
    ]
    if arguments.vararg:
        found.append(_parameter(arguments.vararg, None, "*"))
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append(_parameter(one, default))
    if arguments.kwarg:
        found.append(_parameter(arguments.kwarg, None, "**"))
    return found


def _parameter(one: ast.arg, default: ast.expr | None, stars: str = "") -> Parameter:
    annotation = ast.unparse(one.annotation) if one.annotation is not None else ""
    return Parameter(stars + one.arg, annotation, ast.unparse(default) if default is not None else "")


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's own body: not those of functions, classes and lambdas in it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _SCOPES):
            continue
        yield child
        yield from walk(child)


def _is_yield(node: ast.AST) -> bool:
    return isinstance(node, ast.Yield | ast.YieldFrom)


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _yielded(returns: ast.expr | None) -> str:
    """The first parameter of an iterator's annotation, "" for none."""
    if isinstance(returns, ast.Subscript) and _last_name(returns.value) in _ITERATORS:
        inner = returns.slice
        return ast.unparse(inner.elts[0] if isinstance(inner, ast.Tuple) and inner.elts else inner)
    return ""


def is_iterator(returns: str) -> bool:
    """Whether an annotation says that values are yielded."""
    return re.split(r"\[", returns)[0].rpartition(".")[2] in _ITERATORS


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


# What is raised


def raised(function: Function) -> tuple[list[Raised], bool]:
    """The exceptions that the body itself raises, once each and sorted; and whether there is one of unknown type."""
    found: dict[str, Raised] = {}
    unknown = False
    for one, handler, test in _raises(function.body, None, ""):
        types = _types(one.exc, handler)
        unknown |= not types
        for name in types:
            known = Raised(name, test, _message(one.exc))
            if name not in found:
                found[name] = known
            elif (found[name].condition, found[name].message) != (known.condition, known.message):
                found[name] = Raised(name)  # in more than one case: none of them is the whole truth
    return [found[name] for name in sorted(found)], unknown


def _raises(
    body: list[ast.stmt], handler: ast.ExceptHandler | None, test: str
) -> Iterator[tuple[ast.Raise, ast.ExceptHandler | None, str]]:
    for node in body:
        if isinstance(node, ast.Raise):
            yield node, handler, test
        elif isinstance(node, ast.If):
            condition = ast.unparse(node.test)
            yield from _raises(node.body, handler, f"If ``{condition}``")
            plain = not (len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)) and not _has_elif(
                body, node
            )
            yield from _raises(node.orelse, handler, f"Unless ``{condition}``" if plain else "")
        elif isinstance(node, _SCOPES):
            continue
        else:
            for name in ("body", "orelse", "finalbody"):
                inner = getattr(node, name, None)
                if isinstance(inner, list):
                    yield from _raises(inner, handler, "" if name != "body" else _kept(node, test))
            for one in getattr(node, "handlers", []):
                caught = ast.unparse(one.type) if one.type is not None else ""
                yield from _raises(one.body, one, f"On ``{caught}``" if caught else "")
            for case in getattr(node, "cases", []):
                yield from _raises(case.body, handler, "")


def _has_elif(body: list[ast.stmt], node: ast.If) -> bool:
    """Whether the node is itself an ``elif``: its ``else`` then stands for more than its own test."""
    return len(body) == 1 and body[0] is node


def _kept(node: ast.stmt, test: str) -> str:
    """A condition around a ``with`` still holds in it; a loop's body is a case of its own."""
    return test if isinstance(node, ast.With | ast.AsyncWith) else ""


def _types(exception: ast.expr | None, handler: ast.ExceptHandler | None) -> list[str]:
    """The names of the types that a ``raise`` raises; none when that is not certain."""
    caught = handler.type if handler is not None else None
    if exception is None or (
        isinstance(exception, ast.Name) and handler is not None and exception.id == handler.name
    ):
        listed = caught.elts if isinstance(caught, ast.Tuple) else [caught] if caught is not None else []
        names = [ast.unparse(one) for one in listed if isinstance(one, ast.Name | ast.Attribute)]
        return names if len(names) == len(listed) else []
    named = exception.func if isinstance(exception, ast.Call) else exception
    if not isinstance(named, ast.Name | ast.Attribute):
        return []
    name = ast.unparse(named)
    last = name.rpartition(".")[2]
    root = name.partition(".")[0]
    return (
        [name] if last.lstrip("_")[:1].isupper() and root not in ("self", "cls") and "(" not in name else []
    )


def _message(exception: ast.expr | None) -> str:
    if isinstance(exception, ast.Call) and len(exception.args) == 1:
        (first,) = exception.args
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return " ".join(first.value.split())
    return ""


# Where the docstring is


class StringLiteral(msgspec.Struct, frozen=True):
    """The docstring's literal in the text: [start, end), its prefix and quotes, and the raw text between them."""

    start_char: int
    end_char: int
    prefix: str
    quote: str
    raw: str


def literal(source: Source, target: Target) -> StringLiteral | None:
    """The docstring as one string literal; None when there is none or it is made of several."""
    body = getattr(target.node, "body", [])
    node = body[0].value if target.docstring is not None and isinstance(body[0], ast.Expr) else None
    if node is None or node.end_lineno is None or node.end_col_offset is None:
        return None
    start = source.char(node.lineno, node.col_offset)
    end = source.char(node.end_lineno, node.end_col_offset)
    text = source.text[start:end]
    found = re.match(r"([rRuUbB]{0,2})(\"\"\"|'''|\"|')", text)
    if found is None or not text.endswith(found[2]) or not _is_one(text):
        return None
    return StringLiteral(start, end, found[1], found[2], text[found.end() : len(text) - len(found[2])])


def _is_one(text: str) -> bool:
    try:
        kinds = [one.type for one in tokenize.generate_tokens(io.StringIO(text).readline)]
    except (tokenize.TokenError, SyntaxError):
        return False
    return kinds.count(tokenize.STRING) == 1

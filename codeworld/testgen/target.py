"""What is to be tested: the functions, methods and classes of a module, and what is written about them."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping

import msgspec

from codeworld.errors import BadInput
from codeworld.testgen.cases import Kind, Parameter, Target, Untested
from codeworld.testgen.examples import examples_of
from codeworld.testgen.shapes import Shape, of_annotation
from codeworld.testgen.usage import Function, Usage

_RAISES = re.compile(
    r"^\s*:raises?\s+([\w.]+)|^\s{2,}(\w+(?:Error|Exception|Interrupt|Exit|Warning))\s*[:\n]", re.M
)
_SENTENCE = re.compile(
    r"\b[Rr]aises?\s+(?:an?\s+)?(?::\w+:)?`*(\w+(?:Error|Exception|Exit|Interrupt|Warning))\b"
)
_IGNORED_DECORATORS = ("overload", "abstractmethod", "fixture")
_DUNDERS = frozenset(
    f"__{name}__"
    for name in (
        "len", "contains", "getitem", "iter", "next", "call", "eq", "lt", "add", "sub", "mul", "bool", "str", "repr",
        "int", "and", "or", "neg", "reversed",
    )
)  # fmt: skip


class Module(msgspec.Struct, frozen=True):
    """A parsed module: its targets, and the AST nodes of functions by qualified name."""

    text: str
    tree: ast.Module
    targets: tuple[Target, ...]
    functions: dict[str, Function]
    untested: tuple[Untested, ...]


def read_module(text: str, qualname: str = "") -> Module:
    """The targets that ``qualname`` names: a function, a method, a class with all its methods, or, when empty, all
    that is public. Raises BadInput for what does not parse or is not there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BadInput(f"the file does not parse: {error}") from error
    classes = _attributes(tree)
    found: list[Target] = []
    functions: dict[str, Function] = {}
    skipped: list[Untested] = []
    for name, node, owner in _definitions(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions[name] = node
        wanted = name == qualname or (
            _is_public(name, qualname) and (not qualname or name.startswith(f"{qualname}."))
        )
        if wanted and isinstance(node, ast.ClassDef):
            found += _constructor(name, node, classes)
        elif wanted and owner is not None and node.name == "__init__":
            found += _constructor(name.rpartition(".")[0], owner, classes)
        elif wanted and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            why = _untestable(node)
            if why:
                skipped.append(Untested(name, why))
            else:
                found.append(_target(name, node, owner, classes))
    if qualname and not found and not skipped:
        raise BadInput(f"there is no function or class {qualname!r}")
    return Module(text, tree, tuple(_with_examples(one, tree) for one in found), functions, tuple(skipped))


def _with_examples(target: Target, tree: ast.Module) -> Target:
    """Also those of the module's docstring."""
    name = target.owner if target.kind == "constructor" else target.name
    more = examples_of(tree, name.rpartition(".")[2])
    return msgspec.structs.replace(target, examples=(*target.examples, *more)) if more else target


def at_line(text: str, line: int) -> str:
    """The qualified name of the innermost function or class that holds ``line`` (from 1), "" outside of all. What does
    not parse holds none."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    best = ""
    for name, node, _ in _definitions(tree):
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        if first <= line <= (node.end_lineno or line):
            best = name
    return best


def _definitions(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef, ast.ClassDef | None]]:
    """Top-level functions and classes and what is within classes, also under ``if`` and ``try``."""

    def inside(
        body: list[ast.stmt], prefix: str, owner: ast.ClassDef | None
    ) -> Iterator[tuple[str, Function | ast.ClassDef, ast.ClassDef | None]]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield prefix + node.name, node, owner
            elif isinstance(node, ast.ClassDef):
                yield prefix + node.name, node, owner
                yield from inside(node.body, f"{prefix}{node.name}.", node)
            elif isinstance(node, (ast.If, ast.Try)):
                yield from inside([*node.body, *node.orelse], prefix, owner)

    return inside(tree.body, "", None)


def _is_public(name: str, asked: str) -> bool:
    parts = name[len(asked) :].split(".")
    return all(not one.startswith("_") or one in _DUNDERS for one in parts) and not parts[-1].startswith(
        "test_"
    )


def _decorators(node: Function | ast.ClassDef) -> list[str]:
    return [
        ast.unparse(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2]
        for one in node.decorator_list
    ]


def _untestable(node: Function) -> str:
    unfit = [one for one in _decorators(node) if one in (*_IGNORED_DECORATORS, "setter", "deleter")]
    if unfit:
        return f"it is {unfit[0]}: there is nothing to call"
    body = [
        one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
    ]
    if not body or all(isinstance(one, ast.Pass) for one in body):
        return "it does nothing"
    return ""


def _target(
    name: str, node: Function, owner: ast.ClassDef | None, classes: dict[str, frozenset[str]]
) -> Target:
    decorators = _decorators(node)
    kind: Kind = "function" if owner is None else "method"
    if owner is not None and {"property", "cached_property"}.intersection(decorators):
        kind = "property"
    elif owner is not None and "classmethod" in decorators:
        kind = "class method"
    elif owner is not None and "staticmethod" in decorators:
        kind = "static method"
    docstring = ast.get_docstring(node) or ""
    own = [*_own_nodes(node)]
    generator = any(isinstance(one, (ast.Yield, ast.YieldFrom)) for one in own)
    skip = 0 if kind in ("function", "static method") else 1
    return Target(
        qualname=name,
        kind=kind,
        line=node.lineno,
        end_line=node.end_lineno or node.lineno,
        parameters=_parameters(node, skip, classes),
        returns=of_annotation(node.returns) if node.returns is not None else None,
        is_async=isinstance(node, ast.AsyncFunctionDef),
        is_generator=generator,
        owner=name.rpartition(".")[0],
        docstring=docstring,
        raises=documented_exceptions(docstring),
        examples=examples_of(node, name.rpartition(".")[2]),
        returns_line=node.returns.lineno if node.returns is not None else 0,
        refuses_types=any(
            isinstance(one, ast.Raise) and one.exc is not None and "TypeError" in ast.unparse(one.exc)
            for one in own
        ),
    )


def _constructor(name: str, node: ast.ClassDef, classes: dict[str, frozenset[str]]) -> Iterator[Target]:
    """The class as something to be called, where it has an ``__init__`` or, as a dataclass, a ``__post_init__``."""
    own = {one.name: one for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))}
    init = own.get("__init__") or own.get("__post_init__")
    if init is None:
        return  # nothing of its own happens
    if "__init__" in own:
        parameters = _parameters(own["__init__"], 1, classes)
    else:
        parameters = tuple(
            Parameter(one.target.id, of_annotation(one.annotation), one.value is None, annotated=True)
            for one in node.body
            if isinstance(one, ast.AnnAssign)
            and isinstance(one.target, ast.Name)
            and "ClassVar" not in ast.unparse(one.annotation)
        )
    docstring = ast.get_docstring(node) or ""
    where = init or node
    yield Target(
        qualname=name,
        kind="constructor",
        line=where.lineno,
        end_line=where.end_lineno or where.lineno,
        parameters=parameters,
        owner=name,
        docstring=docstring,
        raises=documented_exceptions(docstring + (ast.get_docstring(init) or "" if init else "")),
        examples=examples_of(node, name.rpartition(".")[2]),
    )


def _parameters(node: Function, skip: int, classes: dict[str, frozenset[str]]) -> tuple[Parameter, ...]:
    usage = Usage(node, classes)
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults: list[ast.expr | None] = [
        *[None] * (len(positional) - len(node.args.defaults)),
        *node.args.defaults,
    ]
    only = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    pairs = [(one, default, False) for one, default in zip(positional, defaults, strict=True)][skip:]
    pairs += [(one, default, True) for one, default in only]
    return tuple(
        Parameter(
            one.arg,
            _shape(one, default, usage),
            required=default is None,
            keyword_only=keyword_only,
            annotated=one.annotation is not None,
        )
        for one, default, keyword_only in pairs
    )


def _shape(one: ast.arg, default: ast.expr | None, usage: Usage) -> Shape:
    shape = of_annotation(one.annotation)
    return shape if shape.kind != "any" else usage.shape(one.arg, default)


def documented_exceptions(docstring: str) -> tuple[str, ...]:
    """Names of exceptions that a docstring says are raised, in any of the usual styles."""
    found = [one for groups in _RAISES.findall(docstring) for one in groups if one]
    found += _SENTENCE.findall(docstring)
    return tuple(dict.fromkeys(one.rpartition(".")[2] for one in found))


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Without those of functions and classes within it."""
    unseen: list[ast.AST] = [*function.body]
    while unseen:
        node = unseen.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            unseen += ast.iter_child_nodes(node)


def _attributes(tree: ast.Module) -> dict[str, frozenset[str]]:
    """What each class of the module is seen to have."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            names = {
                one.attr
                for one in ast.walk(node)
                if isinstance(one, ast.Attribute)
                and isinstance(one.value, ast.Name)
                and one.value.id == "self"
            }
            names |= {
                one.name for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))
            }
            names |= {
                one.target.id
                for one in node.body
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
            }
            found[node.name] = frozenset(names)
    return found


def bindings(tree: ast.Module) -> dict[str, tuple[str, str] | None]:
    """What a module binds: where a name was imported from, None for its own. ``import x`` is ``(x, "")``, ``import x as
    y`` is ``(x, "=y")``."""
    found: dict[str, tuple[str, str] | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                absolute = (node.module or "", one.name) if not node.level and not one.asname else None
                found[one.asname or one.name] = absolute
        elif isinstance(node, ast.Import):
            for one in node.names:
                if one.asname:
                    found[one.asname] = (one.name, f"={one.asname}")
                elif "." not in one.name:
                    found[one.name] = (one.name, "")
    for top in tree.body:
        for node in [top, *(ast.iter_child_nodes(top) if isinstance(top, (ast.If, ast.Try)) else ())]:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found[node.name] = None
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                found |= {
                    one.id: None
                    for one in ast.walk(node)
                    if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
                }
    return found


def preparing(target: Target, functions: Mapping[str, Function]) -> frozenset[str]:
    """The methods of its class that set attributes which the target reads and ``__init__`` does not set."""
    own = {
        name.rpartition(".")[2]: _of_self(node)
        for name, node in functions.items()
        if target.owner and name.rpartition(".")[0] == target.owner
    }
    read, _ = own.pop(target.name, (frozenset(), frozenset()))
    _, held = own.pop("__init__", (frozenset(), frozenset()))
    return frozenset(name for name, (_, sets) in own.items() if sets & read - held)


def _of_self(function: Function) -> tuple[frozenset[str], frozenset[str]]:
    """Attributes of its first parameter that a method reads, and that it sets."""
    first = [*function.args.posonlyargs, *function.args.args][:1]
    used = [
        (one.attr, type(one.ctx))
        for one in ast.walk(function)
        if isinstance(one, ast.Attribute)
        and isinstance(one.value, ast.Name)
        and [one.value.id] == [o.arg for o in first]
    ]
    return frozenset(name for name, how in used if how is ast.Load), frozenset(
        name for name, how in used if how is ast.Store
    )


def typing_imports(tree: ast.Module, package: str) -> dict[str, tuple[str, str]]:
    """What a module of ``package`` imports under ``if TYPE_CHECKING``, for annotations alone: names to the absolute
    module and the name in it, written as in ``bindings``."""
    found: dict[str, tuple[str, str]] = {}
    guarded = [one for one in tree.body if isinstance(one, ast.If) and _is_type_checking(one.test)]
    for node in (inner for one in guarded for inner in one.body):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = (
                    one.name,
                    f"={one.asname}" if one.asname else "",
                )
        elif isinstance(node, ast.ImportFrom):
            with contextlib.suppress(ImportError):  # it goes beyond the outermost package
                module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                found |= {one.name: (module, one.name) for one in node.names if not one.asname}
    return found


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def lines_of(function: Function) -> frozenset[int]:
    """The lines of a function's statements, docstring excluded: those that a test can run."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and node is not function:
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if not is_docstring and not isinstance(node, (ast.Global, ast.Nonlocal)):
                found.add(node.lineno)
    return frozenset(found)

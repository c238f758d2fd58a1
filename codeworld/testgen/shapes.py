"""What kind of value a parameter takes, read from an annotation."""

from __future__ import annotations

import ast

import msgspec


class Shape(msgspec.Struct, frozen=True):
    """``kind`` is one of the names below or "object", a class of its own whose expression is ``name``; "literal" has
    one of the expressions ``options``; "namespace" has the attributes ``options``, of the shapes ``of``, among which a
    "link" is another such namespace or None."""

    kind: str
    of: tuple[Shape, ...] = ()
    name: str = ""
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind in ("object", "literal"):
            return self.name or " | ".join(self.options)
        if self.kind == "namespace":
            return f"object with {', '.join(self.options)}"
        if self.kind == "union":
            return " | ".join(map(str, self.of))
        return f"{self.kind}[{', '.join(map(str, self.of))}]" if self.of else self.kind


ANY = Shape("any")
NONE = Shape("none")

_SAME = {
    "int": "int", "float": "float", "bool": "bool", "str": "str", "bytes": "bytes", "complex": "complex",
    "bytearray": "bytes", "ByteString": "bytes", "Text": "str", "AnyStr": "str", "LiteralString": "str",
    "Number": "int", "Real": "float", "Integral": "int", "SupportsInt": "int", "SupportsFloat": "float",
    "SupportsIndex": "int", "Hashable": "str", "object": "any", "Any": "any",
    "list": "list", "List": "list", "Sequence": "list", "MutableSequence": "list", "Iterable": "list",
    "Collection": "list", "Sized": "list", "Container": "list", "Reversible": "list",
    "Iterator": "iterator", "Generator": "iterator", "tuple": "tuple", "Tuple": "tuple",
    "set": "set", "Set": "set", "MutableSet": "set", "AbstractSet": "set",
    "frozenset": "frozenset", "FrozenSet": "frozenset",
    "dict": "dict", "Dict": "dict", "Mapping": "dict", "MutableMapping": "dict", "DefaultDict": "dict",
    "defaultdict": "dict", "OrderedDict": "dict", "Counter": "counter", "deque": "deque", "Deque": "deque",
    "Callable": "callable", "Path": "path", "PurePath": "path", "PathLike": "path", "StrPath": "path",
    "Decimal": "decimal", "Fraction": "fraction", "UUID": "uuid", "datetime": "datetime", "date": "date",
    "time": "time", "timedelta": "timedelta", "Pattern": "pattern", "TextIO": "text io", "StringIO": "text io",
    "BinaryIO": "binary io", "BytesIO": "binary io", "Type": "type", "type": "type", "range": "range",
}  # fmt: skip
_ONE = ("list", "set", "frozenset", "iterator", "deque")
_QUALIFIERS = (
    "Final",
    "ClassVar",
    "Annotated",
    "Required",
    "NotRequired",
    "ReadOnly",
    "Awaitable",
    "Coroutine",
)


def of_annotation(node: ast.expr | None) -> Shape:
    """The shape that an annotation describes; ANY where there is none."""
    if node is None:
        return ANY
    if isinstance(node, ast.Constant):
        if node.value is None:
            return NONE
        return of_text(node.value) if isinstance(node.value, str) else ANY
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return union((of_annotation(node.left), of_annotation(node.right)))
    if isinstance(node, ast.Subscript):
        return _subscript(node)
    if isinstance(node, (ast.Name, ast.Attribute)):
        last = node.id if isinstance(node, ast.Name) else node.attr
        if last in _SAME:
            return _bare(_SAME[last])
        return ANY if last in ("Self", "NoReturn", "Never") else Shape("object", name=ast.unparse(node))
    return ANY


def of_text(text: str) -> Shape:
    """As ``of_annotation``, for one written as a string."""
    try:
        return of_annotation(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        return ANY


def union(shapes: tuple[Shape, ...]) -> Shape:
    """Any of them, flat and without repetition."""
    flat = [one for shape in shapes for one in (shape.of if shape.kind == "union" else (shape,))]
    distinct = tuple(dict.fromkeys(flat))
    return distinct[0] if len(distinct) == 1 else Shape("union", distinct)


def _bare(kind: str) -> Shape:
    if kind in _ONE or kind == "tuple":
        return Shape(kind, (ANY,))
    return Shape(kind, (Shape("str"), ANY)) if kind == "dict" else Shape(kind)


def _subscript(node: ast.Subscript) -> Shape:
    last = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
    inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if last == "Optional":
        return union((of_annotation(inner[0]), NONE))
    if last == "Union":
        return union(tuple(map(of_annotation, inner)))
    if last == "Literal":
        return Shape("literal", options=tuple(map(ast.unparse, inner)))
    if last in _QUALIFIERS:
        return of_annotation(inner[-1] if last in ("Coroutine",) else inner[0])
    kind = _SAME.get(last, "")
    if kind in _ONE:
        return Shape(kind, (of_annotation(inner[0]),))
    if kind == "tuple":
        return _tuple(inner)
    if last == "Counter":
        return Shape("counter", (of_annotation(inner[0]),))
    if kind == "dict" and len(inner) == 2:
        return Shape("dict", tuple(map(of_annotation, inner)))
    if last == "IO":
        return Shape("binary io" if ast.unparse(inner[0]) == "bytes" else "text io")
    if kind == "callable":
        return Shape("callable", (of_annotation(inner[-1]),))
    return Shape(kind) if kind else Shape("object", name=ast.unparse(node.value))


def _tuple(inner: list[ast.expr]) -> Shape:
    if len(inner) == 2 and isinstance(inner[1], ast.Constant) and inner[1].value is ...:
        return Shape("tuple", (of_annotation(inner[0]),))
    return Shape("fixed tuple", tuple(map(of_annotation, inner)))

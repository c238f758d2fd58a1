"""Inside the sandbox: what a name of the tested module stands for, to those who make inputs. Standard library only."""

from __future__ import annotations

import enum
import inspect
import itertools
import re
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

_MOST_SUBCLASSES = 3


def describe(name: str, names: dict[str, Any]) -> dict[str, Any]:
    """What an annotation's name stands for: an enum, a class to be constructed, another annotation, or nothing
    known."""
    try:
        value = eval(name, dict(names))
    except Exception:
        return {"kind": "unknown"}
    if isinstance(value, typing.TypeVar):
        options = value.__constraints__ or ((value.__bound__,) if value.__bound__ else ())
        return {"kind": "alias", "text": " | ".join(map(_annotation, options)) or "int"}
    if not isinstance(value, type):
        supertype = getattr(value, "__supertype__", None) or getattr(value, "__value__", None)
        return {"kind": "alias", "text": _annotation(supertype or value)}
    if issubclass(value, enum.Enum):
        return {"kind": "enum", "members": [one.name for one in value][:12]}
    if getattr(value, "_is_protocol", False) or inspect.isabstract(value):
        children = _adopted(value, names)
        return (
            {"kind": "alias", "text": next(iter(children)), "adopted": children}
            if children
            else {"kind": "unknown"}
        )
    if getattr(value, "__total__", None) is not None and issubclass(value, dict):
        fields = [[key, _annotation(kind)] for key, kind in value.__annotations__.items()]
        return {"kind": "typed dict", "fields": fields}
    return _constructor(value, names)


def _constructor(value: type, names: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return {"kind": "unknown"}
    found = []
    for one in parameters:
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        annotation = "" if one.annotation is one.empty else _annotation(one.annotation)
        annotation = _as_named_here(annotation, vars(sys.modules[value.__module__]), names)
        found.append([one.name, annotation, one.default is one.empty, one.kind is one.KEYWORD_ONLY])
    return {"kind": "class", "parameters": found, "adopted": _adopted(value, names)}


def _adopted(value: type, names: dict[str, Any]) -> dict[str, list[str]]:
    """Subclasses that can be instantiated, by name, and where they are imported from; ``names`` has them from then
    on."""
    found: dict[str, list[str]] = {}
    for one in _descendants(value):
        name = one.__name__
        public = getattr(sys.modules.get(one.__module__), name, None) is one and name[0] != "_"
        if public and not inspect.isabstract(one) and names.setdefault(name, one) is one:
            found[name] = [one.__module__, name]
    return dict(itertools.islice(found.items(), _MOST_SUBCLASSES))


def _descendants(value: type) -> Iterator[type]:
    children: list[type] = type.__subclasses__(value)
    for one in children:
        yield one
        yield from _descendants(one)


def _as_named_here(annotation: str, there: dict[str, Any], names: dict[str, Any]) -> str:
    """The annotation of another module with its classes by the names that they have here, also in a module."""

    def here(match: re.Match[str]) -> str:
        found = there.get(match[0])
        if not isinstance(found, type) or names.get(match[0]) is found:
            return match[0]
        modules = [name for name, one in names.items() if isinstance(one, types.ModuleType)]
        return next(
            (f"{m}.{match[0]}" for m in modules if getattr(names[m], match[0], None) is found), match[0]
        )

    return re.sub(r"(?<![\w.])[A-Za-z_]\w*(?!\w|\.)", here, annotation)


def _annotation(value: Any) -> str:
    """As it would be written."""
    if isinstance(value, str):
        return value
    if isinstance(value, typing.ForwardRef):
        return value.__forward_arg__
    if isinstance(value, type) and not typing.get_args(value):
        return value.__qualname__ if value is not type(None) else "None"
    return str(value).replace("typing.", "").replace("NoneType", "None")

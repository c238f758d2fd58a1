"""Inside the sandbox: a value as an expression that a test can compare with. Standard library only.

A value that no expression makes again, such as an object without an ``__eq__`` of its own, is known by its type and by
what can be seen of it: public attributes, the elements of a list or tuple, what an own collection holds.
"""

from __future__ import annotations

import builtins
import collections
import collections.abc
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import pathlib
import sys
import types
import uuid
from collections.abc import Iterator
from typing import Any

MOST_CHARS = 1_500  # of an expression: nobody reads longer ones
_DEPTH = 8
_ATTRIBUTES = 8
_ELEMENTS = 50
_BY_REPR = (decimal.Decimal, fractions.Fraction, uuid.UUID)
_BY_DATETIME = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)

Imports = set  # of (module, name); name "" is the module itself


class Unwritable(Exception):
    """No expression makes this value again."""


def take(value: object, *, properties: bool = False) -> dict[str, Any]:
    """``type``, ``expr`` (None when there is none), ``imports`` it needs, ``approx`` (it holds floats) and, of a value
    that has no expression, its ``attributes``, what can be seen of it, and what its type is ``named`` by. Properties
    are looked at on request: what they compute may change the object."""
    found: dict[str, Any] = {"type": _type_name(type(value)), "expr": None, "imports": [], "approx": False}
    imports: set[tuple[str, str]] = set()
    try:
        found["expr"] = write(value, imports)
        found["approx"] = _has_float(value)
        found["imports"] = sorted(imports)
    except (Unwritable, RecursionError):
        found["attributes"], imports = attributes_of(value, properties)
        with contextlib.suppress(Unwritable):
            found["named"] = _named(type(value), imports)
        found["imports"] = sorted(imports)
    return found


def attributes_of(value: object, properties: bool = False) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """What can be written of what can be seen, by how it is got at: ``{}.name``, ``{}[0]``, ``list({})``."""
    found: dict[str, str] = {}
    imports: set[tuple[str, str]] = set()
    for way, one in _seen(value, properties):
        needs: set[tuple[str, str]] = set()
        try:
            text = write(one, needs)
        except (Unwritable, RecursionError):
            continue
        again = way.startswith("list(") and text in found.values()  # another view of the same
        if len(text) <= MOST_CHARS // 4 and len(found) < _ATTRIBUTES and not again:
            found[way] = text
            imports |= needs
    return found, imports


def _seen(value: Any, properties: bool) -> Iterator[tuple[str, object]]:
    """Public instance attributes, elements of lists and tuples, all that a collection of its own kind holds, and, if
    asked for, properties, collections among them as lists."""
    if isinstance(value, (type, types.ModuleType, types.FunctionType)):
        return
    if type(value) in (list, tuple):
        for at, element in enumerate(value[:_ATTRIBUTES]):
            yield f"{{}}[{at}]", element
            for way, one in _seen(element, properties) if type(element) not in (list, tuple) else ():
                yield way.format(f"{{}}[{at}]"), one
        return
    yield from _held(value)
    if isinstance(value, collections.abc.Collection):
        yield from _listed("{}", value)
    for name in _properties(type(value)) if properties else ():
        with contextlib.suppress(Exception):
            one = getattr(value, name)
            yield f"{{}}.{name}", one
            if isinstance(one, collections.abc.Collection) and not isinstance(one, (str, bytes)):
                yield from _listed(f"{{}}.{name}", one)


def _held(value: object) -> Iterator[tuple[str, object]]:
    try:
        held = dict(vars(value))
    except TypeError:
        held = {name: getattr(value, name) for name in _slots(value) if hasattr(value, name)}
    for name, one in held.items():
        if isinstance(name, str) and name.isidentifier() and not name.startswith("_"):
            yield f"{{}}.{name}", one


def _listed(way: str, value: Any) -> Iterator[tuple[str, object]]:
    with contextlib.suppress(Exception):
        if len(value) <= _ELEMENTS:
            yield f"list({way})", list(value)


def _properties(kind: type) -> list[str]:
    kinds = (property, functools.cached_property)
    return [
        name for name in dir(kind) if name[0] != "_" and isinstance(inspect.getattr_static(kind, name), kinds)
    ]


def write(value: object, imports: set[tuple[str, str]]) -> str:
    """The expression. Raises Unwritable."""
    text = _write(value, imports, 0)
    if len(text) > MOST_CHARS:
        raise Unwritable
    return text


def _write(value: Any, imports: set[tuple[str, str]], depth: int) -> str:
    if depth > _DEPTH:
        raise Unwritable
    kind = type(value)
    if value is None or kind in (bool, str, bytes, complex, range, type(...)):
        return "..." if value is ... else repr(value)
    if kind is int:
        if value.bit_length() > 4_000:
            raise Unwritable
        return repr(value)
    if kind is float:
        return repr(value) if value - value == 0 else f'float("{value!r}")'
    if isinstance(value, enum.Enum):
        return _enum(value, imports)
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return _named(value, imports)
    return _container(value, kind, imports, depth)


def _container(value: Any, kind: type, imports: set[tuple[str, str]], depth: int) -> str:
    def inner(one: object) -> str:
        return _write(one, imports, depth + 1)

    if kind is list:
        return f"[{', '.join(map(inner, value))}]"
    if kind is tuple:
        return f"({', '.join(map(inner, value))}{',' * (len(value) == 1)})"
    if kind in (set, frozenset):
        text = f"{{{', '.join(sorted(map(inner, value)))}}}" if value else "set()"
        return text if kind is set else f"frozenset({text if value else ''})"
    if isinstance(value, dict) and _compares_as(kind, dict, collections.Counter, collections.OrderedDict):
        return f"{{{', '.join(f'{inner(key)}: {inner(one)}' for key, one in value.items())}}}"
    if kind is collections.deque:
        imports.add(("collections", "deque"))
        return f"deque([{', '.join(map(inner, value))}])"
    if isinstance(value, tuple) and hasattr(kind, "_fields") and _compares_as(kind, tuple):
        return _call(kind, {name: getattr(value, name) for name in kind._fields}, imports, depth)
    if kind is types.SimpleNamespace:
        imports.add(("types", "SimpleNamespace"))
        return f"SimpleNamespace({', '.join(f'{name}={inner(one)}' for name, one in vars(value).items())})"
    if dataclasses.is_dataclass(kind):
        return _dataclass(value, kind, imports, depth)
    return _standard(value, kind, imports)


def _standard(value: Any, kind: type, imports: set[tuple[str, str]]) -> str:
    if kind in _BY_REPR:
        imports.add((kind.__module__, kind.__name__))
        return repr(value)
    if kind in _BY_DATETIME and getattr(value, "tzinfo", None) in (None, datetime.timezone.utc):
        imports.add(("datetime", ""))
        return repr(value)
    if isinstance(value, pathlib.PurePath):
        imports.add(("pathlib", "Path"))
        return f"Path({str(value)!r})"
    if kind is bytearray:
        return repr(value)
    raise Unwritable


def _enum(value: enum.Enum, imports: set[tuple[str, str]]) -> str:
    text = _named(type(value), imports)
    if value.name is None or "|" in value.name or not hasattr(type(value), value.name):
        raise Unwritable  # a combination of flags
    return f"{text}.{value.name}"


def _dataclass(value: Any, kind: Any, imports: set[tuple[str, str]], depth: int) -> str:
    fields = dataclasses.fields(kind)
    if not kind.__dataclass_params__.eq or any(not one.init and one.compare for one in fields):
        raise Unwritable
    values = {one.name: getattr(value, one.name) for one in fields if one.init}
    text = _call(kind, values, imports, depth)
    try:
        again = kind(**values)
    except Exception:
        raise Unwritable from None
    if again != value:
        raise Unwritable
    return text


def _compares_as(kind: Any, *others: Any) -> bool:
    return kind.__eq__ in [one.__eq__ for one in others]


def _call(kind: type, values: dict[str, Any], imports: set[tuple[str, str]], depth: int) -> str:
    name = _named(kind, imports)
    return f"{name}({', '.join(f'{key}={_write(one, imports, depth + 1)}' for key, one in values.items())})"


def _named(value: Any, imports: set[tuple[str, str]]) -> str:
    """A class or function by the name that it can be imported by."""
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if module == "builtins" and getattr(builtins, path, None) is value:
        return str(path)
    found: object = sys.modules.get(module or "")
    for part in path.split("."):
        found = getattr(found, part, None)
    if found is not value or not module or module == "__main__":
        raise Unwritable
    imports.add((module, path.split(".")[0]))
    return str(path)


def _has_float(value: object, depth: int = 0) -> bool:
    if isinstance(value, (float, complex)):
        return True
    if depth > _DEPTH:
        return False
    if isinstance(value, dict):
        return any(_has_float(one, depth + 1) for one in value.values())
    return isinstance(value, (list, tuple)) and any(_has_float(one, depth + 1) for one in value)


def _slots(value: object) -> list[str]:
    names: list[str] = []
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return names


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

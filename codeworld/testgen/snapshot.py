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
import dis
import enum
import fractions
import functools
import inspect
import io
import pathlib
import pickle
import sys
import types
import uuid
from collections.abc import Iterator
from typing import Any

MOST_CHARS = 1_500  # of an expression: nobody reads longer ones
_DEPTH = 8
MOST_ATTRIBUTES = 12  # in a test
MOST_LOOKED_AT = 60  # to see which of them changed
_DEEPEST = 2  # attributes of attributes of attributes: what a linked node links to
_ELEMENTS = 50
_MOST_STEPS = 120  # instructions of a method that is asked
_WRITES = frozenset(
    (
        "STORE_ATTR",
        "DELETE_ATTR",
        "STORE_SUBSCR",
        "DELETE_SUBSCR",
        "STORE_GLOBAL",
        "IMPORT_NAME",
        "STORE_DEREF",
    )
)
_BY_REPR = (decimal.Decimal, fractions.Fraction, uuid.UUID)
_BY_DATETIME = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)

Imports = set  # of (module, name); name "" is the module itself


class Unwritable(Exception):
    """No expression makes this value again."""


def take(value: object, *, properties: bool = False) -> dict[str, Any]:
    """``type``, ``expr`` (None when there is none), ``imports`` it needs, ``approx`` (it holds floats) and, of a value
    that has no expression, its ``attributes``, what can be seen of it, and what its type is ``named`` by. Properties
    are looked at on request: what they compute may change the object; there are then no more than a test holds."""
    found: dict[str, Any] = {"type": _type_name(type(value)), "expr": None, "imports": [], "approx": False}
    imports: set[tuple[str, str]] = set()
    try:
        found["expr"] = write(value, imports)
        found["approx"] = _has_float(value)
        found["imports"] = sorted(imports)
    except (Unwritable, RecursionError):
        most = MOST_ATTRIBUTES if properties else MOST_LOOKED_AT
        found["attributes"], imports = attributes_of(value, properties, most)
        with contextlib.suppress(Unwritable):
            found["named"] = _named(type(value), imports)
        found["imports"] = sorted(imports)
    return found


def attributes_of(
    value: object, properties: bool, most: int = MOST_LOOKED_AT
) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """What can be written of what can be seen, by how it is got at: ``{}.name``, ``{}[0]``, ``list({})``; at most
    ``most``."""
    found: dict[str, str] = {}
    imports: set[tuple[str, str]] = set()
    ways = collections.deque(_ways(value, properties, 0))
    while ways and len(found) < most:
        way, one, depth = ways.popleft()
        needs: set[tuple[str, str]] = set()
        try:
            text = write(one, needs)
        except (Unwritable, RecursionError):
            if depth < _DEEPEST and way.startswith("{}.") and not _is_of_python(type(one)):
                ways += (
                    (inner.format(way), held, deeper)
                    for inner, held, deeper in _ways(one, properties, depth + 1)
                )
            continue
        # Another view of the same, or its keys alone.
        again = way.startswith("list(") and (text in found.values() or f"dict{way[4:]}" in found)
        if len(text) <= MOST_CHARS // 4 and not again:
            found[way] = text
            imports |= needs
    return found, imports


def _ways(value: object, properties: bool, depth: int) -> Iterator[tuple[str, object, int]]:
    """What is seen, and how deep it is; what is not held, such as a view that a property makes, leads no deeper."""
    held = {id(one) for _, one in _held(value)}
    for way, one in _seen(value, properties):
        yield way, one, depth if id(one) in held else _DEEPEST


def _seen(value: Any, properties: bool) -> Iterator[tuple[str, object]]:
    """Public instance attributes, elements of lists and tuples, all that a collection of its own kind holds, and, if
    asked for, properties, collections among them as lists."""
    if isinstance(value, (type, types.ModuleType, types.FunctionType)):
        return
    if type(value) in (list, tuple):
        for at, element in enumerate(value[:MOST_ATTRIBUTES]):
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
    yield from asked(value).items() if properties else ()


def asked(value: object) -> dict[str, object]:
    """What an object says of itself when it is asked: by methods that need nothing and change nothing, and, where it is
    no collection, by its length and its elements. A twin is asked, twice: time and chance do not say the same again."""
    kind: Any = type(value)
    found: dict[str, object] = {}
    if _is_of_python(kind):
        return found
    ways = [f"{{}}.{name}()" for name in _queries(kind)]
    if not isinstance(value, collections.abc.Collection):
        ways += ["len({})"] * hasattr(kind, "__len__")
        ways += ["list({})"] * (hasattr(kind, "__iter__") and not hasattr(kind, "__next__"))
    if not ways:
        return found
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        twin = pickle.loads(pickle.dumps(value))
        before = pickle.dumps(twin)
        for way in ways:
            with contextlib.suppress(Exception):
                one, again = (eval(way.format("twin"), {"twin": twin}) for _ in range(2))
                if pickle.dumps(twin) != before:
                    break  # this one did change it, and the twin is none any more
                found |= {way: one} if again == one else {}
    return found


@functools.cache
def _queries(kind: type) -> list[str]:
    """Names of methods that look like questions: without parameters, and without effects that one can see in them."""
    found = []
    for name in sorted(dir(kind)):
        function = inspect.getattr_static(kind, name)
        if name[0] == "_" or not isinstance(function, types.FunctionType):
            continue
        code = function.__code__
        needed = code.co_argcount - len(function.__defaults__ or ())
        plain = not code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
        if needed == 1 and not code.co_kwonlyargcount and plain and _only_reads(code):
            found.append(name)
    return found


def _only_reads(code: types.CodeType) -> bool:
    """Whether it sets no attribute, element or global variable, and returns something."""
    steps = [*dis.get_instructions(code)]
    if len(steps) > _MOST_STEPS or any(one.opname in _WRITES for one in steps):
        return False
    returned = [steps[at - 1] for at, one in enumerate(steps) if one.opname == "RETURN_VALUE"]
    returned += [one for one in steps if one.opname == "RETURN_CONST"]
    return any(not one.opname.endswith("CONST") or one.argval is not None for one in returned)


def _is_of_python(kind: type) -> bool:
    """Whether a class is the standard library's: what it holds is not what a test is about."""
    outermost = (getattr(kind, "__module__", None) or "builtins").partition(".")[0]
    return outermost in getattr(sys, "stdlib_module_names", ("builtins",))


def _held(value: object) -> Iterator[tuple[str, object]]:
    try:
        held = dict(vars(value))
    except TypeError:
        held = {name: getattr(value, name) for name in _slots(value) if hasattr(value, name)}
    for name, one in held.items():
        if isinstance(name, str) and name.isidentifier() and not name.startswith("_"):
            yield f"{{}}.{name}", one


def _listed(way: str, value: Any) -> Iterator[tuple[str, object]]:
    """A mapping as its keys alone where they lead to nothing."""
    with contextlib.suppress(Exception):
        if len(value) > _ELEMENTS:
            return
        if isinstance(value, collections.abc.Mapping) and any(value.values()):
            yield f"dict({way})", dict(value)
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

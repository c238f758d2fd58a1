"""The public names of a package, by importing it: run as a script; the package lies in FOLDER.

    python summary_names.py PACKAGE FOLDER [--stand-ins] < ASKED > ANSWER

It knows nothing of codeworld. ASKED and ANSWER are JSON: names that documents give ("pkg.module.name", "pkg.module.*"
for all that a module documents of its own, "pkg.**" for all of all modules) and names that somebody claims; nothing
asked is nothing answered. In the answer a name stands with the others of the same thing, where it is defined among
them. ``--stand-ins`` imports what is not installed as modules that have every name.
"""

from __future__ import annotations
import __future__

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import inspect
import io
import json
import pkgutil
import sys
import types
import typing
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

_ASIDE = ("tests", "test", "conftest", "__main__")


class Kind(type):
    """Of classes that stand in for anything: a base class, a decorator, an annotation, a constant."""

    def __getattr__(cls, name: str) -> Any:
        return _missing(cls, name)

    def __or__(cls, other: object) -> Any:
        return cls

    __ror__ = __or__

    def __getitem__(cls, item: object) -> Any:
        return cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __call__(cls, *given: Any, **named: Any) -> Any:
        is_decorated = len(given) == 1 and isinstance(given[0], types.FunctionType)
        return given[0] if is_decorated and cls.__module__ == "stand_in" else super().__call__()


def _stand_in(name: str) -> Any:
    def call(self: object, *given: Any, **named: Any) -> Any:
        return given[0] if given else self

    return Kind(name, (), {"__init__": lambda self, *given, **named: None, "__module__": "stand_in",
                           "__getattr__": _missing, "__call__": call})  # fmt: skip


def _missing(self: object, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _stand_in(name)


class Module(types.ModuleType):
    """A module that has every name."""

    __path__: typing.ClassVar[list[str]] = []
    __version__ = "99.0"
    __getattr__ = _missing


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what nobody else did, but for modules of ``package`` and of the standard library."""

    def __init__(self, package: str) -> None:
        self._others = {package, *sys.stdlib_module_names}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] in self._others:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to run."""


def modules(package: str) -> tuple[dict[str, types.ModuleType], list[str]]:
    """The public modules of a package, and the names of those that cannot be imported."""
    top = importlib.import_module(package)
    found, failed = {package: top}, []
    names = [one.name for one in pkgutil.walk_packages(top.__path__, f"{package}.", onerror=lambda _: None)]
    for name in names:
        if any(part.startswith("_") or part in _ASIDE for part in name.split(".")[1:]):
            continue
        try:
            found[name] = importlib.import_module(name)
        except (Exception, SystemExit):
            failed.append(name)
    return found, failed


def exported(module: types.ModuleType) -> list[str]:
    """``__all__``, else the public names of the package that are no modules."""
    root = module.__name__.split(".")[0]
    return [str(name) for name in getattr(module, "__all__", ())] or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and _is_of(root, value) and not _is_from_elsewhere(root, name, value)
    ]


def _is_from_elsewhere(root: str, name: str, value: object) -> bool:
    """Whether a module of another package has the same under the same name."""
    return any(
        vars(module).get(name, module) is value
        for other, module in list(sys.modules.items())
        if other.split(".")[0] != root and isinstance(module, types.ModuleType)
    )


def _is_of(root: str, value: object) -> bool:
    """Whether a value was made in the package, as far as that can be known: classes and functions say it."""
    kind = type(value)  # a proxy may have no value yet to say what it is
    if issubclass(kind, (types.ModuleType, typing.TypeVar, __future__._Feature)):
        return False
    if issubclass(kind, (type, types.FunctionType, types.BuiltinFunctionType)):
        return (value.__module__ or root).split(".")[0] == root
    return True


class Names:
    """All names of each object of the public modules."""

    def __init__(self, known: dict[str, types.ModuleType]) -> None:
        self._names: dict[int, list[str]] = {}
        for module, content in known.items():
            for name, value in vars(content).items():
                self._names.setdefault(id(value), []).append(f"{module}.{name}")

    def of(self, full: str, value: object) -> list[str]:
        """The others of ``full``; of a class or function where it is defined, too."""
        if isinstance(value, (int, float, str, bytes, tuple, frozenset, type(None))):
            return []
        module = name = None
        with contextlib.suppress(RuntimeError):  # a proxy without a value
            module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        own = [f"{module}.{name}"] if isinstance(module, str) and isinstance(name, str) else []
        return sorted({*self._names.get(id(value), ()), *own} - {full})


def documented(package: str, asked: list[str], known: dict[str, types.ModuleType]) -> dict[str, Any]:
    """What documents name and the package has; of a class's attributes the class."""
    found: dict[str, Any] = {}
    for dotted in asked:
        module, _, last = dotted.rpartition(".")
        if last in ("*", "**"):
            for name in [n for n in known if n == module or (last == "**" and n.startswith(f"{module}."))]:
                found |= _own(known[name], undocumented=last == "**")
            continue
        for full in (dotted, f"{package}.{dotted}"):
            found |= _resolved(full, known)
    return found


def _own(module: types.ModuleType, *, undocumented: bool) -> dict[str, Any]:
    found = {}
    for name, value in vars(module).items():
        is_own = (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
        if is_own and not name.startswith("_") and (undocumented or inspect.getdoc(value)):
            found[f"{module.__name__}.{name}"] = value
    return found


def _resolved(full: str, known: dict[str, types.ModuleType]) -> dict[str, Any]:
    module = full
    while module and module not in known:
        module = module.rpartition(".")[0]
    name = full.removeprefix(f"{module}.").split(".")[0] if module and module != full else ""
    if not name or name.startswith("_") or name not in vars(known[module]):
        return {}
    value = vars(known[module])[name]
    root = known[module].__name__.split(".")[0]
    if not _is_of(root, value):
        return {}
    return {f"{module}.{name}": value}


def answer(package: str, asked: dict[str, list[str]]) -> dict[str, Any]:
    """All that can be said of the package."""
    known, failed = modules(package)
    public = {
        name: module
        for name, module in known.items()
        if name == package or hasattr(module, "__path__") or hasattr(module, "__all__")
    }
    names = Names(known)
    offered = {
        f"{name}.{one}": getattr(module, one)
        for name, module in public.items()
        for one in exported(module)
        if hasattr(module, one)
    }
    told = documented(package, asked["documented"], known)
    return {
        "exported": {full: names.of(full, value) for full, value in offered.items()},
        "documented": {full: names.of(full, value) for full, value in told.items()},
        "unknown": [full for full in asked["claimed"] if not _is_there(full, known)],
        "failed": failed,
    }


def _is_there(full: str, known: dict[str, types.ModuleType]) -> bool:
    module, _, name = full.rpartition(".")
    return full in known or (module in known and hasattr(known[module], name))


def main() -> None:
    package = sys.argv[1]
    sys.path.insert(0, sys.argv[2])
    asked = json.loads(sys.stdin.read() or '{"documented": [], "claimed": []}')
    warnings.simplefilter("ignore")
    if "--stand-ins" in sys.argv:
        sys.meta_path.append(Finder(package))
    with contextlib.redirect_stdout(io.StringIO()):
        found = answer(package, asked)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

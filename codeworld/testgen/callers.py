"""Who calls a function within its module: where it cannot be called itself, it is tested through them."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Mapping

from codeworld.errors import BadInput
from codeworld.testgen.cases import Target
from codeworld.testgen.target import Module, read_module
from codeworld.testgen.usage import Function

_MOST = 3  # of one target's


def callers_of(module: Module) -> dict[str, tuple[Target, ...]]:
    """For each target by qualified name, what may be called in its place, the nearest first. What is a target itself is
    left out, and a private one where there are public ones."""
    calls = {name: _called(function) for name, function in module.functions.items()}
    own = {one.qualname for one in module.targets}
    found = {}
    for target in module.targets:
        names = [one for one in _reaching(target.qualname, calls) if _asked(one) not in own]
        public = [one for one in names if not one.rpartition(".")[2].startswith("_") or _asked(one) != one]
        targets = [one for name in (public or names)[:_MOST] for one in _targets(module, _asked(name))]
        if targets:
            found[target.qualname] = tuple(targets)
    return found


def _reaching(qualname: str, calls: Mapping[str, frozenset[str]]) -> list[str]:
    """The functions from which calls lead to ``qualname``, breadth first; those of its own class before others."""
    found: list[str] = []
    frontier = [qualname]
    while frontier:
        wanted = {_called_as(one) for one in frontier}
        new = [name for name, inner in calls.items() if inner & wanted and name not in (*found, qualname)]
        frontier = sorted(new, key=lambda one: one.rpartition(".")[0] != qualname.rpartition(".")[0])
        found += frontier
    return found


def _called(function: Function) -> frozenset[str]:
    called = [one.func for one in ast.walk(function) if isinstance(one, ast.Call)]
    return frozenset(one.id if isinstance(one, ast.Name) else getattr(one, "attr", "") for one in called)


def _called_as(qualname: str) -> str:
    """The name that stands in a call: a constructor's is its class's."""
    return _asked(qualname).rpartition(".")[2]


def _asked(qualname: str) -> str:
    owner, _, name = qualname.rpartition(".")
    return owner if name in ("__init__", "__post_init__") and owner else qualname


def _targets(module: Module, qualname: str) -> list[Target]:
    """The function, or of a class its constructor."""
    with contextlib.suppress(BadInput):
        return [one for one in read_module(module.text, qualname).targets if one.qualname == qualname]
    return []

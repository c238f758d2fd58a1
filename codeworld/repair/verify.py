"""What a repair has to pass before anybody sees it, cheapest check first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from codeworld.canvas import Reject
from codeworld.syntax.names import undefined
from codeworld.syntax.trees import parsed
from codeworld.verify.trace import Trace

# Which of some programs pass the tests. Called with few programs at a time, best first.
Judge = Callable[[Sequence[str]], Sequence[bool]]
# What programs do on some inputs, those of the tests and others: a text for each, "!" first where one raises; nothing
# where it is not known.
Observer = Callable[[Sequence[str]], Sequence[tuple[str, ...]]]
# What the tests run of a program that they find wrong.
Tracer = Callable[[str], Trace]
# The last check of a program, which takes long: the names of what it passed, none where nothing is known.
Comparison = Callable[[str], tuple[str, ...] | Reject]


class Screener(Protocol):
    """Knows ``total`` examples of what functions return, which the tests hold."""

    @property
    def total(self) -> int:
        """How many examples there are."""
        ...

    def satisfied(self, programs: Sequence[str], end_s: float) -> list[int]:
        """How many of them each of the first programs satisfies, as many as there is time for until ``end_s``."""
        ...


def check(before: str, after: str) -> tuple[str, ...] | Reject:
    """The names of the checks passed. Reasons: "parse", "undefined-name"."""
    tree = parsed(after)
    if tree is None:
        return Reject("parse")
    old = _undefined(before)
    if old is None:
        return ("parses",)  # which names were undefined before cannot be known
    new = undefined(tree) - old
    return Reject("undefined-name", ", ".join(sorted(new))) if new else ("parses", "names")


@lru_cache(maxsize=2)  # hundreds of proposals change the same text
def _undefined(text: str) -> frozenset[str] | None:
    tree = parsed(text)
    return None if tree is None else frozenset(undefined(tree))

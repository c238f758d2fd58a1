"""What a repair has to pass before anybody sees it, cheapest check first."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Sequence

from codeworld.canvas import Reject
from codeworld.repair.names import undefined

# Which of some programs pass the tests. Called with few programs at a time, best first.
Judge = Callable[[Sequence[str]], Sequence[bool]]


def check(before: str, after: str) -> tuple[str, ...] | Reject:
    """The names of the checks passed. Reasons: "parse", "undefined-name"."""
    tree = _parse(after)
    if tree is None:
        return Reject("parse")
    old = _parse(before)
    if old is None:
        return ("parses",)  # which names were undefined before cannot be known
    new = undefined(tree) - undefined(old)
    return Reject("undefined-name", ", ".join(sorted(new))) if new else ("parses", "names")


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None

"""Summaries by the code model: what it writes between the quotes of a docstring, before the body.

It has read more code with docstrings than a text model has pairs, and sees what people wrote near by as they wrote it:
as docstrings of other functions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from codeworld.canvas import InfillReply, InfillRequest
from textdiff.source import split_source, summary
from textdiff.writer import Written

PASSES: Final = 48
_HEADER_END: Final = re.compile(r":\s*(#.*)?$")
Infill = Callable[[InfillRequest], InfillReply]


class CodeWriter:
    """A ``phrase.Writer`` of docstrings; of anything else it writes nothing. ``infill`` may raise what it likes: it is
    not caught here."""

    def __init__(self, infill: Infill) -> None:
        self._infill = infill

    def __call__(
        self,
        task: str,
        source: str,
        *,
        prefix: str = "",
        count: int = 8,
        steps: int = PASSES,
        diversity: float = 0.0,
        allowed: Callable[[str], bool],
    ) -> Sequence[Written]:
        """At most one text, the likeliest; its confidence is the probability of its tokens (a geometric mean)."""
        if task != "docstring" or prefix:
            return []
        found = self.draft(source)
        return [found] if found and allowed(found.text) else []

    def draft(self, source: str) -> Written | None:
        """What the model says whatever it is worth; None when it comes to no end."""
        request = asking(source)
        for candidate in self._infill(request).candidates[:1] if request else ():
            text = summary(candidate.text)
            if text and candidate.steps < PASSES:
                return Written(text, round(math.exp(candidate.logprob_nats / max(candidate.tokens, 1)), 4))
        return None


def asking(source: str) -> InfillRequest | None:
    """The hole between the quotes for a source of task "docstring"; None when its header is not whole."""
    _, near, rest = split_source(source)
    path, *code = rest.split("\n")
    end = next((number for number, line in enumerate(code) if _HEADER_END.search(line)), None)
    if end is None:
        return None
    around = [line[2:] for line in near.splitlines()]
    shown = "".join(f'def other():\n    """{one}"""\n\n' for one in reversed(around))
    prefix = f"# {path}\n{shown}" + "\n".join(code[: end + 1]) + '\n    """'
    suffix = '"""\n' + "\n".join(code[end + 1 :]) + "\n"
    return InfillRequest(prefix=prefix, suffix=suffix, path=path, steps=PASSES, max_candidates=1)

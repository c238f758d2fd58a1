"""The place of a syntax error as the proposers see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from codeworld.repair.edits import Edit, Proposal
from codeworld.repair.lexer import Token, tokens
from codeworld.repair.localise import SyntaxFault

PAIRS = {"(": ")", "[": "]", "{": "}"}
OPENERS = {close: open_ for open_, close in PAIRS.items()}
_FAR = 0.6  # cost of each token between the edit and the error
_LINES_BEFORE = 2
_LINES_AFTER = 4  # of the error: a bracket that is never closed may span so many
_MOST_LINES_AFTER = 40

Found = Iterator[Proposal]


class Site(NamedTuple):
    """The tokens around an error; ``at`` is the first one at or behind the reported place."""

    text: str
    fault: SyntaxFault
    tokens: list[Token]
    at: int
    line_end: int  # of the error's line, line end excluded

    def far(self, index: int) -> float:
        """Cost of the distance between the error and token ``index``."""
        return _FAR * abs(index - self.at)

    @property
    def code_end(self) -> int:
        """Where the code on the error's line ends."""
        return self._code_end(self.line_end)

    def _code_end(self, line_end: int) -> int:
        on_line = [t for t in self.tokens if t.end_char <= line_end and t.kind != "comment"]
        return on_line[-1].end_char if on_line else line_end


def site_of(text: str, fault: SyntaxFault) -> Site:
    """The tokens around the error, a few lines of them."""
    start = text.rfind("\n", 0, fault.at_char) + 1
    for _ in range(_LINES_BEFORE):
        start = text.rfind("\n", 0, max(0, start - 1)) + 1
        while start and not text[start : text.find("\n", start)].strip():
            start = text.rfind("\n", 0, start - 1) + 1
    line_end = line_end_at(text, fault.at_char)
    end = line_end
    after = _LINES_AFTER if "never closed" in fault.message else 0
    if "forgot a comma" in fault.message:
        after = min(fault.end_line - fault.line, _MOST_LINES_AFTER)
    for _ in range(after):
        if end < len(text):
            end = line_end_at(text, min(end + 1, len(text)))
    found = tokens(text, start, end)
    at = next((i for i, t in enumerate(found) if t.end_char > fault.at_char), len(found))
    return Site(text, fault, found, at, line_end)


def line_end_at(text: str, char: int) -> int:
    """Where the line of ``char`` ends, its line end excluded."""
    end = text.find("\n", char)
    return len(text) if end < 0 else end - text.endswith("\r", 0, end)


def proposal(start: int, end: int, new: str, kind: str, cost: float) -> Proposal:
    """A proposal of one edit."""
    return Proposal((Edit(start, end, new),), kind, cost)

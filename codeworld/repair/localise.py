"""Where a program is broken: CPython's own error, and the part of the program around it that has the same error."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

_HEADER = re.compile(r"(?:async\s+def|def|class)\b|@")
_OUTSIDE = re.compile(r"outside|not properly in loop")
_CLOSING = ")]}"


class SyntaxFault(NamedTuple):
    """What the parser says: its message, and where, in characters from the start of the text (line from 0).
    ``end_line`` is the last one that it means."""

    message: str
    line: int
    at_char: int
    end_line: int = 0


class Region(NamedTuple):
    """Whole lines [first, last) of a program that are as broken on their own as they are in it."""

    first: int
    last: int
    indent: str

    def source(self, lines: Sequence[str]) -> str:
        """The region as a program of its own."""
        body = "".join(lines[self.first : self.last])
        return f"if 1:\n{body}" if self.indent else body


def fault(text: str) -> SyntaxFault | None:
    """The first syntax error of ``text``; None when it parses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escape sequences in other people's strings
            ast.parse(text)
    except SyntaxError as error:
        return _placed(error, text)
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxFault(type(error).__name__, 0, 0)
    return None


def outside(text: str) -> SyntaxFault | None:
    """The first statement of a program that parses which stands where it cannot, a ``return`` outside a function."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "", "exec", dont_inherit=True)
    except SyntaxError as error:
        return _placed(error, text) if _OUTSIDE.search(error.msg) else None
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def region(text: str, error: SyntaxFault) -> Region:
    """The innermost definition around the error whose lines alone show the same error, else the whole text."""
    lines = text.splitlines(keepends=True)
    whole = Region(0, len(lines), "")
    if len(lines) < 20:
        return whole  # parsing all of it is as quick
    for first in range(min(error.line, len(lines) - 1), -1, -1):
        indent = indentation(lines[first])
        if not _HEADER.match(lines[first].lstrip()) or (first == error.line and not indent):
            continue
        between = (len(indentation(line)) for line in lines[first + 1 : error.line + 1] if line.strip())
        if min(between, default=len(indent)) < len(indent):
            continue  # its block ends before the error
        found = Region(first, _end(lines, max(first + 1, error.line + 1), indent), indent)
        if found.last - found.first > 200:
            break
        alone = fault(found.source(lines))
        if (
            alone is not None
            and alone.line + first - bool(indent) == error.line
            and alone.message == error.message
        ):
            return found
    return whole


def indentation(line: str) -> str:
    """The blanks that a line starts with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def _end(lines: Sequence[str], start: int, indent: str) -> int:
    """The first line from ``start`` on that is no longer in a block indented more than ``indent``."""
    for at in range(start, len(lines)):
        code = lines[at].strip()
        if code and code[0] not in _CLOSING and len(indentation(lines[at])) <= len(indent):
            return at
    return len(lines)


def _placed(error: SyntaxError, text: str) -> SyntaxFault:
    lines = text.split("\n")
    line = min(max((error.lineno or 1) - 1, 0), len(lines) - 1)
    column = min(max((error.offset or 1) - 1, 0), len(lines[line]))
    message = re.sub(r"\(detected at line \d+\)|on line \d+", "", error.msg).strip()
    end_line = max(line, (error.end_lineno or 1) - 1)
    return SyntaxFault(message, line, sum(len(one) + 1 for one in lines[:line]) + column, end_line)

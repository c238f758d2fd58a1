"""Tokens of code that need not be correct: what stands on a few lines, whatever is missing around it."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\r\n]*)
    |(?P<string>[rbfuRBFU]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"
        |'(?!'')(?:\\.|[^'\\\r\n])*'|"(?!"")(?:\\.|[^"\\\r\n])*"))
    |(?P<number>(?:\d[\w.]*|\.\d\w*))
    |(?P<name>[^\W\d]\w*)
    |(?P<quote>'''|\"\"\"|['"])
    |(?P<operator>\*\*=|//=|>>=|<<=|\.\.\.|->|:=|[=!<>]=|[-+*/%&|^@]=|\*\*|//|<<|>>|&&|\|\||\+\+|--|[^\w\s])""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """``kind``: "comment", "string", "number", "name", "quote" (one that nothing closes) or "operator"."""

    kind: str
    text: str
    start_char: int

    @property
    def end_char(self) -> int:
        """Where it ends."""
        return self.start_char + len(self.text)


def tokens(text: str, start_char: int, end_char: int) -> list[Token]:
    """The tokens that begin in [start_char, end_char)."""
    found = []
    for match in _TOKEN.finditer(text, start_char, end_char):
        assert match.lastgroup is not None
        found.append(Token(match.lastgroup, match[0], match.start()))
    return found

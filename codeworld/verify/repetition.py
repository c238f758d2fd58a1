"""Where the end of a fill repeats the text after the cursor. Pure functions on strings."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w")
_LINE = re.compile(r"[^\r\n]+")


def is_telling(text: str) -> bool:
    """Whether repeating ``text`` is a repetition: brackets and punctuation come again anyway."""
    return _WORD.search(text) is not None


def cuts_of_line(fill: str, rest: str) -> list[int]:
    """Lengths to which ``fill`` can be cut so that ``rest`` is not repeated: shortest first. ``rest`` is that of the
    cursor's line, and as many lines below as the fill has. Words are whole: ``bar`` before ``r)`` repeats nothing.

    >>> cuts_of_line("x)", ")")
    [1]
    """
    rest = rest.rstrip()
    longest = min(len(fill), len(rest))
    ends = (len(fill) - size for size in range(longest, 0, -1) if fill.endswith(rest[:size]))
    return [end for end in ends if not _in_word(fill, end) and not _in_word(rest, len(fill) - end)]


def cuts_of_lines(line_before: str, fill: str, following: Sequence[str]) -> list[int]:
    """The same for whole lines: ``following`` are the lines below the cursor's, blank ones left out.

    Indentation counts. A cut to 0 stands for a fill that is nothing but repetition.

    >>> cuts_of_lines("    ", "a = 1\\n    b = 2", ["    b = 2"])
    [5]
    """
    lines = [(match.start(), match[0].rstrip()) for match in _LINE.finditer(fill) if match[0].strip()]
    if not lines:
        return []
    starts = [start for start, _ in lines]
    texts = [text for _, text in lines]
    if starts[0] == 0:
        texts[0] = line_before + texts[0]
    below = [line.rstrip() for line in following]
    sizes = [size for size in range(len(texts), 0, -1) if texts[-size:] == below[:size]]
    return [len(fill[: starts[-size]].rstrip()) for size in sizes]


def _in_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and _WORD.match(text[at - 1]) is not None and _WORD.match(text[at]) is not None

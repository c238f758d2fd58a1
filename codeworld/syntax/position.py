"""Columns of the three position encodings of the Language Server Protocol, to characters and back.

A *char* is an index into a Python ``str`` (code points). A *column* counts code units of the client's encoding from
the start of the line: bytes (utf-8), 16-bit units (utf-16) or code points (utf-32). Everything is clamped and nothing
raises: clients do send columns past the end of a line, and columns in the middle of a character.
"""

from __future__ import annotations

import re
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

# The protocol's line ends. str.splitlines would also split at form feeds, which Python sources do contain.
LINE_END = re.compile(r"\r\n|\n|\r")


def encode(text: str) -> bytes:
    """UTF-8 bytes of ``text``; lone surrogates, which JSON lets through, are kept rather than refused."""
    return text.encode("utf-8", "surrogatepass")


def width(text: str, encoding: Encoding) -> int:
    """How many code units ``text`` has in ``encoding``."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(encode(text))
    return len(text) + sum(char > "\uffff" for char in text)


def column_to_char(line: str, column: int, encoding: Encoding) -> int:
    """Character index in ``line`` of a column; clamped to the line (its line end excluded), rounded down to a whole
    character."""
    line = line.rstrip("\r\n")
    if column <= 0:
        return 0
    if encoding == "utf-32" or line.isascii():
        return min(column, len(line))
    units = 0
    for char, letter in enumerate(line):
        units += width(letter, encoding)
        if units > column:
            return char
    return len(line)


def char_to_column(line: str, char: int, encoding: Encoding) -> int:
    """Column of character ``char`` of ``line``; clamped to the line, its line end excluded."""
    return width(line.rstrip("\r\n")[: max(char, 0)], encoding)

"""Is a cursor in code, in a comment or in a string, also when the line is not finished yet."""

from __future__ import annotations

import re
from typing import Literal

from tree_sitter import Node

Place = Literal["code", "comment", "string"]

_STRING_PARTS = frozenset({"string_start", "string_content", "escape_sequence", "escape_interpolation"})
_LEXEME = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
    r"|(?P<open>[\"'])|(?P<comment>#)",
    re.DOTALL,
)


def place_at(root: Node, source: bytes, byte: int) -> Place:
    """Where typing at ``byte`` would go. The end of a comment is still comment; right after a closing quote is code,
    and so is the inside of an f-string's braces.

    The tree knows about complete strings; a quote opened on this line and not closed yet is found by reading the line.
    """
    place = _place_in_tree(root, byte)
    if place is not None:
        return place
    line_start = source.rfind(b"\n", 0, byte) + 1
    string = _enclosing(_node_before(root, line_start), "string") if line_start else None
    if string is not None and line_start < string.end_byte <= byte:
        line_start = string.end_byte
    return _place_in_line(source[line_start:byte].decode("utf-8", "replace"))


def _node_before(root: Node, byte: int) -> Node | None:
    """The smallest node that holds the byte before ``byte``."""
    return root.descendant_for_byte_range(byte - 1, byte) if byte > 0 else None


def _enclosing(node: Node | None, kind: str) -> Node | None:
    while node is not None and node.type != kind:
        node = node.parent
    return node


def _place_in_tree(root: Node, byte: int) -> Place | None:
    """What the tree says, or None when it sees neither string, comment nor braces of an f-string."""
    node = _node_before(root, byte)
    while node is not None:
        kind = node.type
        if kind == "comment":
            return "comment"
        if kind == "interpolation" and byte < node.end_byte:
            return "code"
        if kind == "format_specifier":
            return "string"
        if kind == "string":
            last = node.children[-1]
            closed = last.type == "string_end" and not last.is_missing
            return "code" if closed and byte >= node.end_byte else "string"
        if kind in _STRING_PARTS and (node.parent is None or node.parent.type == "ERROR"):
            return "string"
        node = node.parent
    return None


def _place_in_line(line: str) -> Place:
    for lexeme in _LEXEME.finditer(line):
        if lexeme["comment"]:
            return "comment"
        if lexeme["open"]:
            return "string"
    return "code"

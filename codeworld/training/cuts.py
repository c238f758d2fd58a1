"""Where holes are cut: character spans of a source file, chosen the way an editor leaves them open."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tree_sitter import Node, Tree

# What to cut and how often. Spans are characters, never tokens; a model trained on whole lines only fails on others.
KINDS = ("rest_of_line", "lines", "node", "span")
WEIGHTS = (0.25, 0.23, 0.28, 0.24)
LONGEST_CHAR = 340


class Slip(NamedTuple):
    """A line (from 0) of a right text as it was, or may have been, before somebody mended it."""

    line: int
    wrong: str


class SourceFile:
    """A file's text with its syntax tree and the conversions between characters, bytes and lines. ``slips``: what is
    known to have been wrong in it."""

    def __init__(
        self, path: str, text: str, tree: Tree, brought: Sequence[str] = (), slips: Sequence[Slip] = ()
    ) -> None:
        self.path, self.text, self.tree, self.brought, self.slips = path, text, tree, brought, slips
        self.line_starts = [0]
        self.line_starts.extend(i + 1 for i, c in enumerate(text) if c == "\n")
        self.ascii = text.isascii()

    def byte_of(self, char: int) -> int:
        """Offset in UTF-8 of a character."""
        return char if self.ascii else len(self.text[:char].encode())

    def char_of(self, byte: int) -> int:
        """The character at an offset in UTF-8."""
        return byte if self.ascii else len(self.text.encode()[:byte].decode("utf-8", "ignore"))

    def line_of(self, char: int) -> int:
        """Number of the line, from 0, that holds a character."""
        return bisect_right(self.line_starts, char) - 1

    def line_span(self, line: int) -> tuple[int, int]:
        """Characters of ``line``, its newline included."""
        end = self.line_starts[line + 1] if line + 1 < len(self.line_starts) else len(self.text)
        return self.line_starts[line], end


def cut(source: SourceFile, low_char: int, high_char: int, rng: random.Random) -> tuple[int, int] | None:
    """A half-open character span inside [low_char, high_char), or None when the draw does not fit."""
    kind = rng.choices(KINDS, WEIGHTS)[0]
    at = rng.randrange(low_char, high_char)
    if kind == "rest_of_line":
        span = _rest_of_line(source, at)
    elif kind == "lines":
        span = _lines(source, at, rng)
    elif kind == "node":
        span = _node(source, at, rng)
    else:
        span = at, at + rng.randint(1, rng.choice((12, 40, 120, LONGEST_CHAR)))
    start, end = span[0], min(span[1], high_char)
    if start < low_char or not 0 < end - start <= LONGEST_CHAR:
        return None
    return (start, end) if source.text[start:end].strip() or rng.random() < 0.1 else None


def _rest_of_line(source: SourceFile, at: int) -> tuple[int, int]:
    end = source.line_span(source.line_of(at))[1]
    return at, max(at, end - 1) if source.text[end - 1 : end] == "\n" else end


def _lines(source: SourceFile, at: int, rng: random.Random) -> tuple[int, int]:
    """One to six whole lines, from their start or from after the indentation, with or without the last newline."""
    line = source.line_of(at)
    start, end = source.line_span(line)
    last = min(line + rng.choice((0, 0, 0, 1, 1, 2, 3, 5)), len(source.line_starts) - 1)
    end = source.line_span(last)[1]
    if rng.random() < 0.5:
        start += len(source.text[start:end]) - len(source.text[start:end].lstrip(" \t"))
    if rng.random() < 0.5 and source.text[end - 1 : end] == "\n":
        end -= 1
    return start, end


def _node(source: SourceFile, at: int, rng: random.Random) -> tuple[int, int]:
    """A syntax node that covers ``at``: climb from the leaf for a random number of steps."""
    byte = source.byte_of(at)
    node: Node | None = source.tree.root_node.descendant_for_byte_range(byte, byte)
    climbs = rng.choice((0, 0, 1, 1, 2, 2, 3, 4, 6))
    while node is not None and climbs and node.parent is not None:
        if node.parent.end_byte - node.parent.start_byte > LONGEST_CHAR:
            break
        node, climbs = node.parent, climbs - 1
    if node is None:
        return at, at
    return source.char_of(node.start_byte), source.char_of(node.end_byte)


def leaf_label(source: SourceFile, start_char: int, end_char: int) -> str:
    """``leaf|parent`` node types of the first non-blank character of a token; ``space`` for blank tokens."""
    piece = source.text[start_char:end_char]
    blank = len(piece) - len(piece.lstrip())
    if blank == len(piece):
        return "space"
    byte = source.byte_of(start_char + blank)
    node = source.tree.root_node.descendant_for_byte_range(byte, byte + 1)
    if node is None:
        return "space"
    return f"{node.type}|{node.parent.type if node.parent else ''}"

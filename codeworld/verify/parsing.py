"""Does a whole file parse, answered from its statements.

CPython takes 40 ms to parse 5,000 lines: too long for every candidate. But a module is a sequence of statements, and a
sequence parses when each of them does, so each piece is parsed on its own and remembered by its text; while somebody
types, only the piece around the cursor is new. Large classes and functions are split in the same way: the header
with ``pass`` for a body, and the statements of the body, each under an ``if 1:``.

Where the pieces are cut is tree-sitter's word. Were it wrong, a piece would not parse and a good candidate would be
lost; a bad one cannot pass, since pieces that parse, put together again, do parse.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from tree_sitter import Node

from codeworld.syntax.document import Snapshot
from codeworld.syntax.trees import parsed

_LARGE_LINES = 60  # a definition with more lines than this is split
_ALLOW_INCOMPLETE_INPUT = 0x4000  # what codeop asks CPython with; ast has no name for it


class Piece(NamedTuple):
    """Whole lines: one statement or several, all of them indented by ``indent``."""

    indent: bytes
    source: bytes


class Placed(NamedTuple):
    """A piece, and where in the document it starts."""

    start_byte: int
    piece: Piece


def python_accepts(text: str) -> bool:
    """Whether this interpreter's parser takes ``text`` as a module."""
    return parsed(text) is not None


def pieces(snapshot: Snapshot) -> list[Placed]:
    """The document cut into statements, in order."""
    root = snapshot.tree.root_node
    return list(_cut(snapshot.source, root.children, 0, len(snapshot.source), b""))


@lru_cache(maxsize=20_000)
def parses(piece: Piece) -> bool:
    """Whether a piece is a sequence of whole statements, none of them outside its block."""
    tree = parsed(("if 1:\n" if piece.indent else "") + piece.source.decode("utf-8", "surrogatepass"))
    if tree is None or not piece.indent:
        return tree is not None
    block = tree.body[0]
    return (
        len(tree.body) == 1
        and isinstance(block, ast.If)
        and not block.orelse
        and _first_line_indent(piece.source) == piece.indent
    )


def count_errors(snapshot: Snapshot) -> int:
    """Nodes that tree-sitter skipped or invented."""
    found, unseen = 0, [snapshot.tree.root_node]
    while unseen:
        node = unseen.pop()
        if node.has_error:
            found += node.is_error or node.is_missing
            unseen += node.children
    return found


def stands_alone(piece: Piece) -> bool:
    """Whether what is wrong with a broken piece can only be its own: no bracket or long string reaches into or out
    of it."""
    text = piece.source
    even = all(text.count(quotes) % 2 == 0 for quotes in (b'"""', b"'''"))
    return even and all(text.count(pair[:1]) == text.count(pair[1:]) for pair in (b"()", b"[]", b"{}"))


@lru_cache(maxsize=8)
def is_beyond_repair(text: str) -> bool:
    """Whether no file that begins with ``text``, whole lines, parses: CPython gives up before it has read them all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "", "exec", ast.PyCF_ONLY_AST | _ALLOW_INCOMPLETE_INPUT)
    except SyntaxError as error:
        return error.msg != "incomplete input"
    except (ValueError, RecursionError, MemoryError):
        pass
    return False


def _first_line_indent(source: bytes) -> bytes:
    return source[: len(source) - len(source.lstrip(b" \t"))]


def _cut(source: bytes, children: list[Node], start: int, end: int, indent: bytes) -> Iterator[Placed]:
    """Cut ``source[start:end]``, the lines of ``children``, where a statement begins at that indentation."""
    cuts = [start]
    for child in children:
        at = child.start_byte
        line_start = source.rfind(b"\n", 0, at) + 1
        if line_start > cuts[-1] and child.type != "comment" and source[line_start:at] == indent:
            cuts.append(line_start)
    starts = {child.start_byte: child for child in children}
    for at, until in zip(cuts, [*cuts[1:], end], strict=True):
        node = starts.get(at + len(indent))
        yield from _split(source, node, at, until, indent)


def _split(source: bytes, node: Node | None, start: int, end: int, indent: bytes) -> Iterator[Placed]:
    """One piece, or those of a large definition."""
    body = _large_body(node)
    if body is not None:
        first = body.start_byte
        body_start = source.rfind(b"\n", 0, first) + 1
        inner = source[body_start:first]
        deeper = inner.startswith(indent) and len(inner) > len(indent) and not inner.strip(b" \t")
        if deeper and node is not None and body_start > node.start_byte:
            yield Placed(start, Piece(indent, source[start:body_start] + inner + b"pass\n"))
            yield from _cut(source, body.children, body_start, end, inner)
            return
    yield Placed(start, Piece(indent, source[start:end]))


def _large_body(node: Node | None) -> Node | None:
    """The body of a definition that is worth splitting."""
    if node is not None and node.type == "decorated_definition":
        node = node.child_by_field_name("definition")
    if node is None or node.type not in ("class_definition", "function_definition"):
        return None
    if node.end_point.row - node.start_point.row < _LARGE_LINES:
        return None
    return node.child_by_field_name("body")

"""A parsed text, and what the proposers of changes to its tree share."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from codeworld.repair.edits import Edit, Proposal

Found = Iterator[Proposal]


class Program(NamedTuple):
    """A parsed text. ``starts`` are the offsets of its lines in ``source``, its UTF-8."""

    text: str
    source: bytes
    tree: ast.Module
    starts: list[int]

    @classmethod
    def of(cls, text: str) -> Program:
        """Raises SyntaxError, or ValueError for text with null bytes."""
        source = text.encode("utf-8", "surrogatepass")
        starts = [0, *(match.end() for match in re.finditer(rb"\r\n|\n|\r", source))]
        return cls(text, source, ast.parse(text), starts)

    def char(self, line: int, column_byte: int) -> int:
        """The character of a position of the tree."""
        byte = self.starts[line - 1] + column_byte
        return (
            byte
            if len(self.source) == len(self.text)
            else len(self.source[:byte].decode("utf-8", "surrogatepass"))
        )

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Where a node begins."""
        return self.char(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Where it ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.char(node.end_lineno, node.end_col_offset)

    def of_node(self, node: ast.expr | ast.stmt) -> str:
        """A node's text."""
        return self.text[self.start(node) : self.end(node)]


def change(start: int, end: int, new: str, kind: str, cost: float) -> Proposal:
    """A proposal of one edit: ``new`` for the characters [start, end)."""
    return Proposal((Edit(start, end, new),), kind, cost)


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the functions in it."""
    unseen = list(ast.iter_child_nodes(scope))
    while unseen:
        node = unseen.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            unseen += ast.iter_child_nodes(node)


def local_names(scope: ast.AST) -> Iterator[str]:
    """What a scope binds by assignment or takes as argument."""
    for node in own_nodes(scope):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id

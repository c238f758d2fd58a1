"""Syntax labels of tokens: the second channel that the denoiser predicts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import tree_sitter_python
from tree_sitter import Language, Parser

SPACE = "space"
_ERROR = "ERROR"  # what the parser skipped has no kind in the grammar


@cache
def _python() -> tuple[Parser, dict[int, str]]:
    language = Language(tree_sitter_python.language())
    names = {kind: language.node_kind_for_id(kind) or "" for kind in range(language.node_kind_count)}
    return Parser(language), names


def leaf_labels(source: bytes, spans: Iterable[tuple[int, int]]) -> list[str]:
    """The label ``"leaf|parent"`` of each span (start_byte, end_byte) of a Python source, in the order given.

    It is the node type and its parent's where the span's first byte that is not whitespace stands, so a token that
    reaches over two leaves has the first one's. Spans of whitespace only are "space". Spans must ascend.
    """
    starts, labels = _changes(source)
    starts.append(len(source) + 1)
    found, at = [], 0
    for start, end in spans:
        token = source[start:end]
        code = token.lstrip()
        if not code:
            found.append(SPACE)
            continue
        byte = end - len(code)
        while starts[at + 1] <= byte:
            at += 1
        found.append(labels[at])
    return found


def _changes(source: bytes) -> tuple[list[int], list[str]]:
    """Where the innermost node changes, ascending, and the label from there on."""
    parser, names = _python()
    tree = parser.parse(source)
    cursor = tree.walk()
    root = names.get(tree.root_node.kind_id, _ERROR)
    starts, labels = [0], [_joined(root, root)]
    open_nodes = [(root, root, len(source))]  # type, parent's type, end
    went_up = False
    while True:
        if went_up or not cursor.goto_first_child():
            if len(open_nodes) == 1:
                return starts, labels
            starts.append(open_nodes.pop()[2])
            above, above_that, _ = open_nodes[-1]
            labels.append(_joined(above, above_that))
            if not cursor.goto_next_sibling():
                cursor.goto_parent()
                went_up = True
                continue
        went_up = False
        node = cursor.node
        assert node is not None  # the cursor stands on one
        start, end = node.byte_range
        parent = open_nodes[-1][0]
        open_nodes.append((names.get(node.kind_id, _ERROR), parent, end))
        starts.append(start)
        labels.append(_joined(open_nodes[-1][0], parent))


@cache
def _joined(leaf: str, parent: str) -> str:
    return f"{leaf}|{parent}"

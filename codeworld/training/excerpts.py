"""Functions on their own: what scratch files, notebook cells and exercises look like, seldom seen in repositories."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import tree_sitter_python
from tree_sitter import Language, Node, Parser

from codeworld.context.definitions import Import, imports
from codeworld.training.cuts import SourceFile

FEWEST_LINES, MOST_LINES = 4, 70


def with_excerpts(files: Iterable[SourceFile], share: float, rng: random.Random) -> Iterator[SourceFile]:
    """The files, and behind each so much of its top level's functions, each as a file of its own."""
    parser = Parser(Language(tree_sitter_python.language()))
    for source in files:
        yield source
        for node in source.tree.root_node.children if share else ():
            if _fits(node) and rng.random() < share:
                text = rng.choice(("", "\n", "\n\n")) + excerpt(source, node) + rng.choice(("", "\n"))
                yield SourceFile("", text, parser.parse(text.encode()))


def excerpt(source: SourceFile, node: Node) -> str:
    """A function behind the imports that it names."""
    function = source.text[source.char_of(node.start_byte) : source.char_of(node.end_byte)]
    needed = [one.text for one in imports(source.text) if any(name in function for name in _names(one))]
    return "".join(f"{line}\n" for line in needed) + function


def _names(one: Import) -> list[str]:
    if one.names:
        return [here for _, here in one.names]
    return [part.split()[-1].partition(".")[0] for part in one.text.removeprefix("import").split(",") if part]


def _fits(node: Node) -> bool:
    lines = node.end_point.row - node.start_point.row + 1
    return node.type == "function_definition" and FEWEST_LINES <= lines <= MOST_LINES and not node.has_error

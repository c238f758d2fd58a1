"""Functions seen on their own."""

from __future__ import annotations

import ast
import random

import tree_sitter_python
from tree_sitter import Language, Parser

from codeworld.training.cuts import SourceFile
from codeworld.training.excerpts import with_excerpts

FILE = '''"""Doc with é."""
import os.path, re as regex
from math import (
    pi,
    sqrt as root,
)
from unused import thing

def short(): return 1

def area(radius):
    """pi r r"""
    square = radius * radius
    return pi * square

def matches(text):
    """With é."""
    found = regex.findall("x", text)
    return [root(len(one)) for one in found]

class Shape:
    def method(self):
        a = 1
        b = 2
        return a + b
'''


def source_of(text: str) -> SourceFile:
    parser = Parser(Language(tree_sitter_python.language()))
    return SourceFile("shapes.py", text, parser.parse(text.encode()))


def test_functions_come_behind_their_file_with_the_imports_that_they_name() -> None:
    whole, area, matches = with_excerpts([source_of(FILE)], 1.0, random.Random(1))
    assert whole.path == "shapes.py"
    assert area.path == matches.path == ""
    names = [[type(node).__name__ for node in ast.parse(one.text).body] for one in (area, matches)]
    assert names == [["ImportFrom", "FunctionDef"], ["Import", "ImportFrom", "FunctionDef"]]
    assert "return pi * square" in area.text
    assert "é" in matches.text
    assert "thing" not in area.text + matches.text
    assert not area.tree.root_node.has_error


def test_none_when_not_asked_for_or_broken() -> None:
    assert len(list(with_excerpts([source_of(FILE)], 0.0, random.Random(1)))) == 1
    broken = "def f(a):\n    x = (\n    y = 2\n    z = 3\n    return x\n"
    assert len(list(with_excerpts([source_of(broken)], 1.0, random.Random(1)))) == 1

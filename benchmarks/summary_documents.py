"""The names that a repository's documents give, by docutils and by Python's own parser: no rule of codeworld's is used.

reStructuredText is parsed as such, with directives and roles that take notes in place of Sphinx's; a page of Markdown
has ``:::`` of mkdocstrings, ``[[autodoc]]`` of Hugging Face, and in both code that imports something is an example of
what can be imported. Names that the package does not have are for summary_names.py to drop.
"""

from __future__ import annotations

import ast
import contextlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles

_OBJECTS = ("class", "function", "data", "exception", "decorator")
_MODULES = ("module", "currentmodule", "automodule")
_ROLES = ("class", "func", "exc", "data", "obj", "meth", "attr")
_HISTORY = ("change", "history", "news", "release", "whats")


class _Notes:
    """Of the document that is being parsed."""

    module = ""
    names: ClassVar[set[str]] = set()


def _note(name: str) -> None:
    plain = name.split("(")[0].strip().lstrip("~!")
    if re.fullmatch(r"[\w.]+", plain):
        _Notes.names |= {f"{_Notes.module}.{plain}", plain} if _Notes.module else {plain}


class _Object(Directive):
    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        for line in "\n".join(self.arguments).split("\n"):
            _note(line)
        holder = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, holder)
        return [holder]


class _Module(_Object):
    def run(self) -> list[nodes.Node]:
        _Notes.module = " ".join(self.arguments)
        text = self.block_text
        members = re.search(r"^\s+:members:[ \t]*(.*)$", text, re.MULTILINE)
        if self.name == "automodule" and members:
            for name in members[1].replace(",", " ").split() or ["*"]:
                _Notes.names.add(f"{_Notes.module}.{name}")
        return []


class _Summary(_Object):
    def run(self) -> list[nodes.Node]:
        for line in self.content:
            if line.strip() and not line.lstrip().startswith(":"):
                _note(line.split()[0])
                if ":recursive:" in self.block_text:
                    _Notes.names.add(f"{line.split()[0].lstrip('~')}.**")
        return []


class _Anything(_Object):
    """Of extensions: what is in it counts."""

    def run(self) -> list[nodes.Node]:
        if self.name in ("code-block", "sourcecode", "ipython", "testcode", "doctest"):
            return [nodes.literal_block("", "\n".join(self.content))]
        return super().run()


def _role(name: str, raw: str, text: str, *given: Any) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    target = re.search(r"<([^>]*)>\s*$", text)
    _note(target[1] if target else text)
    return [], []


def _register() -> None:
    for name in _OBJECTS:
        for written in (name, f"auto{name}", f"py:{name}"):
            if written not in ("class", "data"):  # docutils has its own "class"; Sphinx does without
                directives.register_directive(written, _Object)
    for name in ("class", "data"):
        directives.register_directive(name, _Object)
    for name in _MODULES:
        for written in (name, f"py:{name}"):
            directives.register_directive(written, _Module)
    directives.register_directive("autosummary", _Summary)
    for name in ("code-block", "sourcecode", "ipython", "testcode", "doctest", "tab", "tabs", "tab-set", "tab-item",
                 "versionadded", "versionchanged", "deprecated", "seealso", "only", "toctree", "autoattribute",
                 "automethod", "autoproperty", "attribute", "method", "dropdown", "grid", "card"):  # fmt: skip
        directives.register_directive(name, _Anything)
    for name in _ROLES:
        roles.register_local_role(name, _role)
        roles.register_local_role(f"py:{name}", _role)


def named(root: Path) -> set[str]:
    """Names of one repository's documents, some of them as they are within the module that is spoken of."""
    _register()
    found: set[str] = set()
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).as_posix().lower().split("/")
        is_history = any(part.startswith(_HISTORY) for part in parts)
        if path.suffix in (".rst", ".md", ".mdx") and not is_history and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            found |= _of_rst(text) if path.suffix == ".rst" else set(_of_markdown(text))
    return found


def _of_rst(text: str) -> set[str]:
    _Notes.module, _Notes.names = "", set()
    settings = {"report_level": 5, "halt_level": 6, "file_insertion_enabled": False, "raw_enabled": False}
    tree = publish_doctree(text, settings_overrides=settings)
    for block in (*tree.findall(nodes.literal_block), *tree.findall(nodes.doctest_block)):
        _Notes.names |= set(_imported(block.astext()))
    return _Notes.names


def _of_markdown(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        match = re.match(r"(?::::|\[\[autodoc\]\])\s*([\w.]+)", line)
        if match:
            yield match[1]
    for block in re.findall(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", text, re.DOTALL | re.MULTILINE):
        yield from _imported(block)


def _imported(code: str) -> Iterator[str]:
    """What a piece of code imports; code that is not whole, or in a console, is read line by line."""
    lines = textwrap.dedent(code).split("\n")
    prompted = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
    whole = "\n".join(prompted or lines)
    with contextlib.suppress(SyntaxError, ValueError):
        yield from _from(ast.parse(whole))
        return
    for line in whole.split("\n"):
        if line.lstrip().startswith("from "):
            with contextlib.suppress(SyntaxError, ValueError):
                yield from _from(ast.parse(line.strip()))


def _from(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")

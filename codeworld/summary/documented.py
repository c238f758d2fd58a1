"""The names that documents give to readers: directives that document code, cross references, imports in examples.

reStructuredText as Sphinx reads it (autodoc, autosummary, the Python domain and its roles), ``:::`` of mkdocstrings
and ``[[autodoc]]`` of Hugging Face's doc-builder. What a name means is asked of the code (public_api.py): documents may
be older than it, and one that names nothing claims nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codeworld.summary.facts import FileFacts
from codeworld.summary.sources import Sources

EVERYTHING = "*"  # as the last part: all that the module defines for others
EVERYTHING_BELOW = "**"  # and the same of the modules below it
_DOCUMENT = re.compile(r"\.(rst|md|mdx)$")
_HISTORY = re.compile(
    r"(^|/)(change(s|log)|history|news|releases?|release[-_]?notes|whats[-_]?new)\b", re.IGNORECASE
)
_MAX_BYTES = 1_000_000
_MAX_IMPORT = 60  # lines of one import
_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_DIRECTIVE = re.compile(
    rf"(?P<indent>\s*)(?:\.\. |`{{3,}}{{)(?:py:)?(?P<kind>[a-z]+)(?:::|}})\s*(?P<name>{_NAME})?"
)
_MODULES = ("module", "currentmodule", "automodule")
_OBJECTS = ("class", "function", "data", "exception", "decorator")
_OTHER_SYNTAX = re.compile(rf"(?:::: ?|\[\[autodoc\]\] ?)(?P<name>{_NAME})")
_ROLE = re.compile(rf":(?:class|func|exc|data|obj|meth|attr):`(?:[^`<]*<)?[~!]?(?P<name>{_NAME})(?:\(\))?>?`")
_IMPORT = re.compile(rf"\s*(?:>>> |\$ )?from (?P<module>{_NAME}) import (?P<names>\(?[\w, ]*)")


def documents(sources: Sources) -> list[str]:
    """The documents that speak of the code as it is, which a history of changes does not."""
    return [
        path
        for path in sources.paths
        if _DOCUMENT.search(path) and not _HISTORY.search(path) and sources.sizes[path] <= _MAX_BYTES
    ]


def read(lines: list[str]) -> FileFacts:
    """``exported`` holds the dotted names with their lines: as written, and as the current module has them."""
    found: dict[str, int] = {}
    for name, line in _names(lines):
        found.setdefault(name, line)
    return FileFacts(len(lines), "", 0, (), (), tuple(found.items()), main_line=0, error_line=0, tests=0)


def _names(lines: list[str]) -> Iterator[tuple[str, int]]:
    module = ""
    for number, line in enumerate(lines, 1):
        if match := _DIRECTIVE.match(line):
            kind, name = match["kind"], match["name"] or ""
            if kind in _MODULES and name:
                module = name
                if kind == "automodule":
                    yield from ((f"{name}.{member}", where) for member, where in _members(lines, number))
            elif kind.removeprefix("auto") in _OBJECTS and name:
                yield from _named(module, name, number)
            elif kind == "autosummary":
                yield from _listed(module, lines, number)
        elif match := _OTHER_SYNTAX.match(line):
            yield match["name"], number
        elif match := _IMPORT.match(line):
            yield from _imported(match["module"], match["names"], lines, number)
        for role in _ROLE.finditer(line):
            yield from _named(module, role["name"], number)


def _named(module: str, name: str, line: int) -> Iterator[tuple[str, int]]:
    if module:
        yield f"{module}.{name}", line
    if "." in name:
        yield name, line


def _below(lines: list[str], start: int) -> Iterator[tuple[int, str]]:
    """The lines of a directive's options and content: indented, or empty between such."""
    for number in range(start + 1, len(lines) + 1):
        text = lines[number - 1]
        if text.strip() and (not text[0].isspace() or text.lstrip().startswith(".. ")):
            return
        if text.strip():
            yield number, text.strip()


def _members(lines: list[str], start: int) -> Iterator[tuple[str, int]]:
    """What ``:members:`` of ``automodule`` names: the directive's own line stands for all of them."""
    for number, text in _below(lines, start):
        if text.startswith(":members:"):
            named = re.findall(r"\w+", text.removeprefix(":members:"))
            yield from ((name, number) for name in named)
            if not named:
                yield EVERYTHING, start


def _listed(module: str, lines: list[str], start: int) -> Iterator[tuple[str, int]]:
    below = list(_below(lines, start))
    deep = any(text.startswith(":recursive:") for _, text in below)
    for number, text in below:
        name = re.match(rf"~?({_NAME})", text)
        if name:
            yield from _named(module, name[1], number)
            if deep:
                yield f"{name[1]}.{EVERYTHING_BELOW}", number


def _imported(module: str, names: str, lines: list[str], start: int) -> Iterator[tuple[str, int]]:
    if names.startswith("("):
        for number in range(start, min(len(lines), start + _MAX_IMPORT) + 1):
            text = lines[number - 1].rpartition("(")[2] if number == start else lines[number - 1]
            yield from ((f"{module}.{name}", number) for name in _aliased(text.partition(")")[0]))
            if ")" in text:
                return
    else:
        yield from ((f"{module}.{name}", start) for name in _aliased(names))


def _aliased(names: str) -> list[str]:
    return re.findall(r"(\w+)(?: as \w+)?", names)

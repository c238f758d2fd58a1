"""The values that travel through a summary: what a file says, and what the page claims. All frozen.

A claim is Markdown with at least one citation; a citation names a line and, in ``quote``, what of that line the claim
rests on. ``codeworld.summary.sources.Sources.holds`` decides whether it still does.
"""

from __future__ import annotations

import msgspec


class Citation(msgspec.Struct, frozen=True):
    """A line (from 1) of a file (relative to the repository, with slashes) in which ``quote`` stands."""

    path: str
    line: int
    quote: str


class Claim(msgspec.Struct, frozen=True):
    """One line of the page; its citations are appended when it is shown, each linked from its name if there are any."""

    text: str
    citations: tuple[Citation, ...]
    names: tuple[str, ...] = ()  # what the citations are linked from, one each
    group: str = ""  # Markdown: what the claim is listed under where it has no line of its own
    key: str = ""  # what is claimed, for programs: the name of a script, a dependency, a command
    commits: int = 0  # taken from the history, which --check asks again


class Section(msgspec.Struct, frozen=True):
    """A heading with its claims, the most important first; without any it is "not determined"."""

    title: str
    claims: tuple[Claim, ...]
    note: str = ""  # how the claims were found, or how many there are: no claim about the code
    edges: tuple[Edge, ...] = ()  # drawn as a diagram
    level: int = 2


class Edge(msgspec.Struct, frozen=True):
    """``source`` imports ``target`` (packages or modules); the citation is one of its imports."""

    source: str
    target: str
    imports: int
    citation: Citation


class Symbol(msgspec.Struct, frozen=True, array_like=True):
    """A name that a module defines at its top level."""

    name: str
    kind: str  # class, function, value
    line: int
    doc: str = ""
    doc_line: int = 0
    conditional: bool = False  # a substitute, perhaps, for what could not be imported


class Import(msgspec.Struct, frozen=True, array_like=True):
    """``import module`` (no names) or ``from module import names``; ``dots`` counts a relative import's."""

    module: str
    dots: int
    names: tuple[tuple[str, str, int], ...]  # name, the name it gets here, line; "*" for all
    line: int
    top: bool  # at the top level of the module: its names belong to the module


class FileFacts(msgspec.Struct, frozen=True, array_like=True):
    """All that is kept of a Python file."""

    lines: int
    doc: str
    doc_line: int
    symbols: tuple[Symbol, ...]
    imports: tuple[Import, ...]
    exported: tuple[tuple[str, int], ...] | None  # ``__all__`` with its lines; None when there is none
    main_line: int  # of ``if __name__ == "__main__"``, 0 when there is none
    error_line: int  # of the first syntax error, 0 when there is none
    tests: int  # functions whose names start with "test", at any depth


class Summary(msgspec.Struct, frozen=True):
    """A whole page; what ``--json`` prints."""

    name: str
    sections: tuple[Section, ...]
    undetermined: tuple[str, ...]
    head: str  # the commit whose history was read, "" without git
    files: int
    python_files: int
    lines: int

"""A module's role in words that somebody wrote: its docstring, else what a document or its main symbol says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from codeworld.summary.api import public_names
from codeworld.summary.facts import Citation, Symbol
from codeworld.summary.graph import ImportGraph
from codeworld.summary.readme import plain
from codeworld.summary.running import documents
from codeworld.summary.sources import Sources

_MIN_CHARS = 8  # a shorter remark, as "dev" or "tests", says nothing
_ITEM = re.compile(
    r"\s*(?:[*+-]|\|)\s+\[?[*_`]{0,3}(?P<name>[A-Za-z0-9_][\w./-]*)[*_`]{0,3}(?:\]\([^)]*\))?[*_`]{0,3}"
    r"\s*(?:[-–—:|]+)\s+(?P<words>\S.*)"
)


class Role(NamedTuple):
    """Words about a module and where they stand; ``of`` is the symbol that they are about, "" for the module."""

    text: str
    citation: Citation
    of: str = ""


def listed(sources: Sources) -> dict[str, Role]:
    """What the documents' lists say of the names that their items begin with; the first item of a name counts."""
    found: dict[str, Role] = {}
    for path in documents(sources):
        for number, line in enumerate(sources.lines(path), 1):
            match = _ITEM.match(line)
            if match and len(match["words"]) >= _MIN_CHARS:
                words = plain(match["words"]).rstrip("| ").replace("`", "")
                found.setdefault(match["name"].strip("/"), Role(words, Citation(path, number, match["name"])))
    return found


class Roles:
    """The roles of the modules of one repository."""

    def __init__(self, sources: Sources, graph: ImportGraph) -> None:
        self.sources, self.graph = sources, graph
        self._listed = listed(sources)
        self._uses = Counter((link.target, link.name) for link in graph.links if link.name)

    def of(self, path: str) -> Role | None:
        """The role of a file; None when nobody wrote any."""
        facts = self.graph.files[path]
        if facts.doc:
            return Role(facts.doc, Citation(path, facts.doc_line, facts.doc.split(" ")[0]))
        return self.in_documents(path) or self.of_main_symbol(path)

    @cached_property
    def documented_share(self) -> float:
        """Of the product's modules that define something, how many have a docstring, in [0, 1]."""
        paths = [
            one for one, facts in self.graph.files.items() if facts.symbols and one not in self.graph.aside
        ]
        return sum(bool(self.graph.files[one].doc) for one in paths) / max(len(paths), 1)

    def in_documents(self, path: str) -> Role | None:
        """What a list in the README says of the file, or of the package that it speaks for."""
        package = path.removesuffix("/__init__.py")
        for name in (path, self.graph.names[path], package, path if "/" in path else ""):
            if name in self._listed and ("." in name or "/" in name or name == package):
                return self._listed[name]
        return None

    def of_main_symbol(self, path: str) -> Role | None:
        """The docstring of the class or function that the module is named after, or is there for."""
        stem = path.rpartition("/")[2].partition(".")[0].replace("_", "").lower()
        known = [one for one in self.graph.files[path].symbols if one.doc and not one.name.startswith("_")]
        public = self.public(path)
        named = [one for one in known if one.name.replace("_", "").lower() == stem]
        chosen = named[0] if named else self._chief(path, known, public)
        return Role(chosen.doc, Citation(path, chosen.line, chosen.name), chosen.name) if chosen else None

    def public(self, path: str) -> list[Symbol]:
        """The classes and functions that a file defines for others, in its order."""
        symbols = self.graph.files[path].symbols
        return [one for one in symbols if one.kind != "value" and not one.name.startswith("_")]

    def names(self, path: str) -> list[Citation]:
        """What a file defines or, a package, offers for others, the most imported first; each name is the quote."""
        defined = [Citation(path, one.line, one.name) for one in self.public(path)]
        offered = public_names(self.graph, path) if path.endswith("__init__.py") else {}
        found = defined or [Citation(where, line, quote) for where, line, quote in offered.values()]
        return sorted(found, key=lambda one: (-self._uses[path, one.quote], one.line, one.quote))

    def _chief(self, path: str, known: list[Symbol], public: list[Symbol]) -> Symbol | None:
        """The only public symbol, or one that more files import than all the others."""
        if len(public) == 1:
            return known[0] if known else None
        uses = {one.name: self._uses[path, one.name] for one in public}
        most = max(known, key=lambda one: (uses[one.name], -one.line), default=None)
        is_chief = most is not None and 2 * uses[most.name] > sum(uses.values()) and uses[most.name] > 1
        return most if is_chief else None


def mentions(text: str) -> Iterator[str]:
    """The names of code in a phrase: quoted, dotted, called, with underscores or with capitals inside."""
    for match in re.finditer(
        r"`+([^`]+)`+|\b([A-Za-z_]\w*(?:[._]\w+)+|[A-Za-z]+[a-z][A-Z]\w*|\w+(?=\(\)))", text
    ):
        yield from re.findall(r"[A-Za-z_]\w*", match[1] or match[2])

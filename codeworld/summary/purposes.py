"""What a dependency is for, in the repository's own words, else by what is imported from it."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from codeworld.summary import roles
from codeworld.summary.facts import Citation
from codeworld.summary.graph import ImportGraph
from codeworld.summary.packaging import Dependency, normalised
from codeworld.summary.sources import Sources

_MAX_NAMES = 3
_MIN_CHARS = 8  # a shorter remark, as "dev" or "tests", says nothing
_COMMENT = re.compile(r"\s#+\s*(?P<words>.*\S)")
_NO_WORDS = re.compile(r"noqa|type:|pragma|https?://\S+$|^\s*via\b|TODO|FIXME|[<>=~]=?\s*\d", re.IGNORECASE)


class Purpose(NamedTuple):
    """What is said of a dependency, and where; ``is_quoted``: in somebody's words, not by names."""

    text: str
    citations: tuple[Citation, ...]
    is_quoted: bool


class Purposes:
    """The dependencies that the repository's documents describe in lists, read once."""

    def __init__(self, sources: Sources, graph: ImportGraph) -> None:
        self._sources = sources
        self._graph = graph
        described = roles.listed(sources)
        self._described = {
            normalised(name): Purpose(role.text, (role.citation,), True) for name, role in described.items()
        }

    def of(self, dependency: Dependency, module: str) -> Purpose | None:
        """From a list of the documents, the remark beside the requirement, or the names imported most."""
        return (
            self._described.get(normalised(dependency.name))
            or self._remark(dependency.citation)
            or self._names(module)
        )

    def _remark(self, cited: Citation) -> Purpose | None:
        line = self._sources.line(cited.path, cited.line) or ""
        match = _COMMENT.search(line, line.find(cited.quote) + len(cited.quote))
        if match is None or len(match["words"]) < _MIN_CHARS or _NO_WORDS.search(match["words"]):
            return None
        return Purpose(match["words"], (), True)

    def _names(self, module: str) -> Purpose | None:
        """The names that the most files of the product import from the module, each with its first import."""
        first: dict[str, Citation] = {}
        users: Counter[str] = Counter()
        paths = {path for path, _ in self._graph.outside.get(module, ())}
        for path in sorted(paths, key=lambda path: (path in self._graph.aside, path)):
            for found in self._graph.files[path].imports:
                if found.dots or found.module.split(".")[0] != module or path in self._graph.aside:
                    continue
                for name, _, line in found.names:
                    if name != "*":
                        users[name] += 1
                        first.setdefault(name, Citation(path, line, name))
        chosen = [name for name, _ in sorted(users.items(), key=lambda item: (-item[1], item[0]))][
            :_MAX_NAMES
        ]
        if not chosen:
            return None
        more = f" and {len(users) - len(chosen)} more" if len(users) > len(chosen) else ""
        listed = ", ".join(f"`{name}`" for name in chosen)
        return Purpose(f"its {listed}{more}", tuple(first[name] for name in chosen), False)

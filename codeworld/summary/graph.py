"""Who imports whom: module names, resolved imports, PageRank, and the same between packages."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from codeworld.summary.facts import Citation, Edge, FileFacts, Import

_DAMPING = 0.85
_ROUNDS = 40
_ASIDE = re.compile(
    r"(^|/)(tests?|testing|docs?|examples?[-_\w]*)(/|$)|(^|/)(test_[^/]*|conftest|setup)\.py$"
)
_ASIDE_UNLESS_PACKAGED = re.compile(r"(^|/)(benchmarks?|scripts|tools)(/|$)")


@dataclass(frozen=True)
class Link:
    """One import of one module of the repository; ``name`` is what is imported from it ("" for the module)."""

    source: str
    target: str
    name: str
    line: int


@dataclass
class ImportGraph:
    """The repository's Python files and their imports of each other; files are named by their paths."""

    files: Mapping[str, FileFacts]
    outside: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    public_names: dict[str, dict[str, tuple[str, int, str]]] = field(
        default_factory=dict
    )  # as api.py found them

    def __post_init__(self) -> None:
        self.names = {path: _dotted(path, self.files) for path in self.files}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path, name in self.names.items():
            for known in dict.fromkeys((name, *_other_names(path))):
                if known:
                    self._by_name[known].append(path)
        self.aside = frozenset(path for path, name in self.names.items() if is_aside(path, name))
        self.links = [link for path in sorted(self.files) for link in self._links(path)]

    def _links(self, path: str) -> Iterator[Link]:
        for found in self.files[path].imports:
            resolved = False
            for module, name, line in _asked(found):
                target = self.resolve(path, module, found.dots)
                inner = (
                    self.resolve(path, f"{module}.{name}" if module else name, found.dots) if name else None
                )
                if inner and inner != path and name != "*":
                    yield Link(path, inner, "", line)
                elif target and target != path:
                    yield Link(path, target, name, line)
                resolved = resolved or bool(target or inner)
                if not target and not inner and not found.dots and module:
                    # Of "from module import (…)" the line that names the module.
                    where = found.line if found.module else line
                    self.outside[module.split(".")[0]].append((path, where))

    def resolve(self, path: str, module: str, dots: int = 0) -> str | None:
        """The file that ``module``, imported in ``path``, is; a name below a file that is none gives the file."""
        if dots:
            folder = path.split("/")[:-dots]
            base = "/".join([*folder, *module.split(".")] if module else folder)
            candidates = (f"{base}.py", f"{base}/__init__.py", f"{base}.pyi")
            return next((one for one in candidates if one.lstrip("/") in self.files), None)
        found = self._by_name.get(module, ())
        return max(found, key=lambda one: (_shared(one, path), -len(one), one)) if found else None

    @cached_property
    def rank(self) -> dict[str, float]:
        """PageRank: much imported by what is much imported. Sums to 1 over all files."""
        paths = sorted(self.files)
        if not paths:
            return {}
        targets: dict[str, set[str]] = defaultdict(set)
        for link in self.links:
            targets[link.source].add(link.target)
        ordered = {path: sorted(targets[path]) for path in paths}
        rank = dict.fromkeys(paths, 1 / len(paths))
        for _ in range(_ROUNDS):
            loose = sum(rank[path] for path in paths if not ordered[path])
            new = dict.fromkeys(paths, (1 - _DAMPING + _DAMPING * loose) / len(paths))
            for path in paths:
                for target in ordered[path]:
                    new[target] += _DAMPING * rank[path] / len(ordered[path])
            rank = new
        return rank

    @cached_property
    def importers(self) -> Counter[str]:
        """How many files import each file."""
        return Counter(target for _, target in sorted({(link.source, link.target) for link in self.links}))

    def packages(self) -> dict[str, list[str]]:
        """Top-level packages (and lone modules) that are the product, not its tests or examples, with their files."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self.files):
            if path not in self.aside and self.names[path]:
                found[self.names[path].split(".")[0]].append(path)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    def edges(self, groups: Mapping[str, str]) -> list[Edge]:
        """Imports between groups of files, heaviest first; ``groups`` names the group of each file."""
        counts: Counter[tuple[str, str]] = Counter()
        first: dict[tuple[str, str], Citation] = {}
        for link in self.links:
            pair = groups.get(link.source, ""), groups.get(link.target, "")
            if all(pair) and pair[0] != pair[1]:
                counts[pair] += 1
                first.setdefault(pair, citation_of(link, self.names))
        return [
            Edge(*pair, imports, first[pair])
            for pair, imports in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ]


def is_aside(path: str, module: str = "") -> bool:
    """Whether a file is a test, an example, documentation or tooling rather than the product.

    Tools within a package, which the dotted name of its ``module`` tells, are part of the product.
    """
    package, _, inner = module.replace(".", "/").partition("/")
    outside = path[: path.rfind(f"{package}/{inner}")] + package if inner else path
    return bool(_ASIDE.search(path) or _ASIDE_UNLESS_PACKAGED.search(outside))


def citation_of(link: Link, names: Mapping[str, str]) -> Citation:
    """The line of an import; of what is imported it names the last part."""
    return Citation(link.source, link.line, link.name or names[link.target].rpartition(".")[2])


def _asked(found: Import) -> Iterator[tuple[str, str, int]]:
    for name, _, line in found.names:
        if found.module or found.dots:
            yield found.module, name, line
        else:
            yield name, "", line


def _dotted(path: str, files: Mapping[str, FileFacts]) -> str:
    """The module's name as seen from the folder that its outermost package lies in."""
    parts = path.removesuffix(".py").removesuffix(".pyi").split("/")
    top = len(parts) - 1
    for depth in range(
        1, len(parts)
    ):  # a folder without __init__ within a package belongs to it all the same
        if "/".join([*parts[:depth], "__init__.py"]) in files:
            top = depth - 1
            break
    named = parts[top:]
    return ".".join(named[:-1] if named[-1] == "__init__" else named)


def _other_names(path: str) -> Iterator[str]:
    """Names from the repository's root and from ``src``: what namespace packages and tests go by."""
    parts = path.removesuffix(".py").removesuffix(".pyi").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    yield ".".join(parts)
    for number, part in enumerate(parts[:-1]):
        if part in ("src", "lib", "python"):
            yield ".".join(parts[number + 1 :])


def _shared(one: str, other: str) -> int:
    count = 0
    for left, right in zip(one.split("/"), other.split("/"), strict=False):
        if left != right:
            break
        count += 1
    return count

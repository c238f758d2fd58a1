"""The names that a repository gives to others: what its public packages export and what its documents name.

A name is claimed once, from the shortest path that offers it; the most used come first, with a line each, and all
others stand together by the module that defines them (``listed_by_module``).
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from codeworld.summary.api import Offered, define, offered
from codeworld.summary.documented import EVERYTHING, EVERYTHING_BELOW
from codeworld.summary.facts import Citation, Claim, FileFacts, Section
from codeworld.summary.graph import ImportGraph
from codeworld.summary.sections import code, words

TITLE = "Public API"
_MAX_PACKAGES = 8
_WITH_A_LINE = 40
_NAMES_IN_A_LINE = 20


def public_api(graph: ImportGraph, documents: Mapping[str, FileFacts]) -> Section:
    """The names that each package offers, with their definitions; ``documents`` are those of documented.py."""
    uses = Counter(link.name for link in graph.links)  # the repository's own, its tests', too
    found = sorted(public_names(graph, documents), key=lambda one: _importance(one, uses))
    modules = len({one.module for one in found})
    note = f"{len(found)} names of {modules} module{'s' if modules > 1 else ''}" if found else ""
    return Section(TITLE, tuple(_claim(graph, one) for one in found), note=note)


def _importance(one: Offered, uses: Counter[str]) -> tuple[bool, int, int, str, str]:
    return one.name.startswith("_"), one.module.count("."), -uses[one.name], one.module, one.name


def public_names(graph: ImportGraph, documents: Mapping[str, FileFacts]) -> list[Offered]:
    """Each name once for each definition: of the packages and of the modules with ``__all__``, then of documents."""
    roots = [name for name in itertools.islice(_products(graph), _MAX_PACKAGES) if _file_of(graph, name)]
    found: dict[tuple[str, object], Offered] = {}
    for one in itertools.chain(_exported(graph, roots), _documented(graph, roots, documents)):
        found.setdefault((one.name, one.defined or one.module), one)
    return list(found.values())


def _exported(graph: ImportGraph, roots: list[str]) -> Iterator[Offered]:
    modules = {graph.names[path] for path in graph.files if _is_public(graph, path, roots)}
    for module in sorted(modules, key=lambda name: (name.count("."), name)):
        path = _file_of(graph, module)
        if path and (
            path.endswith("__init__.py") or module in roots or graph.files[path].exported is not None
        ):
            yield from offered(graph, path)


def _is_public(graph: ImportGraph, path: str, roots: Iterable[str]) -> bool:
    first, *below = graph.names[path].split(".")
    return first in roots and path not in graph.aside and not any(part.startswith("_") for part in below)


def _documented(
    graph: ImportGraph, roots: list[str], documents: Mapping[str, FileFacts]
) -> Iterator[Offered]:
    first: dict[str, Citation] = {}
    for document, facts in sorted(documents.items()):
        for written, line in facts.exported or ():
            first.setdefault(written, Citation(document, line, ""))
    for written, cited in first.items():
        is_whole = written.split(".")[0] in roots
        for dotted in [written] if is_whole else [f"{root}.{written}" for root in roots]:
            yield from _meant(graph, roots, dotted, cited)


def _meant(graph: ImportGraph, roots: list[str], dotted: str, cited: Citation) -> Iterator[Offered]:
    """What of the code a dotted name of a document is: a name of a module, or of a class of it."""
    module, _, last = dotted.rpartition(".")
    if last in (EVERYTHING, EVERYTHING_BELOW):
        below = f"{module}." if last == EVERYTHING_BELOW else "\0"
        for within, name in graph.names.items():
            if (name == module or name.startswith(below)) and _is_public(graph, within, roots):
                yield from _own(graph, within, cited)
        return
    path = _file_of(graph, module)
    while module and path is None:
        module, _, last = module.rpartition(".")
        path = _file_of(graph, module)
    if path is not None and not last.startswith("_") and _is_public(graph, path, roots):
        definition = define(graph, path, last)
        if definition:
            yield Offered(module, last, msgspec.structs.replace(cited, quote=last), *definition)


def _own(graph: ImportGraph, path: str, cited: Citation) -> Iterator[Offered]:
    for symbol in graph.files[path].symbols:
        if symbol.kind != "value" and not symbol.name.startswith("_"):
            yield Offered(
                graph.names[path], symbol.name, cited, Citation(path, symbol.line, symbol.name), symbol
            )


def _file_of(graph: ImportGraph, module: str) -> str | None:
    """The file of the module of exactly this name."""
    path = graph.resolve("", module)
    return path if path and graph.names[path] == module else None


def _products(graph: ImportGraph) -> list[str]:
    """Packages first, then lone modules when there is no package."""
    found = graph.packages()
    packages = [name for name, paths in found.items() if any(path.endswith("__init__.py") for path in paths)]
    installed = [name for name in packages if _is_outermost(found[name][0])]
    return installed or packages or list(found)


def _is_outermost(path: str) -> bool:
    """Whether a package begins where packaging looks for packages, not in a folder of something else."""
    folders = path.split("/")[:-1]
    return len(folders) < 2 or folders[0] in ("src", "lib", "python", "packages", "libs") or "src" in folders


def _claim(graph: ImportGraph, one: Offered) -> Claim:
    cited = one.defined or one.listed
    kind = {"class": "class ", "function": "function "}.get(one.symbol.kind if one.symbol else "", "")
    role = f": {words(one.symbol.doc)}" if one.symbol and one.symbol.doc else ""
    home = graph.names.get(cited.path, one.module)
    within = home.removeprefix(one.module) if home.startswith(f"{one.module}.") else home
    group = code(one.module) + (f" from {code(within)}" if home != one.module else "")
    return Claim(
        f"{kind}{code(f'{one.module}.{one.name}')}{role}",
        (cited,) if cited == one.listed else (cited, one.listed),
        key=f"{one.module}.{one.name}",
        group=group,
    )


def listed_by_module(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """The first claims as they are; of the others the names only, those of one module in a line."""
    claims = tuple(claims)
    groups: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims[_WITH_A_LINE:]:
        groups[claim.group].append(claim)
    return claims[:_WITH_A_LINE] + tuple(
        _line(group, named[start : start + _NAMES_IN_A_LINE])
        for group, named in sorted(groups.items(), key=lambda item: item[0].replace("`", ""))
        for start in range(0, len(named), _NAMES_IN_A_LINE)
    )


def _line(group: str, claims: list[Claim]) -> Claim:
    names = tuple(claim.key.rpartition(".")[2] for claim in claims)
    return Claim(f"{group}:", tuple(claim.citations[0] for claim in claims), names=names)

"""The sections of the page that the code itself answers: packages, who imports whom, what matters."""

from __future__ import annotations

from collections import Counter, defaultdict

from codeworld.summary.facts import Citation, Claim, Section
from codeworld.summary.graph import ImportGraph
from codeworld.summary.history import History
from codeworld.summary.roles import Roles
from codeworld.summary.sections import code, words
from codeworld.summary.written import Writer, marked

UNKNOWN = "not determined"
_MAX_GROUPS = 24
_MAX_EDGES = 40
_KEY_MODULES = 15
_NAMES = 3
_KEY_SYMBOLS = 20


def architecture(graph: ImportGraph, roles: Roles, writer: Writer | None = None) -> Section:
    """Packages (or the modules of a flat one) and who imports whom."""
    groups, roots = _groups(graph)
    edges = graph.edges(groups)
    sizes = Counter(groups.values())
    lines: Counter[str] = Counter()
    for path, group in groups.items():
        lines[group] += graph.files[path].lines
    claims = [
        _group(roles, writer, group, roots[group], sizes[group], lines[group]) for group in sorted(roots)
    ]
    drawn = edges[:_MAX_EDGES]
    note = f"{len(claims)} parts, {len(edges)} import relations" + (
        f", the {len(drawn)} strongest of them drawn" if len(drawn) < len(edges) else ""
    )
    return Section("Architecture", tuple(claims), note=note if claims else "", edges=tuple(drawn))


def _groups(graph: ImportGraph) -> tuple[dict[str, str], dict[str, str]]:
    """The part that each product file belongs to, and the file that speaks for each part.

    Parts are packages, as deep as there is room for; what room is left goes to the modules that matter most.
    """
    files = [path for paths in graph.packages().values() for path in paths]
    homes = {path: _home(path, graph.names[path]) for path in files}
    parts: dict[str, str] = {}
    for depth in range(1, max((home.count(".") for home in homes.values()), default=0) + 2):
        deeper = {path: ".".join(home.split(".")[:depth]) for path, home in homes.items()}
        if parts and len(set(deeper.values())) > _MAX_GROUPS:
            break
        parts = deeper
    sizes = sorted(Counter(parts.values()).items(), key=lambda item: (-item[1], item[0]))
    kept = {name for name, _ in sizes[:_MAX_GROUPS]}
    parts = {path: part for path, part in parts.items() if part in kept}
    for path in sorted(parts, key=lambda path: (-graph.rank[path], path)):
        if not path.endswith("__init__.py") and len(kept) < _MAX_GROUPS:
            parts[path] = graph.names[path]
            kept.add(parts[path])
    speakers: dict[str, str] = {}
    for path, part in sorted(parts.items(), key=lambda item: (graph.names[item[0]].count("."), item[0])):
        speakers.setdefault(part, path)
    return parts, speakers


def _home(path: str, name: str) -> str:
    """The package of a module; a package is its own, a lone module too."""
    return name if path.endswith("__init__.py") or "." not in name else name.rpartition(".")[0]


def _group(roles: Roles, writer: Writer | None, group: str, path: str, files: int, lines: int) -> Claim:
    is_own = roles.graph.names[path] == group
    role, cited = _role(roles, path, writer) if is_own else (UNKNOWN, (Citation(path, 1, ""),))
    size = f"{files} files, {lines} lines" if files > 1 else f"{lines} lines"
    return Claim(f"{code(group)} ({size}): {role}", cited, key=group)


def _role(roles: Roles, path: str, writer: Writer | None) -> tuple[str, tuple[Citation, ...]]:
    """What is said of a file and where, with the name that it is said of; else its names and what is written of it."""
    role = roles.of(path)
    if role:
        return (f"{code(role.of)}: " if role.of else "") + words(role.text), (role.citation,)
    written = marked(words(writer.write(roles, path))) if writer else ""
    names = roles.names(path)
    if not names:
        return UNKNOWN + written, (Citation(path, 1, ""),)
    verb = "offers" if path.endswith("__init__.py") else "defines"
    listed = ", ".join(code(one.quote) for one in names[:_NAMES])
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{verb} {listed}{more}{written}", tuple(names[:_NAMES])


def key_modules(
    graph: ImportGraph,
    roles: Roles,
    history: History,
    writer: Writer | None = None,
    limit: int | None = _KEY_MODULES,
) -> Section:
    """Modules that much depends on and that change: the geometric mean of both ranks."""
    product = [path for path in graph.files if path not in graph.aside]
    most = max(history.churn.values(), default=0)

    def weight(path: str) -> float:
        churn = (1 + history.churn[path]) / (1 + most)
        return float(graph.rank[path] * churn**0.5)

    claims = []
    for path in sorted(product, key=lambda path: (-weight(path), path))[:limit]:
        importers = graph.importers[path]
        role, cited = _role(roles, path, writer)
        text = f"{code(path)}: {role}"
        text += f" (imported by {importers} file{'s' if importers != 1 else ''})"
        claims.append(Claim(text, cited, key=path))
    return Section(
        "Key modules", tuple(claims), note="by PageRank over imports and by churn" if claims else "", level=3
    )


def key_symbols(graph: ImportGraph, limit: int | None = _KEY_SYMBOLS) -> Section:
    """Classes and functions that the most other files import."""
    users: dict[tuple[str, str], set[str]] = defaultdict(set)
    for link in graph.links:
        if link.name and link.name != "*":
            users[link.target, link.name].add(link.source)
    claims = []
    for (path, name), files in sorted(users.items(), key=lambda item: (-len(item[1]), item[0])):
        symbol = next((one for one in graph.files[path].symbols if one.name == name), None)
        if symbol is None or symbol.kind == "value" or name.startswith("_") or path in graph.aside:
            continue
        role = words(symbol.doc) if symbol.doc else UNKNOWN
        text = f"{symbol.kind} {code(name)}: {role} (imported by {len(files)} file{'s' if len(files) != 1 else ''})"
        claims.append(Claim(text, (Citation(path, symbol.line, name),), key=name))
        if len(claims) == limit:
            break
    return Section("Key symbols", tuple(claims), level=3)


def trouble(graph: ImportGraph, unreadable: list[str]) -> Section:
    """Files that were read only in part."""
    claims = [
        Claim(f"{code(path)} has a syntax error", (Citation(path, facts.error_line, ""),), key=path)
        for path, facts in sorted(graph.files.items())
        if facts.error_line
    ]
    claims += [
        Claim(f"{code(path)} cannot be parsed", (Citation(path, 1, ""),), key=path) for path in unreadable
    ]
    return Section("Read only in part", tuple(claims))

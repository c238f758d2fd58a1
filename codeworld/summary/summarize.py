"""From a folder to a ``Summary``: read what changed, take the rest from the cache, put the sections together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from codeworld.summary import flow, languages, other_languages, packaging, python_facts, sections, structure
from codeworld.summary import history as histories
from codeworld.summary.cache import FactCache
from codeworld.summary.citations import LINK
from codeworld.summary.facts import Claim, FileFacts, Section, Summary
from codeworld.summary.graph import ImportGraph
from codeworld.summary.languages import Others
from codeworld.summary.roles import Roles
from codeworld.summary.sources import Cancelled, Sources, masked_lines

_PYTHON = (".py", ".pyi")
_ONLY_WHERE_THERE_ARE = ("Other languages", "Read only in part")

Progress = Callable[[int, int], None]


class Made(NamedTuple):
    """A summary, the sources that it cites, and how many files were not in the cache."""

    summary: Summary
    sources: Sources
    changed: int


def summarize(
    root: Path,
    *,
    progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    cached: bool = True,
    without: Path | None = None,
) -> Made:
    """The summary of the folder ``root``; the page itself (``without``) is no part of it. Raises Cancelled.

    ``progress(done, total)`` counts files. Without ``cached`` everything is read anew and nothing is kept.
    """
    sources = Sources(root, should_stop, without)
    graph, others, changed = _graph(sources, progress, should_stop, cached=cached)
    metadata = packaging.read(sources)
    history = histories.read(sources.root)
    found = [_held(sources, section) for section in _sections(sources, metadata, graph, others, history)]
    shown = tuple(
        section for section in found if section.claims or section.title not in _ONLY_WHERE_THERE_ARE
    )
    summary = Summary(
        name=metadata.names[0][0] if metadata.names else sources.root.name,
        sections=shown,
        undetermined=tuple(
            section.title for section in shown if not section.claims and not _has_below(section)
        ),
        head=history.head,
        files=len(sources.paths),
        python_files=len(graph.files),
        lines=sum(facts.lines for facts in graph.files.values()),
    )
    return Made(summary, sources, changed)


def counted_claims(sources: Sources, progress: Progress) -> set[str]:
    """All claims that count something, as they are now, also those that are too unimportant for the page."""
    graph, others, _ = _graph(sources, progress, lambda: False, cached=True)
    metadata = packaging.read(sources)
    roles = Roles(sources, graph)
    counted = [
        sections.entry_points(metadata, graph),
        structure.architecture(graph, roles),
        structure.key_modules(graph, roles, histories.History(), limit=None),
        structure.key_symbols(graph, limit=None),
        sections.dependencies(sources, metadata, graph),
        sections.tests(graph),
        languages.others(sources, others, limit=None),
    ]
    return {claim.text for section in counted for claim in section.claims}


def _graph(
    sources: Sources, progress: Progress, should_stop: Callable[[], bool], *, cached: bool
) -> tuple[ImportGraph, Others, int]:
    cache = FactCache(sources.root) if cached else None
    files, others, changed = _read(sources, cache, progress, should_stop)
    graph = ImportGraph(files)
    if should_stop():
        raise Cancelled
    if cache:
        cache.save()
    return graph, others, changed


def _read(
    sources: Sources, cache: FactCache | None, progress: Progress, should_stop: Callable[[], bool]
) -> tuple[dict[str, FileFacts], Others, int]:
    """The facts of every Python file and of those in other languages, and how many had to be read anew."""
    spoken = languages.readable(sources)
    paths = [path for path in sources.paths if path.endswith(_PYTHON) or path in spoken]
    files: dict[str, FileFacts] = {}
    others: Others = {}
    changed = 0
    for number, path in enumerate(paths):
        if should_stop():
            raise Cancelled
        progress(number, len(paths))
        data, digest = sources.content(path)
        language = spoken.get(path)
        key = f"{digest} {language.name}" if language else digest  # the same text may be C and C++
        facts = cache.find(key) if cache else None
        if facts is None:
            facts = _facts(masked_lines(data), language)
            changed += 1
            if cache:
                cache.store(key, facts)
        (others if language else files)[path] = facts
    progress(len(paths), len(paths))
    return files, others, changed


def _facts(lines: list[str], language: other_languages.Spoken | None) -> FileFacts:
    try:
        return other_languages.read(lines, language) if language else python_facts.read(lines)
    except RecursionError:  # nested as no person writes it
        return FileFacts(len(lines), "", 0, (), (), None, main_line=0, error_line=1, tests=0)


def _sections(
    sources: Sources,
    metadata: packaging.Metadata,
    graph: ImportGraph,
    others: Others,
    history: histories.History,
) -> list[Section]:
    roles = Roles(sources, graph)
    return [
        sections.purpose(sources, metadata),
        Section("Install, run, test", ()),
        sections.installing(sources, metadata),
        sections.running_it(metadata, graph),
        sections.testing(sources),
        sections.entry_points(metadata, graph),
        flow.flows(sources, metadata, graph),
        structure.architecture(graph, roles),
        structure.key_modules(graph, roles, history),
        structure.key_symbols(graph),
        structure.public_api(graph),
        languages.others(sources, others),
        sections.dependencies(sources, metadata, graph),
        sections.hot_spots(sources, history),
        sections.tests(graph),
        structure.trouble(graph, metadata.unreadable),
    ]


def _has_below(section: Section) -> bool:
    """Whether the section is a heading of others only."""
    return section.title == "Install, run, test"


def _held(sources: Sources, section: Section) -> Section:
    """The section without what its own citations do not bear out: right, or silent."""
    claims: list[Claim] = []
    for claim in section.claims:
        cited = tuple(dict.fromkeys(one for one in claim.citations if sources.holds(one)))
        is_whole = len(cited) == len(set(claim.citations))
        if is_whole and not LINK.search(claim.text):  # what looks like a citation must be one
            claims.append(msgspec.structs.replace(claim, citations=cited))
    edges = tuple(edge for edge in section.edges if sources.holds(edge.citation))
    return msgspec.structs.replace(section, claims=tuple(claims), edges=edges)

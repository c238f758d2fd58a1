"""From a folder to a ``Summary``: read what changed, take the rest from the cache, put the sections together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from codeworld.summary import (
    documented,
    flow,
    languages,
    other_languages,
    packaging,
    public_api,
    python_facts,
    sections,
    structure,
)  # fmt: skip
from codeworld.summary import history as histories
from codeworld.summary.cache import FactCache
from codeworld.summary.citations import LINK
from codeworld.summary.facts import Claim, FileFacts, Section, Summary
from codeworld.summary.graph import ImportGraph
from codeworld.summary.roles import Roles
from codeworld.summary.sources import Cancelled, Sources, masked_lines
from codeworld.summary.written import Writer

_PYTHON, _OTHER, _DOCUMENT = "Python", "other", "document"
_ONLY_WHERE_THERE_ARE = ("Other languages", "Read only in part")

Progress = Callable[[int, int], None]
Reader = Callable[[list[str]], FileFacts]
Facts = dict[str, FileFacts]  # by path


class Read(NamedTuple):
    """What was read: Python as a graph, files of other languages and documents by path; ``changed`` files anew."""

    graph: ImportGraph
    others: Facts
    documents: Facts
    changed: int


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
    writer: Writer | None = None,
) -> Made:
    """The summary of the folder ``root``; the page itself (``without``) is no part of it. Raises Cancelled.

    ``writer`` is asked for the role of modules of which nobody wrote any.
    ``progress(done, total)`` counts files. Without ``cached`` everything is read anew and nothing is kept.
    """
    sources = Sources(root, should_stop, without)
    read = _read(sources, progress, should_stop, cached=cached)
    metadata = packaging.read(sources)
    history = histories.read(sources.root)
    found = [_held(sources, section) for section in _sections(sources, metadata, read, history, writer)]
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
        python_files=len(read.graph.files),
        lines=sum(facts.lines for facts in read.graph.files.values()),
    )
    return Made(summary, sources, read.changed)


def claims_of_many_lines(sources: Sources, progress: Progress) -> set[str]:
    """All claims that count something, as they are now, also those that are too unimportant for the page; and of
    what is listed, the heading of each name with the name."""
    graph, others, documents, _ = _read(sources, progress, lambda: False, cached=True)
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
    offers = public_api.public_api(graph, documents).claims
    return {claim.text for section in counted for claim in section.claims} | {
        f"{claim.group}: {claim.key.rpartition('.')[2]}" for claim in offers
    }


def _read(sources: Sources, progress: Progress, should_stop: Callable[[], bool], *, cached: bool) -> Read:
    """The facts of every Python file, of those in other languages and of documents."""
    cache = FactCache(sources.root) if cached else None
    readers = _readers(sources)
    found: dict[str, Facts] = {_PYTHON: {}, _OTHER: {}, _DOCUMENT: {}}
    changed = 0
    for number, (path, (kind, language, reader)) in enumerate(sorted(readers.items())):
        if should_stop():
            raise Cancelled
        progress(number, len(readers))
        data, digest = sources.content(path)
        key = f"{digest} {language}".rstrip()  # the same text may be C and C++
        facts = cache.find(key) if cache else None
        if facts is None:
            facts = _facts(masked_lines(data), reader)
            changed += 1
            if cache:
                cache.store(key, facts)
        found[kind][path] = facts
    progress(len(readers), len(readers))
    graph = ImportGraph(found[_PYTHON])
    if should_stop():
        raise Cancelled
    if cache:
        cache.save()
    return Read(graph, found[_OTHER], found[_DOCUMENT], changed)


def _readers(sources: Sources) -> dict[str, tuple[str, str, Reader]]:
    """What each file is, its language where that is more than a kind, and what reads it."""
    spoken = languages.readable(sources)
    found: dict[str, tuple[str, str, Reader]] = {}
    for path in documented.documents(sources):
        found[path] = _DOCUMENT, _DOCUMENT, documented.read
    for path, language in spoken.items():
        found[path] = _OTHER, language.name, partial(other_languages.read, spoken=language)
    for path in sources.paths:
        if path.endswith((".py", ".pyi")):
            found[path] = _PYTHON, "", python_facts.read
    return found


def _facts(lines: list[str], reader: Reader) -> FileFacts:
    try:
        return reader(lines)
    except RecursionError:  # nested as no person writes it
        return FileFacts(len(lines), "", 0, (), (), None, main_line=0, error_line=1, tests=0)


def _sections(
    sources: Sources,
    metadata: packaging.Metadata,
    read: Read,
    history: histories.History,
    writer: Writer | None,
) -> list[Section]:
    graph = read.graph
    roles = Roles(sources, graph)
    return [
        sections.purpose(sources, metadata),
        Section("Install, run, test", ()),
        sections.installing(sources, metadata),
        sections.running_it(metadata, graph),
        sections.testing(sources),
        sections.entry_points(metadata, graph),
        flow.flows(sources, metadata, graph),
        structure.architecture(graph, roles, writer),
        structure.key_modules(graph, roles, history, writer),
        structure.key_symbols(graph),
        public_api.public_api(graph, read.documents),
        languages.others(sources, read.others),
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

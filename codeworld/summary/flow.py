"""What a console script sets in motion: the calls from its function on, as far as names alone tell where they lead."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from codeworld.summary import python_facts
from codeworld.summary.api import define, imported_module
from codeworld.summary.facts import Citation, Claim, Section, Symbol
from codeworld.summary.graph import ImportGraph
from codeworld.summary.packaging import Metadata, Script
from codeworld.summary.sections import code, target_of, words
from codeworld.summary.sources import Sources

_SCRIPTS = 6
_CALLS = 8  # of each script
_DEPTH = 3

Place = tuple[str, str]  # the path of a file, and the name of a function in it


def flows(sources: Sources, metadata: Metadata, graph: ImportGraph) -> Section:
    """For each script the calls that lead from its function to others of the repository, in the order of the code."""
    claims: list[Claim] = []
    scripts = [one for one in metadata.scripts if one.group in ("scripts", "gui-scripts")]
    for script in scripts[:_SCRIPTS]:
        claims += _flow(sources, graph, script)
    note = "calls by name only: methods and what is passed around are not followed" if claims else ""
    return Section("Flow from the entry points", tuple(claims), note=note)


def _flow(sources: Sources, graph: ImportGraph, script: Script) -> Iterator[Claim]:
    start = target_of(script, graph)
    if start is None:
        return
    waiting = [((start.path, start.quote), 1)]
    seen = {waiting[0][0]}
    made = 0
    for (path, name), depth in waiting:  # grows
        try:
            calls = list(_calls(sources, graph, path, name))
        except RecursionError:  # nested as no person writes it
            continue
        for cited, target, symbol in calls:
            place = target.path, target.quote
            if place in seen or made == _CALLS:
                continue
            seen.add(place)
            made += 1
            role = f": {words(symbol.doc)}" if symbol.doc else ""
            text = f"{code(script.name)}: {code(name)} calls {code(target.quote)}{role}"
            yield Claim(text, (cited, target), key=f"{script.name}: {target.quote}")
            if symbol.kind == "function" and depth < _DEPTH:
                waiting.append((place, depth + 1))


def _calls(
    sources: Sources, graph: ImportGraph, path: str, name: str
) -> Iterator[tuple[Citation, Citation, Symbol]]:
    """The calls in a function: the line, and what it calls if that is a class or function of the repository."""
    definition = python_facts.function(sources.lines(path), name)
    if definition is None:
        return
    hidden = python_facts.local_names(definition)
    for call in python_facts.calls(definition):
        function = call.child_by_field_name("function")
        if function is None or python_facts.text_of(function).split(".")[0] in hidden:
            continue
        found = _called(graph, path, function)
        if found is not None and found[1] is not None and found[1].kind != "value":
            last = python_facts.text_of(function).rpartition(".")[2]
            yield Citation(path, function.end_point.row + 1, last), found[0], found[1]


def _called(graph: ImportGraph, path: str, function: Node) -> tuple[Citation, Symbol | None] | None:
    if function.type == "identifier":
        return define(graph, path, python_facts.text_of(function))
    if function.type == "attribute":
        owner, _, name = python_facts.text_of(function).rpartition(".")
        module = imported_module(graph, path, owner)
        return define(graph, module, name) if module else None
    return None

"""An existing docstring after the code has changed: what people wrote stays byte for byte; only what signature or body
have made false is changed.

With an older version of the code it is known what the docstring was about: what it left out on purpose stays out, and
what it said completely is kept complete. Without one, only what contradicts the signature is touched.
"""

from __future__ import annotations

import re

import msgspec

from textdiff.docstring import sections, usage
from textdiff.docstring.changes import Changes, between
from textdiff.docstring.sections import Block, Item, Parsed
from textdiff.docstring.styles import Content, Entry, Style, render
from textdiff.docstring.understand import Target
from textdiff.phrase import Phrase

_DEFAULT = r"(?P<lead>\bdefaults?(?:[ ]+value)?(?:[ ]+is|[ ]+to|[ ]*[:=]|[ ]+of)?[ ]*[`'\"(]*)"
_OPTIONAL = re.compile(r"(?:,[ ]*(?:optional|default\b.*))+$", re.IGNORECASE)


class Updated(msgspec.Struct, frozen=True):
    """The docstring's raw text as it should be, what was changed in it, and the phrases that are new."""

    raw: str
    changes: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()


class _Edits:
    """Replacements of spans of the raw text, with what they are for."""

    def __init__(self, parsed: Parsed, newline: str) -> None:
        self.parsed, self._newline = parsed, newline
        self._spans: list[tuple[int, int, str]] = []
        self.changes: list[str] = []
        self.phrases: list[Phrase] = []

    def replace(self, at: tuple[int, int], text: str, change: str) -> None:
        self._spans.append((*at, text))
        if change not in self.changes:
            self.changes.append(change)

    def remove_lines(self, first: int, last: int, change: str) -> None:
        starts = self.parsed.starts
        self.replace((starts[first], starts[last]), "", change)

    def insert_lines(self, before: int, rows: list[str], change: str) -> None:
        """Put lines before line ``before``; after a last line without an end, they bring one."""
        starts, lines = self.parsed.starts, self.parsed.lines
        at = starts[before]
        ended = before == 0 or lines[before - 1].endswith(("\n", "\r"))
        text = "".join(row + self._newline for row in rows)
        self.replace((at, at), text if ended else self._newline + text.removesuffix(self._newline), change)

    def result(self) -> str:
        raw = self.parsed.raw
        for start, end, text in sorted(self._spans, key=lambda one: (-one[0], -one[1])):
            raw = raw[:start] + text + raw[end:]
        return raw


def update(raw: str, target: Target, before: Target | None, style: Style, newline: str) -> Updated:
    """The docstring ``raw`` of ``target``; unchanged where the code contradicts nothing."""
    parsed = sections.parse(raw)
    if not parsed.blocks or target.kind == "module":
        return Updated(raw)
    edits = _Edits(parsed, newline)
    changes = between(before, target, parsed)
    own = msgspec.structs.replace(style, name=parsed.style, types=_has_types(parsed, style))
    _parameters(edits, changes, own)
    _types(edits, changes)
    if before is not None:
        _defaults(edits, changes)
        _results(edits, changes, own)
        _raises(edits, changes, own)
    return Updated(edits.result(), tuple(edits.changes), tuple(edits.phrases))


def _has_types(parsed: Parsed, style: Style) -> bool:
    """Whether this docstring repeats types; the project's habit where it has no parameters."""
    items = parsed.items("parameters")
    return any(one.type for one in items) if items else style.types


# Parameters


def _parameters(edits: _Edits, changes: Changes, style: Style) -> None:
    for old, new in changes.renamed.items():
        _rename(edits, old, new)
    for item in edits.parsed.items("parameters"):
        gone = [name for name in item.names if name in changes.removed]
        if gone and len(gone) == len(item.names):
            _remove(edits, item, f"parameter {item.names[0]} is gone")
        elif gone:
            names = edits.parsed.raw[slice(*item.name_at)].split(",")
            kept = [one.strip() for one in names if one.strip(" *\\") not in gone]
            edits.replace(item.name_at, ", ".join(kept), f"parameter {gone[0]} is gone")
    _add(edits, changes, style)


def _rename(edits: _Edits, old: str, new: str) -> None:
    """The parameter's entry and where the prose names it in marks of its own."""
    raw, change = edits.parsed.raw, f"parameter {old} is now {new}"
    spans = []
    for item in edits.parsed.items("parameters"):
        if old in item.names:
            start, end = item.name_at
            found = re.search(rf"\b{re.escape(old)}\b", raw[start:end])
            if found:
                spans.append((start + found.start(), start + found.end()))
    for found in re.finditer(rf"(?<![\w`*])(`{{1,2}}|\*)(?P<name>{re.escape(old)})\1(?![\w`*])", raw):
        spans.append(found.span("name"))
    for span in spans:
        edits.replace(span, new, change)


def _remove(edits: _Edits, item: Item, change: str) -> None:
    """An entry; with its title and the blank lines before it when it was the only one."""
    block = next(one for one in edits.parsed.blocks if item in one.items)
    others = [one for one in block.items if one != item and one.kind == item.kind]
    removed_too = [
        one for one in others if one.kind in ("parameters", "raises") and set(one.names) <= set(item.names)
    ]
    if len(others) > len(removed_too) or edits.parsed.style == "sphinx":
        first, last = item.lines
        rest = edits.parsed.lines[last : block.lines[1]]
        # blank lines after it go along, but not those that part it from what follows the block
        last += next((n for n, line in enumerate(rest) if line.strip()), 0) if last < block.lines[1] else 0
        edits.remove_lines(first, last, change)
        return
    first, last = block.lines
    lines = edits.parsed.lines
    while first > 0 and not lines[first - 1].strip():
        first -= 1
    edits.remove_lines(max(first, 1), last, change)


def _add(edits: _Edits, changes: Changes, style: Style) -> None:
    """Entries for new parameters, in the order of the signature."""
    documented = {name: item for item in edits.parsed.items("parameters") for name in item.names}
    block = edits.parsed.block("parameters")
    if block is None or not documented:
        return
    order = [one.name.lstrip("*") for one in changes.now.parameters]
    backwards = {new: old for old, new in changes.renamed.items()}
    for parameter in changes.added:
        name = parameter.name.lstrip("*")
        text = usage.of_parameter(changes.now, parameter)
        edits.phrases.append(Phrase(f"parameter {parameter.name}", text, "body"))
        rows = _entry(Content("", (Entry(parameter.name, parameter.annotation, text),)), style, block)
        earlier = [backwards.get(one, one) for one in order[: order.index(name)]]
        above = [documented[one] for one in earlier if one in documented]
        at = _after(edits.parsed, block, above[-1]) if above else _first_line(block)
        edits.insert_lines(at, rows, f"parameter {name} is new")


def _first_line(block: Block) -> int:
    return min((one.lines[0] for one in block.items), default=block.lines[1])


def _after(parsed: Parsed, block: Block, item: Item) -> int:
    """The line after an entry (in sphinx: after its type, too)."""
    same = [one for one in block.items if one.kind == item.kind and set(one.names) & set(item.names)]
    return max(one.lines[1] for one in same)


def _entry(content: Content, style: Style, block: Block) -> list[str]:
    """The lines of one entry as the style writes it, without title, at the block's own indentation."""
    rows = render(msgspec.structs.replace(content, summary="x"), style, "")[2:]
    if style.name == "sphinx":
        return [block.indent + row for row in rows]
    rows = rows[2:] if style.name == "numpy" else rows[1:]
    if style.name == "google":
        step = block.inner[len(block.indent) :] or "    "
        rows = [row.replace("    ", step, 1) if len(step) != 4 else row for row in rows]
    return [block.indent + row if row else "" for row in rows]


# Types and defaults


def _types(edits: _Edits, changes: Changes) -> None:
    for item in edits.parsed.items("parameters"):
        if item.type_at is None or len(item.names) != 1:
            continue
        change = changes.retyped.get(changes.renamed.get(item.names[0], item.names[0]))
        if change is None:
            continue
        old, new = change
        stripped = _OPTIONAL.sub("", item.type)
        start, _ = item.type_at
        if old and new and _same_type(stripped, old):
            edits.replace((start, start + len(stripped)), new, f"type of {item.names[0]} is now {new}")


def _same_type(one: str, other: str) -> bool:
    return re.sub(r"[\s'\"`]|typing\.", "", one) == re.sub(r"[\s'\"`]|typing\.", "", other)


def _defaults(edits: _Edits, changes: Changes) -> None:
    raw, starts = edits.parsed.raw, edits.parsed.starts
    for item in edits.parsed.items("parameters"):
        change = (
            changes.defaults.get(changes.renamed.get(item.names[0], item.names[0])) if item.names else None
        )
        if change is None or not all(change):
            continue
        old, new = (one.strip("'\"") for one in change)
        start, end = starts[item.lines[0]], starts[item.lines[1]]
        pattern = re.compile(_DEFAULT + rf"(?P<value>{re.escape(old)})(?![\w.]*\w)", re.IGNORECASE)
        for found in pattern.finditer(raw, start, end):
            if old and new:
                edits.replace(found.span("value"), new, f"default of {item.names[0]} is now {new}")


# Results and exceptions


def _results(edits: _Edits, changes: Changes, style: Style) -> None:
    items = edits.parsed.items("returns")
    for item in items:
        if changes.returns_gone:
            _remove(edits, item, "nothing is returned any more")
        elif (
            changes.return_type and item.type_at is not None and _same_type(item.type, changes.return_type[0])
        ):
            edits.replace(item.type_at, changes.return_type[1], f"the result is now {changes.return_type[1]}")
    if changes.returns_new and not items:
        text = usage.of_result(changes.now)
        edits.phrases.append(Phrase("returns", text, "body"))
        _append(
            edits,
            Content("x", returns=Entry("", changes.now.returns, text)),
            style,
            "a result is returned now",
        )


def _raises(edits: _Edits, changes: Changes, style: Style) -> None:
    block = edits.parsed.block("raises")
    items = edits.parsed.items("raises")
    documented = {name.rpartition(".")[2] for item in items for name in item.names}
    for item in items:
        last = item.names[0].rpartition(".")[2] if item.names else ""
        if last in changes.raise_renamed:
            edits.replace(
                item.name_at, changes.raise_renamed[last], f"{last} is now {changes.raise_renamed[last]}"
            )
        elif last in changes.raises_gone:
            _remove(edits, item, f"{last} is not raised any more")
    for one in changes.raises_new:
        if one.type.rpartition(".")[2] in documented:
            continue
        text = usage.of_raise(one)
        edits.phrases.append(Phrase(f"raises {one.type}", text, "body"))
        content = Content("x", raises=(Entry(one.type, "", text),))
        if items and block is not None:
            at = max(item.lines[1] for item in items)
            edits.insert_lines(at, _entry(content, style, block), f"{one.type} is raised now")
        elif changes.complete:
            _append(edits, content, style, f"{one.type} is raised now")


def _append(edits: _Edits, content: Content, style: Style, change: str) -> None:
    """A new section after the last one that is about the signature."""
    parsed = edits.parsed
    about = [one for one in parsed.blocks if one.kind != "other" or parsed.style == "sphinx"]
    if not about:
        return
    block = max(about, key=lambda one: one.lines[1])
    rows = [block.indent + row if row else "" for row in render(content, style, "")[2:]]
    edits.insert_lines(block.lines[1], rows if style.name == "sphinx" else ["", *rows], change)

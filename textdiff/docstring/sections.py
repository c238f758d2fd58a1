"""A docstring as people wrote it, taken apart without losing a byte: its blocks, their items, and where each stands.

Spans are characters of the raw text between the quotes; lines count from 0 and keep their ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from textdiff.docstring.styles import StyleName, name_of

BlockKind = Literal["parameters", "attributes", "returns", "yields", "raises", "other"]

_TITLES: dict[str, BlockKind] = {
    "args": "parameters",
    "arguments": "parameters",
    "parameters": "parameters",
    "params": "parameters",
    "other parameters": "parameters",
    "keyword args": "parameters",
    "keyword arguments": "parameters",
    "attributes": "attributes",
    "return": "returns",
    "returns": "returns",
    "yield": "yields",
    "yields": "yields",
    "raise": "raises",
    "raises": "raises",
}
_OTHER = (
    "example|examples|note|notes|see also|references|warning|warnings|warns|methods|todo|usage|tip|important"
)
_TITLE = rf"(?P<title>(?i:{'|'.join(_TITLES)}|{_OTHER}))"
_GOOGLE_TITLE = re.compile(rf"^(?P<indent>[ \t]*){_TITLE}:[ \t]*$")
_NUMPY_TITLE = re.compile(rf"^(?P<indent>[ \t]*){_TITLE}[ \t]*$")
_RULE = re.compile(r"^[ \t]*-{3,}[ \t]*$")
_GOOGLE_ITEM = re.compile(
    r"^(?P<indent>[ \t]+)(?P<name>(?:\\?\*){0,2}[\w.]+)[ \t]*(?:\((?P<type>.*?)\))?[ \t]*:(?!:)(?P<text>.*)$"
)
_NUMPY_ITEM = re.compile(
    r"^(?P<indent>[ \t]*)(?P<name>(?:\\?\*){0,2}[\w.]+(?:, *(?:\\?\*){0,2}\w+)*)[ \t]*"
    r"(?::[ \t]*(?P<type>.*?))?[ \t]*$"
)
_FIELD = re.compile(
    r"^(?P<indent>[ \t]*):(?P<word>param|parameter|arg|argument|key|keyword|type|returns?|rtype|raises?|"
    r"except|exception|yields?|ytype|ivar|var)"
    r"(?:[ \t]+(?P<type>[^:\n]*?)[ \t]+(?=\S+:))?(?:[ \t]+(?P<name>(?:\\?\*){0,2}[\w.]+))?[ \t]*:(?P<text>.*)$"
)
_FIELD_KINDS: dict[str, BlockKind] = {
    **dict.fromkeys(("param", "parameter", "arg", "argument", "key", "keyword"), "parameters"),
    "type": "parameters",
    "return": "returns",
    "returns": "returns",
    "rtype": "returns",
    "raise": "raises",
    "raises": "raises",
    "except": "raises",
    "exception": "raises",
    "yield": "yields",
    "yields": "yields",
    "ytype": "yields",
}


class Item(msgspec.Struct, frozen=True):
    """One entry: ``names`` without stars, ``name_at`` and ``type_at`` their spans, ``lines`` [first, last)."""

    kind: BlockKind
    names: tuple[str, ...]
    name_at: tuple[int, int]
    type: str
    type_at: tuple[int, int] | None
    text: str
    lines: tuple[int, int]
    word: str = ""  # of a sphinx field


class Block(msgspec.Struct, frozen=True):
    """One section with its title (sphinx: all fields). ``lines`` [first, last) with the title, without blank lines
    after it; ``indent`` of the title, ``inner`` of the items."""

    kind: BlockKind
    lines: tuple[int, int]
    indent: str
    inner: str
    items: tuple[Item, ...]


class Parsed(msgspec.Struct, frozen=True):
    """A docstring taken apart."""

    style: StyleName
    raw: str
    lines: tuple[str, ...]
    starts: tuple[int, ...]
    blocks: tuple[Block, ...]

    def block(self, kind: BlockKind) -> Block | None:
        """The first block of a kind; sphinx has one for all."""
        if self.style == "sphinx":
            return self.blocks[0] if self.blocks else None
        return next((one for one in self.blocks if one.kind == kind), None)

    def items(self, kind: BlockKind) -> list[Item]:
        """All items of a kind."""
        return [item for block in self.blocks for item in block.items if item.kind == kind]


def parse(raw: str) -> Parsed:
    """Take a docstring apart."""
    lines = tuple(raw.splitlines(keepends=True)) or ("",)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    style = name_of(raw.replace("\r\n", "\n")) or "plain"
    rows = [line.rstrip("\r\n") for line in lines]
    finders = {"google": _google, "numpy": _numpy, "sphinx": _sphinx}
    blocks = tuple(finders[style](rows, starts)) if style in finders else ()
    return Parsed(style, raw, lines, tuple(starts), blocks)


def width_of(line: str) -> int:
    """How far a line is indented; a blank line as far as any."""
    return len(line) - len(line.lstrip(" \t")) if line.strip() else 10_000


def _end(rows: list[str], first: int, last: int) -> int:
    """``last`` without the blank lines before it."""
    while last > first and not rows[last - 1].strip():
        last -= 1
    return last


def _google(rows: list[str], starts: list[int]) -> Iterator[Block]:
    for first, row in enumerate(rows):
        found = _GOOGLE_TITLE.match(row)
        if not found:
            continue
        title_width = len(found["indent"])
        last = first + 1
        while last < len(rows) and width_of(rows[last]) > title_width:
            last += 1
        last = _end(rows, first + 1, last)
        if last == first + 1:
            continue
        inner = min(map(width_of, rows[first + 1 : last]))
        kind = _TITLES.get(found["title"].lower(), "other")
        items = _items(rows, starts, (first + 1, last), inner, kind, _GOOGLE_ITEM)
        yield Block(kind, (first, last), found["indent"], rows[first + 1][:inner], tuple(items))


def _numpy(rows: list[str], starts: list[int]) -> Iterator[Block]:
    titles = [
        i
        for i in range(len(rows) - 1)
        if _RULE.match(rows[i + 1]) and rows[i].strip() and width_of(rows[i]) == width_of(rows[i + 1])
    ]
    for number, first in enumerate(titles):
        found = _NUMPY_TITLE.match(rows[first])
        following = titles[number + 1] if number + 1 < len(titles) else len(rows)
        last = _end(rows, first + 2, following)
        indent = rows[first][: width_of(rows[first])]
        kind = _TITLES.get(found["title"].lower(), "other") if found else "other"
        items = _items(rows, starts, (first + 2, last), len(indent), kind, _NUMPY_ITEM)
        yield Block(kind, (first, last), indent, indent, tuple(items))


def _items(
    rows: list[str],
    starts: list[int],
    lines: tuple[int, int],
    inner: int,
    kind: BlockKind,
    pattern: re.Pattern[str],
) -> Iterator[Item]:
    """The entries of a block: each begins at the block's own indentation and goes on deeper."""
    heads = [i for i in range(*lines) if width_of(rows[i]) == inner]
    for number, first in enumerate(heads):
        last = _end(rows, first + 1, heads[number + 1] if number + 1 < len(heads) else lines[1])
        found = pattern.match(rows[first])
        if kind == "other":
            continue
        if kind in ("returns", "yields"):
            yield _result(rows, starts, (first, last), kind, pattern is _NUMPY_ITEM)
        elif found:
            name_at = found.span("name")
            names = tuple(one.strip(" *\\") for one in found["name"].split(","))
            texts = [found.groupdict().get("text") or "", *rows[first + 1 : last]]
            yield Item(
                kind,
                names,
                (starts[first] + name_at[0], starts[first] + name_at[1]),
                found["type"] or "",
                _moved(found.span("type"), starts[first]) if found["type"] else None,
                " ".join(" ".join(texts).split()),
                (first, last),
            )


def _result(rows: list[str], starts: list[int], lines: tuple[int, int], kind: BlockKind, numpy: bool) -> Item:
    """What is returned: google's ``type: text``, numpy's line of type (perhaps after a name) and text below it."""
    row = rows[lines[0]]
    indent = width_of(row)
    if numpy:
        found = re.match(r"^[ \t]*(?:\w+[ \t]*:[ \t]*)?(?P<type>.*?)[ \t]*$", row)
        text = rows[lines[0] + 1 : lines[1]]
    else:
        found = re.match(r"^[ \t]*(?P<type>[A-Za-z_][\w.]*(?:\[.*\])?(?: *\| *[\w.\[\], ]+)?):(?: |$)", row)
        text = [row[found.end() :] if found else row, *rows[lines[0] + 1 : lines[1]]]
    at = _moved(found.span("type"), starts[lines[0]]) if found else None
    start = starts[lines[0]] + indent
    return Item(
        kind, (), (start, start), found["type"] if found else "", at, " ".join(" ".join(text).split()), lines
    )


def _sphinx(rows: list[str], starts: list[int]) -> Iterator[Block]:
    items = []
    for first, row in enumerate(rows):
        found = _FIELD.match(row)
        if not found or found["word"] not in _FIELD_KINDS:
            continue
        last = first + 1
        while last < len(rows) and width_of(rows[last]) > len(found["indent"]) and rows[last].strip():
            last += 1
        text = [found["text"], *rows[first + 1 : last]]
        typed = found["word"] in ("type", "rtype", "ytype")
        at = found.span("text") if typed else found.span("type")
        stripped = (at[0] + len(found["text"]) - len(found["text"].lstrip()), at[1]) if typed else at
        name = (found["name"] or "").strip("*\\")
        name_at = found.span("name") if found["name"] else (len(row), len(row))
        items.append(
            Item(
                _FIELD_KINDS[found["word"]],
                (name,) if name else (),
                (starts[first] + name_at[0], starts[first] + name_at[1]),
                found["text"].strip() if typed else found["type"] or "",
                _moved(stripped, starts[first]) if at[0] >= 0 else None,
                "" if typed else " ".join(" ".join(text).split()),
                (first, last),
                found["word"],
            )
        )
    if items:
        indent = rows[items[0].lines[0]][: width_of(rows[items[0].lines[0]])]
        yield Block("other", (items[0].lines[0], items[-1].lines[1]), indent, indent, tuple(items))


def _moved(span: tuple[int, int], by: int) -> tuple[int, int]:
    return span[0] + by, span[1] + by

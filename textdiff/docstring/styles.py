"""The styles of docstrings, how each writes what is to be said, and which of them a project uses."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

StyleName = Literal["google", "numpy", "sphinx", "plain"]
NAMES: tuple[StyleName, ...] = ("google", "numpy", "sphinx", "plain")

_GOOGLE = re.compile(
    r"^[ \t]*(Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Attributes|Keyword Args):[ \t]*$",
    re.MULTILINE,
)
_NUMPY = re.compile(
    r"^[ \t]*(Parameters|Returns|Yields|Raises|Attributes|Examples|Notes)[ \t]*\n[ \t]*-{3,}", re.MULTILINE
)
_SPHINX = re.compile(
    r"^[ \t]*:(param|parameter|arg|type|returns?|rtype|raises?|raise|keyword)\b[^:\n]*:", re.MULTILINE
)
_TYPED = {
    "google": re.compile(r"^[ \t]+\*{0,2}\w+ \([^)\n]+\):", re.MULTILINE),
    "numpy": re.compile(r"^[ \t]*\*{0,2}\w+ ?: ?\S", re.MULTILINE),
    "sphinx": re.compile(r"^[ \t]*:type\b", re.MULTILINE),
}
_UNTYPED = {
    "google": re.compile(r"^[ \t]+\*{0,2}\w+: ", re.MULTILINE),
    "numpy": re.compile(r"^[ \t]*\*{0,2}\w+[ \t]*\n[ \t]+\S", re.MULTILINE),
    "sphinx": re.compile(r"^[ \t]*:param \w+:", re.MULTILINE),
}
_FEW = 3  # docstrings with sections; fewer are no style


class Style(msgspec.Struct, frozen=True):
    """``types``: whether parameters' types are repeated in the docstring; ``width`` of a line, indentation included."""

    name: StyleName
    types: bool = True
    width: int = 88
    quote: str = '"""'


class Entry(msgspec.Struct, frozen=True):
    """One documented thing: a parameter, an exception, a result (without a name)."""

    name: str
    type: str
    text: str


class Content(msgspec.Struct, frozen=True):
    """What a docstring says, without its form."""

    summary: str
    parameters: tuple[Entry, ...] = ()
    attributes: tuple[Entry, ...] = ()
    returns: Entry | None = None
    yields: Entry | None = None
    raises: tuple[Entry, ...] = ()

    @property
    def short(self) -> bool:
        """Whether there is nothing beside the summary."""
        return not (self.parameters or self.attributes or self.returns or self.yields or self.raises)


def name_of(docstring: str) -> StyleName | None:
    """The style that a docstring's sections are in, None where it has none."""
    counts = {
        "google": len(_GOOGLE.findall(docstring)),
        "numpy": len(_NUMPY.findall(docstring)),
        "sphinx": len(_SPHINX.findall(docstring)),
    }
    best: StyleName = max(("numpy", "google", "sphinx"), key=lambda name: counts[name])
    return best if counts[best] else None


def detect(docstrings: Iterable[str], *, width: int = 88) -> Style:
    """The style of most docstrings that have sections; plain where (almost) none has."""
    names: Counter[StyleName] = Counter()
    typed: Counter[str] = Counter()
    untyped: Counter[str] = Counter()
    for docstring in docstrings:
        name = name_of(docstring)
        if name is not None:
            names[name] += 1
            typed[name] += bool(_TYPED[name].search(docstring))
            untyped[name] += bool(_UNTYPED[name].search(docstring)) and not _TYPED[name].search(docstring)
    if names.total() < _FEW:
        return Style("plain" if not names else names.most_common(1)[0][0], width=width)
    best = names.most_common(1)[0][0]
    return Style(best, types=typed[best] >= untyped[best], width=width)


def render(content: Content, style: Style, indent: str) -> list[str]:
    """The lines of a docstring without its quotes; the first follows the opening quotes, the others are indented."""
    width = max(style.width - len(indent), 40)
    if style.name == "plain" or content.short:
        return [content.summary]
    sections = {"google": _google, "numpy": _numpy, "sphinx": _sphinx}[style.name](content, style, width)
    return [content.summary, *(indent + line if line else "" for line in ["", *sections])]


def _google(content: Content, style: Style, width: int) -> list[str]:
    blocks = []
    for title, entries in (("Attributes", content.attributes), ("Args", content.parameters)):
        if entries:
            rows = [row for one in entries for row in _entry(_head(one, style), one.text, width)]
            blocks.append([f"{title}:", *rows])
    for title, result in (("Returns", content.returns), ("Yields", content.yields)):
        if result is not None:
            head = result.type or ""
            text = result.text or ("" if head else "The result.")
            blocks.append([f"{title}:", *_entry(head, text, width)])
    if content.raises:
        blocks.append(
            ["Raises:", *(row for one in content.raises for row in _entry(one.name, one.text, width))]
        )
    return _apart(blocks)


def _head(entry: Entry, style: Style) -> str:
    return f"{entry.name} ({entry.type})" if entry.type and style.types else entry.name


def _entry(head: str, text: str, width: int) -> list[str]:
    """``head: text``; the head, whose type may hold blanks, is never broken."""
    if not head or not text:
        return _wrap(text, width, "    ", "    ") if text else [f"    {head}:"]
    start = f"    {head}: "
    first, *more = _wrap(text, width, " " * len(start), " " * 8)
    return [start + first.lstrip(), *more]


def _numpy(content: Content, style: Style, width: int) -> list[str]:
    blocks = []
    for title, entries in (("Attributes", content.attributes), ("Parameters", content.parameters)):
        if entries:
            rows = [
                row
                for one in entries
                for row in [
                    f"{one.name} : {one.type}" if one.type and style.types else one.name,
                    *_wrap(one.text, width, "    ", "    "),
                ]
            ]
            blocks.append([title, "-" * len(title), *rows])
    for title, result in (("Returns", content.returns), ("Yields", content.yields)):
        if result is not None:
            head = result.type or "object"
            blocks.append([title, "-" * len(title), head, *_wrap(result.text, width, "    ", "    ")])
    if content.raises:
        rows = [row for one in content.raises for row in [one.name, *_wrap(one.text, width, "    ", "    ")]]
        blocks.append(["Raises", "------", *rows])
    return _apart(blocks)


def _sphinx(content: Content, style: Style, width: int) -> list[str]:
    rows: list[str] = []
    for word, entries in (("attribute", content.attributes), ("param", content.parameters)):
        for one in entries:
            field = f":{word} {one.name}:" if word == "param" else f".. attribute :: {one.name}"
            if word == "attribute":
                rows += [field, *([f"    :type: {one.type}"] if one.type and style.types else []), ""]
                rows += [*_wrap(one.text, width, "    ", "    "), ""]
                continue
            rows += _wrap(f"{field} {one.text}".rstrip(), width, "", "    ")
            if one.type and style.types:
                rows.append(f":type {one.name}: {one.type}")
    for word, result in (("returns", content.returns), ("yields", content.yields)):
        if result is not None:
            rows += _wrap(f":{word}: {result.text or 'The result.'}", width, "", "    ")
            if result.type:
                rows.append(f":{'rtype' if word == 'returns' else 'ytype'}: {result.type}")
    for one in content.raises:
        rows += _wrap(f":raises {one.name}: {one.text}".rstrip(), width, "", "    ")
    return rows


def _apart(blocks: list[list[str]]) -> list[str]:
    return [row for number, block in enumerate(blocks) for row in ([""] if number else []) + block]


def _wrap(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )

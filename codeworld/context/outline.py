"""What a model is told of the text that it does not see: a few lines in front of the prefix.

Signatures of what the file imports from its repository, the file's own import lines and the signatures around the part
that is read. Training rows and requests are given it by the same function; it looks only at text outside of
[start, end), where the hole is, and at import statements, which training leaves whole. So it cannot tell what the hole
held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from codeworld.context.definitions import OUTSIDE, Definition, Definitions, attributes, definitions, imports

CHARS: Final = 900  # about 270 tokens
_IMPORTS_SHARE: Final = 0.3  # of the room at most
_BROUGHT_SHARE: Final = 0.5  # of what then is left
_FAR: Final = 100_000
_OUTER: Final = re.compile(r"^[^\s#)\]}\"']", re.MULTILINE)  # a line that ends whatever class is open
_INDENT: Final = re.compile(r"[ \t]*")


def outline(text: str, start: int, end: int, brought: Sequence[str] = (), chars: int = CHARS) -> str:
    """At most ``chars`` characters, whole lines; "" when there is nothing to say. ``brought`` is what ``brought_by``
    says of the text's imports."""
    before, after = text[:start], text[text.find("\n", end) + 1 or len(text) :]
    hidden = [one.text for part in (before, after) for one in imports(part) if one.module != "__future__"]
    import_lines = _fitting(hidden, int(chars * _IMPORTS_SHARE))
    left = chars - _size(import_lines)
    taken = _fitting(brought, int(left * _BROUGHT_SHARE))
    own = _own(before, after, left - _size(taken))
    return "".join(f"{line}\n" for line in (*taken, *import_lines, *own))


def brought_by(text: str, path: str, repository: Definitions) -> list[str]:
    """Signatures of what the file imports from its repository, in the order of its import statements; as many as any
    outline takes."""
    return _fitting(list(dict.fromkeys(repository.imported(path, imports(text)))), CHARS)


def _fitting(lines: Sequence[str], chars: int) -> list[str]:
    """Those that fit one after the other; a shorter one may still come where a longer one did not fit."""
    kept = []
    for line in lines:
        if len(line) < chars:
            kept.append(line)
            chars -= len(line) + 1
    return kept


def _size(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _own(before: str, after: str, chars: int) -> list[str]:
    """Signatures of the two parts of the file that are not read, those nearest to the gap first, in their order."""
    above = definitions(before)
    inside = _enclosing(above, before)
    indent = _member_indent(above, inside, before)
    ranked: list[tuple[int, float, str]] = []  # (how far, place, line)
    for i, one in enumerate(above):
        far = 0 if inside in (i, one.owner) and inside >= 0 else _farness(one)
        ranked.append((far * _FAR + len(above) - i, i, _line(one)))
    names = dict.fromkeys(name for at, name in attributes(before) if inside >= 0 and at > above[inside].start)
    if names:
        ranked.append((1, inside + 0.5, "    self: " + ", ".join(names)))
    for i, one in enumerate(definitions(after, indent), len(above)):
        ranked.append(((0 if one.owner == OUTSIDE else _farness(one)) * _FAR + i - len(above), i, _line(one)))
    places: dict[str, float] = {}
    for _, place, line in sorted(ranked):
        places.setdefault(line, place)
    return sorted(_fitting(list(places), chars), key=places.__getitem__)


def _farness(one: Definition) -> int:
    return 3 if one.kind == "name" else 1 if one.owner < 0 else 2


def _line(one: Definition) -> str:
    return one.text if one.owner == -1 else f"    {one.text}"


def _enclosing(above: list[Definition], before: str) -> int:
    """Index of the class whose body is open at the end of ``before``, -1 when none is."""
    last = next((i for i in range(len(above) - 1, -1, -1) if above[i].owner < 0), -1)
    if last < 0 or above[last].kind != "class":
        return -1
    return -1 if _OUTER.search(before, before.find("\n", above[last].start) + 1) else last


def _member_indent(above: list[Definition], inside: int, before: str) -> int:
    member = next((one for one in above if inside >= 0 and one.owner == inside), None)
    if member is None:
        return 4 if inside >= 0 else 0
    return len(_INDENT.match(before, member.start)[0].expandtabs())  # type: ignore[index]

"""Make a fill's indentation the document's."""

from __future__ import annotations

import re

from codeworld.syntax.document import Snapshot

_TAB_COLUMNS = 4  # how many spaces a model writes for one level
_BRACKETED = frozenset(
    {
        "argument_list",
        "parameters",
        "list",
        "tuple",
        "dictionary",
        "set",
        "subscript",
        "parenthesized_expression",
    }
)


def fit_indentation(snapshot: Snapshot, cursor_char: int, fill: str) -> str | None:
    """``fill`` with tabs or spaces as the document has them and its lines at a level that is open at the cursor.

    Lines after the first are shifted together where they do not fit the first one. None where that is impossible.
    """
    unit = snapshot.indent_unit
    first, *more = fill.split(snapshot.newline)
    before = snapshot.line_before(cursor_char)
    if not before.strip():
        first = _first_line(snapshot, cursor_char, before, _restyled(first, unit))
    more = [_restyled(line, unit) for line in more]
    shifted = _shifted(more, before + first, unit)
    return None if shifted is None else snapshot.newline.join([first, *shifted])


def _first_line(snapshot: Snapshot, cursor_char: int, before: str, first: str) -> str:
    """Drop the fill's own indentation where the cursor already stands at the right level."""
    code = first.lstrip(" \t")
    indent = first[: len(first) - len(code)]
    if not indent or not before or _in_brackets(snapshot, cursor_char):
        return first
    levels = _open_levels(snapshot, snapshot.row_at(cursor_char))
    return code if before in levels and before + indent not in levels else first


def _open_levels(snapshot: Snapshot, row: int) -> set[str]:
    """Indentations that a statement on line ``row`` may have, from the lines above it."""
    levels: set[str] = set()
    for above in range(row - 1, -1, -1):
        line = snapshot.line(above)
        indent = snapshot.indentation(above)
        if not line.strip() or (levels and len(indent) >= min(map(len, levels))):
            continue
        if not levels and re.search(r":\s*(?:#.*)?$", line):
            return {indent + snapshot.indent_unit}
        levels.add(indent)
        if not indent:
            break
    return levels or {""}


def _in_brackets(snapshot: Snapshot, cursor_char: int) -> bool:
    node = snapshot.node_at(cursor_char)
    while node.parent is not None and node.type not in ("block", "module"):
        if node.type in _BRACKETED:
            return True
        node = node.parent
    return False


def _restyled(line: str, unit: str) -> str:
    """The line with its indentation in tabs or in spaces, as ``unit`` is."""
    code = line.lstrip(" \t")
    indent = line[: len(line) - len(code)]
    if unit == "\t":
        levels, columns = divmod(len(indent.expandtabs(_TAB_COLUMNS)), _TAB_COLUMNS)
        return "\t" * levels + " " * columns + code
    return indent.replace("\t", unit) + code


def _shifted(lines: list[str], first_line: str, unit: str) -> list[str] | None:
    """The fill's further lines, moved together to a level that may follow ``first_line`` (the whole line)."""
    second = next((line for line in lines if line.strip()), None)
    if second is None or first_line.rstrip().endswith(tuple("([{,\\")):
        return lines  # nothing there, or a continuation, where anything goes
    base = _indent(first_line)
    actual = _indent(second)
    if first_line.rstrip().endswith(":"):
        fits, wanted = actual.startswith(base) and len(actual) > len(base), base + unit
    else:
        fits, wanted = base.startswith(actual), base
    if fits:
        return lines
    if wanted.endswith(actual):
        deeper = wanted[: len(wanted) - len(actual)]
        return [deeper + line if line.strip() else "" for line in lines]
    surplus = actual[len(wanted) :]
    if any(line.strip() and not line.startswith(surplus) for line in lines):
        return None
    return [line[len(surplus) :] for line in lines]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]

"""Ways to move lines so that they stand in a block that is open."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codeworld.repair.edits import Edit
from codeworld.repair.localise import SyntaxFault, indentation

_HEADER_END = re.compile(r":\s*(#.*)?$")
_DEFINITION = re.compile(r"\s*(async\s+def|def|class)\b")
_CLAUSE = re.compile(r"\s*(else|elif|except|finally)\b")
Move = tuple[tuple[Edit, ...], str, float]


def indentation_edits(text: str, fault: SyntaxFault) -> Iterator[Move]:
    """(edits, kind, cost) of each way."""
    lines = text.splitlines(keepends=True)
    if fault.line >= len(lines):
        if fault.message.startswith("expected an indented block"):
            yield from _body(lines, len(lines))
        return
    if fault.message.startswith("expected an indented block"):
        begin = sum(len(line) for line in lines[: fault.line])
        if fault.at_char >= begin + len(lines[fault.line].rstrip()):  # it is the header, and nothing follows
            yield from _body(lines, fault.line + 1)
            return
        yield from _deeper(lines, fault.line)
        yield from _body(lines, fault.line)
    elif (
        "indent" in fault.message
        or "outside" in fault.message
        or "not properly" in fault.message
        or _CLAUSE.match(lines[fault.line])
    ):
        yield from _other_level(lines, fault.line)


def _unit(lines: list[str]) -> str:
    widths = [indentation(line) for line in lines if line.strip() and line[0] in " \t"]
    if any(width.startswith("\t") for width in widths):
        return "\t"
    return min((width for width in widths if len(width) > 1), key=len, default="    ")


def _shift(lines: list[str], first: int, last: int, old: str, new: str) -> tuple[Edit, ...]:
    """Lines [first, last) with ``new`` for the ``old`` that they begin with."""
    at = sum(len(line) for line in lines[:first])
    edits = []
    for line in lines[first:last]:
        if line.strip():
            kept = len(old) if line.startswith(old) else len(indentation(line))
            edits.append(Edit(at, at + kept, new))
        at += len(line)
    return tuple(_trimmed(edit, old) for edit in edits)


def _trimmed(edit: Edit, old: str) -> Edit:
    """Only what is added or taken away."""
    width = edit.end_char - edit.start_char
    if edit.new_text.startswith(old[:width]):
        return Edit(edit.end_char, edit.end_char, edit.new_text[width:])
    return (
        Edit(edit.start_char + len(edit.new_text), edit.end_char, "")
        if old.startswith(edit.new_text)
        else edit
    )


def _statements(lines: list[str], first: int, indent: str) -> list[int]:
    """Where the run of lines indented at least as ``first`` can end: behind each statement at its own level."""
    ends = []
    at = first + 1
    while at < len(lines):
        code = lines[at].strip()
        if code and not code.startswith("#"):
            level = indentation(lines[at])
            if len(level) <= len(indent) and code[0] not in ")]}" and not _CLAUSE.match(code):
                ends.append(at)
            if len(level) < len(indent):
                break
        at += 1
    return ends if ends and len(indentation(lines[ends[-1]])) < len(indent) else [*ends, len(lines)]


def _deeper(lines: list[str], first: int) -> Iterator[Move]:
    """The lines below a header become its body."""
    header = next(
        (
            at
            for at in range(first - 1, -1, -1)
            if lines[at].strip() and not lines[at].strip().startswith("#")
        ),
        None,
    )
    if header is None or not lines[first].strip():
        return
    old = indentation(lines[first])
    new = indentation(lines[header]) + _unit(lines)
    ends = _statements(lines, first, old)
    defines = _DEFINITION.match(lines[header]) is not None or "__name__" in lines[header]
    for rank, end in enumerate(ends[:12]):
        last = rank == len(ends) - 1
        stops = _DEFINITION.match(lines[end]) is not None if end < len(lines) else True
        if defines:
            cost = 0.3 if last and _is_class(lines[header]) else 0.5 if last or stops else 3.0
        else:
            cost = 0.8 + 0.5 * rank - (0.3 if last else 0.0)
        yield _shift(lines, first, end, old, new), "indent block", cost
    deeper = next((indentation(line) for line in lines[first + 1 :] if line.strip()), "")
    if len(deeper) > len(indentation(lines[header])) and deeper != new:
        yield _shift(lines, first, first + 1, old, deeper), "indent line", 1.2
    run = first + 1  # what comes before the lines that stand where they should
    while run < len(lines) and (not lines[run].strip() or indentation(lines[run]) == old):
        run += 1
    if run < len(lines) and indentation(lines[run]) == new and not _opens(lines, run):
        yield _shift(lines, first, run, old, new), "indent line", 0.2


def _opens(lines: list[str], at: int) -> bool:
    """Whether the line before ``at`` begins a block."""
    before = next((line for line in reversed(lines[:at]) if line.strip()), "")
    return _HEADER_END.search(before.rstrip("\r\n")) is not None


def _is_class(line: str) -> bool:
    return line.lstrip().startswith("class")


def _body(lines: list[str], first: int) -> Iterator[Move]:
    """The header's body is still to be written."""
    header = next(
        (
            at
            for at in range(first - 1, -1, -1)
            if lines[at].strip() and not lines[at].strip().startswith("#")
        ),
        None,
    )
    if header is None:
        return
    code = lines[header].rstrip("\r\n")
    at = sum(len(line) for line in lines[:header]) + len(code)
    new = "\n" + indentation(code) + _unit(lines) + "pass"
    yield (Edit(at, at, new),), "insert pass", 2.6
    yield (Edit(at - len(code), at + 1, ""),), "delete header", 2.7


def _other_level(lines: list[str], first: int) -> Iterator[Move]:
    """A line, alone or with those below it, moves to a level that is open above it."""
    old = indentation(lines[first])
    unit = _unit([*lines[:first], *lines[first + 1 :]])
    levels: dict[str, float] = {}
    narrowest = None
    defines = _DEFINITION.match(lines[first]) is not None
    for at in range(first - 1, -1, -1):
        if not lines[at].strip() or lines[at].strip().startswith("#"):
            continue
        level = indentation(lines[at])
        if narrowest is None and _HEADER_END.search(lines[at].rstrip("\r\n")):
            levels[level + unit] = 0.0
        if narrowest is None or len(level) < narrowest:
            known = -0.6 if defines and _DEFINITION.match(lines[at]) else 0.5
            levels.setdefault(level, known + abs(len(level) - len(old)) / 8)
            narrowest = len(level)
    if narrowest is None:
        levels[""] = 0.0  # nothing stands above
    ends = _statements(lines, first, old)
    run = next(
        (
            at
            for at in range(first + 1, len(lines))
            if lines[at].strip() and len(indentation(lines[at])) < len(old)
        ),
        len(lines),
    )
    below = next((indentation(line) for line in lines[first + 1 :] if line.strip()), "")
    for level, cost in levels.items():
        if level != old:
            yield _shift(lines, first, ends[0], old, level), "move line", cost + 0.6
            fits = _HEADER_END.search(lines[first].rstrip("\r\n")) and below == level + unit
            yield _shift(lines, first, first + 1, old, level), "move line", 0.2 if fits else cost + 0.7
            yield _shift(lines, first, run, old, level), "move block", cost + 0.9

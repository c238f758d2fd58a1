"""Places of a program that the model is asked about: the code of a line, a part of it, or the gap before one."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from codeworld.canvas import InfillRequest, Source
from codeworld.repair.edits import Edit, apply
from codeworld.repair.program import Program
from codeworld.repair.rank import Infill

_SUFFIX_CHARS = 160
_PREFIX_CHARS = 1200
_STEP_CHARS = (
    800  # what is shown begins at a multiple of this: the reader reads on from line to line, never anew
)
_READ_CHARS = 6000  # more than a window holds
_BEHIND_CHARS = 500  # behind a change, which it makes more or less likely
_READ_AGAIN = 4  # one in so many lines of a window has too little before it


class Place(NamedTuple):
    """What is masked: the code of a line or a part of it, or nothing at the start of one. Characters [start, end)."""

    start: int
    end: int

    @property
    def is_gap(self) -> bool:
        """Whether it is a new line's."""
        return self.start == self.end


def line_at(text: str, char: int) -> Place:
    """The code of a line, without its indentation and its end."""
    start = text.rfind("\n", 0, char) + 1
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return Place(start + len(text[start:end]) - len(text[start:end].lstrip()), end)


def gap_before(text: str, place: Place) -> Place:
    """Where a line before it would begin."""
    start = text.rfind("\n", 0, place.start) + 1
    return Place(start, start)


def parts_at(program: Program, line: Place, char: int, most: int) -> list[Place]:
    """The smallest ``most`` expressions around a character that are longer than a name and shorter than their line."""
    found = set[Place]()
    for node in ast.walk(program.tree):
        if isinstance(node, ast.expr) and not isinstance(node, ast.Name | ast.Constant):
            part = Place(program.start(node), program.end(node))
            inside = line.start <= part.start <= char < part.end <= line.end
            if inside and part.end - part.start < line.end - line.start:
                found.add(part)
    return sorted(found, key=lambda one: one.end - one.start)[:most]


def hole(text: str, place: Place, given: tuple[str, ...], sources: tuple[Source, ...]) -> InfillRequest:
    """The request for a place."""
    begin = max(0, place.start - _PREFIX_CHARS) // _STEP_CHARS * _STEP_CHARS
    first = text.rfind("\n", 0, begin) + 1
    suffix = "\n" * place.is_gap + text[place.end : place.end + _SUFFIX_CHARS]
    return InfillRequest(
        prefix=text[first : place.start], suffix=suffix, shape="span", given=given, max_candidates=64,
        sources=sources,
    )  # fmt: skip


def surprise(text: str, wanted: Iterable[int], infill: Infill) -> dict[int, float]:
    """Nats per token of lines (from 0) as they stand, behind what is before them; none of what the model does not
    read. Raises what ``infill`` raises."""
    starts = [0]
    for code in text.split("\n"):
        starts.append(min(starts[-1] + len(code) + 1, len(text)))
    left, found = {line for line in wanted if line + 1 < len(starts)}, dict[int, float]()
    while left:
        end = max(left) + 1
        first = text.rfind("\n", 0, max(0, starts[end] - _READ_CHARS)) + 1
        prefix = text[first : starts[end]]
        prefix += "" if prefix.endswith("\n") else "\n"
        read = infill(InfillRequest(prefix, "", sources=(Source.READ,))).candidates
        for line, one in enumerate(read, end - len(read)):
            if line in left:
                found[line] = -one.logprob_nats / (one.tokens + 1)
        begin = end - len(read)
        left = {line for line in left if line < begin + len(read) // _READ_AGAIN} if begin > 0 else set()
        if not read:
            break
    return found


def gain(text: str, changes: Sequence[tuple[Edit, ...]], infill: Infill) -> list[float]:
    """How much likelier (nats) the reader finds the program after each of the changes than as it is, from the first
    changed line to some lines behind the last one. Raises what ``infill`` raises."""
    known, found = dict[int, list[float]](), list[float]()
    for edits in changes:
        end = _line_end(text, min(len(text), edits[-1].end_char + _BEHIND_CHARS))
        first = text.count("\n", 0, edits[0].start_char)
        if end not in known:
            known[end] = _nats(text[:end], infill)
        before = known[end]
        after = _nats(apply(text[:end], edits), infill)
        behind = text.count("\n", 0, end) + 1 - first  # lines, as it is
        added = sum(
            one.new_text.count("\n") - text.count("\n", one.start_char, one.end_char) for one in edits
        )
        found.append(sum(before[-behind:]) - sum(after[-(behind + added) :]))
    return found


def _nats(text: str, infill: Infill) -> list[float]:
    """Of each line, as many of the last ones as the model reads."""
    first = text.rfind("\n", 0, max(0, len(text) - _READ_CHARS)) + 1
    prefix = text[first:] + "\n"
    return [-one.logprob_nats for one in infill(InfillRequest(prefix, "", sources=(Source.READ,))).candidates]


def _line_end(text: str, char: int) -> int:
    end = text.find("\n", char)
    return len(text) if end < 0 else end

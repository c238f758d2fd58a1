"""From a program that does not parse to ones that do, one error after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from codeworld.repair.edits import Edit, Proposal, apply, difference
from codeworld.repair.indentation_edits import indentation_edits
from codeworld.repair.localise import Region, SyntaxFault, fault, indentation, outside, region
from codeworld.repair.rank import Budget, Infill, rank
from codeworld.repair.syntax_edits import neighbours

_MOST_ERRORS = 8
_TURNS = 3  # edits of one error that are followed
_MOST_TURNS = 14  # errors that are looked at in all
_TRIED = 160  # neighbours of one error that are parsed, cheapest first
_ENOUGH = 5.0  # neighbours that cost so much more than the cheapest one that helps are not tried
_UNFINISHED = 1.5  # cost of a neighbour that only gets the parser to a later error
_TOKENISER = ("unterminated", "never closed", "unmatched", "does not match")


class Step(NamedTuple):
    """What was chosen for one error, and what else would have done."""

    text: str  # before
    ranked: list[Proposal]


def syntax_proposals(
    text: str,
    infill: Infill | None,
    *,
    most: int = 5,
    budget: Budget = Budget(),
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Proposal]:
    """At most ``most`` repairs of ``text`` after which it parses, best first; empty when none was found.

    The best path is followed from error to error; the others leave it where the choice was closest. Their scores are
    logarithms of probabilities. Raises what ``infill`` raises.
    """
    steps = _follow(text, infill, budget, should_stop)
    if not steps:
        return []
    chosen = [step.ranked[0] for step in steps]
    best = apply(steps[-1].text, chosen[-1].edits)
    hardest = max(
        one.cost for one in chosen
    )  # the least expected of the edits says how much to trust all of them
    found, seen = [_whole(text, best, chosen, hardest)], {best}
    others = [
        (ranked.score - step.ranked[0].score, number, ranked)
        for number, step in enumerate(steps)
        for ranked in step.ranked[1:most]
    ]
    for loss, number, other in sorted(others, key=lambda one: -one[0]):
        if len(found) >= most or should_stop():
            break
        end = _replay(steps, number, other)
        if end is not None and end not in seen and fault(end) is None:
            seen.add(end)
            found.append(_whole(text, end, [*chosen[:number], other, *chosen[number + 1 :]], hardest - loss))
    return found


def _follow(text: str, infill: Infill | None, budget: Budget, should_stop: Callable[[], bool]) -> list[Step]:
    """The steps to a program that parses, none where it was not reached: where the best edit leads nowhere, the next
    one is followed."""
    left = _MOST_TURNS

    def on(text: str, errors: int) -> list[Step] | None:
        nonlocal left
        error = fault(text)
        if error is None:
            return _settled(text)
        if errors == 0 or left == 0 or should_stop():
            return None
        left -= 1
        ranked = rank(text, _helpful(text, error), infill, budget)
        for at, one in enumerate(ranked[:_TURNS]):
            rest = on(apply(text, one.edits), errors - 1)
            if rest is not None:
                return [Step(text, ranked[at:]), *rest]
        return None

    return on(text, _MOST_ERRORS) or []


def _settled(text: str) -> list[Step]:
    """The move of lines, where one does, that brings a statement of a program that parses back to where it can
    stand: one that was indented as wrongly as the lines that did not parse."""
    error = outside(text)
    moves = [] if error is None else [Proposal(*one) for one in indentation_edits(text, error)]
    after = ((one, apply(text, one.edits)) for one in moves)
    good = [one for one, moved in after if fault(moved) is None and outside(moved) is None]
    return [Step(text, sorted(good, key=lambda one: one.cost))] if good else []


def _whole(text: str, end: str, chosen: list[Proposal], cost: float) -> Proposal:
    kinds = list(dict.fromkeys(one.kind for one in chosen))
    return Proposal(difference(text, end), ", ".join(kinds), cost)


def _replay(steps: list[Step], number: int, other: Proposal) -> str | None:
    """The path that takes ``other`` at step ``number`` and then changes what the best one changes; None where the two
    touch the same lines."""
    text = apply(steps[number].text, other.edits)
    moved = list(other.edits)
    for step in steps[number + 1 :]:
        edits = step.ranked[0].edits
        first = steps[number].ranked[0].edits
        shifted = [_moved(edit, first, moved) for edit in edits]
        if any(edit is None for edit in shifted):
            return None
        now = tuple(edit for edit in shifted if edit is not None)
        text = apply(text, now)
    return text


def _moved(edit: Edit, old: tuple[Edit, ...], new: list[Edit]) -> Edit | None:
    """An edit behind or before the edits ``old``, where ``new`` are made instead."""
    low = min(min(one.start_char for one in old), min(one.start_char for one in new))
    grown = sum(len(one.new_text) - (one.end_char - one.start_char) for one in old)
    high = max(max(one.end_char for one in old), max(one.end_char for one in new)) + grown
    if edit.end_char <= low:
        return edit
    if edit.start_char < high:
        return None
    shift = sum(len(one.new_text) - (one.end_char - one.start_char) for one in new) - grown
    return Edit(edit.start_char + shift, edit.end_char + shift, edit.new_text)


def _helpful(text: str, error: SyntaxFault) -> list[Proposal]:
    """Neighbours after which the parser has nothing to say about this place, with what that is worth in their cost."""
    part = region(text, error)
    lines = text.splitlines(keepends=True)
    start = sum(len(line) for line in lines[: part.first])
    end = start + sum(len(line) for line in lines[part.first : part.last])
    found: list[Proposal] = []
    for one in neighbours(text, error)[:_TRIED]:
        if found and one.cost > min(each.cost for each in found) + _ENOUGH:
            break
        inside = all(start <= edit.start_char and edit.end_char <= end for edit in one.edits)
        after = _alone(text, one, part, start, end) if inside else fault(apply(text, one.edits))
        if after is None:
            found.append(one)
        elif _is_progress(error, after, grown=sum(edit.new_text.count("\n") for edit in one.edits)):
            found.append(msgspec.structs.replace(one, cost=one.cost + _UNFINISHED))
        elif "unterminated" in error.message and after.line == error.line and after.message != error.message:
            found.append(msgspec.structs.replace(one, cost=one.cost + 2 * _UNFINISHED))
    return found


def _alone(text: str, one: Proposal, part: Region, start: int, end: int) -> SyntaxFault | None:
    """The error of the region alone after the proposal, in lines of the whole text."""
    grown = sum(len(edit.new_text) - (edit.end_char - edit.start_char) for edit in one.edits)
    body = apply(text[:end], one.edits)[start : end + grown]
    if part.indent and indentation(body)[: len(part.indent)] != part.indent:
        return SyntaxFault("unexpected indent", part.first, start)
    found = fault(f"if 1:\n{body}" if part.indent else body)
    return None if found is None else found._replace(line=found.line + part.first - bool(part.indent))


def _is_progress(before: SyntaxFault, after: SyntaxFault, grown: int) -> bool:
    """Whether the error that is left is another one: further down or, where the tokeniser had looked ahead, above."""
    if after.line > before.line + grown:
        return True
    return after.line < before.line and any(words in before.message for words in _TOKENISER)

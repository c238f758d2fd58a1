"""Neighbours of a program that parses, in the order in which they are worth trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from codeworld.canvas import InfillRequest, Source
from codeworld.repair.edits import Proposal, apply
from codeworld.repair.rank import Infill
from codeworld.repair.tree_edits import Program, tree_neighbours

_PER_LINE = 16  # neighbours of one line that the reader sees
_SUFFIX_CHARS = 160
_PREFIX_CHARS = 1600


class Scope(msgspec.Struct, frozen=True):
    """``lines`` (from 0) where the fault is looked for, None for all; ``most_lines`` that the reader reads for
    neighbours: those which surprise it most."""

    lines: frozenset[int] | None = None
    most_lines: int = 4
    weight: float = 0.6  # of the reader's log-probability against the prior's


def logic_proposals(
    text: str,
    infill: Infill | None,
    *,
    scope: Scope = Scope(),
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Proposal]:
    """Neighbours of ``text``, best first. With a reader, ``logprob_nats`` is how much more likely it finds the
    changed line than the line as it is. Raises SyntaxError when ``text`` does not parse, and what ``infill`` raises."""
    found = tree_neighbours(Program.of(text))
    by_line: dict[int, list[Proposal]] = {}
    for one in found:
        line = text.count("\n", 0, one.edits[0].start_char)
        if scope.lines is None or line in scope.lines:
            by_line.setdefault(line, []).append(one)
    if infill is None:
        return sorted((one for line in by_line.values() for one in line), key=lambda one: one.cost)
    surprise = {line: _surprise(text, line, infill) for line in sorted(by_line) if not should_stop()}
    chosen = sorted(surprise, key=lambda line: -surprise[line])[: scope.most_lines]
    ranked: list[Proposal] = []
    for line in sorted(by_line):
        if line in chosen and not should_stop():
            ranked += _scored(text, line, by_line[line], infill, scope.weight)
        else:
            ranked += [msgspec.structs.replace(one, logprob_nats=-4.0) for one in by_line[line]]
    return sorted(ranked, key=lambda one: -one.score)


def _surprise(text: str, line: int, infill: Infill) -> float:
    """Nats per token of the line as it is."""
    start, end = _span(text, line)
    scored = infill(_hole(text, start, end, (text[start:end],))).candidates
    return -scored[0].logprob_nats / (scored[0].tokens + 1) if scored else 0.0


def _scored(
    text: str, line: int, proposals: Sequence[Proposal], infill: Infill, weight: float
) -> list[Proposal]:
    start, end = _span(text, line)
    asked = [one for one in proposals if one.edits[-1].end_char <= end][:_PER_LINE]
    lines = [apply(text[:end], one.edits)[start:] for one in asked]
    own = text[start:end]
    reply = infill(_hole(text, start, end, tuple(dict.fromkeys([own, *lines]))))
    logprobs = {one.text: one.logprob_nats for one in reply.candidates}
    base = logprobs.get(own, 0.0)
    gains = [logprobs[new] - base if new in logprobs else -8.0 for new in lines]
    scored = [
        msgspec.structs.replace(one, logprob_nats=weight * gain)
        for one, gain in zip(asked, gains, strict=True)
    ]
    return scored + [msgspec.structs.replace(one, logprob_nats=-4.0) for one in proposals if one not in asked]


def _span(text: str, line: int) -> tuple[int, int]:
    """The code of a line, without its indentation and its end."""
    start = 0
    for _ in range(line):
        start = text.index("\n", start) + 1
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return start + len(text[start:end]) - len(text[start:end].lstrip()), end


def _hole(text: str, start: int, end: int, given: tuple[str, ...]) -> InfillRequest:
    first = text.rfind("\n", 0, max(0, start - _PREFIX_CHARS)) + 1
    return InfillRequest(
        prefix=text[first:start], suffix=text[end : end + _SUFFIX_CHARS], shape="span", given=given,
        max_candidates=len(given), sources=(Source.GIVEN,),
    )  # fmt: skip

"""What may be wrong with a program that parses, in the order in which it is worth trying.

Proposals are one-edit neighbours of the tree, statements that may be missing, and what the model writes where it doubts
a line: the line anew, one of its tokens anew, or a line between two others. All of them get the reader's probability
of the place that they change, against that of the place as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from codeworld.canvas import Candidate, InfillRequest, Source
from codeworld.repair.edits import Edit, Proposal, apply, difference
from codeworld.repair.insertions import insertions
from codeworld.repair.rank import Infill
from codeworld.repair.suspicion import Statements, Suspicion
from codeworld.repair.tree_edits import Program, tree_neighbours

_PER_PLACE = 16  # proposals for one place that the reader sees
_MOST_READ = 100  # lines, the most suspect ones: some ten seconds
_SUFFIX_CHARS = 160
_PREFIX_CHARS = 1600
_UNREAD_NATS = -4.0  # what a proposal counts that the reader was not asked about
_UNLIKELY_NATS = -8.0  # and one that is too long for it
_SUSPICION = 3.0  # cost of a statement that no failing test runs
_REWRITTEN = 3.0  # cost of a line that the model writes anew
_REVISED = 2.6  # of a token
_ADDED = 3.2  # and of a line that it adds
_SECOND = 3  # choices beside the model's first


class Scope(msgspec.Struct, frozen=True):
    """``lines`` (from 0) where the fault is looked for, None for all; ``suspicion``: what a failing test says of them;
    ``most_lines`` that the reader reads for neighbours, and ``most_gaps`` between lines: those which surprise it most.
    ``inserts``: whether statements are added; ``writes``: whether the model's own proposals are united with the
    enumerated ones."""

    lines: frozenset[int] | None = None
    suspicion: Suspicion | None = None
    most_lines: int = 4
    most_gaps: int = 4
    weight: float = 0.6  # of the reader's log-probability against the prior's
    inserts: bool = True
    writes: bool = True


class _Place(NamedTuple):
    """What is masked: the code of a line, or nothing at the start of one. Characters [start, end)."""

    start: int
    end: int

    @property
    def is_gap(self) -> bool:
        return self.start == self.end


def logic_proposals(
    text: str,
    infill: Infill | None,
    *,
    scope: Scope = Scope(),
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Proposal]:
    """Proposals for ``text``, best first. With a reader, ``logprob_nats`` is how much more likely it finds the place
    changed than as it is. Raises SyntaxError when ``text`` does not parse, and what ``infill`` raises."""
    program = Program.of(text)
    found = [*tree_neighbours(program), *(insertions(program) if scope.inserts else ())]
    statements = Statements(program)
    found = [_suspected(one, statements, scope.suspicion) for one in found]
    by_place: dict[_Place, list[Proposal]] = {}
    for one in found:
        line = text.count("\n", 0, one.edits[0].start_char)
        if scope.lines is None or line in scope.lines:
            by_place.setdefault(_place(text, one), []).append(one)
    if infill is None:
        return sorted((one for place in by_place.values() for one in place), key=lambda one: one.cost)
    ranked: list[Proposal] = []
    chosen = _chosen(program, by_place, infill, scope, statements, should_stop)
    for place in sorted(by_place.keys() | chosen):
        own = by_place.get(place, [])
        if place in chosen and not should_stop():
            ranked += _read(text, place, own, infill, scope, chosen[place])
        else:
            ranked += [msgspec.structs.replace(one, logprob_nats=_UNREAD_NATS) for one in own]
    return sorted(ranked, key=lambda one: -one.score)


def _suspected(one: Proposal, statements: Statements, suspicion: Suspicion | None) -> Proposal:
    if suspicion is None:
        return one
    doubt = 1.0 - suspicion.at(statements.of_edit(one.edits[0]))
    return msgspec.structs.replace(one, cost=one.cost + _SUSPICION * doubt)


def _place(text: str, one: Proposal) -> _Place:
    """The place that a proposal changes: an added line's gap, else the first line that it touches."""
    edit = one.edits[0]
    if edit.start_char == edit.end_char and edit.new_text.endswith("\n"):
        return _Place(edit.start_char, edit.start_char)
    return _line_of(text, edit.start_char)


def _chosen(
    program: Program,
    by_place: dict[_Place, list[Proposal]],
    infill: Infill,
    scope: Scope,
    statements: Statements,
    should_stop: Callable[[], bool],
) -> dict[_Place, float]:
    """The places that the reader looks at closely, with the cost of their being none that failing tests run."""
    text, suspicion = program.text, scope.suspicion
    cost = dict[_Place, float]()
    for place in by_place:
        line = text.count("\n", 0, place.start)
        doubt = 0.0 if suspicion is None else 1.0 - suspicion.at(statements.of_line(line))
        if not place.is_gap and doubt < 1.0:
            cost[place] = _SUSPICION * doubt
    surprise = dict[_Place, float]()
    for place in sorted(sorted(cost, key=lambda one: cost[one])[:_MOST_READ]):
        if not should_stop():
            surprise[place] = _surprise(text, place, infill) - cost[place]
    best = sorted(surprise, key=lambda place: -surprise[place])
    chosen = {place: cost[place] for place in best[: scope.most_lines]}
    if scope.inserts or scope.writes:
        gaps = {place for place in by_place if place.is_gap} if scope.inserts else set()
        if scope.writes and scope.lines is None:
            gaps |= {_gap_before(text, place) for place in surprise}
        chosen |= {gap: _SUSPICION * _doubt(gap, program, scope, statements) for gap in gaps}
        ordered = sorted(
            gaps, key=lambda gap: chosen[gap] - surprise.get(_line_of(text, gap.start), 0.0)
        )  # what is missing makes the next line surprising
        for gap in ordered[scope.most_gaps :]:
            del chosen[gap]
    return chosen


def _doubt(gap: _Place, program: Program, scope: Scope, statements: Statements) -> float:
    if scope.suspicion is None:
        return 0.0
    text = program.text
    line = text[gap.start : text.find("\n", gap.start)]
    indent = line[: len(line) - len(line.lstrip())]
    return 1.0 - scope.suspicion.at(statements.of_edit(Edit(gap.start, gap.start, f"{indent}x\n")))


def _surprise(text: str, place: _Place, infill: Infill) -> float:
    """Nats per token of the line as it is."""
    scored = infill(_hole(text, place, (text[place.start : place.end],), 1)).candidates
    return -scored[0].logprob_nats / (scored[0].tokens + 1) if scored else 0.0


def _read(
    text: str, place: _Place, proposals: Sequence[Proposal], infill: Infill, scope: Scope, cost: float
) -> list[Proposal]:
    """The proposals for a place with what the reader thinks of them, and the model's own."""
    own = text[place.start : place.end]
    asked = [one for one in proposals if _is_within(one, place)][:_PER_PLACE]
    fills = [_fill(text, one, place) for one in asked]
    hole = _hole(text, place, tuple(dict.fromkeys([own, *fills] if own else fills)), 64)
    if scope.writes:
        sources = (Source.GIVEN, Source.VERIFIED, *(() if place.is_gap else (Source.REVISED,)))
        hole = msgspec.structs.replace(hole, sources=sources, shape="line", alternatives=_SECOND)
    candidates = infill(hole).candidates
    logprobs = {one.text: one.logprob_nats for one in candidates}
    base = logprobs.get(own, 0.0) if own else 0.0
    united = dict(zip(fills, asked, strict=True))
    if scope.writes:
        for one in candidates:
            if one.source != Source.GIVEN and one.text != own and one.text.strip():
                written = _written(text, place, one, cost)
                known = united.get(one.text)
                if written is not None and (known is None or written.cost < known.cost):
                    united[one.text] = written
    read = [
        msgspec.structs.replace(
            one,
            logprob_nats=scope.weight * (logprobs[fill] - base if fill in logprobs else _UNLIKELY_NATS),
        )
        for fill, one in united.items()
    ]
    unread = [one for one in proposals if one not in asked]
    return read + [msgspec.structs.replace(one, logprob_nats=_UNREAD_NATS) for one in unread]


def _written(text: str, place: _Place, candidate: Candidate, cost: float) -> Proposal | None:
    """What the model writes, as a proposal; None where it says nothing new."""
    if place.is_gap:
        neighbours = {line.strip() for line in _lines_around(text, place.start)}
        if candidate.text.strip() in neighbours or candidate.text.lstrip().startswith("#"):
            return None
        edit = Edit(place.start, place.start, candidate.text + "\n")
        return Proposal((edit,), "model: added line", _ADDED + cost)
    changed = difference(text[place.start : place.end], candidate.text)
    edits = tuple(
        Edit(one.start_char + place.start, one.end_char + place.start, one.new_text) for one in changed
    )
    revised = candidate.source == Source.REVISED
    kind = "model: token" if revised else "model: line"
    return Proposal(edits, kind, (_REVISED if revised else _REWRITTEN) + cost)


def _fill(text: str, one: Proposal, place: _Place) -> str:
    """The text that a proposal puts into its place."""
    if place.is_gap:
        return one.edits[0].new_text.removesuffix("\n")
    return apply(text[: place.end], one.edits)[place.start :]


def _is_within(one: Proposal, place: _Place) -> bool:
    return place.start <= one.edits[0].start_char and one.edits[-1].end_char <= place.end


def _line_of(text: str, char: int) -> _Place:
    """The code of a line, without its indentation and its end."""
    start = text.rfind("\n", 0, char) + 1
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return _Place(start + len(text[start:end]) - len(text[start:end].lstrip()), end)


def _gap_before(text: str, place: _Place) -> _Place:
    start = text.rfind("\n", 0, place.start) + 1
    return _Place(start, start)


def _lines_around(text: str, char: int) -> tuple[str, str]:
    before = text[:char].rstrip("\n")
    return before[before.rfind("\n") + 1 :], text[char:].partition("\n")[0]


def _hole(text: str, place: _Place, given: tuple[str, ...], most: int) -> InfillRequest:
    first = text.rfind("\n", 0, max(0, place.start - _PREFIX_CHARS)) + 1
    suffix = "\n" * place.is_gap + text[place.end : place.end + _SUFFIX_CHARS]
    return InfillRequest(
        prefix=text[first : place.start], suffix=suffix, shape="span", given=given, max_candidates=most,
        sources=(Source.GIVEN,),
    )  # fmt: skip

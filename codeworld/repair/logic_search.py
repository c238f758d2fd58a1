"""What may be wrong with a program that parses, in the order in which it is worth trying.

Proposals are one-edit neighbours of the tree, statements that may be missing, and what the model writes where it doubts
a line: the line, one of its expressions or one of its tokens anew, or a line between two others. All of them get the
reader's probability of the place that they change, against that of the place as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from codeworld.repair.edits import Edit, Proposal, apply, difference, size
from codeworld.repair.insertions import insertions
from codeworld.repair.places import Place, gap_before, line_at, surprise
from codeworld.repair.program import Program
from codeworld.repair.rank import Infill
from codeworld.repair.rewritings import Rewriting, look
from codeworld.repair.suspicion import Statements, Suspicion
from codeworld.repair.tree_edits import tree_neighbours

_PER_PLACE = 16  # proposals for one place that the reader sees
_MOST_READ = 200  # lines, the most suspect ones: some seconds
_UNREAD_NATS = -4.0  # what a proposal counts that the reader was not asked about
_UNLIKELY_NATS = -8.0  # and one that is too long for it
_SUSPICION = 3.0  # cost of a statement that no failing test runs
_REWRITTEN = {"token": 2.6, "part": 2.8, "line": 3.0}  # cost of what the model writes anew
_WORD = 0.4  # and of each further word that changes
_ADDED = 3.2  # and of a line that it adds


class Scope(msgspec.Struct, frozen=True):
    """``lines`` (from 0) where the fault is looked for, None for all; ``suspicion``: what a failing test says of them;
    ``most_lines`` that the reader reads for neighbours, and ``most_gaps`` between lines: those which surprise it most.
    ``inserts``: whether statements are added; ``writes``: whether the model's own proposals are united with the
    enumerated ones. ``model_s``: seconds after which the model is not asked about another place."""

    lines: frozenset[int] | None = None
    suspicion: Suspicion | None = None
    most_lines: int = 4
    most_gaps: int = 4
    weight: float = 0.6  # of the reader's log-probability against the prior's
    inserts: bool = True
    writes: bool = True
    model_s: float = 60.0


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
    by_place: dict[Place, list[Proposal]] = {}
    for one in found:
        line = text.count("\n", 0, one.edits[0].start_char)
        if scope.lines is None or line in scope.lines:
            by_place.setdefault(_place(text, one), []).append(one)
    if infill is None:
        return sorted((one for place in by_place.values() for one in place), key=lambda one: one.cost)
    end_s = time.monotonic() + scope.model_s
    ranked: list[Proposal] = []
    chosen = _chosen(program, by_place, infill, scope, statements, should_stop)
    for place in sorted(by_place.keys() | chosen):
        own = by_place.get(place, [])
        if place in chosen and not should_stop() and time.monotonic() < end_s:
            ranked += _read(program, place, own, infill, scope, chosen[place])
        else:
            ranked += [msgspec.structs.replace(one, logprob_nats=_UNREAD_NATS) for one in own]
    return sorted(ranked, key=lambda one: -one.score)


def _suspected(one: Proposal, statements: Statements, suspicion: Suspicion | None) -> Proposal:
    if suspicion is None:
        return one
    doubt = 1.0 - suspicion.at(statements.of_edit(one.edits[0]))
    return msgspec.structs.replace(one, cost=one.cost + _SUSPICION * doubt)


def _place(text: str, one: Proposal) -> Place:
    """The place that a proposal changes: an added line's gap, else the first line that it touches."""
    edit = one.edits[0]
    if edit.start_char == edit.end_char and edit.new_text.endswith("\n"):
        return Place(edit.start_char, edit.start_char)
    return line_at(text, edit.start_char)


def _chosen(
    program: Program,
    by_place: dict[Place, list[Proposal]],
    infill: Infill,
    scope: Scope,
    statements: Statements,
    should_stop: Callable[[], bool],
) -> dict[Place, float]:
    """The places that the reader looks at closely, with the cost of their being none that failing tests run."""
    text, suspicion = program.text, scope.suspicion
    cost = dict[Place, float]()
    for place in by_place:
        line = text.count("\n", 0, place.start)
        doubt = 0.0 if suspicion is None else 1.0 - suspicion.at(statements.of_line(line))
        if not place.is_gap and doubt < 1.0:
            cost[place] = _SUSPICION * doubt
    suspect = sorted(cost, key=lambda one: cost[one])[:_MOST_READ]
    if should_stop():
        return {}
    nats = surprise(text, (text.count("\n", 0, place.start) for place in suspect), infill)
    doubted = {place: nats.get(text.count("\n", 0, place.start), 0.0) - cost[place] for place in suspect}
    best = sorted(doubted, key=lambda place: -doubted[place])
    chosen = {place: cost[place] for place in best[: scope.most_lines]}
    if scope.inserts or scope.writes:
        gaps = {place for place in by_place if place.is_gap} if scope.inserts else set()
        if scope.writes and scope.lines is None:
            gaps |= {gap_before(text, place) for place in doubted}
        chosen |= {gap: _SUSPICION * _doubt(gap, program, scope, statements) for gap in gaps}
        ordered = sorted(
            gaps, key=lambda gap: chosen[gap] - doubted.get(line_at(text, gap.start), 0.0)
        )  # what is missing makes the next line surprising
        for gap in ordered[scope.most_gaps :]:
            del chosen[gap]
    return chosen


def _doubt(gap: Place, program: Program, scope: Scope, statements: Statements) -> float:
    if scope.suspicion is None:
        return 0.0
    text = program.text
    line = text[gap.start : text.find("\n", gap.start)]
    indent = line[: len(line) - len(line.lstrip())]
    return 1.0 - scope.suspicion.at(statements.of_edit(Edit(gap.start, gap.start, f"{indent}x\n")))


def _read(
    program: Program, place: Place, proposals: Sequence[Proposal], infill: Infill, scope: Scope, cost: float
) -> list[Proposal]:
    """The proposals for a place with what the reader thinks of them, and the model's own."""
    text = program.text
    asked = [one for one in proposals if _is_within(one, place)][:_PER_PLACE]
    fills = [_fill(text, one, place) for one in asked]
    seen = look(program, place, fills, infill, writes=scope.writes)
    base = seen.nats.get(text[place.start : place.end], 0.0)
    united = dict(zip(fills, asked, strict=True))
    for rewriting in seen.written:
        written = _written(text, place, rewriting, cost)
        known = united.get(rewriting.text)
        if written is not None and (known is None or written.cost < known.cost):
            united[rewriting.text] = written
    read = [
        msgspec.structs.replace(
            one,
            logprob_nats=scope.weight * (seen.nats[fill] - base if fill in seen.nats else _UNLIKELY_NATS),
        )
        for fill, one in united.items()
    ]
    unread = [one for one in proposals if one not in asked]
    return read + [msgspec.structs.replace(one, logprob_nats=_UNREAD_NATS) for one in unread]


def _written(text: str, place: Place, rewriting: Rewriting, cost: float) -> Proposal | None:
    """What the model writes, as a proposal; None where it says nothing new."""
    if place.is_gap:
        neighbours = {line.strip() for line in _lines_around(text, place.start)}
        if rewriting.text.strip() in neighbours or rewriting.text.lstrip().startswith("#"):
            return None
        edit = Edit(place.start, place.start, rewriting.text + "\n")
        return Proposal((edit,), "model: added line", _ADDED + cost)
    own = text[place.start : place.end]
    changed = difference(own, rewriting.text)
    edits = tuple(
        Edit(one.start_char + place.start, one.end_char + place.start, one.new_text) for one in changed
    )
    return Proposal(
        edits, f"model: {rewriting.unit}", rewritten_cost(rewriting.unit, size(own, rewriting.text)) + cost
    )


def rewritten_cost(unit: str, words: int) -> float:
    """Of what the model writes in place of a unit, where so many words change."""
    return _REWRITTEN[unit] + _WORD * (words - 1)


def _fill(text: str, one: Proposal, place: Place) -> str:
    """The text that a proposal puts into its place."""
    if place.is_gap:
        return one.edits[0].new_text.removesuffix("\n")
    return apply(text[: place.end], one.edits)[place.start :]


def _is_within(one: Proposal, place: Place) -> bool:
    return place.start <= one.edits[0].start_char and one.edits[-1].end_char <= place.end


def _lines_around(text: str, char: int) -> tuple[str, str]:
    before = text[:char].rstrip("\n")
    return before[before.rfind("\n") + 1 :], text[char:].partition("\n")[0]

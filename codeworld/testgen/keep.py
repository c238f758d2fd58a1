"""Of all that was found, the few cases that are needed; each as small as it can be, and the same at every run."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence

import msgspec

from codeworld.testgen.calling import Caller, Input
from codeworld.testgen.cases import Case, Kept, Mutant, Observed, Target
from codeworld.testgen.execution import Worker
from codeworld.testgen.neighbours import smaller
from codeworld.testgen.search import Arc, Found

_MOST_CANDIDATES = 80
_MOST_CASES = 24  # for one target
_SMALLER = 16  # of one case, tried before the next smaller one of it
_AT_ONCE = 4  # between two looks at the clock
_WRITTEN = ("doctest", "call site")  # by somebody: as readable as can be
_LONG_CHARS = 600  # of what stands in a test; a longer one has to be worth it


def confirmed(
    found: Sequence[Found],
    worker: Worker,
    mutants: Sequence[Mutant],
    chance: random.Random,
    accepts: Callable[[Case, Observed], bool],
    deadline_s: float = math.inf,
) -> tuple[list[Found], int]:
    """Run each in a process of its own, with all mutants, and again in another order; those that did the same, and how
    many did not. After ``deadline_s`` (monotonic) no more are run: slow ones take seconds with all mutants."""
    hanging = {
        number for one in found for number in one.observed.hung
    }  # again, each would take its whole time
    mutants = [one for one in mutants if one.number not in hanging]
    few = sorted(found, key=lambda one: _cost(one.case, one.observed))[:_MOST_CANDIDATES]
    first: list[Observed] = []
    while len(first) < len(few) and (not first or time.monotonic() < deadline_s):
        some = few[len(first) : len(first) + _AT_ONCE]
        first += worker.run([one.case for one in some], mutants=mutants, isolated=True)
    few = few[: len(first)]
    order = [*range(len(few))]
    chance.shuffle(order)
    again = worker.run([few[at].case for at in order], isolated=False, trace=False)
    second = dict(zip(order, again, strict=True))
    same = [
        msgspec.structs.replace(one, observed=_with_hung(done, one.observed))
        for at, (one, done) in enumerate(zip(few, first, strict=True))
        if accepts(one.case, done) and _does(done) == _does(second[at])
    ]
    return same, len(few) - len(same)


def chosen(
    target: Target, found: Sequence[Found], arcs: set[Arc], killed: set[int], most: int = _MOST_CASES
) -> list[tuple[Found, Kept]]:
    """Greedily those that reach or kill most for their length; ``arcs`` and ``killed`` are what others have already,
    and grow. One that asserts on the result alone goes before one that asserts on all that changed."""
    kept: list[tuple[Found, Kept]] = []
    left = [(one, whole) for one in found for whole in _views(one.observed)]
    while left and len(kept) < most:
        best, gain = None, 0.0
        for one, whole in left:
            new = len(set(one.observed.reached) - arcs)
            kills = len(set(_kills(one.observed, whole)) - killed)
            worth = (new + 2 * kills) / (1 + _cost(one.case, one.observed) / 60) * (0.6 if whole else 1.0)
            if worth > gain:
                best, gain = (one, whole), worth
        if best is None:
            break
        one, whole = best
        new, kills = len(set(one.observed.reached) - arcs), len(set(_kills(one.observed, whole)) - killed)
        arcs |= set(one.observed.reached)
        killed |= set(_kills(one.observed, whole))
        kept.append((one, Kept(target, one.case, one.observed, whole, new, kills)))
        left = [pair for pair in left if pair[0].case != one.case]
    return kept


def without_needless(
    kept: Sequence[tuple[Found, Kept]], arcs: set[Arc], killed: set[int]
) -> list[tuple[Found, Kept]]:
    """Those whose branches and kills the others do not have together (nor ``arcs`` and ``killed``)."""
    needed = [*kept]
    for pair in reversed(kept):
        rest = [one for one in needed if one is not pair]
        own_arcs, own_kills = set(pair[1].observed.reached), set(_kills(pair[1].observed, pair[1].whole))
        others = set(arcs).union(*(one.observed.reached for _, one in rest))
        others_kill = set(killed).union(*(_kills(one.observed, one.whole) for _, one in rest))
        if own_arcs <= others and own_kills <= others_kill:
            needed = rest
    return needed


class Shrinker:
    """Makes cases smaller as long as they reach and kill what they are kept for."""

    def __init__(
        self,
        caller: Caller,
        worker: Worker,
        mutants: Sequence[Mutant],
        accepts: Callable[[Case, Observed], bool],
    ) -> None:
        self._caller, self._worker, self._accepts = caller, worker, accepts
        self._mutants = {one.number: one for one in mutants}

    def shrink(self, one: Found, arcs: set[Arc], kills: set[int], deadline_s: float) -> Found:
        """The smallest that was found in time; ``arcs`` and ``kills`` are what it must keep."""
        while time.monotonic() < deadline_s and one.input.origin not in _WRITTEN:
            tried = [(other, self._caller.case(other)) for other in _smaller_inputs(one.input)][:_SMALLER]
            better = self._first_that_fits(tried, one, arcs, kills, deadline_s)
            if better is None:
                return one
            one = better
        return one

    def _first_that_fits(
        self,
        tried: Sequence[tuple[Input, Case]],
        one: Found,
        arcs: set[Arc],
        kills: set[int],
        deadline_s: float,
    ) -> Found | None:
        mutants = [self._mutants[number] for number in kills]
        for at in range(0, len(tried), _AT_ONCE):
            some = tried[at : at + _AT_ONCE]
            done = self._worker.run([case for _, case in some], mutants=mutants)
            for (other, case), observed in zip(some, done, strict=True):
                fits = arcs <= observed.reached and kills <= set(observed.killed)
                shorter = _cost(case, observed) < _cost(one.case, one.observed)
                if fits and shorter and self._accepts(case, observed):
                    return Found(other, case, observed)
            if time.monotonic() > deadline_s:
                break
        return None


def exclusive(pair: tuple[Found, Kept], kept: Sequence[tuple[Found, Kept]]) -> tuple[set[Arc], set[int]]:
    """What a case reaches and kills that no other of ``kept`` does."""
    rest = [other for _, other in kept if other is not pair[1]]
    arcs = set(pair[1].observed.reached).difference(*(one.observed.reached for one in rest))
    kills = set(_kills(pair[1].observed, pair[1].whole)).difference(
        *(_kills(one.observed, one.whole) for one in rest)
    )
    return arcs, kills


def _smaller_inputs(one: Input) -> list[Input]:
    found = []
    for at in range(len(one.before)):
        found.append(msgspec.structs.replace(one, before=(*one.before[:at], *one.before[at + 1 :])))
    for text in smaller(one.receiver) if one.receiver else ():
        found.append(msgspec.structs.replace(one, receiver=text))
    for name, expression in one.arguments.items():
        for text in smaller(expression):
            found.append(msgspec.structs.replace(one, arguments={**one.arguments, name: text}))
    return sorted(found, key=_length)


def _length(one: Input) -> int:
    return sum(map(len, one.arguments.values())) + sum(map(len, one.before)) + len(one.receiver)


def _with_hung(done: Observed, before: Observed) -> Observed:
    return msgspec.structs.replace(
        done,
        killed=(*done.killed, *before.hung),
        killed_by_result=(*done.killed_by_result, *before.hung),
        hung=before.hung,
    )


def _views(observed: Observed) -> tuple[bool, ...]:
    """Whether to assert on what changed as well; only that, where nothing is returned."""
    changed = any(one.expr is not None or one.attributes for one in observed.changed.values())
    says_more = changed or bool(observed.printed or observed.files)
    if observed.value is not None and observed.value.expr == "None" and says_more:
        return (True,)
    return (False, True) if says_more else (False,)


def _kills(observed: Observed, whole: bool) -> tuple[int, ...]:
    return observed.killed if whole else observed.killed_by_result


def _cost(case: Case, observed: Observed) -> int:
    """Characters of input and expectation; those that nobody would read count more."""
    text = sum(len(value) for _, value in case.setup) + sum(map(len, case.before))
    if observed.value is not None:
        text += len(observed.value.expr or "".join(observed.value.attributes.values()))
    return text if text <= _LONG_CHARS else text * 3


def _does(observed: Observed) -> tuple[object, ...]:
    return (
        observed.died, observed.mode, observed.value, observed.raised, observed.changed, observed.printed,
        observed.files,
    )  # fmt: skip

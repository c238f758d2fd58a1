"""Look for inputs that reach new branches and tell mutants apart, within a time.

Feedback as in a fuzzer: an input that did something new is changed further. What is new is a pair of lines that
followed each other, a mutant told apart, or another exception.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from codeworld.testgen.calling import Caller, Input
from codeworld.testgen.cases import Case, Mutant, Observed, Target
from codeworld.testgen.execution import Worker

Arc = tuple[int | str, int]  # or an exception and the line of the file where it passed

_BATCH = 24
_FIRST = 12  # calls in the first batches, when hardly anything is known: also slow ones are noticed early
_STALE = 1_500  # calls without anything new
_QUESTION_S = 1.0  # what asking somebody else for inputs is thought to take, until it was done once
_STALE_AT_END = 120  # when no mutant of the target is left
_STALE_DEATHS = 40  # that did not end: no more of them


class Goals:
    """What is still to be reached in a file, shared by the searches of all its targets."""

    def __init__(self, mutants: Iterable[Mutant]) -> None:
        self.arcs: set[Arc] = set()
        self.alive: dict[int, Mutant] = {one.number: one for one in mutants}

    def within(self, target: Target) -> Goals:
        """The mutants of one target alone."""
        found = Goals(one for one in self.alive.values() if target.line <= one.line <= target.end_line)
        found.arcs |= self.arcs
        return found


class Found(msgspec.Struct, frozen=True):
    """An input that did something new, and what it did when it was found."""

    input: Input
    case: Case
    observed: Observed


class Search:
    """One target's. ``accepts`` says whether what a case did may stand in a test."""

    def __init__(
        self,
        caller: Caller,
        worker: Worker,
        goals: Goals,
        chance: random.Random,
        accepts: Callable[[Case, Observed], bool],
    ) -> None:
        self._caller, self._worker, self._goals, self._chance = caller, worker, goals, chance
        self._accepts = accepts
        self._corpus: list[Input] = []
        self._seen: set[Case] = set()
        self._kinds: set[str] = set()
        self._refused_kinds: set[str] = set()
        self.found: list[Found] = []
        self.calls, self.died = 0, 0
        self.deaths: list[Observed] = []
        self.failures: list[Observed] = []
        self.refused: list[Found] = []  # they did something, but nothing that may stand in a test

    def run(
        self,
        first: Sequence[Input],
        deadline_s: float,
        should_stop: Callable[[], bool],
        more: Callable[[], Sequence[Input]] = tuple,
    ) -> None:
        """Until ``deadline_s`` (monotonic), or nothing new comes. ``first`` are inputs that somebody wrote; ``more`` is
        asked once nothing new has come for as long as a question takes: so it never costs much more than it spares."""
        waiting = [*first]
        stale = 0
        idle_s, question_s = time.monotonic(), _QUESTION_S
        # One batch at least, however little time there is.
        while not self.calls or (time.monotonic() < deadline_s and stale < self._patience()):
            if should_stop():
                return
            if time.monotonic() - idle_s >= question_s or stale >= _STALE // 2:
                idle_s = time.monotonic()
                waiting += more()
                question_s = max(time.monotonic() - idle_s, _QUESTION_S)
                idle_s = time.monotonic()
            size = _BATCH if self.calls > 2 * _FIRST else _FIRST
            while len(waiting) < size:
                waiting.append(self._next())
            batch, waiting = self._unseen(waiting[:size]), waiting[size:]
            if not batch:
                stale += size
                continue
            new = self._try(batch)
            stale = 0 if new else stale + len(batch)
            idle_s = time.monotonic() if new else idle_s
            if self.died > _STALE_DEATHS and self.died * 2 > self.calls:
                return

    def _patience(self) -> int:
        target = self._caller.target
        left = any(target.line <= one.line <= target.end_line for one in self._goals.alive.values())
        return _STALE if left else _STALE_AT_END

    def _next(self) -> Input:
        if self._corpus and self._chance.random() < 0.65:
            # Recent ones, mostly: they did what is hardest to reach.
            at = int(len(self._corpus) * self._chance.random() ** 0.5)
            return self._caller.near(self._corpus[at])
        return self._caller.fresh()

    def _unseen(self, inputs: Sequence[Input]) -> list[tuple[Input, Case]]:
        found = []
        for one in inputs:
            case = self._caller.case(one)
            if case not in self._seen:
                self._seen.add(case)
                found.append((one, case))
        return found

    def _try(self, batch: Sequence[tuple[Input, Case]]) -> bool:
        """Whether anything was new."""
        goals = self._goals
        observed = self._worker.run([case for _, case in batch], mutants=[*goals.alive.values()], every=False)
        self.calls += len(batch)
        new = False
        for (one, case), done in zip(batch, observed, strict=True):
            if done.died:
                self.died += 1
                self.deaths.append(done)
                continue
            if done.setup_failed:
                self.failures.append(done)
                continue
            arcs = done.reached - goals.arcs
            kind = f"{done.raised.type}:{done.raised.line}" if done.raised else done.mode
            accepted = self._accepts(case, done)
            if not accepted:
                self._refuse(Found(one, case, done))
            kills = [number for number in done.killed if number in goals.alive] if accepted else []
            if not arcs and not kills and kind in self._kinds:
                continue
            self._corpus.append(one)
            if not accepted:
                continue  # its branches still have to be reached by something that can be asserted
            new = True
            self._kinds.add(kind)
            goals.arcs |= arcs
            for number in kills:
                del goals.alive[number]
            self.found.append(Found(one, case, done))
        return new

    def _refuse(self, one: Found) -> None:
        """Remember the first of each kind of thing that may not stand in a test."""
        raised, value = one.observed.raised, one.observed.value
        kind = f"{raised.type}:{raised.line}" if raised else f"value {value.type if value else ''}"
        if kind not in self._refused_kinds:
            self._refused_kinds.add(kind)
            self.refused.append(one)

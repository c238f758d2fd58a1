"""From a module's targets to the cases worth keeping: search, confirm, choose, shrink; one target after the other."""

from __future__ import annotations

import ast
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from codeworld.errors import BadInput
from codeworld.testgen import doubts
from codeworld.testgen.calling import REFUSED, Caller, Input
from codeworld.testgen.cases import Case, Doubt, Kept, Mutant, Observed, Summary, Target, Untested
from codeworld.testgen.execution import Worker
from codeworld.testgen.expressions import shown
from codeworld.testgen.inputs import Maker
from codeworld.testgen.keep import Shrinker, chosen, confirmed, exclusive, without_needless
from codeworld.testgen.mutants import mutants_of
from codeworld.testgen.pools import NO_EXAMPLES, Examples, pool_of, stands
from codeworld.testgen.search import Arc, Found, Goals, Search
from codeworld.testgen.shapes import Shape
from codeworld.testgen.target import Module, bindings, lines_of, preparing, read_module

_SEARCH = 0.7  # of a target's time; the rest is for confirming and shrinking
_LEAST_S = 0.3
_SHRINK_S = 1.0  # at least: what is long is read for years
_MOST_MUTANTS = 1_500  # in one file: a thousand-line module has more than anybody has time for
_MOST_RECEIVER_CHARS = 160
_MOST_DOUBTS = 3  # of one kind for one target
_ALONE = 0.7  # of a target's time, where it can be tested through its callers as well

# Further inputs for a target, of which these are known to do something new; called between two batches.
Propose = Callable[[Target, Sequence[Input]], Sequence[ast.Call]]


class Suite(msgspec.Struct, frozen=True):
    """What is kept, and what is to be said about it."""

    kept: tuple[Kept, ...]
    summaries: tuple[Summary, ...]
    doubts: tuple[Doubt, ...]
    untested: tuple[Untested, ...]
    flaky: int


class Plan(msgspec.Struct, frozen=True):
    """``total_s`` is for the whole module; ``seed`` makes a run repeatable but for its timing."""

    total_s: float
    seed: int = 0


class Builder:
    """Collects the suite of one module."""

    def __init__(
        self,
        module: Module,
        worker: Worker,
        calls: Mapping[str, Sequence[ast.Call]],
        propose: Propose | None,
        examples: Examples = NO_EXAMPLES,
        callers: Mapping[str, Sequence[Target]] = {},
    ) -> None:
        self._callers, self._through = callers, Counter[str]()
        self._module, self._worker, self._calls, self._propose = module, worker, calls, propose
        self._examples = examples
        flags = "from __future__ import annotations\n" if _has_future_annotations(module.tree) else ""
        self._mutants = worker.take_mutants([*_all_mutants(module, flags)])
        self._goals = Goals(self._mutants)
        self._names = bindings(module.tree)
        self._of_class: dict[str, tuple[Target, ...]] = {}
        self._arcs: set[Arc] = set()
        self._killed: set[int] = set()
        self._kept: list[Kept] = []
        self._doubts: list[Doubt] = []
        self._untested = [*module.untested]
        self._flaky = 0

    def build(
        self,
        plan: Plan,
        should_stop: Callable[[], bool],
        progress: Callable[[int, int], None],
    ) -> Suite:
        """All targets, those with most to find first: helpers are often tested through them."""
        deadline_s = time.monotonic() + plan.total_s
        waiting = sorted(self._module.targets, key=self._mutants_in, reverse=True)
        weights = {one.qualname: 3 + self._mutants_in(one) for one in waiting}
        for number, target in enumerate(waiting):
            if should_stop():
                break
            left_s = deadline_s - time.monotonic()
            share = weights[target.qualname] / sum(weights[one.qualname] for one in waiting[number:])
            if left_s < _LEAST_S:
                self._untested += [
                    Untested(one.qualname, "there was no time left") for one in waiting[number:]
                ]
                break
            until_s = time.monotonic() + max(_LEAST_S, left_s * share)
            chance = random.Random(f"{plan.seed}{target.qualname}")
            callers = self._callers.get(target.qualname, ())
            alone_s = (until_s - time.monotonic()) * (_ALONE if callers else 1.0)
            self._add(target, alone_s, chance, should_stop)
            self._add_through(target, callers, until_s, chance, should_stop)
            progress(number + 1, len(waiting))
        return Suite(
            tuple(sorted(self._kept, key=lambda one: one.target.line)),
            tuple(map(self._summary, self._module.targets)),
            tuple(self._doubts),
            tuple(self._untested),
            self._flaky,
        )

    def _add_through(
        self,
        target: Target,
        callers: Sequence[Target],
        until_s: float,
        chance: random.Random,
        should_stop: Callable[[], bool],
    ) -> None:
        """Calls of what calls the target, for those of its lines that its own tests do not run."""
        for number, caller in enumerate(callers):
            left_s = until_s - time.monotonic()
            missing = self._lines(target) - {line for arc in self._arcs for line in arc}
            if not missing or left_s < _LEAST_S or should_stop():
                return
            before = len(self._kept)
            self._add(caller, left_s / (len(callers) - number), chance, should_stop, about=target)
            self._through[target.qualname] += len(self._kept) - before
            if len(self._kept) > before:
                self._untested = [one for one in self._untested if one.qualname != target.qualname]

    def _add(
        self,
        target: Target,
        budget_s: float,
        chance: random.Random,
        should_stop: Callable[[], bool],
        about: Target | None = None,
    ) -> None:
        """Cases of ``target``, for what they show of ``about``, which it calls, if that is given."""
        begin_s = time.monotonic()
        function = self._module.functions.get(target.qualname)
        calls = self._calls.get(
            target.owner.rpartition(".")[2] if target.kind == "constructor" else target.name, ()
        )
        pool = pool_of(target, function, self._module.tree, calls, self._names, self._examples)
        maker = Maker(chance, pool, self._worker.describe, self._inferred)
        before = preparing(target, self._module.functions)
        receivers = self._receivers(target.owner)
        caller = Caller(target, maker, self._siblings(target.owner), self._names, before, receivers)
        why_not = caller.why_not()
        if why_not:
            self._untested += [Untested(target.qualname, why_not)] if about is None else []
            return
        first, unfrozen, contradicted = self._written(caller, calls)

        def accepts(case: Case, observed: Observed) -> bool:
            if case.origin == REFUSED and (observed.raised is None or observed.raised.type != "TypeError"):
                return False
            return doubts.may_stand(target, observed) and shown(case) not in unfrozen

        goals = self._goals if about is None else self._goals.within(about)
        search = Search(caller, self._worker, goals, chance, accepts)
        more = self._proposals(target, caller, search)
        search.run(first, begin_s + _SEARCH * budget_s, should_stop, more)
        self._keep(caller, search, accepts, chance, begin_s + budget_s, about)
        if about is not None:
            return
        self._doubts += contradicted
        self._doubt(target, search)
        if not any(one.target is target for one in self._kept):
            self._explain(target, search)

    def _inferred(self, name: str) -> dict[str, Shape]:
        """What the constructor of a class of the module takes."""
        constructors = [
            one for one in self._siblings(name) if one.kind == "constructor" and one.owner == name
        ]
        return {one.name: one.shape for made in constructors for one in made.parameters}

    def _receivers(self, owner: str) -> list[str]:
        """Instances of a class as examples and other code make them."""
        made = [one for one in self._siblings(owner) if one.kind == "constructor" and one.owner == owner]
        written = [
            call for one in made for example in one.examples for call in _calls_of(example.source, one)
        ]
        written += self._calls.get(owner.rpartition(".")[2], ())
        fitting = [
            one for one in written if all(map(self._stands, [*one.args, *(k.value for k in one.keywords)]))
        ]
        texts = [f"{owner}({', '.join(map(ast.unparse, [*one.args, *one.keywords]))})" for one in fitting]
        return [text for text in dict.fromkeys(texts) if len(text) <= _MOST_RECEIVER_CHARS]

    def _stands(self, node: ast.expr) -> bool:
        return stands(node, self._names)

    def _siblings(self, owner: str) -> tuple[Target, ...]:
        """The class's public methods, also where only one of them is to be tested."""
        if owner and owner not in self._of_class:
            self._of_class[owner] = ()
            with contextlib.suppress(BadInput):  # it is not of this module
                self._of_class[owner] = read_module(self._module.text, owner).targets
        return self._of_class.get(owner, ())

    def _written(
        self, caller: Caller, calls: Sequence[ast.Call]
    ) -> tuple[list[Input], set[str], list[Doubt]]:
        """Inputs that somebody wrote; calls that must not be frozen, as they are in doctests that are no longer true;
        and what these contradict."""
        inputs, unfrozen, contradicted = [], set(), []
        target = caller.target
        for one in target.examples:
            case = Case((), one.source, origin="doctest")
            doubt = None
            if not one.depends:
                doubt = doubts.of_example(target, one, self._worker.run([case])[0])
            if doubt is not None:
                contradicted.append(doubt)
                unfrozen.add(shown(case))
            for call in _calls_of(one.source, target):
                found = caller.written(call, "call site" if one.depends else "doctest", one.built)
                inputs += [found] if found is not None and doubt is None else []
        for call in calls:
            found = caller.written(call, "call site")
            inputs += [found] if found is not None else []
        return inputs, unfrozen, contradicted

    def _proposals(self, target: Target, caller: Caller, search: Search) -> Callable[[], list[Input]]:
        def more() -> list[Input]:
            calls = self._propose(target, [one.input for one in search.found]) if self._propose else ()
            written = [caller.written(call, "model") for call in calls]
            return [one for one in written if one is not None]

        return more

    def _keep(
        self,
        caller: Caller,
        search: Search,
        accepts: Callable[[Case, Observed], bool],
        chance: random.Random,
        deadline_s: float,
        about: Target | None,
    ) -> None:
        mutants = [one for one in self._mutants if about is None or _is_in(one.line, about)]
        worker = self._worker
        # One with all mutants that can be reached takes long where there are many.
        reached = {line for one in search.found for arc in one.observed.arcs for line in arc}
        fitting = [one for one in mutants if one.line in reached]
        same, flaky = confirmed(search.found, worker, fitting, chance, accepts, deadline_s)
        self._flaky += flaky
        same = same if about is None else _only_about(same, about)
        pairs = chosen(caller.target, same, set(self._arcs), set(self._killed))
        pairs = without_needless(pairs, self._arcs, self._killed)
        shrinker = Shrinker(caller, worker, mutants, accepts)
        smaller = []
        deadline_s = max(deadline_s, time.monotonic() + _SHRINK_S)
        for pair in pairs:
            arcs, kills = exclusive(pair, pairs)
            smaller.append(shrinker.shrink(pair[0], arcs - self._arcs, kills - self._killed, deadline_s))
        same, flaky = confirmed(smaller, worker, fitting, chance, accepts)
        self._flaky += flaky
        same = same if about is None else _only_about(same, about)
        pairs = chosen(caller.target, same, self._arcs, self._killed)
        self._kept += [kept for _, kept in pairs]

    def _doubt(self, target: Target, search: Search) -> None:
        found: dict[tuple[str, str], Doubt] = {}
        for one in sorted(search.refused, key=lambda refused: len(shown(refused.case))):
            doubt = doubts.of_call(target, one.case, one.observed)
            if doubt is not None and one.case.origin != REFUSED:
                found.setdefault((doubt.source, doubt.observed.partition(":")[0]), doubt)
        self._doubts += [*found.values()][:_MOST_DOUBTS]

    def _explain(self, target: Target, search: Search) -> None:
        """Why there is no test of a target."""
        lines = self._lines(target)
        run = {line for arc in self._arcs for line in arc}
        if lines and lines <= run:
            reason = "what it does is tested through others already"
        elif search.deaths and not search.found:
            reason = f"with every input tried, {search.deaths[-1].died}"
        elif search.refused and not search.found:
            raised = search.refused[-1].observed.raised
            why = (
                f"{raised.type}: {raised.message}"[:160]
                if raised
                else "a value that contradicts its annotation"
            )
            reason = f"no input found with which it does not end in {why}"
        elif search.failures and not search.found:
            reason = f"its inputs cannot be made: {search.failures[-1].setup_failed}"
        elif self._flaky:
            reason = "it does not always do the same"
        else:
            reason = "no call of it showed anything that a test could hold on to"
        self._untested.append(Untested(target.qualname, reason))

    def _lines(self, target: Target) -> frozenset[int]:
        function = self._module.functions.get(
            f"{target.qualname}.__init__" if target.kind == "constructor" else target.qualname
        )
        return lines_of(function) if function is not None else frozenset()

    def _mutants_in(self, target: Target) -> int:
        return sum(target.line <= one.line <= target.end_line for one in self._mutants)

    def _summary(self, target: Target) -> Summary:
        lines = self._lines(target)
        run = {line for arc in self._arcs for line in arc}
        own = [one.number for one in self._mutants if target.line <= one.line <= target.end_line]
        tests = sum(one.target is target for one in self._kept) + self._through[target.qualname]
        return Summary(
            target.qualname,
            tests,
            len(lines & run),
            len(lines),
            len(self._killed.intersection(own)),
            len(own),
        )


def _is_in(line: int, target: Target) -> bool:
    return target.line <= abs(line) <= target.end_line


def _only_about(found: Sequence[Found], target: Target) -> list[Found]:
    """Those that run the target, with the arcs that are its own."""
    kept = []
    for one in found:
        arcs = tuple(arc for arc in one.observed.arcs if all(_is_in(line, target) for line in arc))
        observed = msgspec.structs.replace(one.observed, arcs=arcs)
        kept += [msgspec.structs.replace(one, observed=observed)] if arcs else []
    return kept


def _all_mutants(module: Module, flags: str) -> Iterator[Mutant]:
    """Of the targets and of what they may call in the same file."""
    number = 0
    for name, function in module.functions.items():
        for one in mutants_of(name, function, number, flags):
            yield one
            number = one.number + 1
            if number >= _MOST_MUTANTS:
                return


def _calls_of(source: str, target: Target) -> list[ast.Call]:
    name = target.owner.rpartition(".")[2] if target.kind == "constructor" else target.name
    return [
        node
        for node in ast.walk(ast.parse(source, mode="eval"))
        if isinstance(node, ast.Call)
        and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")) == name
    ]


def _has_future_annotations(tree: ast.Module) -> bool:
    return any(isinstance(one, ast.ImportFrom) and one.module == "__future__" for one in tree.body)

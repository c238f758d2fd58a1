"""The pipeline of a repair: localise, propose, rank, verify; verified fixes or the reason why there is none.

No input or output: the model comes as ``infill``, tests as ``judge``. Programs that do not parse are repaired error by
error; programs that parse only where tests, or the lines that somebody complains about, say that something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from codeworld.canvas import Reject
from codeworld.repair.edits import Fix, Proposal, apply
from codeworld.repair.localise import fault
from codeworld.repair.logic_search import Scope, logic_proposals
from codeworld.repair.rank import Budget, Infill, probabilities
from codeworld.repair.suspicion import suspicion
from codeworld.repair.syntax_search import syntax_proposals
from codeworld.repair.tree_edits import Program
from codeworld.repair.verify import Comparison, Judge, Tracer, check

_STRANGE = 4.5  # cost of an edit that is as likely to be none of ours
_PAIR_IS_RIGHT = 0.7  # of pairs of edits that pass, about so many are right
_MOST_UNTESTED = 64  # proposals that are checked where no test judges them: a long file has thousands
_BLANKS = re.compile(r"(?<=\S)[ \t]+")  # but for indentation
_BATCH = 16  # programs that are judged together


class Settings(msgspec.Struct, frozen=True):
    """``threshold``: least confidence of a fix that is offered. ``scope``: where the fault is looked for in a program
    that parses, and how. ``describe``: what the program should do, for the model. ``two_edits``: whether pairs of edits
    are tried where no single one passes the tests."""

    threshold: float = 0.5
    most_fixes: int = 3
    most_tests: int = 120  # programs that are run
    least_tests: int = (
        40  # also when one of the first passes, to see whether others do: then it may be chance
    )
    scope: Scope = Scope()
    describe: str = ""
    two_edits: bool = False
    budget: Budget = Budget()


def repair(
    text: str,
    *,
    infill: Infill | None = None,
    judge: Judge | None = None,
    trace: Tracer | None = None,
    types: Comparison | None = None,
    settings: Settings = Settings(),
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Fix] | Reject:
    """Fixes, best first; each was verified as its ``checks`` say. Reasons: "nothing-wrong", "no-candidate",
    "no-test-passes", "below-threshold", "type-error", "cancelled". Raises what ``infill`` and the judges raise."""
    if infill is not None and settings.describe:
        infill = _described(infill, settings.describe)
    fixes = _proposed(text, infill, judge, trace, settings, should_stop)
    if should_stop():
        return Reject("cancelled")
    if isinstance(fixes, Reject):
        return fixes
    if not fixes:
        return Reject("no-candidate")
    if judge is not None:
        fixes = _tested(text, fixes, judge, settings, should_stop, progress)
        if not fixes:
            return Reject("cancelled" if should_stop() else "no-test-passes")
    offered = [one for one in fixes if one.confidence >= settings.threshold]
    if not offered:
        return Reject("below-threshold", f"{fixes[0].confidence:.2f} < {settings.threshold:.2f}")
    if types is not None:
        return _typed(offered, types, settings.most_fixes, should_stop)
    return offered[: settings.most_fixes]


def _proposed(
    text: str,
    infill: Infill | None,
    judge: Judge | None,
    trace: Tracer | None,
    settings: Settings,
    should_stop: Callable[[], bool],
) -> list[Fix] | Reject:
    """What passes the quick checks, best first; refused where nothing says that something is wrong."""
    if fault(text) is not None:
        proposals = syntax_proposals(text, infill, budget=settings.budget, should_stop=should_stop)
        return _verified(text, proposals, len(proposals), otherwise=_STRANGE)
    scope = settings.scope
    if judge is None and scope.lines is None and not settings.describe:
        return Reject(
            "nothing-wrong", "it parses, and nothing says what it should do: no test, no description"
        )
    if judge is not None and judge([text])[0]:
        return Reject("nothing-wrong", "it parses and passes the test")
    if judge is None:  # what the model writes where nobody tests it is not known to be right often enough
        scope = msgspec.structs.replace(scope, writes=False)
    if trace is not None:
        where = suspicion(Program.of(text), trace(text))
        scope = msgspec.structs.replace(scope, suspicion=where)
    proposals = logic_proposals(text, infill, scope=scope, should_stop=should_stop)
    if judge is None:
        return _verified(text, proposals, _MOST_UNTESTED, otherwise=0.0)
    return _verified(text, proposals, settings.most_tests, otherwise=None)


def _typed(
    fixes: list[Fix], types: Comparison, most: int, should_stop: Callable[[], bool]
) -> list[Fix] | Reject:
    """The first of those that the type checker has nothing new to say of."""
    kept, refused = list[Fix](), Reject("no-candidate")
    for one in fixes:
        if should_stop():
            return Reject("cancelled")
        passed = types(one.text)
        if isinstance(passed, Reject):
            refused = passed
        else:
            kept.append(msgspec.structs.replace(one, checks=(*one.checks, *passed)))
        if len(kept) == most:
            break
    return kept or refused


def _described(infill: Infill, description: str) -> Infill:
    """The model reads the description as a comment above what it is shown."""
    comment = f"# {' '.join(description.split())}\n"
    return lambda hole: infill(msgspec.structs.replace(hole, prefix=comment + hole.prefix))


def _verified(text: str, proposals: list[Proposal], most: int, *, otherwise: float | None) -> list[Fix]:
    """The first ``most`` that pass the checks; ``otherwise`` is the cost of none of them being right (None: one of them
    is)."""
    passed: list[tuple[Proposal, str, tuple[str, ...]]] = []
    seen = {_BLANKS.sub("", text)}  # the same with another blank is no second proposal
    for one in proposals:
        after = apply(text, one.edits)
        written = _BLANKS.sub("", after)
        checks = check(text, after) if written not in seen else Reject("known")
        if not isinstance(checks, Reject):
            seen.add(written)
            passed.append((one, after, checks))
        if len(passed) == most:
            break
    none = [] if otherwise is None else [Proposal((), "", otherwise)]
    shares = probabilities([*(one for one, _, _ in passed), *none])[: len(passed)]
    return [
        Fix(one.edits, after, one.kind, round(share, 4), checks)
        for (one, after, checks), share in zip(passed, shares, strict=True)
    ]


def _tested(
    text: str,
    fixes: list[Fix],
    judge: Judge,
    settings: Settings,
    should_stop: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> list[Fix]:
    """Those that pass, in their order; their confidence is relative to the others that pass."""
    total, passed = min(len(fixes), settings.most_tests), list[Fix]()
    for at in range(0, total, _BATCH):
        if should_stop():
            return []
        if passed and at >= settings.least_tests:
            break
        batch = fixes[at : min(at + _BATCH, total)]
        passed += [one for one, good in zip(batch, judge([one.text for one in batch]), strict=True) if good]
        progress(min(at + _BATCH, total), total)
    if passed:
        return _shared(passed, 1.0)
    return _pairs(text, fixes, judge, settings, should_stop) if settings.two_edits else []


def _pairs(
    text: str, fixes: list[Fix], judge: Judge, settings: Settings, should_stop: Callable[[], bool]
) -> list[Fix]:
    """Two edits at once: the best with the best, as far as they lie apart."""
    best = fixes[:24]
    pairs = [
        (tuple(sorted((*one.edits, *other.edits))), one, other)
        for at, one in enumerate(best)
        for other in best[:at]
        if _apart(one, other)
    ]
    pairs.sort(key=lambda pair: -pair[1].confidence * pair[2].confidence)
    for at in range(0, min(len(pairs), settings.most_tests), _BATCH):
        if should_stop():
            return []
        batch = [
            Fix(
                edits,
                apply(text, edits),
                f"{one.kind}, {other.kind}",
                one.confidence * other.confidence,
                one.checks,
            )
            for edits, one, other in pairs[at : at + _BATCH]
        ]
        batch = [one for one in batch if not isinstance(check(text, one.text), Reject)]
        passed = [one for one, good in zip(batch, judge([one.text for one in batch]), strict=True) if good]
        if passed:
            return _shared(passed, _PAIR_IS_RIGHT)
    return []


def _shared(passed: list[Fix], whole: float) -> list[Fix]:
    """Fixes that pass the same tests share the confidence ``whole``."""
    total = sum(one.confidence for one in passed) or 1.0
    return [
        msgspec.structs.replace(
            one, confidence=round(whole * one.confidence / total, 4), checks=(*one.checks, "tests")
        )
        for one in passed
    ]


def _apart(one: Fix, other: Fix) -> bool:
    first, second = sorted((one.edits, other.edits))
    return first[-1].end_char < second[0].start_char

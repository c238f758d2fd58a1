"""The pipeline of a repair: localise, propose, rank, verify; verified fixes or the reason why there is none.

No input or output: the model comes as ``infill``, tests as ``judge``. Programs that do not parse are repaired error by
error; programs that parse only where tests, or the lines that somebody complains about, say that something is wrong.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import msgspec

from codeworld.canvas import Reject
from codeworld.repair.edits import Fix, Proposal, apply
from codeworld.repair.localise import fault
from codeworld.repair.logic_search import Scope, logic_proposals
from codeworld.repair.program import Program
from codeworld.repair.rank import Budget, Infill, probabilities
from codeworld.repair.suspicion import suspicion
from codeworld.repair.syntax_search import syntax_proposals
from codeworld.repair.tested import Candidate, Trial, tested
from codeworld.repair.verify import Comparison, Judge, Observer, Screener, Tracer, check

_STRANGE = 4.5  # cost of an edit that is as likely to be none of ours
_MOST_UNTESTED = 64  # proposals that are checked where no test judges them: a long file has thousands
_MOST_SCREENED = 2000  # proposals
_BLANKS = re.compile(r"(?<=\S)[ \t]+")  # but for indentation


class Settings(msgspec.Struct, frozen=True):
    """``threshold``: least confidence of a fix that is offered. ``scope``: where the fault is looked for in a program
    that parses, and how. ``describe``: what the program should do, for the model. ``two_edits``: whether pairs of edits
    are tried where no single one passes the tests. ``least_tests`` programs are also run when one of the first passes,
    to see whether others do: then it may be chance. No program is run after ``tests_s``: less is sure then."""

    threshold: float = 0.5
    most_fixes: int = 3
    most_tests: int = 400
    least_tests: int = 240
    most_pairs: int = 20_000
    tests_s: float = 120.0
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
    observe: Observer | None = None,
    screen: Screener | None = None,
    types: Comparison | None = None,
    settings: Settings = Settings(),
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Fix] | Reject:
    """Fixes, best first; each was verified as its ``checks`` say. Reasons: "nothing-wrong", "no-candidate",
    "no-test-passes", "below-threshold", "type-error", "cancelled". Raises what ``infill`` and the judges raise."""
    if infill is not None and settings.describe:
        infill = _described(infill, settings.describe)
    proposals = _proposed(text, infill, judge, trace, settings, should_stop)
    if should_stop():
        return Reject("cancelled")
    if isinstance(proposals, Reject):
        return proposals
    if judge is None:
        broken = fault(text) is not None
        most, otherwise = (len(proposals), _STRANGE) if broken else (_MOST_UNTESTED, 0.0)
        fixes = _verified(text, proposals, most, otherwise)
    else:
        end_s = time.monotonic() + settings.tests_s
        most, least = settings.most_tests, settings.least_tests
        trial = Trial(
            judge, infill, observe, screen, most, least, settings.most_pairs, end_s, should_stop, progress
        )
        candidates = _candidates(text, proposals, most if screen is None else _MOST_SCREENED)
        fixes = tested(text, candidates, trial, pairs=settings.two_edits)
        if candidates and not fixes:
            return Reject("cancelled" if should_stop() else "no-test-passes")
    if not fixes:
        return Reject("no-candidate")
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
) -> list[Proposal] | Reject:
    """Best first; refused where nothing says that something is wrong."""
    if fault(text) is not None:
        return syntax_proposals(text, infill, budget=settings.budget, should_stop=should_stop)
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
    return logic_proposals(text, infill, scope=scope, should_stop=should_stop)


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


def _verified(text: str, proposals: list[Proposal], most: int, otherwise: float) -> list[Fix]:
    """The first ``most`` that pass the checks; ``otherwise`` is the cost of none of them being right."""
    passed = _candidates(text, proposals, most)
    shares = probabilities([*(one.proposal for one in passed), Proposal((), "", otherwise)])
    return [
        Fix(one.proposal.edits, one.text, one.proposal.kind, round(share, 4), one.checks)
        for one, share in zip(passed, shares[:-1], strict=True)
    ]


def _candidates(text: str, proposals: list[Proposal], most: int) -> list[Candidate]:
    """The first ``most`` that pass the quick checks."""
    passed = list[Candidate]()
    seen = {_BLANKS.sub("", text)}  # the same with another blank is no second proposal
    for one in proposals:
        after = apply(text, one.edits)
        written = _BLANKS.sub("", after)
        checks = check(text, after) if written not in seen else Reject("known")
        if not isinstance(checks, Reject):
            seen.add(written)
            passed.append(Candidate(one, after, checks))
        if len(passed) == most:
            break
    return passed

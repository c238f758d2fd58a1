"""Which of the proposals that pass the tests is the one that was meant, and how sure that is.

Few tests leave many proposals. They are told apart by the reader, which finds the program as it was meant likelier than
one that only passes; by what they do on inputs that no test shows, where proposals that do the same are one answer; and
by how easily these tests are passed: where a fifth of all proposals pass, one of them may well have passed by chance.
"""

from __future__ import annotations

import ast
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from codeworld.canvas import Reject
from codeworld.repair.edits import Fix, Proposal, apply
from codeworld.repair.places import gain
from codeworld.repair.rank import Infill
from codeworld.repair.verify import Judge, Observer, Screener, check
from codeworld.syntax.names import unused
from codeworld.syntax.trees import parsed

_BATCH = 16  # programs that are judged together
_LEAST_LIKELY = 32  # of those that satisfy all examples, when one of the first passes
_MOST_READ = 12  # passing programs that the reader sees
_WEIGHT = 0.25  # of the reader's nats against the prior's
_NONE_OF_THEM = 0.2  # odds that what was meant is no proposal
_NONE_OF_PAIRS = 1.0  # and no pair of proposals: so it is in half of the programs with two broken tokens
_SURE = 0.5  # of one edit: below it, two are tried, too
_UNUSED = 3.5  # nats: 2 % of right programs bind a name for nothing, 17 % of those with one wrong token, 25 % with two
_BEST = 24  # edits of which pairs are made where nothing says what they do
_CLOSER = 2  # nats that an example counts that one of two edits satisfies
_MOST_CHARS = 40_000_000  # of all pairs' programs


class Candidate(NamedTuple):
    """A proposal that passed the quick checks, which have names, and the program that it makes."""

    proposal: Proposal
    text: str
    checks: tuple[str, ...]


class Trial(NamedTuple):
    """What proposals are tried with. ``most``: programs that are judged; ``least`` also when an early one passes;
    ``most_pairs``: pairs of edits that are screened; ``end_s`` (time.monotonic): no program is run after it."""

    judge: Judge
    infill: Infill | None
    observe: Observer | None
    screen: Screener | None
    most: int
    least: int
    most_pairs: int
    end_s: float
    should_stop: Callable[[], bool]
    progress: Callable[[int, int], None]

    @property
    def is_over(self) -> bool:
        """Whether nothing more is run: time is up, or somebody says so."""
        return self.should_stop() or time.monotonic() > self.end_s


class Judged(NamedTuple):
    """``passed`` the tests; ``number`` programs were judged, ``mass`` is the weight of their proposals, and ``likely``
    the weight that others which are not run may be expected to pass with."""

    passed: list[Candidate]
    number: int
    mass: float
    likely: float = 0.0


def tested(text: str, candidates: Sequence[Candidate], trial: Trial, *, pairs: bool) -> list[Fix]:
    """Those that pass, best first. ``pairs``: two edits at once are tried where no single one passes that is sure.
    Raises what the judge, the observer, the screen and the reader raise."""
    counts = _satisfied(text, candidates, trial)
    judged = _judged(candidates, counts, trial)
    if not judged.passed and counts and not any(one == _total(trial) for one in counts):
        judged = _passing(candidates, trial)  # the examples may not be what the tests want
    whole = (1 + _NONE_OF_THEM) * _mass(one.proposal for one in candidates)
    fixes = _confident(text, judged, whole, trial)
    sure = fixes[0].confidence if fixes else 0.0
    if sure < _SURE and pairs and not trial.is_over:
        alone = {one.text for one in judged.passed}
        both, mass = _pairs(text, candidates, counts, alone, trial)
        judged = _judged(both, _satisfied(text, both, trial), trial)
        judged = judged._replace(passed=[one for one in judged.passed if _is_sound(text, one)])
        found = _confident(text, judged, (1 + _NONE_OF_PAIRS) * mass, trial)
        fixes += [_less_sure(one, 1.0 - sure) for one in found]  # right only where no single edit is
    return [] if trial.should_stop() else sorted(fixes, key=lambda one: -one.confidence)


def _satisfied(text: str, candidates: Sequence[Candidate], trial: Trial) -> list[int]:
    """How many examples each of the first ones satisfies; nothing where the broken program satisfies all of them, so
    that they are not what is wrong."""
    if trial.screen is None:
        return []
    broken, *counts = trial.screen.satisfied([text, *(one.text for one in candidates)], trial.end_s) or [0]
    return counts if broken < trial.screen.total else []


def _total(trial: Trial) -> int:
    return trial.screen.total if trial.screen is not None else 0


def _judged(candidates: Sequence[Candidate], counts: Sequence[int], trial: Trial) -> Judged:
    """Only what satisfies all examples is run, where there are some."""
    if not counts:
        return _passing(candidates, trial)
    likely = [one for one, count in zip(candidates, counts, strict=False) if count == _total(trial)]
    unlikely = [one for one, count in zip(candidates, counts, strict=False) if count < _total(trial)]
    done = _passing(likely, trial._replace(least=_LEAST_LIKELY))
    unrun = _mass(one.proposal for one in likely[done.number :])
    mass = done.mass + unrun + _mass(one.proposal for one in unlikely)
    rate = len(done.passed) / max(1, done.number)
    return Judged(done.passed, done.number + len(unlikely), mass, rate * unrun)


def _passing(candidates: Sequence[Candidate], trial: Trial) -> Judged:
    """Of the first ones, as many as may be run."""
    total, passed, at = min(len(candidates), trial.most), list[Candidate](), 0
    while at < total and not trial.is_over and not (passed and at >= trial.least):
        batch = candidates[at : min(at + _BATCH, total)]
        passed += [
            one for one, good in zip(batch, trial.judge([one.text for one in batch]), strict=True) if good
        ]
        at += len(batch)
        trial.progress(at, total)
    return Judged(passed, at, _mass(one.proposal for one in candidates[:at]))


def _confident(text: str, judged: Judged, whole: float, trial: Trial) -> list[Fix]:
    """Confidence is the share of all that do the same, of the probability of all that pass and of a right one that is
    no proposal, or none that was judged (``whole`` is the weight of all there is), so that these passed by chance.
    What does the same as a better one has its own share only."""
    passed = judged.passed
    if not passed:
        return []
    weights = [math.exp(one) for one in _scores(text, passed, trial)]
    seen = trial.observe([one.text for one in passed]) if trial.observe and len(passed) > 1 else ()
    groups = dict[object, list[int]]()
    for at, one in enumerate(passed):
        groups.setdefault(seen[at] if seen and _works(seen[at]) else one.text, []).append(at)
    easy = len(groups) / (judged.number + 2)
    elsewhere = max(0.0, whole - judged.mass)
    total = sum(weights) + easy * elsewhere + judged.likely
    fixes = list[Fix]()
    for members in groups.values():
        best, *rest = sorted(members, key=lambda at: -weights[at])
        shares = [(best, sum(weights[at] for at in members)), *((at, weights[at]) for at in rest)]
        fixes += [_fix(passed[at], share / total) for at, share in shares]
    return sorted(fixes, key=lambda one: -one.confidence)


def _mass(proposals: Iterable[Proposal]) -> float:
    return sum(math.exp(-one.cost) for one in proposals)


def _scores(text: str, passed: Sequence[Candidate], trial: Trial) -> list[float]:
    """By prior, by what is left that nobody reads and, for the best ones, by what the reader thinks of the whole
    program."""
    tree = parsed(text)
    before = None if tree is None else unused(tree)
    scores = [-one.proposal.cost - _UNUSED * _left_unused(before, one.text) for one in passed]
    if trial.infill is None or len(passed) < 2:
        return scores
    best = sorted(range(len(passed)), key=lambda at: -scores[at])[:_MOST_READ]
    gains = gain(text, [passed[at].proposal.edits for at in best], trial.infill)
    worst = min(gains)
    known = dict(zip(best, gains, strict=True))
    return [score + _WEIGHT * known.get(at, worst) for at, score in enumerate(scores)]


def _left_unused(before: Mapping[str, set[str]] | None, after: str) -> int:
    """Names that a function binds for nothing after the change, in functions that it changes; 0 where these are not
    known."""
    if before is None:
        return 0
    found = unused(ast.parse(after))
    return len(set[str]().union(*(names for function, names in found.items() if function not in before)))


def _less_sure(one: Fix, share: float) -> Fix:
    return msgspec.structs.replace(one, confidence=round(share * one.confidence, 4))


def _fix(one: Candidate, confidence: float) -> Fix:
    checks = (*one.checks, "tests")
    return Fix(one.proposal.edits, one.text, one.proposal.kind, round(confidence, 4), checks)


def _pairs(
    text: str, candidates: Sequence[Candidate], counts: Sequence[int], alone: Collection[str], trial: Trial
) -> tuple[list[Candidate], float]:
    """Two edits at once, the best first, as far as they lie apart, and the weight of all there are; none of what passes
    ``alone``, which needs no other. One of them changes what the program does by itself, where that is observed; where
    it comes closer to what tests want (it satisfies more examples, or raises less) the pair comes first."""
    kept = [at for at, one in enumerate(candidates[: trial.most]) if one.text not in alone]
    tried, counts = [candidates[at] for at in kept], [counts[at] for at in kept if at < len(counts)]
    first, closer = list(range(min(len(tried), _BEST))), dict[int, int]()
    broken, *seen = trial.observe([text, *(one.text for one in tried)]) if trial.observe else [()]
    if any(map(_works, seen)):
        first = [at for at, does in enumerate(seen) if does != broken]
        closer = {at: min(0, _raised(seen[at]) - _raised(broken)) for at in first}
    for at, count in enumerate(counts):
        closer[at] = closer.get(at, 0) - _CLOSER * count
    second = list(range(len(tried))) if closer else first
    chosen = set(first)
    ranked = sorted(
        (
            tried[at].proposal.cost
            + tried[other].proposal.cost
            + min(closer.get(at, 0), closer.get(other, 0)),
            at,
            other,
        )
        for at in first
        for other in second
        if at < other or other not in chosen
    )
    most = min(trial.most_pairs, _MOST_CHARS // len(text)) if counts else trial.most
    found = list[Candidate]()
    for _, at, other in ranked:
        one, two = tried[at].proposal, tried[other].proposal
        if len(found) == most:
            break
        if _apart(one, two):
            edits = tuple(sorted((*one.edits, *two.edits)))
            pair = Proposal(edits, f"{one.kind}, {two.kind}", one.cost + two.cost)
            found.append(Candidate(pair, apply(text, edits), tried[at].checks))
    own = _mass(tried[at].proposal for at in first)
    squares = sum(math.exp(-2 * tried[at].proposal.cost) for at in first)
    others = _mass(tried[at].proposal for at in second if at not in chosen)
    return found, (own * own - squares) / 2 + own * others


def _works(does: Sequence[str]) -> bool:
    """Whether something is seen: programs that only raise, here, are not known to be the same."""
    return any(not one.startswith("!") for one in does)


def _raised(does: Sequence[str]) -> int:
    return sum(one.startswith("!") for one in does)


def _is_sound(text: str, one: Candidate) -> bool:
    return not isinstance(check(text, one.text), Reject)


def _apart(one: Proposal, other: Proposal) -> bool:
    first, second = sorted((one.edits, other.edits))
    return first[-1].end_char <= second[0].start_char  # "4-a" is two tokens that may both be wrong

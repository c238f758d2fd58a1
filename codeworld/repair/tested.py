"""Which of the proposals that pass the tests is the one that was meant, and how sure that is.

Few tests leave many proposals. They are told apart by the reader, which finds the program as it was meant likelier than
one that only passes; by what they do on inputs that no test shows, where proposals that do the same are one answer; and
by how easily these tests are passed: where a fifth of all proposals pass, one of them may well have passed by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from codeworld.canvas import Reject
from codeworld.repair.edits import Fix, Proposal, apply
from codeworld.repair.places import gain
from codeworld.repair.rank import Infill
from codeworld.repair.verify import Judge, Observer, check

_BATCH = 16  # programs that are judged together
_MOST_READ = 12  # passing programs that the reader sees
_WEIGHT = 0.25  # of the reader's nats against the prior's
_NONE_OF_THEM = 0.2  # prior probability that what was meant is no proposal
_BEST = 24  # edits of which pairs are made where nobody observes what they do


class Candidate(NamedTuple):
    """A proposal that passed the quick checks, which have names, and the program that it makes."""

    proposal: Proposal
    text: str
    checks: tuple[str, ...]


class Trial(NamedTuple):
    """What proposals are tried with. ``most``: programs that are judged; ``least`` also when an early one passes."""

    judge: Judge
    infill: Infill | None
    observe: Observer | None
    most: int
    least: int
    should_stop: Callable[[], bool]
    progress: Callable[[int, int], None]


def tested(text: str, candidates: Sequence[Candidate], trial: Trial, *, pairs: bool) -> list[Fix]:
    """Those that pass, best first. ``pairs``: two edits at once are tried where no single one passes. Raises what the
    judge, the observer and the reader raise."""
    passed, judged = _passing(candidates, trial)
    whole = _mass(one.proposal for one in judged)
    if not passed and pairs and not trial.should_stop():
        both, whole = _pairs(text, candidates, trial)
        passed, judged = _passing(both, trial)
    return [] if trial.should_stop() else _confident(text, passed, judged, whole, trial)


def _passing(candidates: Sequence[Candidate], trial: Trial) -> tuple[list[Candidate], Sequence[Candidate]]:
    """Those that pass, and all that were judged."""
    total, passed = min(len(candidates), trial.most), list[Candidate]()
    for at in range(0, total, _BATCH):
        if trial.should_stop():
            return [], []
        if passed and at >= trial.least:
            return passed, candidates[:at]
        batch = candidates[at : min(at + _BATCH, total)]
        passed += [
            one for one, good in zip(batch, trial.judge([one.text for one in batch]), strict=True) if good
        ]
        trial.progress(min(at + _BATCH, total), total)
    return passed, candidates[:total]


def _confident(
    text: str, passed: Sequence[Candidate], judged: Sequence[Candidate], whole: float, trial: Trial
) -> list[Fix]:
    """Confidence is the share of all that do the same, of the probability of all that pass and of a right one that is
    no proposal, or none that was judged (``whole`` is the weight of all that could be), so that these passed by chance.
    What does the same as a better one has its own share only."""
    if not passed:
        return []
    weights = [math.exp(one) for one in _scores(text, passed, trial)]
    seen = trial.observe([one.text for one in passed]) if trial.observe and len(passed) > 1 else ()
    groups = dict[object, list[int]]()
    for at, one in enumerate(passed):
        groups.setdefault(seen[at] if seen and _works(seen[at]) else one.text, []).append(at)
    easy = len(groups) / (len(judged) + 2)
    elsewhere = whole * (1 + _NONE_OF_THEM) - _mass(one.proposal for one in judged)
    total = sum(weights) + easy * elsewhere
    fixes = list[Fix]()
    for members in groups.values():
        best, *rest = sorted(members, key=lambda at: -weights[at])
        shares = [(best, sum(weights[at] for at in members)), *((at, weights[at]) for at in rest)]
        fixes += [_fix(passed[at], share / total) for at, share in shares]
    return sorted(fixes, key=lambda one: -one.confidence)


def _mass(proposals: Iterable[Proposal]) -> float:
    return sum(math.exp(-one.cost) for one in proposals)


def _scores(text: str, passed: Sequence[Candidate], trial: Trial) -> list[float]:
    """By prior and, for the best ones, by what the reader thinks of the whole program."""
    scores = [-one.proposal.cost for one in passed]
    if trial.infill is None or len(passed) < 2:
        return scores
    best = sorted(range(len(passed)), key=lambda at: -scores[at])[:_MOST_READ]
    gains = gain(text, [passed[at].proposal.edits for at in best], trial.infill)
    worst = min(gains)
    known = dict(zip(best, gains, strict=True))
    return [score + _WEIGHT * known.get(at, worst) for at, score in enumerate(scores)]


def _fix(one: Candidate, confidence: float) -> Fix:
    checks = (*one.checks, "tests")
    return Fix(one.proposal.edits, one.text, one.proposal.kind, round(confidence, 4), checks)


def _pairs(text: str, candidates: Sequence[Candidate], trial: Trial) -> tuple[list[Candidate], float]:
    """Two edits at once, the best first, as far as they lie apart, and the weight of all there are, of which few can be
    tried. One of them alone changes what the program does, where that is observed; what raises less comes first."""
    first, second, raised = candidates[:_BEST], candidates[:_BEST], dict[str, int]()
    tried = candidates[: trial.most]
    broken, *seen = trial.observe([text, *(one.text for one in tried)]) if trial.observe else [()]
    if any(map(_works, seen)):
        raised = {one.text: _raised(does) - _raised(broken) for one, does in zip(tried, seen, strict=True)}
        first = [one for one, does in zip(tried, seen, strict=True) if does != broken]
        second = tried
    known = set[tuple[object, ...]]()
    found = list[tuple[float, Proposal]]()
    for one in first:
        for other in second:
            edits = tuple(sorted((*one.proposal.edits, *other.proposal.edits)))
            if edits not in known and _apart(one.proposal, other.proposal):
                known.add(edits)
                kind = f"{one.proposal.kind}, {other.proposal.kind}"
                pair = Proposal(edits, kind, one.proposal.cost + other.proposal.cost)
                found.append((pair.cost + min(0, raised.get(one.text, 0)), pair))
    found.sort(key=lambda pair: pair[0])
    best = _checked_pairs(text, [pair for _, pair in found[: trial.most]])
    return best, _mass(pair for _, pair in found)


def _works(does: Sequence[str]) -> bool:
    """Whether something is seen: programs that only raise, here, are not known to be the same."""
    return any(not one.startswith("!") for one in does)


def _raised(does: Sequence[str]) -> int:
    return sum(one.startswith("!") for one in does)


def _checked_pairs(text: str, pairs: Sequence[Proposal]) -> list[Candidate]:
    found = list[Candidate]()
    for one in pairs:
        after = apply(text, one.edits)
        checks = check(text, after)
        if not isinstance(checks, Reject):
            found.append(Candidate(one, after, checks))
    return found


def _apart(one: Proposal, other: Proposal) -> bool:
    first, second = sorted((one.edits, other.edits))
    return first[-1].end_char < second[0].start_char

"""What the reader thinks of proposals: the probability of the text that each puts into the place where they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from codeworld.canvas import InfillReply, InfillRequest, Source
from codeworld.repair.edits import Proposal, apply

# Anything that fills holes: the engine's client, a model in this process, a language server's bridge to either.
Infill = Callable[[InfillRequest], InfillReply]

_MAX_REGION_CHARS = 300  # about what one canvas holds


class Budget(msgspec.Struct, frozen=True):
    """How much the reader may read. ``proposals`` are scored together, all within ``gap`` of the cheapest."""

    prefix_chars: int = 400
    suffix_chars: int = 120
    proposals: int = 8
    gap: float = 1.2  # wider, the present reader overrules the prior where it should not
    weight: float = 0.35  # of the reader's log-probability against the prior's


QUICK = Budget(prefix_chars=100, suffix_chars=30, proposals=4)  # while somebody waits for a menu


def rank(
    text: str, proposals: Sequence[Proposal], infill: Infill | None, budget: Budget = Budget()
) -> list[Proposal]:
    """Best first: by the prior and, for those that have a chance, by the reader. Without a reader the order is the
    prior's.

    Raises what ``infill`` raises.
    """
    ordered = sorted(proposals, key=lambda one: one.cost)
    if infill is None or len(ordered) < 2:
        return ordered
    likely = [one for one in ordered if one.cost <= ordered[0].cost + budget.gap][: budget.proposals]
    likely = _near(text, likely)
    if len(likely) < 2:
        return ordered
    scored = _score(text, likely, infill, budget)
    rest = [one for one in ordered if one not in likely]
    return sorted(scored, key=lambda one: -one.score) + rest


def probabilities(proposals: Sequence[Proposal]) -> list[float]:
    """Of each proposal, were one of them right."""
    if not proposals:
        return []
    best = max(one.score for one in proposals)
    weights = [math.exp(one.score - best) for one in proposals]
    return [weight / sum(weights) for weight in weights]


def _near(text: str, proposals: list[Proposal]) -> list[Proposal]:
    """Those that change the same short stretch as the best one."""
    kept = proposals[:1]
    start, end = proposals[0].edits[0].start_char, proposals[0].edits[-1].end_char
    for one in proposals[1:]:
        low, high = min(start, one.edits[0].start_char), max(end, one.edits[-1].end_char)
        if high - low <= _MAX_REGION_CHARS:
            start, end = low, high
            kept.append(one)
    return kept


def _score(text: str, proposals: list[Proposal], infill: Infill, budget: Budget) -> list[Proposal]:
    start = min(one.edits[0].start_char for one in proposals)
    end = max(one.edits[-1].end_char for one in proposals)
    start = max(start - 1, text.rfind("\n", 0, start) + 1)  # a token before it tells which bracket is which
    end = _token_end(text, end)
    regions = [_region(text, one, start, end) for one in proposals]
    distinct = tuple(dict.fromkeys(regions))
    hole = InfillRequest(
        prefix=text[_line_start(text, start - budget.prefix_chars) : start],
        suffix=text[end : end + budget.suffix_chars],
        shape="span",
        given=distinct,
        max_candidates=len(distinct),
        sources=(Source.GIVEN,),
    )
    logprobs = {one.text: one.logprob_nats for one in infill(hole).candidates}
    worst = min(logprobs.values(), default=0.0)
    return [
        msgspec.structs.replace(one, logprob_nats=budget.weight * logprobs.get(region, worst))
        for one, region in zip(proposals, regions, strict=True)
    ]


def _region(text: str, proposal: Proposal, start: int, end: int) -> str:
    after = apply(text[:end], proposal.edits)
    return after[start:]


def _line_start(text: str, char: int) -> int:
    return text.rfind("\n", 0, max(0, char)) + 1


def _token_end(text: str, char: int) -> int:
    """A little further than the last edit: to the end of the word, or of the line when that is near."""
    line_end = text.find("\n", char)
    line_end = len(text) if line_end < 0 else line_end
    if line_end - char <= 24:
        return line_end
    while char < line_end and (text[char].isalnum() or text[char] == "_"):
        char += 1
    return min(line_end, char + 1)

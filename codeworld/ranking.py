"""How probable it is that a candidate is exactly right, and the order that follows from it.

A logistic regression over what the candidate's sources say. Its weights are fitted by codeworld.training.ranker on
held-out repositories and packaged as ranking.json, together with the confidence from which a candidate is worth
showing. Candidates that no model has looked at (``tokens`` 0: plain copies) have weights of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from codeworld.canvas import Candidate, Seed, Shape, Source

__all__ = ["DEFAULT_THRESHOLD", "Weights", "confidence", "features", "kind", "merge", "rank"]

_LEAST_LOGPROB_NATS = -30.0
_MOST_GAP_NATS = 10.0


class Weights(msgspec.Struct, frozen=True):
    """``with_model``, ``without_model`` and ``compared`` (by ``joint_nats``): feature → weight; a feature without
    weight counts nothing."""

    threshold: float
    with_model: dict[str, float]
    without_model: dict[str, float]
    compared: dict[str, float] = {}
    fitted: dict[str, str] = {}  # on what, when, by which command


@cache
def packaged_weights() -> Weights:
    """The weights of ranking.json."""
    return msgspec.json.decode(
        resources.files("codeworld").joinpath("ranking.json").read_bytes(), type=Weights
    )


def merge(candidates: Iterable[Candidate]) -> list[list[Candidate]]:
    """Candidates of the same text together, in the order of their first appearance; empty ones are left out."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.text:
            groups.setdefault(candidate.text, []).append(candidate)
    return list(groups.values())


def features(groups: Sequence[Sequence[Candidate]], shape: Shape = "line") -> list[dict[str, float]]:
    """What the weights apply to, for each group of ``merge``: all of one hole, because they compete."""
    logprobs = [max(c.logprob_nats for c in group) for group in groups]
    found = [
        _features(group, logprobs[at], [*logprobs[:at], *logprobs[at + 1 :]])
        for at, group in enumerate(groups)
    ]
    joint = [max((c.joint_nats for c in group if c.joint_nats is not None), default=None) for group in groups]
    for at, (each, nats) in enumerate(zip(found, joint, strict=True)):
        others = [other for other in (*joint[:at], *joint[at + 1 :]) if other is not None]
        if nats is not None and others:
            each |= {"joint_gap": _gap(nats, others), "joint_first": float(nats > max(others))}
    # Copying means less where several lines are missing: a span has weights of its own for what retrieval says.
    return found if shape == "line" else [{_span_name(name): each[name] for name in each} for each in found]


def _span_name(name: str) -> str:
    return f"span_{name}" if name.startswith(("bias", "rivals", "seed_")) else name


def _features(group: Sequence[Candidate], logprob: float, others: Sequence[float]) -> dict[str, float]:
    text = group[0].text
    found = {
        "bias": 1.0,
        "log_chars": math.log1p(len(text)),
        "new_lines": float(min(text.count("\n"), 4)),
        "rivals": math.log1p(len(others)),
    }
    seed = max(
        (c.seed for c in group if c.source is Source.RETRIEVED and c.seed), key=_seed_rank, default=None
    )
    if seed is not None:
        found[f"seed_order_{seed.order}"] = 1.0
        found[f"seed_share_{seed.order}"] = seed.support / (seed.total + 1)
        found["log_seed_support"] = math.log(seed.support)
    tokens = max(c.tokens for c in group)
    if tokens:
        logprob = max(logprob, _LEAST_LOGPROB_NATS)
        gap = _gap(logprob, others)
        sources = {c.source for c in group}
        found |= {f"from_{source.value}": 1.0 for source in sources}
        found |= {
            "probability": math.exp(min(logprob, 0.0)),
            "logprob": logprob / 10,
            "mean_logprob": logprob / (tokens + 1),
            "log_tokens": math.log1p(tokens),
            "certainty": max(c.certainty for c in group),
            "agreement": math.log(len(group)),
            "sources": len(sources) - 1.0,
            "gap": gap,
            "first": float(gap > 0),
        }
    return found


def _gap(nats: float, others: Sequence[float]) -> float:
    """How far ahead of the best other, in [-1, 1]."""
    gap = nats - max(others) if others else _MOST_GAP_NATS
    return max(-_MOST_GAP_NATS, min(gap, _MOST_GAP_NATS)) / _MOST_GAP_NATS


def _seed_rank(seed: Seed) -> tuple[int, int]:
    return seed.order, seed.support


def kind(found: Mapping[str, float]) -> Literal["with_model", "without_model", "compared"]:
    """Which weights apply to a candidate with these features."""
    if "log_tokens" not in found:
        return "without_model"
    return "compared" if "joint_gap" in found else "with_model"


def confidence(found: Mapping[str, float], weights: Weights | None = None, doubt_nats: float = 0.0) -> float:
    """Probability, in [0, 1], that a candidate with these features is exactly right; ``doubt_nats`` comes off its
    log-odds."""
    chosen: dict[str, float] = getattr(weights or packaged_weights(), kind(found))
    score = sum(chosen.get(name, 0.0) * value for name, value in found.items()) - doubt_nats
    return 1 / (1 + math.exp(-max(-30.0, min(score, 30.0))))


def rank(
    candidates: Iterable[Candidate],
    weights: Weights | None = None,
    *,
    shape: Shape = "line",
    doubt: Callable[[str], float] = lambda _: 0.0,
) -> tuple[Candidate, ...]:
    """One candidate for each distinct text, most probable first, ``confidence`` set. ``doubt``: what speaks against a
    text beside what its sources say, in nats.

    Of equal texts the one with the highest reader probability stays, and takes over a seed and certainty it lacks.
    """
    groups = merge(candidates)
    ranked = []
    for group, found in zip(groups, features(groups, shape), strict=True):
        best = max(group, key=lambda c: (c.tokens > 0, c.logprob_nats))
        ranked.append(
            msgspec.structs.replace(
                best,
                confidence=confidence(found, weights, doubt(best.text)),
                certainty=max(c.certainty for c in group),
                seed=best.seed or next((c.seed for c in group if c.seed), None),
            )
        )
    return tuple(sorted(ranked, key=lambda c: -c.confidence))


DEFAULT_THRESHOLD = packaged_weights().threshold

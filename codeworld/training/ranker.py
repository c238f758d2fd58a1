"""Fit the weights of codeworld.ranking: L2-regularised logistic regression, cross-validated by repository.

The threshold is the lowest confidence from which at least half of what is shown is exactly right, on holes of
repositories that the weights were not fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import msgspec
import numpy as np
from numpy.typing import NDArray

from codeworld import ranking
from codeworld.canvas import Candidate, Shape
from codeworld.ranking import Weights
from codeworld.training.scoring import is_right

PENALTY = 1.0
RIGHT_AMONG_SHOWN = 0.5
LEAST_CONFIDENCE = 0.25  # the sure ones would otherwise pay for showing what is nearly always wrong
_LEAST_SHOWN = 10  # fewer say nothing about a threshold


class Record(msgspec.Struct, frozen=True):
    """The candidates of one hole and the text that would have been right; ``group`` is its repository."""

    group: str
    candidates: tuple[Candidate, ...]
    target: str
    shape: Shape = "line"


class _Split(TypedDict):
    with_model: dict[str, float]
    without_model: dict[str, float]
    compared: dict[str, float]


def fit(records: Sequence[Record], judged: Sequence[Record] = (), penalty: float = PENALTY) -> Weights:
    """Weights fitted on all of ``records``; the threshold comes from cross-validation on ``judged`` (else on all).

    Raises ValueError when no record has a candidate.
    """
    if not any(record.candidates for record in records):
        raise ValueError("no candidates to fit a ranking on")
    chosen = threshold(cross_validated(records, judged or records, penalty))
    return Weights(threshold=chosen, **_fit_each(records, penalty))


def threshold(tops: Sequence[tuple[Record, Candidate | None]]) -> float:
    """The confidence to show from, given what ``cross_validated`` found: never below LEAST_CONFIDENCE."""
    pairs = [(top.confidence, is_right(top.text, record.target)) for record, top in tops if top is not None]
    return max(choose_threshold(pairs), LEAST_CONFIDENCE)


def cross_validated(
    records: Sequence[Record], judged: Sequence[Record], penalty: float = PENALTY
) -> list[tuple[Record, Candidate | None]]:
    """The best candidate of each judged record, by weights fitted on the ``records`` of the other groups."""
    weights = {}
    for group in {record.group for record in judged}:
        seen = [record for record in records if record.group != group]
        weights[group] = Weights(threshold=0.5, **_fit_each(seen or records, penalty))
    ranked = (
        (record, ranking.rank(record.candidates, weights[record.group], shape=record.shape))
        for record in judged
    )
    return [(record, candidates[0] if candidates else None) for record, candidates in ranked]


def choose_threshold(tops: Sequence[tuple[float, bool]], wanted: float = RIGHT_AMONG_SHOWN) -> float:
    """Lowest confidence such that at least ``wanted`` of the (confidence, right) pairs from it on are right.

    1.0, which shows nothing, when no confidence does.
    """
    ordered = sorted(tops, key=lambda pair: -pair[0])
    right, lowest = 0, 1.0
    for shown, (confidence, is_it) in enumerate(ordered, 1):
        right += is_it
        tied = shown < len(ordered) and ordered[shown][0] == confidence
        if shown >= _LEAST_SHOWN and not tied and right >= wanted * shown:
            lowest = confidence
    return lowest


def _fit_each(records: Sequence[Record], penalty: float) -> _Split:
    rows: dict[str, list[tuple[dict[str, float], bool]]] = {
        "with_model": [],
        "without_model": [],
        "compared": [],
    }
    for record in records:
        groups = ranking.merge(record.candidates)
        for group, found in zip(groups, ranking.features(groups, record.shape), strict=True):
            rows[ranking.kind(found)].append((found, is_right(group[0].text, record.target)))
    packaged = ranking.packaged_weights()
    return {
        "with_model": _newton(rows["with_model"], penalty) or packaged.with_model,
        "without_model": _newton(rows["without_model"], penalty) or packaged.without_model,
        "compared": _newton(rows["compared"], penalty) or packaged.compared,
    }


def _newton(
    rows: Sequence[tuple[dict[str, float], bool]], penalty: float, rounds: int = 50
) -> dict[str, float]:
    """Maximum a posteriori weights by Newton's method (iteratively reweighted least squares); the bias is free."""
    names = sorted({name for found, _ in rows for name in found})
    if not names:
        return {}
    x: NDArray[np.float64] = np.array([[found.get(name, 0.0) for name in names] for found, _ in rows])
    y = np.array([float(right) for _, right in rows])
    ridge = np.diag([1e-6 if name.endswith("bias") else penalty for name in names])
    w = np.zeros(len(names))
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (p - y) + ridge @ w
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + ridge, gradient)
        step *= min(
            1.0, 5.0 / max(float(np.abs(step).max()), 1e-12)
        )  # far from the optimum the step overshoots
        w = w - step
        if np.abs(step).max() < 1e-8:
            break
    return {name: round(float(value), 4) for name, value in zip(names, w, strict=True)}

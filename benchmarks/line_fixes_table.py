"""What the model said of broken and clean texts (benchmarks.line_fixes), as methods would have used it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from zlib import crc32

import msgspec
import numpy as np

from benchmarks.results import Figures, quantile, share
from codeworld.repair.logic_search import rewritten_cost

_FALSE_ALARMS = 0.05


class Proposed(msgspec.Struct):
    """``cost`` of an enumerated change, -1 for the model's alone; ``gain_nats``: of the reader's log-probability
    against the line as it is; ``size``: words that change; ``unit`` that the model wrote anew, "" where it did not;
    ``odds``: the denoiser's, of the new token against the old one, 0 where it was not asked."""

    line: int
    text: str
    cost: float
    gain_nats: float
    size: int
    unit: str = ""
    odds: float = 0.0
    right: bool = False


class Line(msgspec.Struct):
    """A line as it is: the reader's surprise, nats per token; where it was looked at closely, the quality head's doubt,
    else 0."""

    number: int
    nats: float
    doubt: float = 0.0


class Looked(msgspec.Struct):
    """What the model says of one text. ``reachable``: the right change is among the enumerated neighbours at all."""

    name: str
    group: str
    clean: bool
    broken: int
    lines: list[Line]
    proposals: list[Proposed]
    reachable: bool
    seconds: float
    model: str


Score = Callable[[Looked, Proposed], float | None]  # None: not one of the method's proposals


def enumerated(weight: float, prior: float) -> Score:
    return lambda _, one: weight * one.gain_nats - prior * one.cost if one.cost >= 0 else None


def revised(looked: Looked, one: Proposed) -> float | None:
    return _logit(one.odds) if one.odds > 0 else None


def written(looked: Looked, one: Proposed) -> float | None:
    return one.gain_nats if one.unit else None


def united(looked: Looked, one: Proposed) -> float:
    """As the engine ranks them: the reader's gain against the prior's cost."""
    return 0.6 * one.gain_nats - (one.cost if one.cost >= 0 else rewritten_cost(one.unit, one.size))


def features(looked: Looked, one: Proposed) -> list[float]:
    line = next(line for line in looked.lines if line.number == one.line)
    most = max(other.nats for other in looked.lines)
    return [
        1.0,
        max(-10.0, one.gain_nats) / 4,
        float(one.cost >= 0),
        max(one.cost, 0.0) / 3,
        float(one.odds > 0),
        max(-8.0, _logit(one.odds)) / 4 if one.odds > 0 else 0.0,
        line.doubt,
        line.nats / 2,
        float(line.nats >= most),
        math.log(one.size + 1),
        float(one.unit == "line"),
        float(one.unit == "part"),
        math.log(len(looked.lines)) / 3,
    ]


def fitted(rows: Sequence[Looked]) -> Score:
    """Logistic regression (one Newton step after the other, ridge 1) on all proposals of the other half."""
    weights = {}
    for own in (0, 1):
        others = [
            (features(row, one), one.right) for row in rows if half(row) != own for one in row.proposals
        ]
        x, y = np.array([f for f, _ in others]), np.array([float(right) for _, right in others])
        w = np.zeros(x.shape[1])
        for _ in range(30):
            p = 1 / (1 + np.exp(-x @ w))
            hessian = (x * (p * (1 - p))[:, None]).T @ x + np.eye(len(w))
            w += np.linalg.solve(hessian, x.T @ (y - p) - w)
        weights[own] = w
    return lambda looked, one: float(weights[half(looked)] @ np.array(features(looked, one)))


def half(row: Looked) -> int:
    """Of the fixes: both versions of a text are in the same one."""
    return crc32(row.name.encode()) % 2


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def measure(rows: Sequence[Looked], score: Score) -> Figures:
    """Shares are of the broken texts, the false alarms of the clean ones."""
    ranked = [_ranked(row, score) for row in rows]
    alarm = [found[0][0] if found else -math.inf for found in ranked]
    broken = [i for i, row in enumerate(rows) if not row.clean]
    clean = [i for i, row in enumerate(rows) if row.clean]
    first = [i for i in broken if ranked[i] and ranked[i][0][1].right]
    five = [i for i in broken if any(one.right for _, one in ranked[i][:5])]
    thresholds = [_quantile([alarm[i] for i in clean if half(rows[i]) != own]) for own in (0, 1)]
    loud = {i for i, row in enumerate(rows) if alarm[i] > thresholds[half(row)]}
    seen = [i for i in broken if i in loud]
    at_line = [i for i in seen if ranked[i][0][1].line == rows[i].broken]
    return {
        "broken": len(broken),
        "clean": len(clean),
        "repaired top-1": share(len(first), len(broken)),
        "repaired top-5": share(len(five), len(broken)),
        "false alarms": share(sum(i in loud for i in clean), len(clean)),
        "alarmed": share(len(seen), len(broken)),
        "alarmed at the right line": share(len(at_line), len(broken)),
        "alarmed and repaired": share(sum(i in loud for i in first), len(broken)),
    }


def _ranked(row: Looked, score: Score) -> list[tuple[float, Proposed]]:
    scored = [(value, one) for one in row.proposals if (value := score(row, one)) is not None]
    return sorted(scored, key=lambda pair: -pair[0])


def _quantile(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[math.ceil((1 - _FALSE_ALARMS) * len(ordered)) - 1] if ordered else math.inf


def located(rows: Sequence[Looked], value: Callable[[Line], float]) -> Figures:
    """Whether the broken line is among the first, by a figure of the lines as they are."""
    known = [row for row in rows if not row.clean and row.broken >= 0 and row.lines]
    places = []
    for row in known:
        ordered = [one.number for one in sorted(row.lines, key=lambda line: -value(line))]
        places.append(ordered.index(row.broken) if row.broken in ordered else 99)
    figures: Figures = {f"line top-{n}": share(sum(p < n for p in places), len(known)) for n in (1, 3, 4)}
    lines = sum(len(row.lines) for row in known) / max(1, len(known))
    return {"broken": len(known), **figures, "lines to choose from": round(lines, 1)}


def table(rows: Sequence[Looked]) -> Iterator[tuple[str, Figures]]:
    broken = [row for row in rows if not row.clean]
    right = [[one for one in row.proposals if one.right] for row in broken]
    only = [found for found in right if found and all(one.cost < 0 for one in found)]
    yield (
        "what could be found",
        {
            "broken": len(broken),
            "right change among the enumerated neighbours": share(
                sum(row.reachable for row in broken), len(broken)
            ),
            "right change proposed for a line looked at": share(sum(map(bool, right)), len(broken)),
            "of these only by the model": share(len(only), len(broken)),
            "CPU p50 s": quantile([row.seconds for row in rows], 0.5),
        },
    )
    yield "localised by the reader's surprise", located(rows, lambda line: line.nats)
    yield "localised by the quality head, among the most surprising", located(rows, lambda line: line.doubt)
    yield "enumeration, ranked by the reader (autoregressive baseline)", measure(rows, enumerated(1.0, 0.0))
    yield "enumeration, prior and reader", measure(rows, enumerated(0.6, 1.0))
    yield "the model's own, ranked by the reader", measure(rows, written)
    yield "the denoiser's tokens, by their odds", measure(rows, revised)
    yield "both, prior and reader", measure(rows, united)
    yield "both, fitted on the other half", measure(rows, fitted(rows))

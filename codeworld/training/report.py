"""Tables of an evaluation: rows, Markdown, JSON and a reliability plot, stamped with how they were made."""

from __future__ import annotations

import datetime
import importlib
import itertools
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from codeworld.training.scoring import TextScore

_BINS = 10


class Judged(msgspec.Struct, frozen=True):
    """One answer; ``confidence`` is None where there was none, ``shown`` whether it reached the threshold."""

    score: TextScore
    confidence: float | None
    shown: bool


class Bin(msgspec.Struct, frozen=True):
    """Answers of similar confidence: their number, mean confidence and the share that was right."""

    answers: int
    confidence: float
    right: float


class Row(msgspec.Struct, frozen=True):
    """A system on one kind of hole; shares are in [0, 1], those of "right among" are 0 when nothing was."""

    system: str
    kind: str
    holes: int
    exact: float
    exact_error: float  # half of the 95% interval
    first_line: float
    similarity: float
    answered: float
    shown: float
    right_among_shown: float
    calibration_error: float  # mean |confidence - share right| over the bins, weighted by their size
    bins: tuple[Bin, ...]

    @classmethod
    def of(cls, system: str, kind: str, judged: Sequence[Judged]) -> Row:
        """Summarise the answers to at least one hole."""
        exact = _share(one.score.exact for one in judged)
        bins = _bins([(one.confidence, one.score.exact) for one in judged if one.confidence is not None])
        answered = sum(each.answers for each in bins)
        return cls(
            system=system,
            kind=kind,
            holes=len(judged),
            exact=exact,
            exact_error=1.96 * math.sqrt(exact * (1 - exact) / len(judged)),
            first_line=_share(one.score.first_line for one in judged),
            similarity=sum(one.score.similarity for one in judged) / len(judged),
            answered=answered / len(judged),
            shown=_share(one.shown for one in judged),
            right_among_shown=_share(one.score.exact for one in judged if one.shown),
            calibration_error=sum(abs(b.confidence - b.right) * b.answers for b in bins) / max(answered, 1),
            bins=bins,
        )


class Stamp(msgspec.Struct, frozen=True):
    """How a result was made."""

    command: str
    machine: str
    commit: str
    date: str
    model: str = ""

    @classmethod
    def now(cls, machine: str = "", model: str = "") -> Stamp:
        """Of this process; ``machine`` replaces the description of this computer."""
        here = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
        module = getattr(sys.modules["__main__"], "__spec__", None)
        program = f"python -m {module.name}" if module else "python"
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        return cls(f"{program} {shlex.join(sys.argv[1:])}", machine or here, _commit(), date, model)


class Report(msgspec.Struct, frozen=True):
    """Everything of one evaluation. ``pass_at_1``: system → kind → share; ``latency_ms``: name of quantile → value."""

    stamp: Stamp
    rows: list[Row]
    pass_at_1: dict[str, dict[str, float]] = {}
    latency_ms: dict[str, float] = {}
    tokens_per_pass: dict[
        str, float
    ] = {}  # source → tokens of its fills, the end counted, for each pass of the model


def write(report: Report, stem: Path) -> list[Path]:
    """Write ``stem``.md, .json and, where matplotlib is installed, .svg; returns what was written."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = [stem.with_suffix(".md"), stem.with_suffix(".json")]
    written[0].write_text(markdown(report), encoding="utf-8")
    written[1].write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if plot(report.rows, stem.with_suffix(".svg")):
        written.append(stem.with_suffix(".svg"))
    return written


def markdown(report: Report) -> str:
    """The report as tables."""
    stamp = report.stamp
    about = [f"- {name}: {value}" for name, value in msgspec.structs.asdict(stamp).items() if value]
    head = [
        "system",
        "holes of",
        "n",
        "exact",
        "first line",
        "similarity",
        "answered",
        "shown",
        "right if shown",
    ]
    lines = ["# Completion on held-out repositories", "", *about, "", *table([*head, "calibration error"])]
    for row in report.rows:
        exact = f"{100 * row.exact:.1f} ± {100 * row.exact_error:.1f}"
        shares = [row.first_line, row.similarity, row.answered, row.shown, row.right_among_shown]
        cells = [row.system, row.kind, str(row.holes), exact, *(f"{100 * share:.1f}" for share in shares)]
        lines.append(_line([*cells, f"{100 * row.calibration_error:.1f}"]))
    lines += ["", "Percent. Every system's ranking and threshold were fitted on the other repositories."]
    if report.pass_at_1:
        kinds = list(next(iter(report.pass_at_1.values())))
        lines += ["", "# MBPP infilling, pass@1", "", *table(["system", *kinds])]
        for system, shares_of in report.pass_at_1.items():
            lines.append(_line([system, *(f"{100 * shares_of[kind]:.1f}" for kind in kinds)]))
    if report.latency_ms:
        quantiles = ", ".join(f"{name} {value:.0f} ms" for name, value in report.latency_ms.items())
        lines += ["", f"Time in the model, every source asked: {quantiles}."]
    if report.tokens_per_pass:
        rates = ", ".join(f"{source} {rate:.2f}" for source, rate in report.tokens_per_pass.items())
        lines += ["", f"Tokens for each pass of the model: {rates}."]
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[Row], path: Path, kind: str = "all lines") -> bool:
    """Draw confidence against the share that was right; False where matplotlib is not installed."""
    try:
        # By name, because it is an extra that the type checker need not find.
        figure = importlib.import_module("matplotlib.figure").Figure(figsize=(5, 5))
    except ImportError:
        return False
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for row in rows:
        if row.kind == kind:
            points = [(each.confidence, each.right) for each in row.bins]
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=row.system)
    axes.set(xlabel="confidence", ylabel="share exactly right", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    return True


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50 and p95; empty for no values."""
    ordered = sorted(values)
    return (
        {f"p{p}": ordered[min(len(ordered) * p // 100, len(ordered) - 1)] for p in (50, 95)}
        if ordered
        else {}
    )


def _bins(pairs: Sequence[tuple[float, bool]]) -> tuple[Bin, ...]:
    """Bins of equal size, by rising confidence."""
    ordered = sorted(pairs, key=lambda pair: pair[0])
    edges = [len(ordered) * at // _BINS for at in range(_BINS + 1)]
    parts = [ordered[start:stop] for start, stop in itertools.pairwise(edges) if stop > start]
    return tuple(Bin(len(p), sum(c for c, _ in p) / len(p), _share(right for _, right in p)) for p in parts)


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _commit() -> str:
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        said = subprocess.run(
            [*git, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return said.stdout.strip() or "unknown"


def table(head: Sequence[str], rows: Iterable[Sequence[str]] = ()) -> list[str]:
    """The lines of a Markdown table."""
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

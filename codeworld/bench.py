"""``codeworld bench``: how long completions take on this machine, over Codeworld's own sources.

Each position is the middle of a line whose rest is taken away. "fresh" is the first completion at a position, "typing"
the next one a character later, when the reader's state for the file is already there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

import codeworld
from codeworld.backend import Model
from codeworld.canvas import Accept, Reject
from codeworld.complete import CompletionSettings, choose, prepare
from codeworld.context.ignore import IgnoreRules
from codeworld.context.retrieval import RepositoryIndex
from codeworld.source import Place
from codeworld.syntax.document import Document

SOURCES = Path(codeworld.__path__[0])
_SHORTEST_LINE = 12  # characters without indentation: there must be something to complete


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds from request to verdict: prompt, model and checks."""

    count: int
    p50_ms: float
    p95_ms: float
    offered: int


class Report(msgspec.Struct, frozen=True):
    """What ``--json`` prints."""

    device: str
    model: str
    fresh: Timing
    typing: Timing


class _Sample(msgspec.Struct, frozen=True):
    latency_ms: float
    offered: bool


def measure(model: Model, count: int) -> Report:
    """Complete ``count`` positions, each once fresh and once more after the next character."""
    rules = IgnoreRules.for_root(SOURCES)
    index = RepositoryIndex.build(SOURCES, rules)
    fresh, typing = [], []
    for place, next_character in positions(count):
        fresh.append(_complete(place, model, index, rules))
        typed = place.text[: place.cursor_char] + next_character + place.text[place.cursor_char :]
        typing.append(_complete(Place(place.path, typed, place.cursor_char + 1), model, index, rules))
    return Report(model.device, model.name, _timing(fresh), _timing(typing))


def positions(count: int) -> Iterator[tuple[Place, str]]:
    """``count`` holes spread evenly over the sources, the same on every machine, and the first character of each."""
    candidates = []
    for path in sorted(SOURCES.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        start = 0
        for line in text.split("\n"):
            code = line.lstrip()
            if len(code) >= _SHORTEST_LINE and not code.startswith(("#", '"')):
                candidates.append((path, text, start + len(line) - len(code) // 2, start + len(line)))
            start += len(line) + 1
    for i in range(count):
        path, text, cursor_char, end = candidates[i * len(candidates) // count % len(candidates)]
        yield Place(path, text[:cursor_char] + text[end:], cursor_char), text[cursor_char]


def show(console: Console, report: Report) -> None:
    """Print the report as a table."""
    table = Table(title=f"completion on {report.device}, {report.model}")
    for column in ("", "positions", "p50 ms", "p95 ms", "offered"):
        table.add_column(column, justify="right" if column else "left")
    for name, timing in (("fresh position", report.fresh), ("while typing", report.typing)):
        table.add_row(
            name, str(timing.count), f"{timing.p50_ms:.0f}", f"{timing.p95_ms:.0f}", str(timing.offered)
        )
    console.print(table)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of the non-empty ``values`` do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _complete(place: Place, model: Model, index: RepositoryIndex, rules: IgnoreRules) -> _Sample:
    settings = CompletionSettings()
    snapshot = Document.from_text(place.text).snapshot()
    path = place.path.relative_to(SOURCES).as_posix()
    begin = time.perf_counter()
    request = prepare(snapshot, place.cursor_char, path=path, index=index, rules=rules, settings=settings)
    verdict = (
        request
        if isinstance(request, Reject)
        else choose(snapshot, place.cursor_char, model.infill(request), settings)
    )
    return _Sample(1e3 * (time.perf_counter() - begin), isinstance(verdict, Accept))


def _timing(samples: list[_Sample]) -> Timing:
    latencies = [sample.latency_ms for sample in samples]
    return Timing(
        len(samples),
        round(percentile(latencies, 0.5), 1),
        round(percentile(latencies, 0.95), 1),
        sum(sample.offered for sample in samples),
    )

"""``codeworld complete``: one hole in one file, through the same pipeline as the editors'."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.syntax import Syntax

from codeworld.backend import Model
from codeworld.canvas import Accept, InfillReply, Reject, Verdict
from codeworld.complete import CompletionSettings, choose, prepare
from codeworld.context.ignore import IgnoreRules
from codeworld.context.retrieval import RepositoryIndex
from codeworld.source import Place, project_root
from codeworld.syntax.document import Document

INDEX_BUDGET_S = 20.0  # a repository that takes longer is indexed in part: an answer matters more
_QUIET_S = 1.0  # shorter work shows no progress bar
_LINES_BEFORE, _LINES_AFTER = 8, 4


class Completion(msgspec.Struct, frozen=True):
    """What ``--json`` prints. ``text`` is empty when nothing is offered; latency covers prompt, model and checks."""

    text: str
    confidence: float
    steps: int
    latency_ms: float
    device: str
    model: str


def complete(place: Place, model: Model, settings: CompletionSettings) -> tuple[Completion, Verdict]:
    """Fill the hole at ``place``; the repository around it is indexed first (not part of the latency)."""
    root = project_root(place.path)
    rules = IgnoreRules.for_root(root)
    index = index_repository(root, rules)
    snapshot = Document.from_text(place.text).snapshot()
    path = place.path.resolve().relative_to(root).as_posix()
    begin = time.perf_counter()
    request = prepare(snapshot, place.cursor_char, path=path, index=index, rules=rules, settings=settings)
    if isinstance(request, Reject):
        return Completion("", 0.0, 0, 0.0, "", ""), request
    reply = model.infill(request)
    verdict = choose(snapshot, place.cursor_char, reply, settings)
    return _summary(verdict, reply, 1e3 * (time.perf_counter() - begin)), verdict


def index_repository(root: Path, rules: IgnoreRules) -> RepositoryIndex:
    """Index ``root`` for at most INDEX_BUDGET_S, with a progress bar on a terminal's stderr once it takes a second."""
    deadline = time.monotonic() + INDEX_BUDGET_S
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        return RepositoryIndex.build(
            root, rules, progress=_late_bar(bars), should_stop=lambda: time.monotonic() > deadline
        )


def show(console: Console, place: Place, completion: Completion, accepted: Accept) -> None:
    """Print the lines around the hole, highlighted, the completion underlined, and what it took."""
    start = place.cursor_char
    text = place.text[:start] + completion.text + place.text[start:]
    first, last = text.count("\n", 0, start) + 1, text.count("\n", 0, start + len(completion.text)) + 1
    shown = Syntax(
        text,
        "python",
        theme="ansi_dark",
        background_color="default",
        line_numbers=True,
        line_range=(max(1, first - _LINES_BEFORE), last + _LINES_AFTER),
        highlight_lines=set(range(first, last + 1)),
    )
    end = start + len(completion.text)
    shown.stylize_range("bold reverse", _line_column(text, start), _line_column(text, end))
    console.print(f"[bold]{place.path}[/bold]:{first}")
    console.print(shown)
    console.print(
        f"{completion.latency_ms:.0f} ms on {completion.device} · confidence {completion.confidence:.0%} · "
        f"{completion.steps} steps · {accepted.candidate.source} · {completion.model}"
    )


def _summary(verdict: Verdict, reply: InfillReply, latency_ms: float) -> Completion:
    if isinstance(verdict, Reject):
        return Completion("", 0.0, 0, round(latency_ms, 1), reply.device, reply.model)
    chosen = verdict.candidate
    return Completion(
        verdict.text,
        round(chosen.confidence, 4),
        chosen.steps,
        round(latency_ms, 1),
        reply.device,
        reply.model,
    )


def _late_bar(bars: Progress) -> Callable[[int, int], None]:
    begin = time.monotonic()
    task: TaskID | None = None

    def advance(done: int, total: int) -> None:
        nonlocal task
        if task is None and time.monotonic() - begin > _QUIET_S:
            task = bars.add_task("indexing", total=total)
        if task is not None:
            bars.update(task, completed=done)

    return advance


def _line_column(text: str, at_char: int) -> tuple[int, int]:
    """1-based line and 0-based column, as rich counts them."""
    return text.count("\n", 0, at_char) + 1, at_char - (text.rfind("\n", 0, at_char) + 1)

"""The bar of a command that may take longer than a second."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress

_SILENT_S = 1.0  # a bar that is gone at once only flickers


@contextlib.contextmanager
def bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's standard error for what takes more than a second."""
    begin = time.monotonic()
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn())
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bars.add_task("", total=None)

    def advance(done: int, total: int) -> None:
        if time.monotonic() - begin > _SILENT_S:
            bars.start()
            bars.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if bars.live.is_started:  # stopping one that never ran prints an empty line
            bars.stop()

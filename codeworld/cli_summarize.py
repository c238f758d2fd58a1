"""``codeworld summarize``: a page about a repository, or the check of one."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress

from codeworld.errors import BadInput
from codeworld.summary.cache import write_atomically
from codeworld.summary.check import Checked, check
from codeworld.summary.facts import Summary
from codeworld.summary.page import render
from codeworld.summary.sources import Sources
from codeworld.summary.summarize import summarize

_SILENT_S = 1.0  # a bar that is gone at once only flickers


def check_folder(folder: Path) -> None:
    """Raises BadInput unless ``folder`` can be read."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a directory" if folder.exists() else f"{folder} does not exist")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadInput(f"{folder} cannot be read")


def check_output(path: Path) -> None:
    """Raises BadInput when the page cannot be written there."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise BadInput(f"{path} cannot be written")


def make(folder: Path, out: Path | None) -> tuple[Summary, Sources]:
    """The summary, and the sources that it cites; a page ``out`` that lies in the folder is none of them."""
    with _bar() as advance:
        made = summarize(folder, progress=advance, without=out)
    return made.summary, made.sources


def verify(page: Path, folder: Path) -> Checked:
    """The check of a page. Raises BadInput."""
    with _bar() as advance:
        return check(page, folder, progress=advance)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
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


def write(summary: Summary, sources: Sources, out: Path | None, budget: int | None) -> None:
    """Print the page, or put it in place of ``out``."""
    page = render(summary, sources, budget=budget, to=out)
    if out is None:
        print(page, end="")
    else:
        write_atomically(out, page.encode())


def show(checked: Checked) -> None:
    """List what is stale."""
    for one in checked.stale:
        where = f"{one.path}:{one.line}" if one.path else checked.page
        print(f"{where} (line {one.page_line} of the page): {one.reason}")
    print(f"{checked.citations} citations, {len(checked.stale)} stale")

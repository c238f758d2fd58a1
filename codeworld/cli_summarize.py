"""``codeworld summarize``: a page about a repository, or the check of one."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from codeworld.cli_progress import bar
from codeworld.errors import BadInput
from codeworld.summary.cache import write_atomically
from codeworld.summary.check import Checked, check
from codeworld.summary.facts import Summary
from codeworld.summary.page import render
from codeworld.summary.sources import Sources
from codeworld.summary.summarize import summarize
from codeworld.summary.written import Writer


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


def make(
    folder: Path, out: Path | None, *, with_model: bool = False, in_process: bool = False
) -> tuple[Summary, Sources]:
    """The summary, and the sources that it cites; a page ``out`` that lies in the folder is none of them.

    Raises BadInput or CommandError when a model is wanted and cannot be had.
    """
    with ExitStack() as stack:
        writer = None
        if with_model:
            from codeworld.backend import open_model

            model = stack.enter_context(open_model(in_process=in_process, priority="batch"))
            writer = Writer(model.infill, model.name)
        with bar() as advance:
            made = summarize(folder, progress=advance, without=out, writer=writer)
    return made.summary, made.sources


def verify(page: Path, folder: Path) -> Checked:
    """The check of a page. Raises BadInput."""
    with bar() as advance:
        return check(page, folder, progress=advance)


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

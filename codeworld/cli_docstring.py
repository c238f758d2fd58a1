"""``codeworld docstring``: missing docstrings and those that have become false, of a function, a file or a project."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress

from codeworld import cli_fix, source
from codeworld.backend import open_model
from codeworld.canvas import Reject
from codeworld.context.ignore import IgnoreRules
from codeworld.errors import BadInput, CommandError
from codeworld.repair.edits import Fix
from codeworld.summary.sources import Sources
from textdiff import writer as text_writer
from textdiff.code_writer import CodeWriter
from textdiff.docstring import document, project
from textdiff.docstring.document import Offer, Settings
from textdiff.phrase import Writer

_SILENT_S = 1.0


class Documented(msgspec.Struct, frozen=True):
    """One file: what is offered, or (then ``reason``) why nothing is."""

    path: str
    offers: tuple[Offer, ...]
    reason: str = ""


class Report(msgspec.Struct, frozen=True):
    """What ``--json`` prints: the files for which something is offered, and how many were looked at."""

    files: tuple[Documented, ...]
    looked_at: int
    written: int


class _Job(msgspec.Struct, frozen=True):
    path: Path
    text: str
    offers: list[Offer]


@contextmanager
def opened_writer(wanted: bool) -> Iterator[Writer | None]:
    """The text model, where it is wanted; the code model where there is none. Raises BadInput, CommandError."""
    found = text_writer.installed() if wanted else None
    if found is not None or not wanted:
        yield found
        return
    with open_model() as opened:
        yield CodeWriter(opened.infill)


def run(
    where: str, settings: Settings, *, write: bool, writer: Writer | None = None
) -> tuple[Report, list[tuple[Path, str, str]]]:
    """Look, and write where asked to. Also returns (path, before, after) of each file.
    Raises BadInput, CommandError."""
    path, qualname = _place(where)
    jobs: list[_Job] = []
    reasons: list[Documented] = []
    paths = [path] if path.is_file() else _files(path)
    if not paths:
        raise CommandError(f"there is no Python file in {path}")
    root = source.project_root(paths[0])
    rules = IgnoreRules.for_root(root)
    with Console(stderr=True).status("reading the project"):
        known = (
            project.around(path.resolve(), root, rules) if path.is_file() else project.of(paths, root, rules)
        )
    for one in _with_bar(paths):
        try:
            text = source.read(one)
            if write:
                cli_fix.check_writable(one)
        except BadInput:
            if path.is_file():
                raise
            continue
        before = project.committed(one, root)
        told = msgspec.structs.replace(settings, path=_within(one, root))
        found = document.offers(
            text, project=known, before=before, qualname=qualname, settings=told, writer=writer
        )
        if isinstance(found, Reject):
            reasons.append(Documented(str(one), (), f"{found.reason}: {found.detail}".strip(": ")))
        else:
            jobs.append(_Job(one, text, found))
    if not jobs:
        reason = (
            reasons[0].reason if path.is_file() and reasons else "every docstring that is certain is there"
        )
        if path.is_file() and reason.startswith(("does-not-parse", "no-such-name")):
            raise BadInput(f"{path}: {reason}")
        raise CommandError(f"nothing to offer: {reason}")
    changed = [(job.path, job.text, document.apply(job.text, job.offers)) for job in jobs]
    if write:
        for one, before, after in changed:
            cli_fix.write(one, before, Fix((), after, "docstring", 1.0))
    files = tuple(Documented(str(job.path), tuple(job.offers)) for job in jobs)
    return Report(files, len(paths), len(changed) if write else 0), changed


def _within(path: Path, root: Path) -> str:
    path = path.resolve()
    return path.relative_to(root.resolve()).as_posix() if path.is_relative_to(root.resolve()) else path.name


def _place(where: str) -> tuple[Path, str | None]:
    """``FILE``, ``FILE:QUALNAME`` or ``DIR``."""
    if Path(where).exists():
        return Path(where), None
    name, colon, qualname = where.rpartition(":")
    if not colon or not Path(name).is_file():
        raise BadInput(f"{where} does not exist")
    if not all(part.isidentifier() or part == "<locals>" for part in qualname.split(".")):
        raise BadInput(f"{qualname!r} is no name like Class.method")
    return Path(name), qualname


def _files(folder: Path) -> list[Path]:
    """The Python files that may be read, tests left out: they are documented by their names."""
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadInput(f"{folder} cannot be read")
    names = [name for name in Sources(folder).paths if name.endswith(".py")]
    return [folder / name for name in names if not _is_test(name)]


def _is_test(name: str) -> bool:
    parts = name.split("/")
    return parts[-1].startswith("test_") or parts[-1] == "conftest.py" or "tests" in parts[:-1]


def _with_bar(paths: list[Path]) -> Iterator[Path]:
    """The paths, with a bar on a terminal's standard error once it takes more than a second."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn())
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bars.add_task("", total=len(paths))
    begin = time.monotonic()
    try:
        for number, path in enumerate(paths):
            if time.monotonic() - begin > _SILENT_S:
                bars.start()
                bars.update(task, completed=number)
            yield path
    finally:
        if bars.live.is_started:
            bars.stop()

"""``codeworld fix``: repair one file, shown as a diff or written in its place."""

from __future__ import annotations

import difflib
import os
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.syntax import Syntax

from codeworld.backend import open_model
from codeworld.canvas import InfillReply, InfillRequest, Reject
from codeworld.cli_progress import bar
from codeworld.context.secrets import mask
from codeworld.errors import BadInput, CommandError
from codeworld.repair.edits import Fix
from codeworld.repair.localise import fault
from codeworld.repair.repair import Settings
from codeworld.repair.typed import repair_complaints
from codeworld.repair.with_tests import repair_with_tests
from codeworld.source import project_root
from codeworld.summary.cache import write_atomically
from codeworld.verify import type_check
from codeworld.verify.project_tests import ProjectTests


class Repaired(msgspec.Struct, frozen=True):
    """What ``--json`` prints. ``fixes`` is empty when nothing is offered, for the ``reason`` given; ``missing``
    names the protections that tests ran without, ``degraded`` why the model was not asked."""

    path: str
    fixes: list[Fix]
    reason: str = ""
    missing: tuple[str, ...] = ()
    degraded: str = ""


class _Reader:
    """The model, opened when it is first asked; without one, the order of the proposals is the prior's."""

    def __init__(self, in_process: bool) -> None:
        self._opened = open_model(in_process=in_process)
        self._model = self._opened.__enter__()

    def infill(self, request: InfillRequest) -> InfillReply:
        """Secrets never reach the model."""
        return self._model.infill(
            msgspec.structs.replace(request, prefix=mask(request.prefix), suffix=mask(request.suffix))
        )

    def close(self) -> None:
        """End the connection."""
        self._opened.__exit__(None, None, None)


class Asked(msgspec.Struct, frozen=True):
    """What is wrong with a file: see ``codeworld fix --help``. ``budget_s`` is for trying programs."""

    test: str
    describe: str
    types: bool
    budget_s: float
    threshold: float | None

    def settings(self) -> Settings:
        """Of the engine."""
        least = Settings().threshold if self.threshold is None else self.threshold
        return Settings(describe=self.describe, tests_s=self.budget_s, threshold=least)


def fix(path: Path, text: str, asked: Asked, *, in_process: bool) -> Repaired:
    """Repair ``text``, the content of ``path``. Raises BadInput for a test that cannot be run, and CommandError."""
    root = project_root(path)
    tests, settings = ProjectTests(path, root, asked.test) if asked.test else None, asked.settings()
    checker = type_check.find(root) if asked.types else None
    if asked.types and checker is None:
        raise BadInput(f"no type checker is configured and installed in {root}")
    complaints = partial(checker.complaints, path) if checker is not None else None
    if complaints and tests is None and not asked.describe and fault(text) is None:
        with bar() as progress:
            found = repair_complaints(text, complaints, threshold=settings.threshold, progress=progress)
        return _repaired(path, found)
    compare = type_check.comparison(complaints, text) if complaints else None
    reader, degraded = None, ""
    try:
        reader = _Reader(in_process)
    except CommandError as error:
        degraded = str(error)
    infill = reader.infill if reader else None
    try:
        with bar() as progress:
            found = repair_with_tests(
                text, tests, infill=infill, types=compare, settings=settings, progress=progress
            )
    finally:
        if reader is not None:
            reader.close()
    return _repaired(path, found, tests.missing if tests else (), degraded)


def _repaired(
    path: Path, found: list[Fix] | Reject, missing: tuple[str, ...] = (), degraded: str = ""
) -> Repaired:
    if isinstance(found, Reject):
        return Repaired(str(path), [], f"{found.reason} {found.detail}".strip(), missing, degraded)
    return Repaired(str(path), found, "", missing, degraded)


def diff(path: Path, before: str, after: str) -> str:
    """The change as a patch."""
    name = os.path.relpath(path)
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def show(console: Console, path: Path, before: str, fix: Fix) -> None:
    """A coloured patch on a terminal, a plain one in a pipe."""
    patch = diff(path, before, fix.text)
    if console.is_terminal:
        console.print(Syntax(patch, "diff", theme="ansi_dark", background_color="default"))
    else:
        console.file.write(patch)


def write(path: Path, before: str, fix: Fix) -> None:
    """Put the fix in place of the file, unless somebody changed it meanwhile (CommandError)."""
    content = path.read_bytes()
    encoded = before.encode(_encoding(content))
    if encoded != content:
        raise CommandError(f"{path} has changed meanwhile: nothing is written")
    write_atomically(path, fix.text.encode(_encoding(content)))


def check_writable(path: Path) -> None:
    """Raises BadInput."""
    if not os.access(path, os.W_OK):
        raise BadInput(f"{path} cannot be written")


def _encoding(content: bytes) -> str:
    import io
    import tokenize

    return tokenize.detect_encoding(io.BytesIO(content).readline)[0]

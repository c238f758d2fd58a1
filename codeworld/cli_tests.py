"""``codeworld tests``: make tests for a file, a class or a function; shown as a patch or written."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from codeworld import source
from codeworld.backend import open_model
from codeworld.canvas import Reject
from codeworld.cli_fix import diff
from codeworld.cli_progress import bar
from codeworld.errors import BadInput, CommandError
from codeworld.summary.cache import write_atomically
from codeworld.testgen import doubts
from codeworld.testgen.cases import Generated
from codeworld.testgen.generate import Settings, generate
from codeworld.testgen.propose import Proposer


class Made(msgspec.Struct, frozen=True):
    """What ``--json`` prints. ``generated`` is null when there are no tests, for the ``reason`` given."""

    path: str
    qualname: str
    generated: Generated | None
    reason: str = ""
    degraded: str = ""  # why the model was not asked


def split(argument: str) -> tuple[Path, str]:
    """FILE and QUALNAME of ``FILE[:QUALNAME]``. Raises BadInput."""
    name, _, qualname = argument.rpartition(":")
    if name and all(part.isidentifier() for part in qualname.split(".")) and not Path(argument).exists():
        return Path(name), qualname
    if ":" in argument and not Path(argument).exists() and Path(name).exists():
        raise BadInput(f"{qualname!r} is not the name of a function or class")
    return Path(argument), ""


def make(path: Path, qualname: str, *, budget_s: float, with_model: bool, in_process: bool) -> Made:
    """Make tests, with a bar on a terminal. Raises BadInput and CommandError."""
    text = source.read(path)
    propose, degraded = None, ""
    with ExitStack() as stack:
        if with_model:
            try:
                model = stack.enter_context(open_model(in_process=in_process, priority="batch"))
                propose = Proposer(text, model.infill)
            except CommandError as error:
                degraded = str(error)
        advance = stack.enter_context(bar())
        made = generate(
            path,
            text,
            source.project_root(path),
            qualname=qualname,
            propose=propose,
            settings=Settings(budget_s=budget_s),
            progress=advance,
        )
    if isinstance(made, Reject):
        return Made(str(path), qualname, None, f"{made.reason} {made.detail}".strip(), degraded)
    return Made(str(path), qualname, made, "", degraded)


def check_writable(path: Path) -> None:
    """Raises BadInput unless tests could be written beside ``path``."""
    root = source.project_root(path)
    if not os.access(root, os.W_OK):
        raise BadInput(f"{root} cannot be written")


def write(made: Generated) -> None:
    """Put the tests into their file. Raises CommandError when somebody changed it meanwhile."""
    path = Path(made.path)
    before = _before(path)
    if made.before != before:
        raise CommandError(f"{path} has changed meanwhile: nothing is written")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, made.text.encode())


def patch(made: Generated) -> str:
    """The change as a patch."""
    return diff(Path(made.path), made.before or "", made.text)


def notes(made: Generated) -> Sequence[str]:
    """What is to be said besides: what the tests are, suspected bugs, what is not tested and why."""
    killed = sum(one.mutants_killed for one in made.summaries)
    mutants = sum(one.mutants for one in made.summaries)
    lines = [
        f"{len(made.kept)} cases record what the code does today; {killed} of {mutants} mutants fail them"
    ]
    lines += [f"suspected bug, line {one.line}: {doubts.said(one)}" for one in made.doubts]
    lines += [f"not tested: {one.qualname}: {one.reason}" for one in made.untested]
    if made.flaky:
        lines.append(f"{made.flaky} cases were dropped: they did not do the same every time")
    lines += made.missing
    lines.append(f"run: {shlex.join(made.command)}")
    return lines


def _before(path: Path) -> str | None:
    return path.read_bytes().decode() if path.exists() else None

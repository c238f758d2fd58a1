"""The way to the worker in the sandbox: cases go in, what they did comes out."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from codeworld.errors import CommandError
from codeworld.testgen.cases import Case, Mutant, Observed
from codeworld.verify import sandbox

CALL_S = 0.25  # of processor time; a unit test that takes longer is none
_IMPORT_S = 30.0
_ANSWER_S = 60.0
_SCRIPT = Path(__file__).with_name("worker.py")
_decode = msgspec.json.Decoder(Observed).decode

# What inputs may name although the module does not: (module, attribute).
NAMES = (
    ("collections", "Counter"), ("collections", "deque"), ("datetime", ""), ("decimal", "Decimal"),
    ("fractions", "Fraction"), ("io", ""), ("pathlib", "Path"), ("re", ""),
    ("types", "SimpleNamespace"), ("uuid", ""),
)  # fmt: skip


class CannotImport(CommandError):
    """The module cannot be imported, so nothing of it can be run."""


class Place(msgspec.Struct, frozen=True):
    """Where a target lives: ``module`` is imported with the folders ``paths`` first on the path; ``changed`` are texts
    that stand instead of files."""

    file: Path
    root: Path
    module: str
    paths: tuple[str, ...]
    python: str = sys.executable
    changed: dict[Path, str] = {}

    @property
    def told(self) -> dict[str, object]:
        """What a process of the sandbox, which may run a copy, has to know to import the module."""
        return {
            "file": os.path.relpath(self.file, self.root),
            "module": self.module,
            "paths": [os.path.relpath(path, self.root) for path in self.paths],
        }

    @property
    def package(self) -> str:
        """What relative imports of the module start from, "" outside of packages."""
        return self.module if self.file.name == "__init__.py" else self.module.rpartition(".")[0]


class Worker:
    """Answers one question at a time. Raises CommandError when the process is gone."""

    def __init__(self, talk: sandbox.Conversation) -> None:
        self._talk = talk
        self.missing = talk.missing
        self.has_pytest = False  # in the target's interpreter; known after greet
        self.adopted: dict[str, tuple[str, str]] = {}
        self._rest = b""

    def run(
        self,
        cases: Sequence[Case],
        *,
        mutants: Sequence[Mutant] = (),
        every: bool = True,
        isolated: bool = False,
        trace: bool = True,
    ) -> list[Observed]:
        """Run cases, each in a process of its own when ``isolated``, and with each of the mutants; unless ``every``,
        with those that no case before it told apart."""
        at = [(one.number, one.line) for one in mutants]
        asked = [{"setup": c.setup, "call": c.call, "before": c.before, "uses": c.uses} for c in cases]
        how = {"every": every, "isolated": isolated, "trace": trace}
        self._ask({"op": "run", "cases": asked, "mutants": at, **how})
        try:
            return [_decode(self._line(_ANSWER_S)) for _ in cases]
        except msgspec.DecodeError as error:
            raise CommandError(f"the sandbox answers what cannot be read: {error}") from error

    def take_mutants(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        """Have mutants compiled; those that can be used."""
        told = [
            {
                "number": one.number,
                "name": one.path[-1],
                "line": one.function_line,
                "path": one.path,
                "source": one.source,
            }
            for one in mutants
        ]
        self._ask({"op": "mutants", "mutants": told})
        failed = set(json.loads(self._line(_ANSWER_S))["failed"])
        return [one for one in mutants if one.number not in failed]

    def describe(self, name: str) -> dict[str, Any]:
        """What a name of the module stands for; see ``describing.describe``. Subclasses that it tells of can be named
        in cases from then on: they are ``adopted``, by the module and the name in it."""
        self._ask({"op": "describe", "name": name})
        answer: dict[str, Any] = json.loads(self._line(_ANSWER_S))
        self.adopted |= {one: (module, path) for one, (module, path) in answer.get("adopted", {}).items()}
        return answer

    def greet(self) -> None:
        """Wait until the module is imported. Raises CannotImport."""
        try:
            line = self._line(_IMPORT_S)
        except CommandError as error:
            raise CannotImport(f"importing it ended or hung the process: {error}") from error
        hello = json.loads(line)
        if hello["failed"]:
            raise CannotImport(hello["failed"])
        self.has_pytest = bool(hello["has_pytest"])

    def _ask(self, question: dict[str, Any]) -> None:
        assert self._talk.process.stdin is not None
        try:
            self._talk.process.stdin.write(json.dumps(question).encode() + b"\n")
            self._talk.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise CommandError("the sandbox has ended") from error

    def _line(self, patience_s: float) -> bytes:
        stdout = self._talk.process.stdout
        assert stdout is not None
        deadline_s = time.monotonic() + patience_s
        while b"\n" not in self._rest:
            ready = select.select([stdout], [], [], max(0.0, deadline_s - time.monotonic()))[0]
            data = stdout.read1(1 << 16) if ready else b""  # type: ignore[attr-defined]
            if not data:
                last = self._talk.errors().strip().splitlines()[-1:] or ["no answer"]
                raise CommandError(last[0][:300])
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


@contextlib.contextmanager
def open_worker(
    place: Place,
    *,
    wall_s: float,
    typed: Mapping[str, tuple[str, str]] = {},
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Worker]:
    """A process that has imported the module and, as far as they are there, its ``target.typing_imports``. Raises
    CannotImport; OSError when nothing can be started."""
    plan = {
        **place.told,
        "names": NAMES,
        "typed": typed,
        "call_s": CALL_S,
    }
    limits = sandbox.Limits(
        wall_s=wall_s + _IMPORT_S, cpu_s=int(wall_s + _IMPORT_S), memory_mb=4096, processes=32
    )
    command = [place.python, "-I", "-B", str(_SCRIPT), json.dumps(plan)]
    with sandbox.converse(
        command,
        project=place.root,
        changed=place.changed,
        limits=limits,
        readable=[_SCRIPT.parent],
        should_stop=should_stop,
    ) as talk:
        worker = Worker(talk)
        worker.greet()
        yield worker

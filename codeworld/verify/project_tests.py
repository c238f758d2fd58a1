"""A user's own test command: whether it succeeds with a program in a file's place, and what it runs of that program.

The command runs in the sandbox, and only because the user named it. Where it runs pytest, the tests that failed when it
was traced are run alone before all of them are.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from codeworld.errors import BadInput
from codeworld.tracing import sitecustomize
from codeworld.verify import sandbox
from codeworld.verify.trace import Trace, trace_of

_TRACING = Path(sitecustomize.__file__).parent
_WALL_S = 60.0
_MOST_SELECTED = 20  # more tests than these are not run alone first


class ProjectTests:
    """``missing`` names the protections that the last run was without."""

    def __init__(
        self,
        path: Path,
        root: Path,
        command: str,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        wall_s: float = _WALL_S,
    ) -> None:
        """For the file ``path`` of the project ``root``. Raises BadInput for what is no command line."""
        self.path, self.root = path.resolve(), root.resolve()
        self._command, self._should_stop, self._wall_s = _words(command), should_stop, wall_s
        self._first: tuple[str, ...] = ()  # tests that decide most programs
        self.missing: tuple[str, ...] = ()

    def judge(self, programs: Sequence[str]) -> list[bool]:
        """Whether the command succeeds with each program. Raises BadInput when it cannot be run."""
        return [not self._should_stop() and self._passes(program) for program in programs]

    def trace(self, program: str) -> Trace:
        """What the command runs of ``program``, which fails. Raises BadInput when it cannot be run."""
        name = self.path.relative_to(self.root).as_posix()
        done = self._run(program, {"CODEWORLD_LINES": name})
        found = trace_of(done.output, name, failed=done.status != "passed")
        failed = [one for one in found.failed if one]
        some = 0 < len(failed) < min(len(found.runs), _MOST_SELECTED + 1)
        self._first = tuple(failed) if some else ()
        return found

    def _passes(self, program: str) -> bool:
        first = {"CODEWORLD_TESTS": json.dumps(self._first)}
        if self._first and self._run(program, first).status != "passed":
            return False
        return self._run(program, {}).status == "passed"

    def _run(self, program: str, traced: Mapping[str, str]) -> sandbox.Outcome:
        plugin = {"PYTHONPATH": str(_TRACING), "PYTEST_ADDOPTS": "-p no:cacheprovider -p sitecustomize"}
        done = sandbox.run(
            self._command,
            project=self.root,
            changed={self.path: program},
            limits=sandbox.Limits(wall_s=self._wall_s),
            readable=[_TRACING],
            variables={**plugin, **traced} if traced else {},
            should_stop=self._should_stop,
        )
        self.missing = done.missing
        if done.exit_code == 127:
            raise BadInput(f"the test cannot be run: {done.output.strip()[:200]}")
        return done


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadInput(f"the test {command!r} is no command line: {error}") from error
    if not words:
        raise BadInput("the test is empty")
    return words

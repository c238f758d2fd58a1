"""The written tests run as the project will run them, several times, in other orders; those that fail are dropped."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from codeworld.testgen.execution import Place
from codeworld.testgen.placing import Placed
from codeworld.testgen.project import Home, shadows_library
from codeworld.verify import sandbox

RUNS = 3
_RUN_S = 60.0
_QUIET = ("-q", "--tb=line", "-rfE", "-p", "no:cacheprovider", "-o", "console_output_style=classic")
_FAILED = re.compile(r"^(?:FAILED|ERROR) \S*?::(?:\w+::)?(test_\w+)", re.M)
# Of a project whose pytest plugins are not all there, or whose warning filters name a package that is not.
_REFUSED = re.compile(
    r"error: unrecognized arguments: |Error importing plugin|Missing required plugins: |Unknown config option: "
    r"|PytestConfigWarning: |while parsing the following warning configuration"
)
_PLAIN = ("-o", "addopts=", "-o", "filterwarnings=", "-o", "required_plugins=")
_FAILED_UNITTEST = re.compile(r"^(?:FAIL|ERROR): (test_\w+)", re.M)


class Check(msgspec.Struct, frozen=True):
    """``failed``: names of tests that did not pass every time. ``problem``: why they could not be run at all;
    ``refused``: because pytest did not take the options that the project configures."""

    failed: frozenset[str]
    problem: str = ""
    refused: bool = False
    missing: tuple[str, ...] = ()


def command_of(place: Place, home: Home, has_pytest: bool, tests: Sequence[str] = ()) -> list[str]:
    """The command that runs the file, or some of its tests, from the project's root."""
    relative = home.path.relative_to(place.root).as_posix()
    if has_pytest:
        plain = () if home.own_options else _PLAIN
        files = [f"{relative}::{one}" for one in tests] or [relative]
        return [place.python, "-m", "pytest", *plain, *files]
    folder = Path(relative).parent.as_posix()
    return [
        place.python,
        "-m",
        "unittest",
        "discover",
        f"-s{folder}",
        f"-t{folder}",
        f"-p{home.path.name}",
    ]


def variables_of(place: Place, home: Home) -> dict[str, str]:
    """What the command needs in its environment. Where a folder of the project is called as a module of Python's own
    library, the root must not come first on the path, as it otherwise does: pytest itself would not start."""
    if not home.python_path:
        return {}
    path = {"PYTHONPATH": home.python_path}
    return path | ({"PYTHONSAFEPATH": "1"} if shadows_library(place.root) else {})


def check(
    written: Placed,
    place: Place,
    home: Home,
    has_pytest: bool,
    *,
    chance: random.Random,
    runs: int = RUNS,
    should_stop: Callable[[], bool] = lambda: False,
) -> Check:
    """Run the new tests ``runs`` times, each time in another order, in the sandbox."""
    prefix = f"{written.class_name}::" if written.class_name else ""
    names = [f"{prefix}{one.name}" for one in written.blocks]
    failed: set[str] = set()
    missing: tuple[str, ...] = ()
    for number in range(runs):
        if should_stop():
            break
        if number:
            chance.shuffle(names)
        done = _run(names, written, place, home, has_pytest, should_stop)
        missing = done.missing
        if done.status == "passed":
            continue
        found = set((_FAILED if has_pytest else _FAILED_UNITTEST).findall(done.output))
        if not found:
            refused = has_pytest and home.own_options and bool(_REFUSED.search(done.output))
            return Check(frozenset(failed), done.reason or _last_line(done.output), refused, missing)
        failed |= found
    return Check(frozenset(failed), missing=missing)


def _run(
    names: Sequence[str],
    written: Placed,
    place: Place,
    home: Home,
    has_pytest: bool,
    should_stop: Callable[[], bool],
) -> sandbox.Outcome:
    command = command_of(place, home, has_pytest, names)
    return sandbox.run(
        [*command, *_QUIET] if has_pytest else command,
        project=place.root,
        changed={**place.changed, home.path: written.text},
        limits=sandbox.Limits(wall_s=_RUN_S, cpu_s=int(_RUN_S), memory_mb=4096),
        # Relative: the sandbox may run a copy of the project.
        variables=variables_of(place, home),
        should_stop=should_stop,
    )


def _last_line(output: str) -> str:
    lines = [one.strip() for one in output.splitlines() if one.strip()]
    telling = [one for one in lines if re.match(r"(E  |ERROR|\w*Error\b|ImportError|usage)", one)]
    return (telling or lines or ["no output"])[-1][:300]

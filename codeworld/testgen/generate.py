"""The pipeline of test generation: understand, propose, run, keep, write, check; tests or the reason why there are
none.

Writes no file. The target's code runs in the sandbox only. The model, if there is one, comes as ``propose``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from codeworld.canvas import Reject
from codeworld.errors import CommandError
from codeworld.testgen import doubts
from codeworld.testgen.callers import callers_of
from codeworld.testgen.cases import Generated, Kept, Untested
from codeworld.testgen.checking import RUNS, check, command_of, variables_of
from codeworld.testgen.execution import CannotImport, Place, open_worker
from codeworld.testgen.placing import Clash, Placed, placed
from codeworld.testgen.pools import calls_in_repository, read_examples
from codeworld.testgen.project import Home, home_of, place_of
from codeworld.testgen.suite import Builder, Plan, Propose, Suite
from codeworld.testgen.target import Module, bindings, read_module, typing_imports

_MOST_REPAIRS = 3  # times that failing tests are dropped and the rest is run again


class Settings(msgspec.Struct, frozen=True):
    """``budget_s`` is for one target, ``most_s`` for all together; ``runs``: of the finished tests, shuffled."""

    budget_s: float = 10.0
    most_s: float = 120.0
    runs: int = RUNS
    seed: int = 0


def generate(
    file: Path,
    text: str,
    root: Path,
    *,
    qualname: str = "",
    propose: Propose | None = None,
    settings: Settings = Settings(),
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Generated | Reject:
    """Tests of ``file``, whose content is ``text``. Reasons: "nothing-to-test", "does-not-import", "no-test",
    "tests-do-not-run", "cancelled". Raises BadInput for what does not parse or is not there, CommandError when the
    sandbox fails."""
    module = read_module(text, qualname)
    if not module.targets:
        return Reject(
            "nothing-to-test", "; ".join(f"{one.qualname}: {one.reason}" for one in module.untested)
        )
    place = place_of(file, root, {file.resolve(): text})
    try:
        found = _found(place, module, propose, settings, should_stop, progress)
    except CannotImport as error:
        return Reject("cancelled") if should_stop() else Reject("does-not-import", str(error))
    except CommandError:
        if should_stop():  # that is why the sandbox has ended
            return Reject("cancelled")
        raise
    if should_stop():
        return Reject("cancelled")
    if not found.suite.kept:
        return Reject("no-test", _reasons(found.suite))
    return _written(found, place, module, settings, should_stop)


class _Found(msgspec.Struct, frozen=True):
    suite: Suite
    has_pytest: bool  # in the project's interpreter
    missing: tuple[str, ...]
    adopted: dict[str, tuple[str, str]]


def _found(
    place: Place,
    module: Module,
    propose: Propose | None,
    settings: Settings,
    should_stop: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> _Found:
    """What is worth keeping. Raises CannotImport and other CommandErrors."""
    total_s = min(settings.most_s, settings.budget_s * len(module.targets))
    callers = callers_of(module)
    targets = [*module.targets, *(one for few in callers.values() for one in few)]
    names = frozenset(one.owner if one.kind == "constructor" else one.name for one in targets)
    names |= {one.owner.rpartition(".")[2] for one in targets if one.owner}
    calls = calls_in_repository(names, place.root, place.file, module.text)
    plain = frozenset(one.name for target in targets for one in target.parameters if not one.annotated)
    examples = read_examples(plain, place.file, module.text)
    typed = typing_imports(module.tree, place.package)
    with open_worker(place, wall_s=3 * total_s + 60, typed=typed, should_stop=should_stop) as worker:
        builder = Builder(module, worker, calls, propose, examples, callers)
        suite = builder.build(Plan(total_s, settings.seed), should_stop, progress)
        own = bindings(module.tree)
        adopted = {name: way for name, way in worker.adopted.items() if name not in own}
        return _Found(suite, worker.has_pytest, worker.missing, {**adopted, **typed})


def _written(
    found: _Found, place: Place, module: Module, settings: Settings, should_stop: Callable[[], bool]
) -> Generated | Reject:
    """The tests in their file, all of which pass however they are ordered."""
    chance = random.Random(settings.seed)
    home = home_of(place, found.has_pytest)
    kept = [*found.suite.kept]
    flaky = found.suite.flaky
    for _ in range(_MOST_REPAIRS):
        try:
            written, home = _place(kept, place, module, home, found.adopted)
        except Clash as error:
            return Reject("tests-do-not-run", f"{error} means something else in {home.path.name}")
        result = check(
            written, place, home, found.has_pytest, chance=chance, runs=settings.runs, should_stop=should_stop
        )
        if should_stop():
            return Reject("cancelled")
        if result.refused:
            home = msgspec.structs.replace(home, own_options=False)
            continue
        if result.problem and home.text is not None:
            home = _beside(place, home)  # the file that is there cannot be run itself
            continue
        if result.problem:
            return Reject("tests-do-not-run", result.problem)
        if not result.failed:
            return _generated(found, kept, written, place, home, flaky)
        dropped = [one for block in written.blocks if block.name in result.failed for one in block.kept]
        flaky += len(dropped)
        kept = [one for one in kept if one not in dropped]
        if not kept:
            return Reject("no-test", "no test passed every time")
    return Reject("no-test", "other tests failed at every run")


def _place(
    kept: list[Kept], place: Place, module: Module, home: Home, names: Mapping[str, tuple[str, str]]
) -> tuple[Placed, Home]:
    try:
        return placed(kept, place, module, home, names), home
    except (Clash, SyntaxError):  # the file that is there cannot take them
        home = _beside(place, home)
        return placed(kept, place, module, home, names), home


def _beside(place: Place, home: Home) -> Home:
    """A file of its own, where the one that is there cannot be extended."""
    path = home.path.with_name(f"test_{place.file.stem}_recorded.py")
    return msgspec.structs.replace(home, path=path, text=path.read_text() if path.exists() else None)


def _generated(
    found: _Found, kept: list[Kept], written: Placed, place: Place, home: Home, flaky: int
) -> Generated:
    suite = found.suite
    lost = {one.target.qualname for one in suite.kept} - {one.target.qualname for one in kept}
    untested = [*suite.untested, *(Untested(name, "it does not always do the same") for name in sorted(lost))]
    return Generated(
        path=str(home.path),
        text=written.text,
        before=home.text,
        framework=home.style.framework,
        # The variables as a shell takes them.
        command=(
            *(f"{name}={value}" for name, value in variables_of(place, home).items()),
            *command_of(place, home, found.has_pytest),
        ),
        kept=tuple(kept),
        summaries=suite.summaries,
        doubts=suite.doubts,
        untested=tuple(untested),
        flaky=flaky,
        missing=found.missing,
    )


def _reasons(suite: Suite) -> str:
    said = [f"{one.qualname}: {one.reason}" for one in suite.untested]
    said += map(doubts.said, suite.doubts)
    return "; ".join(said) or "no call showed anything that a test could hold on to"

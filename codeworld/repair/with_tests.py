"""The repair of a file that a project's tests find wrong: what the command line, the editor and the benchmark do."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from codeworld.canvas import Reject
from codeworld.repair.edits import Fix
from codeworld.repair.logic_search import Scope
from codeworld.repair.rank import Infill
from codeworld.repair.repair import Settings, repair
from codeworld.repair.verify import Comparison
from codeworld.testgen.observing import observer
from codeworld.testgen.screening import screen
from codeworld.verify.project_tests import ProjectTests

# The reader is asked about what passes; what it would write itself has not been found to add right fixes.
_SCOPE = Scope(most_lines=0, most_gaps=0, writes=False)


def repair_with_tests(
    text: str,
    tests: ProjectTests | None,
    *,
    infill: Infill | None = None,
    types: Comparison | None = None,
    settings: Settings = Settings(),
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Fix] | Reject:
    """As ``repair``, judged by ``tests`` if there are any: one edit or, where none passes, two. Raises BadInput when
    the tests cannot be run, OSError when no sandbox can be started, and what ``infill`` raises."""
    if tests is not None:
        settings = msgspec.structs.replace(settings, scope=_SCOPE, two_edits=True)
    return repair(
        text,
        infill=infill,
        judge=tests.judge if tests else None,
        trace=tests.trace if tests else None,
        observe=observer(tests, text, should_stop) if tests else None,
        screen=screen(tests, text, should_stop) if tests else None,
        types=types,
        settings=settings,
        should_stop=should_stop,
        progress=progress,
    )

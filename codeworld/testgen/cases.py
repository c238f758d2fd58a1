"""The values that travel through test generation: what is tested, a call, what it did, what is handed back.

All are frozen. Expressions are Python source, as they will stand in a test.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from codeworld.testgen.shapes import ANY, Shape

Kind = Literal["function", "method", "class method", "static method", "property", "constructor"]
Mode = Literal["value", "await", "async for", "with", "list", "first"]


class Parameter(msgspec.Struct, frozen=True):
    """``required``: it has no default. ``shape`` is from its annotation, else from how it is used."""

    name: str
    shape: Shape = ANY
    required: bool = True
    keyword_only: bool = False
    annotated: bool = False


class Built(msgspec.Struct, frozen=True):
    """A variable that statements change after it was set: a graph that is given edges."""

    name: str
    value: str
    statements: tuple[str, ...]


class Example(msgspec.Struct, frozen=True):
    """A doctest's single expression and what it says it prints; ``line`` counts from 1."""

    source: str
    want: str
    line: int
    depends: bool = False  # on lines before it: what it prints is not known from it alone
    built: tuple[Built, ...] = ()  # what it names beside the module's names


class Target(msgspec.Struct, frozen=True):
    """A function, method or class that can be called. Lines count from 1, ``end_line`` included."""

    qualname: str
    kind: Kind
    line: int
    end_line: int
    parameters: tuple[Parameter, ...]
    returns: Shape | None = None
    is_async: bool = False
    is_generator: bool = False
    owner: str = ""
    docstring: str = ""
    raises: tuple[str, ...] = ()  # exceptions that the docstring names
    examples: tuple[Example, ...] = ()
    returns_line: int = 0
    refuses_types: bool = False  # it raises TypeError itself

    @property
    def name(self) -> str:
        """Without its class."""
        return self.qualname.rpartition(".")[2]


class Case(msgspec.Struct, frozen=True):
    """``setup`` makes named values, ``before`` are statements, ``call`` the expression that is tested."""

    setup: tuple[tuple[str, str], ...]
    call: str
    before: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()  # fixtures: "tmp_path"
    origin: str = "search"


class Snapshot(msgspec.Struct, frozen=True):
    """``expr`` makes the value again; where nothing does, its ``attributes``, by how one gets at them from the value
    ``{}``, and how its type can be ``named`` are known."""

    type: str
    expr: str | None = None
    imports: tuple[tuple[str, str], ...] = ()
    approx: bool = False
    attributes: dict[str, str] = {}
    named: str = ""


class Raised(msgspec.Struct, frozen=True):
    """An exception. ``line`` of the tested file; ``deliberate``: by a raise or assert statement."""

    type: str
    module: str
    bases: tuple[str, ...]
    message: str
    line: int
    deliberate: bool
    asserted: bool = False


class Observed(msgspec.Struct, frozen=True):
    """What one run of a case did. ``killed``: mutants that did something else, ``killed_by_result`` those that did so
    in result or exception, ``hung`` those that did not end. ``arcs``: from line to line, negative at a function's begin
    and end."""

    died: str = ""
    setup_failed: str = ""
    mode: Mode = "value"
    value: Snapshot | None = None
    returned: str = ""  # the name of the argument that the result is
    raised: Raised | None = None
    changed: dict[str, Snapshot] = {}
    printed: str = ""
    files: dict[str, str] = {}
    arcs: tuple[tuple[int, int], ...] = ()
    killed: tuple[int, ...] = ()
    killed_by_result: tuple[int, ...] = ()
    hung: tuple[int, ...] = ()
    ms: float = 0.0
    draws: bool = False  # from the random module, which was seeded with 0

    @property
    def reached(self) -> frozenset[tuple[int | str, int]]:
        """Its arcs, and the exception that it ended in: also one of other files, such as a decorator's."""
        raised = {(self.raised.type, self.raised.line)} if self.raised is not None else ()
        return frozenset((*self.arcs, *raised))


class Mutant(msgspec.Struct, frozen=True):
    """A changed function: ``source`` holds it alone within its classes, at the names ``path``; ``function_line`` is
    where the unchanged one begins, decorators included; ``line`` where the change is."""

    number: int
    line: int
    description: str
    path: tuple[str, ...]
    function_line: int
    source: str


class Doubt(msgspec.Struct, frozen=True):
    """Behaviour that contradicts what is written, or, for "crash", an exception that nothing documents (``expected`` is
    then empty); not frozen in a test. ``line`` is where it is written or raised."""

    qualname: str
    line: int
    call: str
    expected: str
    observed: str
    source: Literal["doctest", "annotation", "crash"]


class Kept(msgspec.Struct, frozen=True):
    """A case that bites. ``whole``: also what it changed is asserted, not the result alone."""

    target: Target
    case: Case
    observed: Observed
    whole: bool
    arcs: int  # that no case before it reached
    kills: int  # mutants that no case before it killed


class Untested(msgspec.Struct, frozen=True):
    """What could not be tested, and why."""

    qualname: str
    reason: str


class Summary(msgspec.Struct, frozen=True):
    """Of one target: lines of it that the kept cases run, of those that can be run; mutants killed, of those made."""

    qualname: str
    tests: int
    lines_run: int
    lines: int
    mutants_killed: int
    mutants: int


class Generated(msgspec.Struct, frozen=True):
    """``text`` is the whole test file ``path`` after the change, ``before`` what was in it (None: it is
    new). ``missing``: protections that are off; ``flaky``: cases dropped because they did not always do the same."""

    path: str
    text: str
    before: str | None
    framework: Literal["pytest", "unittest"]
    command: tuple[str, ...]
    kept: tuple[Kept, ...]
    summaries: tuple[Summary, ...]
    doubts: tuple[Doubt, ...]
    untested: tuple[Untested, ...]
    flaky: int = 0
    missing: tuple[str, ...] = ()

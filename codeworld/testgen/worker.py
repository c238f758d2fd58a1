"""Inside the sandbox: import the target once, then run calls and say what they did. Standard library only; a script.

Reads questions and writes answers, one JSON object per line. Calls run in a child forked from the process that
imported the module: no interpreter start, a state as after the import, and a crash or a hang costs one child. Lines
are followed with ``sys.settrace``; mutants are code objects put in a function's place for one call.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import importlib.util
import inspect
import io
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
import types
from typing import Any

_HIGH = 200  # a number for a file that hardly any input is; the sandbox allows 256
_IMPORTED = b"imported"  # begins a line that names modules that a call imported
_HUNG_S = 3.0  # beyond what a call may take: then signals do not reach it


def _load(name: str) -> Any:
    """A module of ours, under a name that no project uses."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_codeworld_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


calls = _load("calls")
describing = _load("describing")


class Server:
    """The process that holds the imported module."""

    def __init__(self, plan: dict[str, Any], questions: io.TextIOBase, answers: io.TextIOBase) -> None:
        self.file = os.path.realpath(plan["file"])
        self.limit_s: float = plan["call_s"]
        self.questions, self.answers = questions, answers
        self.mutants: dict[int, tuple[Any, types.CodeType]] = {}
        sys.path[:0] = map(os.path.abspath, plan["paths"])
        random.seed(0)
        self.module: Any = importlib.import_module(plan["module"])
        self.base = {**typing_names(plan["typed"]), **vars(self.module), **plan_names(plan["names"])}

    def answer(self, question: dict[str, Any]) -> None:
        """One question."""
        kind = question["op"]
        if kind == "run":
            self.run(question)
        elif kind == "mutants":
            self.say({"failed": self.take_mutants(question["mutants"])})
        elif kind == "describe":
            self.say(describing.describe(question["name"], self.base))

    def say(self, answer: dict[str, Any]) -> None:
        """One answer."""
        self.answers.write(json.dumps(answer) + "\n")
        self.answers.flush()

    def take_mutants(self, mutants: list[dict[str, Any]]) -> list[int]:
        """Compile mutants; the numbers of those that have no place."""
        functions: dict[tuple[str, int], Any] = {}
        for one in gc.get_objects():
            if isinstance(one, types.FunctionType) and _is_same(one.__code__.co_filename, self.file):
                functions.setdefault((one.__code__.co_name, one.__code__.co_firstlineno), one)
        failed = []
        for mutant in mutants:
            function = functions.get((mutant["name"], mutant["line"]))
            try:
                code = _code_of(
                    compile(mutant["source"], self.file, "exec", dont_inherit=True), mutant["path"]
                )
            except (SyntaxError, ValueError):
                code = None
            if function is None or code is None or code.co_freevars != function.__code__.co_freevars:
                failed.append(mutant["number"])
            else:
                self.mutants[mutant["number"]] = (function, code)
        return failed

    def run(self, question: dict[str, Any]) -> None:
        """Run calls in a child, or each in one of its own; goes on behind one that ends or hangs its child."""
        cases, at = question["cases"], 0
        while at < len(cases):
            few = cases[at : at + 1] if question["isolated"] else cases[at:]
            at += self._run_in_child(few, question)

    def _run_in_child(self, cases: list[dict[str, Any]], question: dict[str, Any]) -> int:
        """How many of the cases were answered."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._become_child(cases, writing, question)
        os.close(writing)
        answered, why, rest = 0, "", b""
        imported: list[str] = []
        deadline_s = time.monotonic() + self._patience_s(question)
        while answered < len(cases):
            ready = select.select([reading], [], [], max(0.0, deadline_s - time.monotonic()))[0]
            data = os.read(reading, 1 << 16) if ready else b""
            if not data:
                why = "" if ready else "it hung"
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(_IMPORTED):
                    imported += line.decode().split()[1:]
                    continue
                self.answers.write(line.decode() + "\n")
                answered += 1
                if answered < len(cases):
                    deadline_s = time.monotonic() + self._patience_s(question)
            self.answers.flush()  # who asks waits for each of them
        os.close(reading)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if answered < len(cases):
            if not why:
                code = os.waitstatus_to_exitcode(status)
                why = f"it ended the process ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
            self.answers.write(json.dumps({"died": why}) + "\n")
            answered += 1
        self.answers.flush()
        for name in imported:  # once, instead of in every child
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(name)
        return answered

    def _patience_s(self, question: dict[str, Any]) -> float:
        """Less than who asks has."""
        with_mutants_s = min(self.limit_s * len(question["mutants"]) / 4, calls.MUTANTS_S)
        patience_s: float = _HUNG_S + calls.WAITS * (self.limit_s + with_mutants_s)
        return patience_s

    def _become_child(self, cases: list[dict[str, Any]], writing: int, question: dict[str, Any]) -> None:
        """Never returns."""
        try:
            os.setsid()
            gc.disable()
            # Programs open small numbers, and would write into what we say; a test would write into pytest's output.
            high = fcntl.fcntl(writing, fcntl.F_DUPFD, _HIGH)
            for number in (0, 1, 2, self.questions.fileno(), self.answers.fileno(), writing):
                os.close(number)
            sys.argv[1:] = [] if question["trace"] else ["again"]  # what reads it does not do the same twice
            settled: set[int] = set()
            known = set(sys.modules)
            with os.fdopen(high, "w") as out:
                for case in cases:
                    runner = calls.Runner(self.base, self.file, self.limit_s, self.mutants)
                    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                        done = runner.run(case, folder, question, settled)
                    if question["every"]:
                        settled.clear()
                    if new := [name for name in sys.modules if name not in known and _is_foreign(name)]:
                        known.update(new)
                        out.write(f"{_IMPORTED.decode()} {' '.join(new)}\n")
                    out.write(json.dumps(done) + "\n")
                    out.flush()
        finally:
            os._exit(0)


def plan_names(names: list[list[str]]) -> dict[str, Any]:
    """What inputs may name beside the module's own names: ``(module, attribute)``, attribute "" for the module."""
    found = {}
    for module, name in names:
        held = importlib.import_module(module)
        found[name or module] = getattr(held, name) if name else held
    return found


def typing_names(names: dict[str, list[str]]) -> dict[str, Any]:
    """What the module imports for its annotations alone: ``(module, attribute)`` by name; without what is missing."""
    found = {}
    for name, (module, attribute) in names.items():
        with contextlib.suppress(Exception, SystemExit):
            held = importlib.import_module(module)
            if not attribute:
                found[name] = sys.modules[name]
            else:
                found[name] = held if attribute[0] == "=" else getattr(held, attribute)
    return found


def _is_foreign(module: str) -> bool:
    """Not the project's: importing it does not change what the target does."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" in file or not os.path.realpath(file).startswith(os.getcwd() + os.sep)


def _is_same(one: str, file: str) -> bool:
    return one == file or os.path.realpath(one) == file


def _code_of(code: types.CodeType, path: list[str]) -> types.CodeType | None:
    """The code object of a function within a module's."""
    for name in path:
        inner = [one for one in code.co_consts if inspect.iscode(one) and one.co_name == name]
        if not inner:
            return None
        code = inner[-1]
    return code


def main() -> None:
    """Serve until the questions end. What the target prints goes nowhere."""
    questions, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    plan = json.loads(sys.argv[1])
    sys.argv[1:] = []
    try:
        server = Server(plan, questions, answers)
    except BaseException as error:  # SystemExit, too
        answers.write(json.dumps({"failed": f"{type(error).__name__}: {error}"[:300]}) + "\n")
        answers.flush()
        os._exit(1)
    server.say({"failed": "", "has_pytest": importlib.util.find_spec("pytest") is not None})
    for line in questions:
        server.answer(json.loads(line))
    os._exit(0)  # whatever threads the module has started


if __name__ == "__main__":
    main()

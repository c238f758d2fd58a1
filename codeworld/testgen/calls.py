"""Inside the sandbox: one call, what it returned, raised, changed, printed and wrote, and which mutants that tells
apart. Standard library only."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import importlib.util
import inspect
import io
import itertools
import json
import linecache
import math
import os
import pathlib
import pickle
import random
import signal
import sys
import threading
import time
import types
from typing import Any

_spec = importlib.util.spec_from_file_location(
    "_codeworld_snapshot", os.path.join(os.path.dirname(os.path.abspath(__file__)), "snapshot.py")
)
assert _spec is not None
assert _spec.loader is not None
snapshot: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(snapshot)

WAITS = 8.0  # a call that does not compute may take so many times as long
_MOST_ITEMS = 50  # taken from a generator
_MOST_PRINTED = 2_000
_LEAST_MUTANT_S = 0.03
_IMPORTS_S = 3.0  # of the processor, for what a call imports when it is first made; not the call's own time
_IMPORTING = "<frozen importlib._bootstrap>"
MUTANTS_S = 4.0  # of the processor, for all mutants of one case: slow calls meet as many as there is time for


# The project and the interpreter are somewhere else for everybody; "/usr" is no place of ours.
_HERE = [
    one for one in (os.getcwd(), sys.prefix, sys.base_prefix) if one.count("/") > 1 and one != "/usr/local"
]


class TooLong(BaseException):
    """Not an Exception: programs catch those."""


class Runner:
    """Runs one case; the module's state is as its predecessors in the same process left it."""

    def __init__(
        self,
        base: dict[str, Any],
        file: str,
        limit_s: float,
        mutants: dict[int, tuple[Any, types.CodeType]],
    ) -> None:
        self._base, self._file, self._limit_s, self._mutants = base, file, limit_s, mutants
        self._is_ours: dict[str, bool] = {}
        self._arcs: set[tuple[int, int]] = set()

    def run(
        self, case: dict[str, Any], folder: str, question: dict[str, Any], settled: set[int]
    ) -> dict[str, Any]:
        """What the case does, and the numbers of the mutants with which it does something else; those that are not
        ``settled`` yet."""
        begin_s, trace = time.perf_counter(), question["trace"]
        done = self._observe(case, os.path.join(folder, "case"), self._limit_s, trace)
        took_s = time.perf_counter() - begin_s
        done["ms"] = round(took_s * 1e3, 3)
        done["arcs"] = sorted(self._arcs)
        done["killed"], done["killed_by_result"], done["hung"] = [], [], []
        if "died" in done:
            return done
        lines = {line for arc in self._arcs for line in arc}
        limit_s = min(self._limit_s, max(_LEAST_MUTANT_S, 4 * took_s))
        until_s = time.process_time() + MUTANTS_S
        for number, line in question["mutants"]:
            if time.process_time() > until_s:
                break  # who asks would take it for hung
            if (trace and line not in lines) or number in settled:
                continue
            function, code = self._mutants[number]
            original = function.__code__
            function.__code__ = code
            try:
                other = self._observe(case, os.path.join(folder, str(number)), limit_s, False)
            finally:
                function.__code__ = original
            differs, in_result = _differences(done, other, self._base)
            if differs:
                done["killed"].append(number)
                settled.add(number)
            if "died" in other:
                done["hung"].append(number)
            if in_result:
                done["killed_by_result"].append(number)
        return done

    def _observe(self, case: dict[str, Any], folder: str, limit_s: float, trace: bool) -> dict[str, Any]:
        os.mkdir(folder)
        names = dict(self._base)
        names["tmp_path"] = pathlib.Path(folder)
        done: dict[str, Any] = {"mode": "value"}
        printed = io.StringIO()
        random.seed(0)
        begin = random.getstate() if trace else None
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            try:
                with _limited(limit_s):
                    self._act(case, names, done, trace)
            except TooLong:
                return {"died": "it did not end", "mode": "value"}
            except MemoryError:
                return {"died": "it needed too much memory", "mode": "value"}
        done["draws"] = trace and random.getstate() != begin
        said = json.dumps(done)
        refused = "OSError" in done.get("raised", {}).get(
            "bases", ()
        )  # never asserted, and it says what happened
        if folder in said or (not refused and any(one in said for one in _HERE)):
            return {"died": "what it does depends on where its files are", "mode": "value"}
        text = printed.getvalue()
        done["printed"] = text if len(text) <= _MOST_PRINTED else ""
        done["files"] = _files(folder, self._base) if "tmp_path" in case["uses"] else {}
        return done

    def _act(self, case: dict[str, Any], names: dict[str, Any], done: dict[str, Any], trace: bool) -> None:
        try:
            for name, expression in case["setup"]:
                names[name] = eval(expression, names)
            for statement in case["before"]:
                exec(statement, names)
            held = {name: names[name] for name, _ in case["setup"]}
            before = {name: _state(value) for name, value in held.items()}
            frozen = {name: _frozen(value, before[name]) for name, value in held.items()}
        except Exception as error:
            done["setup_failed"] = f"{type(error).__name__}: {error}"[:200]
            return
        code = compile(case["call"], "<case>", "eval")
        if trace:
            sys.settrace(self._trace)
        try:
            done["mode"], value = _call(code, names)
        except (RecursionError, MemoryError) as error:
            sys.settrace(None)
            deep = isinstance(error, RecursionError)
            done["died"] = "it went past the recursion limit" if deep else "it needed too much memory"
            return
        except (Exception, SystemExit) as error:
            sys.settrace(None)
            done["raised"] = self._raised(error)
        else:
            sys.settrace(None)
            done["value"] = snapshot.take(value, properties=True)
            done["returned"] = next((name for name, one in held.items() if one is value), "")
        finally:
            sys.settrace(None)
        after = {name: _state(value) for name, value in held.items()}
        done["changed"] = {}
        for name, value in held.items():
            old, new = frozen[name], _frozen(value, after[name])
            if before[name] != after[name] or old != new:
                change = _change(before[name], after[name], _answers(old), _answers(new))
                # What cannot be seen can't be asserted.
                done["changed"] |= {name: change} if change["expr"] or change["attributes"] else {}

    def _raised(self, error: BaseException) -> dict[str, Any]:
        """``deliberate``: raised by a raise statement, not by an operation that went wrong."""
        frames = [*_frames(error.__traceback__)]
        file, line = frames[-1] if frames else ("", 0)
        kind = type(error)
        source = linecache.getline(file, line).strip()
        return {
            "type": kind.__qualname__,
            "module": kind.__module__,
            "bases": [one.__name__ for one in kind.__mro__],
            "message": str(error)[:300],
            "line": next((at for name, at in reversed(frames) if self._ours(name)), 0),
            "deliberate": source.startswith(("raise", "assert")) and "site-packages" not in file,
            "asserted": source.startswith("assert"),
        }

    def _ours(self, name: str) -> bool:
        if name not in self._is_ours:
            self._is_ours[name] = name == self._file or os.path.realpath(name) == self._file
        return self._is_ours[name]

    def _trace(self, frame: types.FrameType, event: str, argument: object) -> Any:
        if not self._ours(frame.f_code.co_filename):
            return None
        arcs, first = self._arcs, frame.f_code.co_firstlineno
        last = -first

        def follow(frame: types.FrameType, event: str, argument: object) -> Any:
            nonlocal last
            if event == "line":
                arcs.add((last, frame.f_lineno))
                last = frame.f_lineno
            elif event == "return":
                arcs.add((last, -first))
            return follow

        return follow


@contextlib.contextmanager
def _limited(limit_s: float) -> Any:
    imports_until_s = time.process_time() + _IMPORTS_S

    def stop(number: int, frame: types.FrameType | None) -> None:
        if time.process_time() > imports_until_s or not _is_importing(frame):
            raise TooLong

    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_PROF, limit_s, limit_s)  # again and again: some programs catch everything
    signal.setitimer(signal.ITIMER_REAL, WAITS * limit_s, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _is_importing(frame: types.FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != _IMPORTING:
        frame = frame.f_back
    return frame is not None


def _call(code: types.CodeType, names: dict[str, Any]) -> tuple[str, object]:
    """How the result is used, and what comes of it."""
    value = eval(code, names)
    if inspect.iscoroutine(value):
        return "await", asyncio.run(value)
    if inspect.isasyncgen(value):
        return "async for", asyncio.run(_collect(value))
    if isinstance(value, contextlib.AbstractContextManager) and isinstance(
        value, contextlib._GeneratorContextManager
    ):
        with value as inner:
            return "with", inner
    if isinstance(value, collections.abc.Iterator) and type(value).__module__ in ("builtins", "itertools"):
        taken = list(itertools.islice(value, _MOST_ITEMS + 1))
        return ("first", taken[:_MOST_ITEMS]) if len(taken) > _MOST_ITEMS else ("list", taken)
    return "value", value


async def _collect(values: Any) -> list[object]:
    found = []
    async for one in values:
        found.append(one)
        if len(found) > _MOST_ITEMS:
            break
    return found


def _state(value: object) -> Any:
    """What can be seen of an object, to find out whether it changed."""
    seen = snapshot.take(value)
    try:
        hidden = {name: snapshot.take(one)["expr"] for name, one in vars(value).items()}
    except (TypeError, RuntimeError):
        hidden = {}
    return seen, hidden


def _frozen(value: object, state: Any) -> bytes:
    """An object that no expression makes, as it is now, all the way down; b"" where it cannot be kept."""
    if state[0]["expr"] is None:
        with contextlib.suppress(Exception):
            return pickle.dumps(value)
    return b""


def _answers(frozen: bytes) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """All that an object shows when it is looked at and asked, and the imports for it. A twin is looked at: properties
    may change it."""
    with contextlib.suppress(Exception):
        found: tuple[dict[str, str], set[tuple[str, str]]] = snapshot.attributes_of(
            pickle.loads(frozen), True
        )
        return found
    return {}, set()


def _change(before: Any, after: Any, old_answers: Any, new_answers: Any) -> dict[str, Any]:
    """The new state; of an object without expression, the attributes and answers that changed."""
    seen = dict(after[0])
    if seen["expr"] is None:
        old = {**before[0].get("attributes", {}), **old_answers[0]}
        new = {**seen["attributes"], **new_answers[0]}
        seen["imports"] = sorted({*map(tuple, seen["imports"]), *new_answers[1]})
        changed = [(name, text) for name, text in new.items() if old.get(name) != text]
        seen["attributes"] = dict(changed[: snapshot.MOST_ATTRIBUTES])
    return seen


def _files(folder: str, names: dict[str, Any]) -> dict[str, str]:
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*"))[:8]:
        if path.is_file():
            with contextlib.suppress(OSError, UnicodeDecodeError):
                found[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")[:_MOST_PRINTED]
    return found


def _differences(done: dict[str, Any], other: dict[str, Any], names: dict[str, Any]) -> tuple[bool, bool]:
    """Whether an assertion on everything, and one on result or exception alone, tells the two runs apart."""
    if "died" in other or "setup_failed" in other:
        return True, True
    raised, other_raised = done.get("raised"), other.get("raised")
    if raised or other_raised:
        in_result = not (raised and other_raised) or _kind(raised) != _kind(other_raised)
    else:
        in_result = done["mode"] != other["mode"] or _differ(done["value"], other["value"], names)
    if in_result:
        return True, True
    if done["printed"] != other["printed"] or done["files"] != other["files"]:
        return True, False
    changed, other_changed = done.get("changed", {}), other.get("changed", {})
    keys = changed.keys() | other_changed.keys()
    return any(
        key not in changed or key not in other_changed or _differ(changed[key], other_changed[key], names)
        for key in keys
    ), False


def _kind(raised: dict[str, Any]) -> tuple[str, str, str]:
    return raised["module"], raised["type"], raised["message"] if raised["deliberate"] else ""


def _differ(one: dict[str, Any], other: dict[str, Any], names: dict[str, Any]) -> bool:
    """Whether ``assert other == one`` fails."""
    if one["expr"] == other["expr"] and one["type"] == other["type"]:
        return one["expr"] is None and one.get("attributes") != other.get("attributes")
    if one["expr"] is None or other["expr"] is None:
        return True
    if one["expr"] in ("None", "True", "False"):
        return bool(one["expr"] != other["expr"])
    try:
        return not _close(eval(one["expr"], dict(names)), eval(other["expr"], dict(names)))
    except Exception:
        return True


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(_close, one, other))
    return bool(one == other)


def _frames(traceback: types.TracebackType | None) -> Any:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


# Background threads of the target must not keep a child.
threading.excepthook = lambda argument: None

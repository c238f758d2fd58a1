"""Inside the sandbox: what several versions of a module do when their functions are called. Standard library only; a
script: ``observation_worker.py QUESTION`` where the file QUESTION holds JSON, see ``main``.

Each program runs in a child of its own. What a call does becomes a short text that is the same for what is the same: a
digest of the result, of what became of the arguments and of what was printed; "!" first where it raised.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import math
import os
import random
import re
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

MARK = "\x1ecodeworld-observed\x1e"
_CALL_S = 0.05  # of processor time
_PROGRAM_S = 5.0
_MOST_HUNG = 3  # calls of one program that are waited for
_MOST_ITEMS = 200
_DEEPEST = 6
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class _Hung(BaseException):
    """Not an Exception: programs catch those."""


def does(program: str, calls: list[list[str]], names: dict[str, Any]) -> list[str]:
    """A text for each call; a call is a function's name, a tuple of arguments and a dict of keywords."""
    signal.signal(signal.SIGPROF, stop)
    try:
        with limited(4 * _CALL_S):
            exec(compile(program, names["__file__"], "exec", dont_inherit=True), names)
    except BaseException as error:
        return [f"!{_digest(_raised(error))}"] * len(calls)
    found, hung = list[str](), 0
    for call in calls:
        text = "!hung" if hung == _MOST_HUNG else _call(call, names)
        hung += text == "!hung"
        found.append(text)
    return found


def _call(call: list[str], names: dict[str, Any]) -> str:
    function, arguments, keywords = call
    random.seed(0)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        try:
            with limited(_CALL_S):
                given, named = eval(arguments, dict(names)), eval(keywords, dict(names))
                result = _plain(names[function](*given, **named))
                return _digest(repr((result, _plain(given), printed.getvalue())))
        except _Hung:
            return "!hung"
        except BaseException as error:
            return f"!{_digest(_raised(error))}"


def _plain(value: Any, depth: int = 0) -> Any:
    """The same for what is the same: rounded, ordered, without addresses."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return value
    if depth == _DEEPEST:
        return _ADDRESS.sub("", repr(value))
    if isinstance(value, dict):
        return ["dict", [[_plain(key, depth + 1), _plain(value[key], depth + 1)] for key in value]]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted(repr(_plain(one, depth + 1)) for one in value)]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [_plain(one, depth + 1) for one in value]]
    if hasattr(value, "__next__"):
        return ["iterator", [_plain(one, depth + 1) for one in itertools.islice(value, _MOST_ITEMS)]]
    held = getattr(value, "__dict__", None)
    shown = _ADDRESS.sub("", repr(value))
    return [shown, _plain(held, depth + 1)] if held and not callable(value) else shown


def _raised(error: BaseException) -> str:
    return f"{type(error).__name__}: {_ADDRESS.sub('', str(error))}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4).hexdigest()


def stop(number: int, frame: object) -> None:
    """Signal handler of ``limited``."""
    raise _Hung


@contextlib.contextmanager
def limited(limit_s: float) -> Any:
    """End what is done within by an exception after ``limit_s`` of processor time."""
    signal.setitimer(signal.ITIMER_PROF, limit_s, limit_s)  # again and again: some programs catch everything
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def said_by_child(work: Callable[[int], object], end_s: float, silent_s: float = math.inf) -> bytes:
    """What ``work`` writes to the pipe that it is given, in a child without input or output and in a session of its
    own, which is ended at ``end_s`` (time.monotonic) or when nothing was said for ``silent_s``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.close(reading)
            null = os.open(os.devnull, os.O_RDWR)
            for channel in (0, 1, 2):
                os.dup2(null, channel)
            work(writing)
        finally:
            os._exit(0)
    os.close(writing)
    said = b""
    while select.select([reading], [], [], max(0.0, min(silent_s, end_s - time.monotonic())))[0]:
        data = os.read(reading, 1 << 16)
        if not data:
            break
        said += data
    os.close(reading)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said


def _in_child(program: str, calls: list[list[str]], names: dict[str, Any]) -> list[str]:
    def work(out: int) -> None:
        os.write(out, json.dumps(does(program, calls, names)).encode())

    said = said_by_child(work, time.monotonic() + _PROGRAM_S)
    try:
        found: list[str] = json.loads(said)
    except ValueError:
        return ["!ended"] * len(calls)
    return found


def main() -> None:
    """The question has ``programs``, ``calls``, ``paths`` to import from, and the ``file`` and ``module`` that the
    programs stand for."""
    with open(sys.argv[1], encoding="utf-8") as text:
        question = json.load(text)
    sys.argv[1:] = []
    sys.path[:0] = map(os.path.abspath, question["paths"])
    names = {"__name__": question["module"], "__file__": os.path.abspath(question["file"])}
    names["__package__"] = question["module"].rpartition(".")[0]
    answers = [_in_child(one, question["calls"], dict(names)) for one in question["programs"]]
    print(MARK + json.dumps(answers) + MARK, flush=True)


if __name__ == "__main__":
    main()

"""Inside the sandbox: how many examples each of many programs satisfies. Standard library only; a script:
``screening_worker.py QUESTION`` where the file QUESTION holds JSON, see ``main``.

A child runs one program after the other, which takes a fraction of a millisecond where a process for each takes twenty;
when one ends the child, the next child goes on behind it. What is said here is no verdict: tests are run afterwards.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import time
from types import CodeType
from typing import Any

from observation_worker import MARK, limited, said_by_child, stop  # type: ignore[import-not-found]  # beside this script

_CALL_S = 0.01  # of processor time
_CHILD_S = 2.0  # without a word from the child


def satisfied(program: str, examples: list[tuple[CodeType, ...]], names: dict[str, Any]) -> int:
    """How many of the examples (call, expected value) hold."""
    found = 0
    try:
        with limited(4 * _CALL_S):
            exec(compile(program, names["__file__"], "exec", dont_inherit=True), names)
    except BaseException:
        return 0
    for call, value in examples:
        try:
            with limited(_CALL_S):
                found += bool(eval(call, dict(names)) == eval(value, dict(names)))
        except BaseException:
            continue
    return found


def _in_child(
    programs: list[str], examples: list[tuple[CodeType, ...]], names: dict[str, Any], end_s: float
) -> bytes:
    """A byte for each program until one ends the child or time is up."""

    def work(out: int) -> None:
        signal.signal(signal.SIGPROF, stop)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for one in programs:
                os.write(out, bytes([satisfied(one, examples, dict(names))]))

    said: bytes = said_by_child(work, end_s, _CHILD_S)
    return said


def main() -> None:
    """The question has ``programs``, ``examples`` (call and expected value, as expressions), ``paths`` to import from,
    the ``file`` and ``module`` that the programs stand for, and the ``seconds`` after which it ends."""
    with open(sys.argv[1], encoding="utf-8") as text:
        question = json.load(text)
    end_s = time.monotonic() + question["seconds"]
    sys.argv[1:] = []
    sys.path[:0] = map(os.path.abspath, question["paths"])
    names = {"__name__": question["module"], "__file__": os.path.abspath(question["file"])}
    names["__package__"] = question["module"].rpartition(".")[0]
    examples = [tuple(compile(one, "<example>", "eval") for one in pair) for pair in question["examples"]]
    programs, found = question["programs"], bytearray()
    while len(found) < len(programs) and time.monotonic() < end_s:
        found += _in_child(programs[len(found) :], examples, names, end_s)
        if len(found) < len(programs) and time.monotonic() < end_s:
            found.append(0)  # the one that ended it
    print(MARK + found.hex() + MARK, flush=True)


if __name__ == "__main__":
    main()

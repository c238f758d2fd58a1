"""Calls that the model writes: the program, the beginning of a test, and a hole where the arguments go."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from codeworld.canvas import InfillReply, InfillRequest, Source
from codeworld.context.secrets import mask
from codeworld.testgen.calling import Input
from codeworld.testgen.cases import Target

Infill = Callable[[InfillRequest], InfillReply]

_PREFIX_CHARS = 2_400
_MOST_ASKED = 6  # questions for one target: the search goes on in between, and it is cheap
_SHOWN = 2  # calls known already, so that it writes others


class Proposer:
    """Asks the model for arguments. ``asked`` counts questions, ``given`` the calls that parsed.

    Raises what ``infill`` raises.
    """

    def __init__(self, text: str, infill: Infill) -> None:
        self._lines = text.splitlines(keepends=True)
        self._infill = infill
        self._asked_for: dict[str, int] = {}
        self.asked, self.given = 0, 0

    def __call__(self, target: Target, known: Sequence[Input]) -> list[ast.Call]:
        """Calls of the target; few, and none once it was asked often enough."""
        count = self._asked_for.get(target.qualname, 0)
        if count >= _MOST_ASKED or not target.parameters or target.kind == "property":
            return []
        self._asked_for[target.qualname] = count + 1
        self.asked += 1
        found = []
        for candidate in self._infill(self._hole(target, known, count)).candidates:
            call = _parsed(f"{target.name}({candidate.text})")
            found += [call] if call is not None else []
        self.given += len(found)
        return found

    def _hole(self, target: Target, known: Sequence[Input], count: int) -> InfillRequest:
        body = "".join(self._lines[max(0, target.line - 1) : target.end_line])
        begin = "".join(self._lines[: target.line - 1])
        room = max(0, _PREFIX_CHARS - len(body))
        receiver = f"{target.owner}()." if target.kind == "method" else ""
        called = target.owner if target.kind == "constructor" else f"{receiver}{target.name}"
        shown = [f"    {called}({', '.join(one.arguments.values())})\n" for one in known[-_SHOWN:]]
        test = f"\n\ndef test_{target.name.strip('_')}_{count + 1}():\n{''.join(shown)}    assert {called}("
        return InfillRequest(
            prefix=mask((begin[-room:] if room else "") + body[-_PREFIX_CHARS:] + test),
            suffix=") == ",
            path="test_it.py",
            shape="line",
            max_candidates=4,
            alternatives=3,
            sources=(Source.VERIFIED,),
        )


def _parsed(text: str) -> ast.Call | None:
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return node if isinstance(node, ast.Call) else None

"""Repair of what a type checker complains of."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest

from codeworld.canvas import Reject
from codeworld.repair.edits import apply
from codeworld.repair.program import Program
from codeworld.repair.type_edits import type_proposals
from codeworld.repair.typed import repair_complaints, repair_types
from codeworld.repair.verify import check
from codeworld.verify.type_check import Complaint

DEFAULT = Complaint(
    0, 'Incompatible default for parameter "name" (default has type "None", parameter has type "str")'
)


def parses(text: str) -> bool:
    return not isinstance(check(text, text), Reject)


def proposed(text: str, line: int, message: str) -> list[str]:
    found = type_proposals(Program.of(text), Complaint(line, message))
    return [apply(text, one.edits) for one in found]


@pytest.mark.parametrize(
    ("before", "line", "message", "after"),
    [
        (
            "def f(name: str = None): ...\n",
            0,
            DEFAULT.message,
            "from typing import Optional\ndef f(name: Optional[str] = None): ...\n",
        ),
        (
            "from __future__ import annotations\ndef f(name: str = None): ...\n",
            1,
            DEFAULT.message,
            "from __future__ import annotations\ndef f(name: str | None = None): ...\n",
        ),
        (
            "from typing import List\ndef f(x: any) -> List[int]: ...\n",
            1,
            'Function "builtins.any" is not valid as a type',
            "from typing import List, Any\ndef f(x: Any) -> List[int]: ...\n",
        ),
        (
            "def f(x) -> int:\n    return str(x)\n",
            1,
            'Incompatible return value type (got "str", expected "int")',
            "def f(x) -> str:\n    return str(x)\n",
        ),
        (
            "h: dict[str, str] = {}\nh['a'] = ('b',)\n",
            1,
            'Incompatible types in assignment (expression has type "tuple[str]", target has type "str")',
            "h: dict[str, str] = {}\nh['a'] = 'b'\n",
        ),
        (
            "def f(s):\n    return unicode(s)\n",
            1,
            'Name "unicode" is not defined',
            "def f(s):\n    return str(s)\n",
        ),
    ],
)
def test_what_the_message_suggests_is_among_the_first(
    before: str, line: int, message: str, after: str
) -> None:
    assert after in proposed(before, line, message)[:4]


def test_nothing_only_silences_the_checker() -> None:
    for one in proposed("def f(name: str = None): ...\n", 0, DEFAULT.message):
        if not parses(one):
            continue  # it is never shown to a checker
        argument = ast.parse(one).body[-1].args.args[0]  # type: ignore[attr-defined]
        assert argument.annotation is not None
        assert "Any" not in ast.unparse(argument.annotation)
        assert "type: ignore" not in one


def complains_unless(wanted: str, new_in: str = "\0"):  # type: ignore[no-untyped-def]
    def checker(text: str) -> Sequence[Complaint]:
        found = [] if wanted in text else [DEFAULT]
        return [*found, Complaint(0, "new")] if new_in in text else found

    return checker


def test_only_what_ends_the_complaint_and_makes_no_new_one_is_offered() -> None:
    text = "def f(name: str = None): ...\n"
    found = repair_types(text, DEFAULT, complains_unless("Optional"))
    assert not isinstance(found, Reject)
    assert all("Optional" in one.text and "types" in one.checks for one in found)
    assert repair_types(text, DEFAULT, complains_unless("Optional", "Optional")) == Reject("no-candidate")
    assert repair_types(text, DEFAULT, complains_unless("str")) == Reject("nothing-wrong")


def test_the_first_complaint_that_can_be_repaired_is() -> None:
    text = "def f(name: str = None): ...\n"
    other = Complaint(0, "something else")

    def checker(text: str) -> Sequence[Complaint]:
        return [other, *complains_unless("Optional")(text)]

    found = repair_complaints(text, checker)
    assert not isinstance(found, Reject)
    assert "Optional" in found[0].text
    assert repair_complaints(text, lambda _: None) == Reject("no-answer")

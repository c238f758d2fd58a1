"""What cannot be called itself is tested through what calls it."""

from __future__ import annotations

from codeworld.testgen.callers import callers_of
from codeworld.testgen.target import read_module
from tests.testgen.conftest import Make, made, run

LEDGER = '''class Entry:
    """Nobody but a ledger makes one."""

    def __init__(self, ledger, key):
        self.amount = ledger.amounts[key] * ledger.factor[key]


class Ledger:
    def __init__(self, amounts: list[int]):
        self.amounts = amounts
        self.factor = [2 if one > 3 else 1 for one in amounts]

    def total(self) -> int:
        return sum(self._worth(Entry(self, at)) for at in range(len(self.amounts)))

    def _worth(self, entry):
        if entry.amount > 8:
            return entry.amount - 1
        return entry.amount


def report(amounts: list[int]) -> str:
    return f"{Ledger(amounts).total()} in all"


def unrelated(amount: int) -> int:
    return amount
'''


def test_callers_the_nearest_first() -> None:
    found = callers_of(read_module(LEDGER, "Ledger._worth"))
    assert [one.qualname for one in found["Ledger._worth"]] == ["Ledger.total", "report"]
    assert [one.kind for one in found["Ledger._worth"]] == ["method", "function"]


def test_what_is_tested_itself_is_no_caller() -> None:
    assert "Ledger.total" not in callers_of(read_module(LEDGER))


def test_a_private_caller_where_there_is_no_other() -> None:
    text = "def _outer(n):\n    return inner(n)\n\n\ndef inner(n):\n    return n + 1\n"
    found = callers_of(read_module(text, "inner"))
    assert [one.qualname for one in found["inner"]] == ["_outer"]


def test_a_class_is_called_by_its_name() -> None:
    found = callers_of(read_module(LEDGER, "Entry"))
    assert [one.qualname for one in found["Entry"]] == ["Ledger.total", "report"]


def test_a_method_that_takes_what_cannot_be_made_is_tested_through_its_callers(
    make: Make, root: object
) -> None:
    text = LEDGER.replace("def _worth(self, entry):", "def _worth(self, entry: Absent):")
    found = made(make("from __future__ import annotations\n" + text, "Ledger._worth"))
    (summary,) = found.summaries
    assert summary.lines_run == summary.lines == 3
    assert summary.tests == len(found.kept) > 0
    assert {one.target.qualname for one in found.kept} <= {"Ledger.total", "report"}
    assert "_worth" not in found.text
    assert not found.untested
    assert run(found, root).returncode == 0  # type: ignore[arg-type]


def test_changed_state_is_asserted_through_questions(make: Make, root: object) -> None:
    text = (
        "class Pile:\n    def __init__(self):\n        self._top, self._size = None, 0\n\n"
        "    def put(self, item: int):\n        self._top = (item, self._top)\n        self._size += 1\n\n"
        "    def peek(self):\n        return self._top[0]\n\n    def __len__(self):\n        return self._size\n"
    )
    found = made(make(text, "Pile.put"))
    assert "pile.peek() ==" in found.text
    assert "len(pile) ==" in found.text
    (summary,) = found.summaries
    assert summary.mutants_killed == summary.mutants > 0


def test_what_a_decorator_refuses_is_tested(make: Make, root: object) -> None:
    """It is no line of the function, and no mutant of it is told apart."""
    text = (
        "def guarded(function):\n    def call(n: int):\n        if n > 5:\n"
        "            raise NotImplementedError('too large')\n        return function(n)\n    return call\n\n\n"
        "@guarded\ndef same(n: int):\n    return n\n"
    )
    (root / "shop_guard.py").write_text(text.partition("\n\n\n")[0] + "\n")  # type: ignore[operator]
    found = made(make("from shop_guard import guarded\n\n\n" + text.partition("\n\n\n")[2], "same"))
    assert "pytest.raises(NotImplementedError" in found.text


def test_an_iterator_is_known_by_what_it_gives(make: Make) -> None:
    found = made(make("def backwards(values: list[int]):\n    return iter(values[::-1])\n"))
    assert "list(backwards(" in found.text
    assert "list_iterator" not in found.text

"""What the miners take out of a history, and what they leave in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mine_line_fixes import mine as mine_fixes
from benchmarks.mine_syntax_errors import may_mend
from benchmarks.mine_syntax_errors import mine as mine_errors
from benchmarks.small_changes import small_changes
from tests.history import commit_each

GOOD = "def f(a):\n    b = a + 1\n    return b\n\n\ndef g(a):\n    return [a]\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    history = [
        ("start", {"app.py": GOOD.replace("+ 1", "- 1")}),
        ("Fix f", {"app.py": GOOD, "tests/test_app.py": "assert 1\n"}),
        ("rename", {"app.py": GOOD.replace("[a]", "(a)"), "tests/test_app.py": "assert 2\n"}),
        ("broken", {"app.py": GOOD.replace("[a]", "[a")}),
        ("Fix a bug", {"app.py": GOOD}),
        ("fix comment", {"app.py": GOOD.replace("return b", "return b  # sum")}),
        ("fix two places", {"app.py": GOOD.replace("+ 1", "+ 2").replace("[a]", "[a, a]")}),
    ]
    commit_each(tmp_path, history)
    return tmp_path / ".git"


def test_changes_of_one_place(repository: Path) -> None:
    found = [
        (one.message.strip(), one.path, one.before, one.after, one.line)
        for one in small_changes(repository, 2)
    ]
    assert ("fix two places", "app.py") not in {one[:2] for one in found}
    assert ("Fix f", "app.py", ["    b = a - 1"], ["    b = a + 1"], 1) in found
    assert ("broken", "app.py", ["    return (a)"], ["    return [a"], 6) in found


def test_one_line_fixes(repository: Path) -> None:
    (found,) = mine_fixes(repository, "a/b")
    assert (found.subject, found.function, found.line) == ("Fix f", "f", 1)
    assert found.after == GOOD


def test_syntax_errors(repository: Path) -> None:
    (found,) = mine_errors(repository, "a/b")
    assert (found.bad, found.good) == (GOOD.replace("[a]", "[a"), GOOD)


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        (["    x = (1"], ["    x = (1)"], True),
        (["'a': 1"], ["'a': 1,"], True),
        (["x"], ["x,"], True),
        (["for x in y"], ["for x in y:"], True),
        (["    return x"], ["  return x"], True),
        (["retrun x"], ["return x"], True),  # keywords are not just names
        (["x = foo(1)"], ["y = bar(2)"], False),
        (["x = a"], ["x = b + a"], False),
        (["print x"], ["print(x)"], False),  # Python 2
        (["<<<<<<< HEAD"], [""], False),
        ([""], ["    "], False),
    ],
)
def test_what_can_decide_whether_a_file_parses(before: list[str], after: list[str], may: bool) -> None:
    assert may_mend(before, after) == may

"""Programs that do not parse: what is proposed, in which order, and what stays as it is."""

from __future__ import annotations

import ast

import pytest

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Reject, Source
from codeworld.repair.edits import apply, difference
from codeworld.repair.localise import fault
from codeworld.repair.rank import Budget
from codeworld.repair.repair import Settings, repair
from codeworld.repair.syntax_search import syntax_proposals

GOLDEN = [
    ("for x in y\n    pass\n", "for x in y:\n    pass\n"),
    ("def f(a, b:  # two\n    return a\n", "def f(a, b):  # two\n    return a\n"),
    ("if a = 1:\n    pass\n", "if a == 1:\n    pass\n"),
    ("x = [1, 2\n", "x = [1, 2]\n"),
    ("x = f(a))\n", "x = f(a)\n"),
    ("x = f(a]\n", "x = f(a)\n"),
    ("x = float('inf)\n", "x = float('inf')\n"),
    ("res = 1\nprint('res)\n", "res = 1\nprint(res)\n"),
    ("if a:\n    b()\nelse if c:\n    d()\n", "if a:\n    b()\nelif c:\n    d()\n"),
    ("if a && b:\n    c()\n", "if a and b:\n    c()\n"),
    ("i++\n", "i += 1\n"),
    ("def f():\nreturn 1\n", "def f():\n    return 1\n"),
    ("class A:\n\tdef f(self):\n\treturn 1\n", "class A:\n\tdef f(self):\n\t\treturn 1\n"),
    ("a = 1\n  b = 2\n", "a = 1\nb = 2\n"),
    ("while a:\n        b()\n    c()\n", "while a:\n        b()\n        c()\n"),
    ("x = {\n    'a': 1\n    'b': 2,\n}\n", "x = {\n    'a': 1,\n    'b': 2,\n}\n"),
    ("f(a=1, b)\n", "f(a=1, b=b)\n"),
    ("f = lambda (a): a\n", "f = lambda a: a\n"),
    ("f(key=lambda (a, b): b.a(a))\n", "f(key=lambda a_b: a_b[1].a(a_b[0]))\n"),
    ("x = a +\n    b\n", "x = a + \\\n    b\n"),
    ("global a,\n    b\n", "global a, \\\n    b\n"),
    ("if a or\n        b:\n    c()\n", "if a or \\\n        b:\n    c()\n"),
    ("y float(s)\nprint(y)\n", "y = float(s)\nprint(y)\n"),
    ("x = Node y\n", "x = Node(y)\n"),
    ("if any x:\n    f()\n", "if any(x):\n    f()\n"),
    ('def f():\n    ""Words.""\n    a()\n', 'def f():\n    """Words."""\n    a()\n'),
    ("x = [f(i) for i in a + b, c if i]\n", "x = [f(i) for i in (a + b, c) if i]\n"),
    (
        "x = min(\n    sum(a(i) for i in b,\n    sum(c),\n)\n",
        "x = min(\n    sum(a(i) for i in b),\n    sum(c),\n)\n",
    ),
    ("if len(a.split(',') != 2:\n    b()\n", "if len(a.split(',')) != 2:\n    b()\n"),
    ("return a * b for a in c]\n", "return [a * b for a in c]\n"),
    ("x = len(0a)\n", "x = len(a)\n"),
    ("x = 2a\n", "x = 2 * a\n"),
    ("x = ('a, 1, 'dog', 'c')\n", "x = ('a', 1, 'dog', 'c')\n"),
    ("x = ['a<'3.7'', 'b']\n", "x = ['a<\"3.7\"', 'b']\n"),
    (
        "def f():\n    for i in a:\n        b()\n      for j in c:\n        d()\n",
        "def f():\n    for i in a:\n        b()\n    for j in c:\n        d()\n",
    ),
    (
        "class A:\n    def f(self):\n    s = 1\n        t = 2\n    return t\n",
        "class A:\n    def f(self):\n        s = 1\n        t = 2\n        return t\n",
    ),
    ("def f():\n    pass\n\n\ndef g():\n", "def f():\n    pass\n\n\ndef g():\n    pass\n"),
    ("x: List<int> = []\n", "x: List[int] = []\n"),
    ("whlie a:\n    b()\n", "while a:\n    b()\n"),
    ("// no\nx = 1\n", "# no\nx = 1\n"),
    ("var x = 1\n", "x = 1\n"),
    ("if (a, b in c:\n    pass\n", "if (a, b) in c:\n    pass\n"),
    ("x = 'a\"\n", "x = 'a'\n"),
    (
        "def f(a:\n    return 1\n\n\ndef g()\n    return 2\n",
        "def f(a):\n    return 1\n\n\ndef g():\n    return 2\n",
    ),
    ("if x:\r\n    a(\r\n", "if x:\r\n    a()\r\n"),
    ("def f:\n    return 1\n", "def f():\n    return 1\n"),
    ("class A:\n    def self.f(self):\n        pass\n", "class A:\n    def f(self):\n        pass\n"),
    ("try:\n    a()\nelse:\n    b()\n", "try:\n    a()\nexcept:\n    b()\n"),
    ("f(a, b=None):\n    return a\n", "def f(a, b=None):\n    return a\n"),
    ("x.y is not None:\n    a()\n", "if x.y is not None:\n    a()\n"),
    ("from open('a') as f:\n    pass\n", "with open('a') as f:\n    pass\n"),
    ("if a == 1@\n    b()\n", "if a == 1:\n    b()\n"),
    ("import a.b import c\n", "from a.b import c\n"),
    ("from .a *\n", "from .a import *\n"),
    ("from a import b, c,\n    d\n", "from a import (b, c,\n    d)\n"),
    ("def f():\n    raise E, 'no'\n", "def f():\n    raise E('no')\n"),
    ('x = ur"a"\n', 'x = r"a"\n'),
    ('x = "C:\\Users"\n', 'x = r"C:\\Users"\n'),
    ('x = f"{a}}"\n', 'x = f"{a}"\n'),
    ("if a => 1:\n    b()\n", "if a >= 1:\n    b()\n"),
    ("x = {'a' => 1}\n", "x = {'a' : 1}\n"),
    ("x = {\n    'a': 1}\n    'b': 2}\n", "x = {\n    'a': 1,\n    'b': 2}\n"),
    ("x = f() t\n", "x = f()\n"),
    ("x = [f(i) for i in 0, 1]\n", "x = [f(i) for i in (0, 1)]\n"),
    ('""Words."""\nx = 1\n', '"""Words."""\nx = 1\n'),
    ("f(a=1, x['b'])\n", "f(a=1, b=x['b'])\n"),
    ("x = (a + b c + d)\n", "x = (a + b + c + d)\n"),
    ('def f():\n"""Words."""\n    a()\n', 'def f():\n    """Words."""\n    a()\n'),
    ("x = (a or\n     b\ny = 1\n", "x = (a or\n     b)\ny = 1\n"),
    ("def f():\n    pass\n\n\nclass A(B)\n    x = 1\n", "def f():\n    pass\n\n\nclass A(B):\n    x = 1\n"),
]


@pytest.mark.parametrize(("broken", "wanted"), GOLDEN, ids=[one for one, _ in GOLDEN])
def test_the_first_repair(broken: str, wanted: str) -> None:
    best = syntax_proposals(broken, None)[0]
    assert apply(broken, best.edits) == wanted


@pytest.mark.parametrize("broken", [one for one, _ in GOLDEN])
def test_every_repair_parses_and_no_two_are_the_same(broken: str) -> None:
    texts = [apply(broken, one.edits) for one in syntax_proposals(broken, None)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        ast.parse(text)


def test_an_error_within_a_large_file_is_found_without_parsing_it_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from codeworld.repair import syntax_search

    functions = [f"def f{i}(a):\n    # {i}\n    return a + {i}\n\n\n" for i in range(300)]
    broken = "".join([*functions, "def g(a:\n    return a\n\n\n", *functions])
    parsed: list[int] = []

    def counted(text: str):  # type: ignore[no-untyped-def]
        parsed.append(len(text))
        return fault(text)

    monkeypatch.setattr(syntax_search, "fault", counted)
    best = syntax_proposals(broken, None)[0]
    assert apply(broken, best.edits) == broken.replace("g(a:", "g(a):")
    assert sum(size > 1000 for size in parsed) < 12
    assert len(parsed) > 12


def test_what_parses_has_no_repair() -> None:
    assert syntax_proposals("x = 1\n", None) == []


def test_the_reader_decides_between_likely_repairs() -> None:
    asked: list[InfillRequest] = []

    def infill(hole: InfillRequest) -> InfillReply:
        asked.append(hole)
        scored = [Candidate(text, Source.GIVEN, 0.0 if "!=" in text else -50.0, 3) for text in hole.given]
        return InfillReply(tuple(scored), 1.0, "cpu", "told")

    broken = "x = 2\nif x = 1:\n    print('one')\n"
    best = syntax_proposals(broken, infill, budget=Budget(gap=4.0))[0]
    assert apply(broken, best.edits) == broken.replace("x = 1", "x != 1")
    (hole,) = asked
    assert hole.sources == (Source.GIVEN,)
    start = len(hole.prefix)
    assert all(hole.prefix + text + hole.suffix != broken for text in hole.given)
    assert broken.startswith(hole.prefix)
    assert hole.suffix in broken[start:]


def test_fixes_are_ranked_and_their_confidences_share_one() -> None:
    fixes = repair("return 'abc\n", settings=Settings(threshold=0.0))
    assert not isinstance(fixes, Reject)
    shares = [one.confidence for one in fixes]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1


def test_an_unlikely_repair_is_not_offered() -> None:
    found = repair("????????\n")
    assert isinstance(found, Reject)
    assert found.reason in ("below-threshold", "no-candidate")


def test_what_stops_is_told_so() -> None:
    assert repair("def f(:\n", should_stop=lambda: True) == Reject("cancelled")


def test_edits_change_only_what_differs() -> None:
    old = "a = 1  # one\nb = 2\nc = 3  # three\n"
    new = "a = 10  # one\nb = 2\nc = 4  # three\nd\n"
    edits = difference(old, new)
    assert apply(old, edits) == new
    assert sum(edit.end_char - edit.start_char for edit in edits) < 12

"""Whatever follows the cursor, a model that writes it again is cut: each hole below, with every way to repeat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codeworld.canvas import Accept, Candidate, Source
from codeworld.syntax.document import Document
from codeworld.verify.checks import verify
from codeworld.verify.settings import CompletionSettings

CURSOR = "‸"
# Document and fill. The lines below the cursor's are part of what is repeated.
HOLES = [
    ("print(‸)\nmain()\n", "value"),
    ("print(‸)\nmain()\n", "str(value)"),
    ("print(len(‸))\nmain()\n", "values"),
    ("print(max(len(‸)))\nmain()\n", "values"),
    ("print(a, ‸, b)\nmain()\n", "c"),
    ("x = [‸]\ny = x\n", "1, 2"),
    ("x = [[‸]]\ny = x\n", "1, 2"),
    ("x = [(‸)]\ny = x\n", "1, 2"),
    ("x = [f(‸)]\ny = x\n", "1"),
    ("x = {‸}\ny = x\n", '"a": 1'),
    ("x = {1: [‸]}\ny = x\n", "2, 3"),
    ('x = {"a": (‸), "b": 2}\ny = x\n', "1"),
    ("x = table[‸]\ny = x\n", "key"),
    ("x = table[f(‸)]\ny = x\n", "key"),
    ("x = table[‸][0]\ny = x\n", "key"),
    ("x = table[‸].name\ny = x\n", "key"),
    ("x = f(‸).strip().lower()\ny = x\n", "text"),
    ("x = f(‸) + g(1)\ny = x\n", "text"),
    ("x = (‸) * 2\ny = x\n", "a + b"),
    ("x = ((‸) * 2)\ny = x\n", "a + b"),
    ("x = f(a)(‸)\ny = x\n", "b"),
    ("x = f(lambda: (‸))\ny = x\n", "b"),
    ("x = [y for y in (‸)]\ny = x\n", "a, b"),
    ("x = [y for y in range(‸) if y]\ny = x\n", "10"),
    ("x = {k: v for k, v in d.items(‸)}\ny = x\n", "1"),
    ("x = sum(‸ for y in z)\ny = x\n", "y.size"),
    ("x = a if f(‸) else c\ny = x\n", "b"),
    ("x: dict[str, ‸] = {}\ny = x\n", "int"),
    ("x: list[tuple[‸]] = []\ny = x\n", "int, str"),
    ("def f(‸):\n    return a\n", "a, b"),
    ("def f(‸) -> int:\n    return a\n", "a, b"),
    ("def f(a: list[‸]) -> int:\n    return a\n", "int"),
    ("def f(a=g(‸)) -> int:\n    return a\n", "1"),
    ("def f(a, *, ‸=1):\n    return a\n", "limit"),
    ("class A(‸):\n    x = 1\n", "B"),
    ("class A(B[‸]):\n    x = 1\n", "int"),
    ("@cache(‸)\ndef f():\n    return a\n", "size=1"),
    ("if f(‸):\n    g()\n", "a"),
    ("if f(‸) and g(b):\n    g()\n", "a"),
    ("if (‸):\n    g()\n", "a or b"),
    ("while not done(‸):\n    g()\n", "a"),
    ("for x in range(len(‸)):\n    g()\n", "a"),
    ("for (‸) in pairs:\n    g()\n", "a, b"),
    ("with open(‸) as file:\n    g()\n", "path"),
    ("try:\n    f()\nexcept (‸):\n    g()\n", "OSError, ValueError"),
    ("raise ValueError(‸) from error\ng()\n", "text"),
    ("assert f(‸), (a, b)\ng()\n", "x"),
    ("return_(f(‸), g(1))\nmain()\n", "x"),
    ("del x[‸]\ny = x\n", "0"),
    ("from a import (‸)\ny = b\n", "b"),
    ("x = f(\n    a,\n    ‸,\n)\ny = x\n", "b=1"),
    ("x = f(\n    a=(‸),\n    b=2,\n)\ny = x\n", "1"),
    ("x = [\n    1,\n    f(‸),\n]\ny = x\n", "2"),
    ("x = ‸\ny = 2\nz = 3\n", "1"),
    ("def f():\n    ‸\n    return value\n\n\nmain()\n", "value = g()"),
    ("class A:\n    a: int\n    ‸\n    c: str\n", "b: str"),
    ("x = f(\n    ‸\n)\ny = x\n", "a, b"),
    ("x = {\n    1: [\n        ‸\n    ],\n}\ny = x\n", "2, 3"),
    ("x = f(a)[g(‸)](1)\ny = x\n", "b"),
    ("x = [[f(a[‸])]]\ny = x\n", "0"),
    ("x = {f(‸): g(1)}\ny = x\n", "a"),
    ("x = (yield f(‸))\ny = x\n", "a"),
    ("x = not (f(‸) or b)\ny = x\n", "a"),
    ("x[f(‸)] += 1\ny = x\n", "a"),
    ("x = a[b[‸]:c[0]]\ny = x\n", "1"),
    ("x = a[1:f(‸)]\ny = x\n", "b"),
    ("async def f(a, b=(‸)):\n    return a\n", "1, 2"),
    ("match f(‸):\n    case _:\n        g()\n", "a"),
    ("match a:\n    case B(x=(‸)):\n        g()\n", "1 | 2"),
    ("elements = tuple(sorted(set(‸)))\nmain()\n", "a, key=len"),
    ("print(f(a), end=g(‸), file=h(1))\nmain()\n", "b"),
    ("with a(‸) as b, c(1) as d:\n    g()\n", "1"),
]


def repetitions(rest: str, below: list[str]) -> Iterator[str]:
    """What may stand at a candidate's end without having any business there."""
    closers = len(rest) - len(rest.lstrip(")]}:,"))
    yield from {rest[:size] for size in (*range(1, closers + 1), len(rest.rstrip(":")), len(rest)) if size}
    for count in range(1, 3):
        if len(below) >= count:
            yield "\n".join([rest, *below[:count]])


def cases() -> list[tuple[str, str, str]]:
    found = []
    for document, fill in HOLES:
        rest, *below = document.partition(CURSOR)[2].rstrip("\n").split("\n")
        found += [(document, fill, again) for again in repetitions(rest, below)]
    return found


@pytest.mark.parametrize("multiline", [False, True])
@pytest.mark.parametrize(("document", "fill", "again"), cases())
def test_what_follows_is_not_offered_again(document: str, fill: str, again: str, multiline: bool) -> None:
    before, after = document.split(CURSOR)
    candidate = Candidate(fill + again, Source.DENOISER, logprob_nats=-1.0, tokens=1)
    verdict = verify(
        Document.from_text(before + after).snapshot(),
        len(before),
        candidate,
        CompletionSettings(multiline=multiline),
    )
    assert isinstance(verdict, Accept), verdict
    assert verdict.text == fill


def test_there_are_enough_of_them() -> None:
    assert len(cases()) >= 200

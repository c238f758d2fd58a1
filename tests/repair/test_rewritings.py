"""The places that the model is asked about, and what it writes there."""

from __future__ import annotations

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Source
from codeworld.repair.edits import apply, size
from codeworld.repair.logic_search import Scope, logic_proposals
from codeworld.repair.places import hole, line_at, parts_at, surprise
from codeworld.repair.program import Program
from codeworld.repair.rewritings import look

TEXT = "def f(xs, n):\n    return sum(xs) / max(n, 1)\n"


def test_expressions_around_a_character_smallest_first() -> None:
    program = Program.of(TEXT)
    line = line_at(TEXT, TEXT.index("sum"))
    found = parts_at(program, line, TEXT.index("n, 1"), 3)
    assert [TEXT[one.start : one.end] for one in found] == ["max(n, 1)", "sum(xs) / max(n, 1)"]
    assert parts_at(program, line, TEXT.index("return"), 3) == []


def test_holes_of_neighbouring_lines_begin_at_the_same_place() -> None:
    text = "".join(f"value_{i} = {i}\n" for i in range(400))
    prefixes = [hole(text, line_at(text, at), (), ()).prefix for at in range(3700, 4300, 50)]
    assert all(prefixes[-1].startswith(one) for one in prefixes)
    assert all(1000 < len(one) < 2200 for one in prefixes)


def test_lines_are_read_in_windows_until_all_are() -> None:
    text = "".join(f"a{i} = {i}\n" for i in range(100))
    asked: list[InfillRequest] = []

    def infill(request: InfillRequest) -> InfillReply:
        asked.append(request)
        lines = request.prefix.split("\n")[:-1][-20:]
        return InfillReply(
            tuple(Candidate(one, Source.READ, -float(one.split()[-1]), 1) for one in lines),
            1.0,
            "cpu",
            "told",
        )

    found = surprise(text, range(100), infill)
    assert found == {i: i / 2 for i in range(100)}
    assert len(asked) < 10
    asked.clear()
    assert surprise(text, [3, 90], infill) == {3: 1.5, 90: 45.0}
    assert len(asked) == 2


def test_the_model_writes_an_expression_anew() -> None:
    def infill(request: InfillRequest) -> InfillReply:
        found = [
            Candidate(text, Source.GIVEN, -1.0 if "len(xs)" in text else -9.0, 4) for text in request.given
        ]
        if Source.REVISED in request.sources and "return" in request.given[0]:
            revised = request.given[0].replace("max(n", "max(xs")
            found.append(Candidate(revised, Source.REVISED, -8.0, 4, certainty=0.6))
        if Source.VERIFIED in request.sources and request.prefix.endswith("/ "):
            found.append(Candidate("max(len(xs), 1)", Source.VERIFIED, -2.0, 4))
        return InfillReply(tuple(found), 1.0, "cpu", "told")

    program = Program.of(TEXT)
    seen = look(program, line_at(TEXT, TEXT.index("return")), (), infill, writes=True)
    assert {(one.text, one.unit) for one in seen.written} == {
        ("return sum(xs) / max(xs, 1)", "token"),
        ("return sum(xs) / max(len(xs), 1)", "part"),
    }
    assert seen.nats["return sum(xs) / max(len(xs), 1)"] == -1.0
    best = logic_proposals(TEXT, infill)[0]
    assert best.kind == "model: part"
    assert apply(TEXT, best.edits) == TEXT.replace("max(n, 1)", "max(len(xs), 1)")
    late = logic_proposals(TEXT, infill, scope=Scope(model_s=0.0))
    assert late
    assert all("model" not in one.kind for one in late)


def test_the_size_of_a_change_is_in_words() -> None:
    assert size("f(a, b)", "f(a, b)") == 0
    assert size("f(a, b)", "f(a, c)") == 1
    assert size("x = f(a)", "x = g.h(a)") == 3

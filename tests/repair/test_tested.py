"""Among proposals that pass the tests: the one that was meant, or silence where they disagree."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import msgspec

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Reject, Source
from codeworld.repair.edits import Edit
from codeworld.repair.logic_search import Scope
from codeworld.repair.places import gain
from codeworld.repair.repair import Settings, repair
from codeworld.syntax.names import unused

BROKEN = "def smaller(a, b):\n    if a < b:\n        return b\n    return b\n"
MEANT = BROKEN.replace("return b\n    r", "return a\n    r")
SETTINGS = Settings(threshold=0.0, scope=Scope(most_lines=0, most_gaps=0, writes=False), most_fixes=9)


def run(text: str, *inputs: tuple[object, ...]) -> tuple[str, ...]:
    found = []
    for one in inputs:
        names: dict[str, object] = {}
        try:
            exec(text, names)
            function = names["smaller"]
            assert callable(function)
            found.append(repr(function(*one)))
        except Exception as error:
            found.append(f"!{type(error).__name__}")
    return tuple(found)


def judge(programs: Sequence[str]) -> list[bool]:
    return [run(one, (1, 2)) == ("1",) for one in programs]


def observe(programs: Sequence[str]) -> list[tuple[str, ...]]:
    return [run(one, (1, 2), (2, 1), (7, 7), (3, 9), (-4, 5)) for one in programs]


def test_what_does_the_same_shares_its_confidence() -> None:
    def takes_the_second(programs: Sequence[str]) -> list[bool]:
        return [run(one, (3, 1)) == ("1",) for one in programs]

    broken = "def smaller(a, b):\n    return min(a, a)\n"  # min(a, b) and min(b, a) are one answer
    alone, together = (
        repair(broken, judge=takes_the_second, observe=one, settings=SETTINGS) for one in (None, observe)
    )
    assert not isinstance(alone, Reject)
    assert not isinstance(together, Reject)
    before = {one.text: one.confidence for one in alone}
    after = {one.text: one.confidence for one in together}
    best = together[0]
    same = [text for text in before if observe([text]) == observe([best.text])]
    assert len(same) > 1
    assert best.confidence > before[best.text]
    assert all(after.get(text, 0.0) < best.confidence for text in same if text != best.text)


def test_programs_that_only_raise_where_they_are_observed_are_not_the_same() -> None:
    def blind(programs: Sequence[str]) -> list[tuple[str, ...]]:
        return [("!ImportError", "!ImportError") for _ in programs]

    alone, together = (repair(BROKEN, judge=judge, observe=one, settings=SETTINGS) for one in (None, blind))
    assert alone == together


def test_the_reader_chooses_among_programs_that_pass() -> None:
    def infill(request: InfillRequest) -> InfillReply:
        likely = {"        return a": -1.0, "        return b - 1": -30.0}
        lines = request.prefix.removesuffix("\n").split("\n")
        read = tuple(Candidate(one, Source.READ, likely.get(one, -9.0), 4) for one in lines)
        return InfillReply(read, 0.0, "", "")

    unread = repair(BROKEN, judge=judge, settings=SETTINGS)
    found = repair(BROKEN, judge=judge, infill=infill, settings=SETTINGS)
    assert not isinstance(unread, Reject)
    assert not isinstance(found, Reject)
    assert unread[0].text != MEANT  # b - 1 is the cheaper edit
    assert found[0].text == MEANT
    assert found[0].confidence > 0.8


def test_tests_that_many_pass_make_nobody_sure() -> None:
    def lenient(programs: Sequence[str]) -> list[bool]:
        return [run(one, (1, 2))[0] not in ("2", "None") for one in programs]

    sure, unsure = (repair(BROKEN, judge=one, settings=SETTINGS) for one in (judge, lenient))
    assert not isinstance(sure, Reject)
    assert not isinstance(unsure, Reject)
    assert unsure[0].confidence < sure[0].confidence
    assert repair(BROKEN, judge=lenient, observe=observe) == Reject(
        "below-threshold", f"{_best(lenient):.2f} < 0.50"
    )


def _best(judge_by) -> float:  # type: ignore[no-untyped-def]
    found = repair(BROKEN, judge=judge_by, observe=observe, settings=SETTINGS)
    assert not isinstance(found, Reject)
    return found[0].confidence


def test_pairs_begin_with_what_changes_something() -> None:
    broken = "def smaller(a, b):\n    c = q\n    return c - 1\n"
    right = "def smaller(a, b):\n    c = a\n    return c + 1\n"

    def both(programs: Sequence[str]) -> list[bool]:
        return [run(one, (1, 2), (5, 0)) == ("2", "6") for one in programs]

    settings = Settings(two_edits=True, threshold=0.0)
    found = repair(broken, judge=both, observe=observe, settings=settings)
    assert not isinstance(found, Reject)
    assert found[0].text == right


def test_a_fix_that_leaves_a_name_unread_is_less_sure() -> None:
    broken = "def smaller(a, b):\n    lower = min(a, b)\n    return q\n"  # q: nobody binds it
    found = repair(broken, judge=judge, settings=SETTINGS)
    assert not isinstance(found, Reject)
    confidence = {one.text.rpartition("return ")[2].strip(): one.confidence for one in found}
    assert confidence["lower"] > 2 * confidence["a"]


def test_two_edits_are_tried_where_one_is_not_sure() -> None:
    broken = "def smaller(a, b):\n    lower = max(a, b)\n    return q\n"  # passes when q is a, too
    meant = "def smaller(a, b):\n    lower = min(a, b)\n    return lower\n"

    one, two = (
        repair(
            broken, judge=judge, observe=observe, settings=msgspec.structs.replace(SETTINGS, two_edits=pairs)
        )
        for pairs in (False, True)
    )
    assert not isinstance(one, Reject)
    assert not isinstance(two, Reject)
    assert one[0].text.endswith("return a\n")
    assert one[0].confidence < 0.5  # for it leaves lower unread
    assert meant not in [fix.text for fix in one]
    assert meant in [fix.text for fix in two]
    assert all(len(fix.edits) < 2 or "max" not in fix.text or "return a" not in fix.text for fix in two)


def test_tokens_side_by_side_may_both_be_wrong() -> None:
    found = repair(
        "def smaller(a, b):\n    return b-b\n",
        judge=lambda programs: [run(one, (1, 2), (5, 3)) == ("3", "8") for one in programs],
        observe=observe,
        settings=msgspec.structs.replace(SETTINGS, two_edits=True),
    )
    assert not isinstance(found, Reject)
    assert found[0].text in ("def smaller(a, b):\n    return b+a\n", "def smaller(a, b):\n    return a+b\n")


def test_names_that_nobody_reads() -> None:
    text = (
        "def f(a, b, _c):\n    d = 1\n    h, k = 1, b\n    for i in range(3):\n        e = 1\n        e += 1\n"
        "    def g(x):\n        return b\n    return g\n"
        "class C:\n    def m(self, y):\n        z = 1\n"
    )
    assert sorted(unused(ast.parse(text)).values(), key=len) == [set(), {"z"}, {"a", "d", "e"}]


def test_a_gain_is_of_the_changed_lines_alone() -> None:
    def infill(request: InfillRequest) -> InfillReply:
        lines = request.prefix.removesuffix("\n").split("\n")
        return InfillReply(
            tuple(Candidate(one, Source.READ, -float(len(one)), 1) for one in lines), 0.0, "", ""
        )

    text = "one\ntwo three\nfour\n"
    assert gain(text, [(Edit(4, 7, "t"),), (Edit(0, 0, "added\n"),)], infill) == [2.0, -5.0]

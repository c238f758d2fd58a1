from __future__ import annotations

import random

import pytest
from lsprotocol import types as lsp

from codeworld.canvas import Accept, Candidate, Reject, Source
from codeworld.syntax.position import Encoding, width
from lsp_server.session import Edit, Offer, OpenDocument, Session

QUIET_MS = 500


def opened(text: str) -> OpenDocument:
    return Session().open(lsp.TextDocumentItem("file:///a.py", "python", 1, text), None)


def partial(start: tuple[int, int], end: tuple[int, int], text: str) -> lsp.TextDocumentContentChangePartial:
    return lsp.TextDocumentContentChangePartial(lsp.Range(lsp.Position(*start), lsp.Position(*end)), text)


def whole(text: str) -> lsp.TextDocumentContentChangeWholeDocument:
    return lsp.TextDocumentContentChangeWholeDocument(text)


def accept(text: str) -> Accept:
    return Accept(Candidate(text, Source.DENOISER, -1.0, 3), text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_the_mirror_equals_a_naive_editor(encoding: Encoding) -> None:
    """Random edits with positions counted by hand, in every encoding, over characters of every width."""
    chance = random.Random(7)
    alphabet = ["a", "é", "漢", "😀", "\n", "\r\n", "    ", "def f():", '"', "\t"]
    text = "".join(chance.choice(alphabet) for _ in range(60)).replace("\r", "")
    document = opened(text)

    def position(char: int) -> tuple[int, int]:
        before = text[:char]
        return before.count("\n"), width(before[before.rfind("\n") + 1 :], encoding)

    for version in range(300):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 0, 1, 5]))
        new = "".join(chance.choice(alphabet) for _ in range(chance.randrange(3))).replace("\r", "")
        change = partial(position(start), position(end), new) if chance.random() < 0.9 else None
        text = text[:start] + new + text[end:]
        document.change([change or whole(text)], version, encoding, 0.0)
        assert document.text == text
    fresh = opened(text).snapshot()
    assert str(document.snapshot().tree.root_node) == str(fresh.tree.root_node)


def test_positions_past_the_end_are_clamped() -> None:
    document = opened("ab\ncd")
    document.change([partial((1, 99), (7, 3), "!")], 2, "utf-16", 0.0)
    assert document.text == "ab\ncd!"


@pytest.mark.parametrize(
    ("change", "quiet"),
    [
        (partial((0, 3), (0, 3), "d"), False),
        (partial((0, 2), (0, 3), ""), True),  # backspace
        (partial((0, 0), (0, 3), "abcd"), False),  # a menu's entry replaces the word
        (partial((0, 0), (0, 3), "a"), True),
        (whole("abcd\n  \n"), False),
        (whole("ab\n  \n"), True),
    ],
)
def test_only_less_text_than_before_makes_it_quiet(
    change: lsp.TextDocumentContentChangeEvent, quiet: bool
) -> None:
    document = opened("abc\n  \n")
    document.change([change], 2, "utf-16", 10.0)
    assert document.is_quiet(10.4, QUIET_MS) is quiet
    assert not document.is_quiet(10.6, QUIET_MS)


def test_enter_that_trims_blanks_is_no_deletion() -> None:
    document = opened("if x:\n    ")
    document.change([partial((1, 4), (1, 4), "\n    "), partial((1, 0), (1, 4), "")], 2, "utf-16", 0.0)
    assert document.text == "if x:\n\n    "
    assert not document.is_quiet(0.1, QUIET_MS)


def test_taking_back_a_deletion_is_an_undo() -> None:
    document = opened("total = price * count\n")
    document.change([partial((0, 8), (0, 21), "")], 2, "utf-16", 0.0)
    document.change([partial((0, 8), (0, 8), "price * count")], 3, "utf-16", 5.0)
    assert document.is_quiet(5.1, QUIET_MS)


def test_what_was_offered_is_followed_while_it_is_typed() -> None:
    offer = Offer(4, 0, 4, "utf-16")
    offer.verdict = accept("foo(bar)")
    assert offer.at(0, 4) == offer.verdict
    offer.follow(Edit(4, "", "f"))
    offer.follow(Edit(5, "", "oo("))
    found = offer.at(0, 8)
    assert isinstance(found, Accept)
    assert found.text == "bar)"
    assert offer.at(0, 7) is None
    offer.follow(Edit(8, "", "bar)"))
    assert offer.at(0, 12) is None  # typed to its end


@pytest.mark.parametrize("edit", [Edit(4, "", "g"), Edit(0, "", "f"), Edit(3, "x", ""), Edit(4, "x", "f")])
def test_any_other_edit_ends_an_offer(edit: Edit) -> None:
    offer = Offer(4, 0, 4, "utf-16")
    offer.verdict = accept("foo")
    offer.follow(edit)
    assert offer.at(0, 5) is None
    assert offer.at(0, 4) is None


def test_typing_before_the_answer_comes() -> None:
    offer = Offer(0, 0, 0, "utf-16")
    offer.follow(Edit(0, "", "fo"))
    assert offer.at(0, 2) is None
    offer.verdict = accept("foo")
    found = offer.at(0, 2)
    assert isinstance(found, Accept)
    assert found.text == "o"


def test_a_refusal_holds_for_its_own_place_only() -> None:
    offer = Offer(0, 0, 0, "utf-16")
    offer.verdict = Reject("parse")
    assert offer.at(0, 0) == offer.verdict
    offer.follow(Edit(0, "", "f"))
    assert offer.at(0, 1) is None


def test_replacing_a_word_by_itself_and_more_agrees_with_the_offer() -> None:
    document = opened("x = fo\n")
    offer = document.begin_offer(6, "utf-16")
    offer.verdict = accept("o(1)")
    document.change([partial((0, 4), (0, 6), "foo")], 2, "utf-16", 0.0)
    found = offer.at(0, 7)
    assert isinstance(found, Accept)
    assert found.text == "(1)"


def test_an_offer_is_followed_over_lines_and_wide_characters() -> None:
    offer = Offer(10, 2, 4, "utf-16")
    offer.verdict = accept('"😀":\n    pass')
    offer.follow(Edit(10, "", '"😀"'))
    assert offer.char_at(2, 8) == 13
    offer.follow(Edit(13, "", ":\r\n  "))
    assert offer.char_at(3, 2) == 18
    assert offer.at(3, 2) is None  # typed with another line end than offered


@pytest.mark.parametrize(
    ("text", "cursor", "typed", "then", "result"),
    [("x\n", (0, 1), "\r", (1, 0), "x\r\ny"), ("x\ra\n", (1, 0), "\n", (2, 0), "x\r\na\ny")],
)
def test_half_a_line_end_is_not_followed(
    text: str, cursor: tuple[int, int], typed: str, then: tuple[int, int], result: str
) -> None:
    document = opened(text)
    document.begin_offer(document.snapshot().char_at(*cursor, "utf-16"), "utf-16")
    document.change([partial(cursor, cursor, typed)], 2, "utf-16", 0.0)
    document.change([partial(then, then, "y")], 3, "utf-16", 0.0)
    assert document.text == result


def test_following_what_is_typed_needs_no_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    document = opened("x = \n")
    offer = document.begin_offer(4, "utf-16")
    offer.verdict = accept("foo")
    monkeypatch.setattr(OpenDocument, "snapshot", None)
    document.change([partial((0, 4), (0, 4), "f")], 2, "utf-16", 0.0)
    found = offer.at(0, 5)
    assert isinstance(found, Accept)
    assert found.text == "oo"

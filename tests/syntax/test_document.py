"""A document that is edited equals one that is opened anew, in text, lines, positions and tree."""

from __future__ import annotations

import random

import pytest

from codeworld.syntax.document import Document, Snapshot
from codeworld.syntax.position import LINE_END, Encoding

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
PIECES = [
    "a",
    "é",
    "漢",
    "😀",
    "\ud800",
    "\n",
    "\r\n",
    "\r",
    "\f",
    "    ",
    "def f(x):",
    '"',
    "#",
    "(",
    "]",
    "\t",
]
SOURCE = 'def f(x):\n    return "é😀", x  # 漢\n\n\nclass A:\n\tb = 1\n'


def rows(snapshot: Snapshot) -> list[str]:
    return [snapshot.line(row) for row in range(snapshot.line_count)]


@pytest.mark.parametrize("seed", range(8))
def test_edits_equal_opening_anew(seed: int) -> None:
    chance = random.Random(seed)
    text = SOURCE
    document = Document.from_text(text)
    for _ in range(120):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 0, 0, 1, 2, 9]))
        new = "".join(chance.choice(PIECES) for _ in range(chance.randrange(4)))
        text = text[:start] + new + text[end:]
        document.apply(start, end, new)
        if chance.random() < 0.5:
            continue  # several edits between two looks
        now, fresh = document.snapshot(), Document.from_text(text).snapshot()
        assert now.text == text
        assert now.source == fresh.source
        assert rows(now) == rows(fresh) == LINE_END.split(text)
        assert str(now.tree.root_node) == str(fresh.tree.root_node)
        char = chance.randrange(len(text) + 1)
        assert now.to_byte(char) == len(text[:char].encode("utf-8", "surrogatepass"))
        assert now.row_at(char) == fresh.row_at(char)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_positions_there_and_back(encoding: Encoding) -> None:
    snapshot = Document.from_text(SOURCE.replace("\n", "\r\n")).snapshot()
    for char, letter in enumerate(snapshot.text):
        row, column = snapshot.position(char, encoding)
        inside = letter == "\n"  # between CR and LF is no place for a cursor
        assert snapshot.char_at(row, column, encoding) == char - inside


@pytest.mark.parametrize(
    ("row", "column", "char"),
    [(-1, 5, 0), (0, -3, 0), (0, 99, 3), (1, 0, 4), (1, 1, 4), (1, 2, 5), (1, 99, 5), (2, 0, 6), (9, 9, 6)],
)
def test_positions_outside_or_inside_of_a_character_are_clamped(row: int, column: int, char: int) -> None:
    snapshot = Document.from_text("abc\n😀\n").snapshot()
    assert snapshot.char_at(row, column, "utf-16") == char


def test_a_snapshot_does_not_change() -> None:
    document = Document.from_text(SOURCE)
    before = document.snapshot()
    seen = before.text, rows(before), str(before.tree.root_node)
    document.apply(0, 9, "class B:")
    document.apply(3, 3, "é\n")
    assert document.snapshot() is not before
    assert (before.text, rows(before), str(before.tree.root_node)) == seen
    assert before.edited(0, 0, "x").text == "x" + SOURCE
    assert before.text == SOURCE


def test_what_is_known_of_a_line() -> None:
    snapshot = Document.from_text("if x:\r\n\ty = 1\r\n").snapshot()
    assert (snapshot.line_before(10), snapshot.line_after(10)) == ("\ty ", "= 1")
    assert (snapshot.indentation(1), snapshot.indent_unit, snapshot.newline) == ("\t", "\t", "\r\n")
    assert snapshot.line_count == 3
    empty = Document.from_text("").snapshot()
    assert (empty.line_count, empty.line(0), empty.newline, empty.indent_unit) == (1, "", "\n", "    ")


def test_only_known_languages() -> None:
    with pytest.raises(ValueError, match="no grammar"):
        Document.from_text("", language="klingon")

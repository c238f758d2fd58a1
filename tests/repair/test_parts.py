"""A benchmark in parts: together they do every case once, and what is known is not measured again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.parts import Journal, Part


class Row(msgspec.Struct):
    name: str
    value: int


def journal(path: Path, *, known: bool = False) -> Journal[Row]:
    return Journal(path, Row, lambda row: row.name, known=known)


def test_the_parts_are_all_cases_once() -> None:
    cases = "abcdefg"
    parts = [dict(Part(part, 3).of(cases)) for part in range(3)]
    assert [len(one) for one in parts] == [3, 2, 2]
    assert dict(sorted((parts[0] | parts[1] | parts[2]).items())) == dict(enumerate(cases))


def test_a_row_is_measured_once_and_on_disk_at_once(tmp_path: Path) -> None:
    path, measured = tmp_path / "new" / "rows.jsonl", list[str]()

    def measure() -> Row:
        measured.append("a")
        return Row("a", 7)

    first = journal(path)
    assert first.row("a", measure) == Row("a", 7)
    assert first.row("a", measure) == Row("a", 7)
    assert journal(path).row("a", measure) == Row("a", 7)
    assert measured == ["a"]


def test_a_row_must_be_of_its_key(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        journal(tmp_path / "rows.jsonl").row("b", lambda: Row("a", 1))


def test_with_known_nothing_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    journal(path).row("a", lambda: Row("a", 1))
    known = journal(path, known=True)
    assert known.row("a", lambda: Row("a", 2)) == Row("a", 1)
    assert known.row("b", lambda: Row("b", 2)) is None

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.errors import BadInput
from codeworld.source import MAX_BYTES, place, place_of_marker, project_root, read


@pytest.mark.parametrize(
    ("position", "cursor_char"),
    [("1:1", 0), ("1:3", 2), ("2:1", 3), ("2:4", 6), ("3:1", 8), ("3:2", 9), ("4:1", 10)],
)
def test_columns_count_characters_from_one_up_to_the_end_of_the_line(
    tmp_path: Path, position: str, cursor_char: int
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("é𝛼\nabc\r\nd\n".encode())
    assert place(f"{path}:{position}").cursor_char == cursor_char


@pytest.mark.parametrize(
    "position", ["0:1", "5:1", "1:0", "1:4", "2:5", "4:2", "99999999999999:1", "²:1", "-1:1"]
)
def test_a_position_out_of_range_is_bad_input(tmp_path: Path, position: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("é𝛼\nabc\r\nd\n".encode())
    with pytest.raises(BadInput):
        place(f"{path}:{position}")


@pytest.mark.parametrize("argument", ["", "a.py", "a.py:1", ":1:1", "a.py:1:", "a.py:x:1", "1:1"])
def test_what_is_no_position_is_bad_input(argument: str) -> None:
    with pytest.raises(BadInput, match="is not FILE:LINE:COLUMN"):
        place(argument)


def test_a_file_name_may_hold_colons(tmp_path: Path) -> None:
    path = tmp_path / "a:1:2.py"
    path.write_text("x = 1\n")
    assert place(f"{path}:1:2").path == path


def test_the_marker_is_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("def f():\n    return  # <hole>\n")
    found = place_of_marker(str(path), " # <hole>")
    assert found.text == "def f():\n    return \n"
    assert found.text[: found.cursor_char].endswith("return ")
    with pytest.raises(BadInput, match="holds no"):
        place_of_marker(str(path), "elsewhere")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"x = 1\n", "not a Python file"),
        ("a", b"#!/bin/sh\npython\n", "not a Python file"),
        ("a.py", b"x = 1\0\n", "binary"),
        ("a.py", b"\x7fELF\x02\xff\xfe", "not text"),
        ("a.py", b"# coding: klingon\n", "not text"),
        ("a.py", b"#" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_unusable_files(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says):
        read(path)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read(tmp_path / "none.py")
    with pytest.raises(BadInput, match="is a directory"):
        read(tmp_path)


def test_encodings_that_a_file_declares(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_bytes(b"#!/usr/bin/env python3\n# coding: latin-1\nx = '\xe9'\n")
    assert read(path).endswith("x = 'é'\n")


def test_project_root_is_the_enclosing_work_tree(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert project_root(tmp_path / "a" / "b" / "x.py") == tmp_path / "a" / "b"
    (tmp_path / ".git").mkdir()
    assert project_root(tmp_path / "a" / "b" / "x.py") == tmp_path

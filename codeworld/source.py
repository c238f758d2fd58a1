"""Source files and positions as a command line names them: ``FILE:LINE:COLUMN``, 1-based, columns in characters."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path
from typing import NamedTuple

from codeworld.errors import BadInput

MAX_BYTES = 2_000_000  # a larger file is data, not something a person completes by hand
_SUFFIXES = (".py", ".pyi", ".pyw")


class Place(NamedTuple):
    """A cursor in a file: ``cursor_char`` counts characters from the start of ``text``."""

    path: Path
    text: str
    cursor_char: int


def place(argument: str) -> Place:
    """The place that ``FILE:LINE:COLUMN`` names. Raises BadInput."""
    name, _, column = argument.rpartition(":")
    name, _, line = name.rpartition(":")
    if not name or not (_is_number(line) and _is_number(column)):
        raise BadInput(f"{argument!r} is not FILE:LINE:COLUMN, for example src/app.py:12:8")
    path = Path(name)
    text = read(path)
    return Place(path, text, _cursor_char(text, path, int(line), int(column)))


def place_of_marker(name: str, marker: str) -> Place:
    """The place in file ``name`` where ``marker`` stands; the text comes without it. Raises BadInput."""
    path = Path(name)
    before, found, after = read(path).partition(marker)
    if not marker or not found:
        raise BadInput(f"{path} holds no {marker!r}")
    return Place(path, before + after, len(before))


def read(path: Path) -> str:
    """The text of a Python source file, its line ends untouched. Raises BadInput."""
    try:
        if path.is_dir():
            raise BadInput(f"{path} is a directory")
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path} is larger than {MAX_BYTES // 1_000_000} MB")
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    if b"\0" in content:
        raise BadInput(f"{path} is a binary file")
    if path.suffix not in _SUFFIXES and not (
        content.startswith(b"#!") and b"python" in content.split(b"\n")[0]
    ):
        raise BadInput(f"{path} is not a Python file")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not text in the encoding it declares ({error})") from error


def project_root(path: Path) -> Path:
    """The git work tree that holds ``path``, or else its directory. Absolute."""
    directory = path.resolve().parent
    return next((d for d in (directory, *directory.parents) if (d / ".git").exists()), directory)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _cursor_char(text: str, path: Path, line: int, column: int) -> int:
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        raise BadInput(f"{path} has {len(lines)} lines, so there is no line {line}")
    width = len(lines[line - 1].removesuffix("\r"))
    if not 1 <= column <= width + 1:
        raise BadInput(f"{path} line {line} has columns 1 to {width + 1}, so there is no column {column}")
    return sum(len(before) + 1 for before in lines[: line - 1]) + column - 1

"""A measurement in several processes: each does one part of the cases and appends its rows to a file of its own.

A row is kept as soon as it is there, so that an interrupted run is worth what it did and goes on where it was. The
tables are made from all rows together: put the files into one and run the same command on it with ``--known``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec

from codeworld.training.report import Stamp

_T = TypeVar("_T")
_R = TypeVar("_R", bound=msgspec.Struct)


class Part(NamedTuple):
    """Every ``parts``-th of some cases, beginning with number ``part`` (from 0)."""

    part: int = 0
    parts: int = 1

    def has(self, number: int) -> bool:
        """Whether the case of this number is in it."""
        return number % self.parts == self.part

    def of(self, cases: Iterable[_T]) -> Iterator[tuple[int, _T]]:
        """The cases that are in it, with their numbers among all."""
        return ((number, one) for number, one in enumerate(cases) if self.has(number))


class Journal(Generic[_R]):
    """Rows of one kind in a file of JSON lines. With ``known`` nothing is measured: what has no row is left out."""

    def __init__(
        self, path: Path, kind: type[_R], key: Callable[[_R], Hashable], *, known: bool = False
    ) -> None:
        self._path, self._key, self.known = path, key, known
        self.rows = dict[Hashable, _R]()
        for line in path.read_bytes().splitlines() if path.exists() else ():
            row = msgspec.json.decode(line, type=kind)
            self.rows[key(row)] = row

    def row(self, key: Hashable, measure: Callable[[], _R]) -> _R | None:
        """The row that is known, else the one that ``measure`` makes, written at once."""
        if key not in self.rows and not self.known:
            made = measure()
            assert self._key(made) == key
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as out:
                out.write(msgspec.json.encode(made) + b"\n")
            self.rows[key] = made
        return self.rows.get(key)


def add_arguments(parser: argparse.ArgumentParser, rows: str) -> None:
    """``--part``, ``--parts``, ``--rows``, ``--known`` and ``--where``."""
    parser.add_argument("--part", type=int, default=0, help="do every PARTS-th case, beginning with this one")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--rows", type=Path, default=Path(rows), help="what has been measured")
    parser.add_argument("--known", action="store_true", help="only write down what the rows hold")
    parser.add_argument("--where", default="", help="with --known: the machine that measured the rows")


def made(stamp: Stamp, where: str) -> str:
    """How rows were made, for a table of several measurements."""
    model, measured = stamp.model or "no model", f", rows measured on {where}" if where else ""
    return f"{stamp.command}, {stamp.commit[:10]}, {model}, {stamp.date}{measured}"

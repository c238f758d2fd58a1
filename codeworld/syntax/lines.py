"""Where each line of a text starts, kept up to date while the text is edited."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


class LineIndex:
    """Offsets of line starts. An edit costs its own lines plus the distance to the previous edit, not the file.

    The offsets after the last edit are stored without that edit's shift: ``_shift`` is added to every entry from
    ``_pivot`` on when it is read. The next edit, usually a few lines away, moves the pivot.
    """

    __slots__ = ("_pivot", "_shift", "_starts")

    def __init__(self, starts: Sequence[int]) -> None:
        self._starts = list(starts)
        self._pivot = len(self._starts)
        self._shift = 0

    def __len__(self) -> int:
        return len(self._starts)

    def copy(self) -> LineIndex:
        """An index of the same text that can go its own way."""
        other = LineIndex(self._starts)
        other._pivot, other._shift = self._pivot, self._shift
        return other

    def start(self, row: int) -> int:
        """Offset of the first unit of line ``row`` (0-based)."""
        return self._starts[row] + (self._shift if row >= self._pivot else 0)

    def row_at(self, offset: int) -> int:
        """The line that holds ``offset``; the last line for anything at or past the end."""
        if self._pivot < len(self._starts) and offset >= self._starts[self._pivot] + self._shift:
            return bisect_right(self._starts, offset - self._shift, self._pivot) - 1
        return bisect_right(self._starts, offset, 0, self._pivot) - 1

    def replace(self, first: int, last: int, starts: Sequence[int], shift: int) -> None:
        """The starts of lines ``first + 1 … last`` become ``starts``; those of all later lines move by ``shift``."""
        self._move_pivot(last + 1)
        self._starts[first + 1 : last + 1] = starts
        self._pivot = first + 1 + len(starts)
        self._shift += shift

    def _move_pivot(self, row: int) -> None:
        if row > self._pivot:
            between, shift = slice(self._pivot, row), self._shift
        else:
            between, shift = slice(row, self._pivot), -self._shift
        if self._shift:
            self._starts[between] = [start + shift for start in self._starts[between]]
        self._pivot = row

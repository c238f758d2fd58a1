"""Lines that follow the same neighbours elsewhere in the repository: nothing teaches a project's habits better.

The index keeps each distinct line once (stripped), and for each file the numbers of its non-blank lines in order.
A query walks the places where a neighbour of the hole stands: what is beside it there probably belongs here. Blank
lines are no neighbours, and indentation is not compared but carried over relative to the equal neighbour, so a
block that was moved one level deeper still matches.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from codeworld.canvas import Seed
from codeworld.context.definitions import Definitions
from codeworld.context.secrets import mask

SUFFIXES = (".py", ".pyi")
MAX_LINE_CHARS = 400  # a longer line is data: it is a neighbour like any other, but nobody wants it typed
_MAX_FILES = 64  # looked at for each neighbour, nearest first; more of them change nothing
_MAX_STARTS = 2000  # lines with the same start beyond which it says nothing
_MANY_LINES = 1000  # from here on sorting anew is faster than inserting
_MAX_INDENT = 255
_SYMBOL = re.compile(r"[ \t]*(?:async[ \t]+def|def|class)[ \t]+(\w+)|([A-Za-z_]\w*)[ \t]*(?::[^=\n]+)?=(?!=)")

_Key = TypeVar("_Key", int, str)


class Rules(Protocol):
    """What of a repository may be read; codeworld.context.ignore.IgnoreRules is one."""

    def allows(self, path: Path) -> bool:
        """Whether this file or folder may be read."""


class Symbol(NamedTuple):
    """A function, class or module-level name; ``line`` is 1-based."""

    name: str
    path: str
    line: int


class _File(NamedTuple):
    lines: Sequence[int]  # numbers of its non-blank lines, in order
    indents: Sequence[int]  # widths of their leading whitespace
    symbols: tuple[tuple[str, int], ...]
    folder: str


class _Around(NamedTuple):
    """What the current line stands between. Neighbours are stripped; "" where there is none."""

    before: str
    before2: str
    after: str
    indent_before: str
    indent_after: str
    prefix: str  # the current line up to the cursor

    @property
    def typed(self) -> str:
        return self.prefix.lstrip()


class _Place(NamedTuple):
    """Lines [start, stop) of a file stand where the hole is; ``anchor`` is the equal neighbour."""

    order: int
    start: int
    stop: int
    anchor: int


class RepositoryIndex:
    """A repository's lines by what stands around them. Paths are strings relative to its root. Not thread-safe."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._text: list[str] = []
        # Where each line is: a file, or a set of files. Most lines are in one file only, and a set costs 216 bytes.
        self._where: list[int | set[int]] = []
        self._free: list[int] = []
        self._sorted: list[str] = []  # may still have lines that are gone
        self._unsorted: list[str] = []
        self._slot: dict[str, int] = {}
        self._files: dict[int, _File] = {}
        self._next_slot = 0
        self.definitions = Definitions()  # of the same files

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        return path in self._slot

    @classmethod
    def build(
        cls,
        root: Path,
        rules: Rules,
        *,
        progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RepositoryIndex:
        """Read every allowed Python file under ``root``. ``progress(done, total)`` is called after each file.

        Stops early, with what it has, once ``should_stop()`` is true. Unreadable files are skipped.
        """
        index = cls()
        paths = list(python_files(root, rules, should_stop))
        for done, path in enumerate(paths, 1):
            if should_stop():
                break
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            index.update(path.relative_to(root).as_posix(), text)
            if progress is not None:
                progress(done, len(paths))
        index._sort()
        return index

    def update(self, path: str, text: str | None) -> None:
        """Take ``text``, but for its secrets, as the file's content now; None when the file is gone."""
        if text is None:
            self.remove(path)
            return
        text = mask(text)
        slot = self._slot.get(path)
        old = self._files[slot].lines if slot is not None else ()
        if slot is None:
            slot = self._slot[path] = self._next_slot
            self._next_slot += 1
        self._files[slot] = file = self._read(path, text, slot)
        self.definitions.update(path, partial(self._text_of, slot))
        for number in set(old).difference(file.lines):
            self._forget(number, slot)

    def remove(self, path: str) -> None:
        """Forget a file; nothing happens when it is not in the index."""
        slot = self._slot.pop(path, None)
        if slot is not None:
            self.definitions.remove(path)
            for number in set(self._files.pop(slot).lines):
                self._forget(number, slot)

    def symbols(self, prefix: str, limit: int = 20) -> tuple[Symbol, ...]:
        """Functions, classes and module-level names that start with ``prefix``, by name, then path."""
        found = (
            Symbol(name, path, line)
            for path, slot in self._slot.items()
            for name, line in self._files[slot].symbols
            if name.startswith(prefix)
        )
        return tuple(sorted(found)[:limit])

    def seeds(
        self,
        lines_before: Sequence[str],
        line_prefix: str,
        lines_after: Sequence[str],
        *,
        exclude: str = "",
        limit: int = 3,
        max_lines: int = 1,
    ) -> tuple[Seed, ...]:
        """What remains to be typed of the current line, best first: nothing repeats, nothing is empty.

        ``lines_before`` and ``lines_after`` are the *whole* document around the current line, which is in neither;
        they are searched too, in place of the indexed copy of the document, ``exclude``. ``line_prefix`` is the
        current line up to the cursor. With ``max_lines`` > 1 a seed with both neighbours may have several lines.
        ``Seed.order`` is 3 for both neighbours, 2 for two previous lines, 1 for the previous or the next line, 0
        when only what is typed agrees. ``support`` and ``total`` count places whose line starts with what is typed.
        """
        around = _around(lines_before, line_prefix, lines_after)
        tally = _Tally(around, max_lines)
        keys = around.before, around.before2, around.after
        for part in (lines_before, lines_after):
            kept = [line for line in part if line and not line.isspace()]
            tally.add([line.strip() for line in kept], [_indent(line) for line in kept], keys, str)
        excluded = self._slot.get(exclude, -1)
        numbers = tuple(self._number.get(key, -1) for key in keys)
        for slot in sorted(self._slots(numbers[0], exclude) | self._slots(numbers[2], exclude)):
            file = self._files[slot]
            tally.add(file.lines, file.indents, numbers, self._text.__getitem__)
        if around.typed:
            tally.add_same_start(line.strip() for part in (lines_before, lines_after) for line in part)
            if not tally.counts[0]:
                tally.add_same_start(self._starting_with(around.typed, excluded))
        return tally.ranked(limit)

    def _slots(self, number: int, path: str) -> set[int]:
        """Files other than ``path`` that have the line; when there are many, those in the same folder first."""
        where = self._where[number] if number >= 0 else set()
        slots = ({where} if isinstance(where, int) else where) - {self._slot.get(path, -1)}
        if len(slots) > _MAX_FILES:
            folder = posixpath.dirname(path)
            return set(
                sorted(slots, key=lambda slot: (self._files[slot].folder != folder, slot))[:_MAX_FILES]
            )
        return slots

    def _sort(self) -> None:
        """Sort in the lines that are new. Lines that went and came back are there already."""
        if len(self._unsorted) > _MANY_LINES:
            self._sorted = list(dict.fromkeys(sorted(self._sorted + self._unsorted)))
        else:
            for line in self._unsorted:
                at = bisect_left(self._sorted, line)
                if self._sorted[at : at + 1] != [line]:
                    self._sorted.insert(at, line)
        self._unsorted = []

    def _starting_with(self, typed: str, excluded: int) -> Iterator[str]:
        """Each line that starts so, once for each file that has it; nothing when there are too many of them."""
        self._sort()
        first, last = bisect_left(self._sorted, typed), bisect_left(self._sorted, typed + chr(sys.maxunicode))
        if last - first > _MAX_STARTS:
            return
        for line in self._sorted[first:last]:
            where = self._where[self._number[line]] if line in self._number else excluded
            slots = {where} if isinstance(where, int) else where
            yield from repeat(line, len(slots - {excluded}))

    def _read(self, path: str, text: str, slot: int) -> _File:
        """Number the file's lines and note that it has them."""
        numbers, indents = array("I"), bytearray()
        symbols = []
        for at, line in enumerate(text.split("\n"), 1):
            stripped = line.strip()
            if not stripped:
                continue
            numbers.append(self._intern(stripped, slot))
            indents.append(min(_indent(line), _MAX_INDENT))
            if (named := _SYMBOL.match(line)) is not None:
                symbols.append((sys.intern(named[1] or named[2]), at))
        return _File(numbers, bytes(indents), tuple(symbols), sys.intern(posixpath.dirname(path)))

    def _text_of(self, slot: int) -> str:
        """A file's non-blank lines."""
        file = self._files[slot]
        return "".join(
            f"{' ' * indent}{self._text[number]}\n"
            for number, indent in zip(file.lines, file.indents, strict=True)
        )

    def _intern(self, line: str, slot: int) -> int:
        number = self._number.get(line)
        if number is None:
            number = self._free.pop() if self._free else len(self._text)
            if number == len(self._text):
                self._text.append(line)
                self._where.append(slot)
            else:
                self._text[number], self._where[number] = line, slot
            self._number[line] = number
            self._unsorted.append(line)
            return number
        where = self._where[number]
        if isinstance(where, set):
            where.add(slot)
        elif where != slot:
            self._where[number] = {where, slot}
        return number

    def _forget(self, number: int, slot: int) -> None:
        where = self._where[number]
        if isinstance(where, set):
            where.discard(slot)
            if len(where) == 1:
                self._where[number] = where.pop()
        else:
            del self._number[self._text[number]]
            self._text[number] = ""
            self._free.append(number)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _around(before: Sequence[str], prefix: str, after: Sequence[str]) -> _Around:
    above = [*islice(filter(str.strip, reversed(before)), 2), "", ""]
    below = next(filter(str.strip, after), "")
    return _Around(
        above[0].strip(),
        above[1].strip(),
        below.strip(),
        above[0][: _indent(above[0])],
        below[: _indent(below)],
        prefix,
    )


class _Tally:
    """Counts, by how much of the surroundings agrees, what would have to be typed."""

    def __init__(self, around: _Around, max_lines: int) -> None:
        self.around = around
        self.max_lines = max_lines
        self.counts: dict[int, Counter[str]] = {3: Counter(), 2: Counter(), 1: Counter(), 0: Counter()}

    def add(
        self,
        lines: Sequence[_Key],
        indents: Sequence[int],
        keys: tuple[_Key, ...],
        text_of: Callable[[_Key], str],
    ) -> None:
        """Count one file's places; ``keys`` are the line before, the one before that and the line after."""
        around = self.around
        for order, start, stop, anchor in _places(lines, keys, self.max_lines):
            indent = around.indent_before if anchor < start else around.indent_after
            first = _shifted(indent, indents[start] - indents[anchor])
            text = _remainder([text_of(key) for key in lines[start:stop]], first, indents[start:stop], around)
            if text:
                self.counts[order][text] += 1

    def add_same_start(self, lines: Iterable[str]) -> None:
        """Count whole lines of which only what is typed agrees."""
        typed = self.around.typed
        size = len(typed)
        self.counts[0].update(line[size:] for line in lines if line.startswith(typed) and len(line) > size)

    def ranked(self, limit: int) -> tuple[Seed, ...]:
        found: dict[str, Seed] = {}
        for order, texts in self.counts.items():
            total = texts.total()
            for text, support in texts.most_common(limit):
                found.setdefault(text, Seed(text, order, support, total))
        return tuple(found.values())[:limit]


def _places(lines: Sequence[_Key], keys: tuple[_Key, ...], max_lines: int) -> Iterator[_Place]:
    """What stands at equal neighbours; more than once where it satisfies several orders."""
    before, before2, after = keys
    for at in _positions(lines, before):
        start = at + 1
        if start < len(lines):
            yield _Place(1, start, start + 1, at)
            if at and lines[at - 1] == before2:
                yield _Place(2, start, start + 1, at)
        for stop in range(start + 1, min(start + 1 + max_lines, len(lines))):
            if lines[stop] == after:
                yield _Place(3, start, stop, at)
                break
    for at in _positions(lines, after):
        if at:
            yield _Place(1, at - 1, at, at)


def _positions(lines: Sequence[_Key], key: _Key) -> Iterator[int]:
    at = -1
    while True:
        try:
            at = lines.index(key, at + 1)
        except ValueError:
            return
        yield at


def _remainder(lines: Sequence[str], indent: str, indents: Sequence[int], around: _Around) -> str:
    """What remains to be typed if these lines stand here; "" when they contradict what is typed.

    ``indent`` is what the first of them would have here, ``indents`` are the widths where they come from.
    """
    first, typed = lines[0], around.typed
    if typed:
        if not first.startswith(typed):
            return ""
        indent = around.prefix[: _indent(around.prefix)]
        rest = first[len(typed) :]
    else:
        if not indent.startswith(around.prefix):
            return ""
        rest = indent[len(around.prefix) :] + first
    if len(first) > MAX_LINE_CHARS or not rest:
        return ""
    below = zip(lines[1:], indents[1:], strict=True)
    return "\n".join([rest, *(_shifted(indent, width - indents[0]) + line for line, width in below)])


def _shifted(indent: str, columns: int) -> str:
    if columns <= 0:
        return indent[: max(0, len(indent) + columns)]
    return indent + (indent[-1:] or " ") * columns


def python_files(root: Path, rules: Rules, should_stop: Callable[[], bool]) -> Iterator[Path]:
    """Every allowed Python file under ``root``, in a fixed order."""
    for folder, folders, names in os.walk(root):
        if should_stop():
            return
        folders[:] = sorted(name for name in folders if name[0] != "." and rules.allows(Path(folder, name)))
        for name in sorted(names):
            path = Path(folder, name)
            if name.endswith(SUFFIXES) and rules.allows(path):
                yield path

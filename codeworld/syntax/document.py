"""A document's text with its syntax tree: ``Document`` follows the editor, ``Snapshot`` is one frozen version of it.

Offsets are characters unless a name says ``byte``. Lines end as the Language Server Protocol says (LF, CRLF, CR).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import tree_sitter_python
from tree_sitter import Language, Node, Parser, Tree

from codeworld.syntax.lines import LineIndex
from codeworld.syntax.place import Place, place_at
from codeworld.syntax.position import LINE_END, Encoding, char_to_column, column_to_char, encode

_GRAMMARS = {"python": tree_sitter_python.language}
LANGUAGES = frozenset(_GRAMMARS)
_INDENT = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)
_INDENTS_SEARCHED_CHARS = 20_000  # as good as the whole file


@cache
def _parser(language: str) -> Parser:
    return Parser(Language(_GRAMMARS[language]()))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One version of a document. Nothing in it changes, so it can be used while the editor's text moves on."""

    text: str
    source: bytes  # ``text`` in UTF-8
    tree: Tree
    version: int
    path: str
    language: str
    _chars: LineIndex
    _bytes: LineIndex

    @property
    def line_count(self) -> int:
        """How many lines there are; a line end at the end of the text begins another, empty one."""
        return len(self._chars)

    def row_at(self, char: int) -> int:
        """The line (0-based) that holds ``char``."""
        return self._chars.row_at(char)

    def line_start(self, row: int) -> int:
        """The first character of line ``row``; the end of the text for rows past the last."""
        return self._chars.start(row) if row < len(self._chars) else len(self.text)

    def line(self, row: int) -> str:
        """Line ``row`` without its line end."""
        return self.text[self.line_start(row) : self.line_start(row + 1)].rstrip("\r\n")

    def line_before(self, char: int) -> str:
        """What stands on the line of ``char`` before it."""
        return self.text[self.line_start(self.row_at(char)) : char]

    def line_after(self, char: int) -> str:
        """What stands on the line of ``char`` from it on, without the line end."""
        return self.text[char : self.line_start(self.row_at(char) + 1)].rstrip("\r\n")

    def indentation(self, row: int) -> str:
        """The whitespace that line ``row`` starts with."""
        line = self.line(row)
        return line[: len(line) - len(line.lstrip())]

    @property
    def newline(self) -> str:
        """The line end in use: that of the first line."""
        found = LINE_END.search(self.text)
        return found[0] if found else "\n"

    @property
    def indent_unit(self) -> str:
        """One level of indentation as the document does it: its narrowest, four spaces when there is none."""
        indents = set(_INDENT.findall(self.text, 0, _INDENTS_SEARCHED_CHARS))
        if any(indent.startswith("\t") for indent in indents):
            return "\t"
        # One column is no level but the continuation of something.
        return min((indent for indent in indents if len(indent) > 1), key=len, default="    ")

    def to_byte(self, char: int) -> int:
        """Offset in ``source`` of a character."""
        if len(self.source) == len(self.text):
            return char
        row = self._chars.row_at(char)
        return self._bytes.start(row) + len(encode(self.text[self._chars.start(row) : char]))

    def char_at(self, row: int, column: int, encoding: Encoding) -> int:
        """Character of a client's position, clamped to the text and to the line."""
        if row < 0:
            return 0
        if row >= len(self._chars):
            return len(self.text)
        return self.line_start(row) + column_to_char(self.line(row), column, encoding)

    def position(self, char: int, encoding: Encoding) -> tuple[int, int]:
        """A client's position (0-based row and column) of a character, clamped to the text."""
        char = min(max(char, 0), len(self.text))
        row = self.row_at(char)
        return row, char_to_column(self.line(row), char - self.line_start(row), encoding)

    def node_at(self, char: int) -> Node:
        """The smallest node that holds ``char``."""
        byte = min(self.to_byte(char), len(self.source))
        root = self.tree.root_node
        return root.descendant_for_byte_range(byte, min(byte + 1, len(self.source))) or root

    def place(self, char: int) -> Place:
        """Whether typing at ``char`` adds to code, to a comment or to a string."""
        return place_at(self.tree.root_node, self.source, self.to_byte(char))

    def edited(self, start_char: int, end_char: int, new_text: str) -> Snapshot:
        """What this becomes when ``new_text`` replaces the characters [start, end); parsed incrementally."""
        document = Document(self)
        document.apply(start_char, end_char, new_text)
        return document.snapshot()


class Document:
    """Text that changes, with a tree that follows: an edit costs about its own size, not the file's.

    The tree is brought up to date when it is next asked for, once for a batch of edits.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._last = snapshot
        self._current: Snapshot | None = snapshot
        self._text, self._source, self._tree = snapshot.text, snapshot.source, snapshot.tree
        self._chars, self._bytes = snapshot._chars, snapshot._bytes
        self._version = snapshot.version

    @classmethod
    def from_text(cls, text: str, *, path: str = "", language: str = "python", version: int = 0) -> Document:
        """A document as it is opened. Raises ValueError for a language that is not in LANGUAGES."""
        if language not in LANGUAGES:
            raise ValueError(f"no grammar for {language!r}")
        source = encode(text)
        starts = [0, *(match.end() for match in LINE_END.finditer(text))]
        chars = LineIndex(starts)
        byte_starts = chars.copy() if len(source) == len(text) else LineIndex(_in_bytes(text, starts))
        tree = _parser(language).parse(source)
        return cls(Snapshot(text, source, tree, version, path, language, chars, byte_starts))

    @property
    def text(self) -> str:
        """The text now."""
        return self._text

    @property
    def version(self) -> int:
        """The version given last, or one more for each edit that gave none."""
        return self._version

    def snapshot(self) -> Snapshot:
        """This version, frozen; the same object until the next edit."""
        if self._current is None:
            last = self._last
            tree = _parser(last.language).parse(self._source, self._tree)
            self._current = self._last = Snapshot(
                self._text,
                self._source,
                tree,
                self._version,
                last.path,
                last.language,
                self._chars,
                self._bytes,
            )
            self._tree = tree
        return self._current

    def apply(self, start_char: int, end_char: int, new_text: str, *, version: int | None = None) -> None:
        """Replace the characters [start, end), clamped to the text, by ``new_text``."""
        start = min(max(start_char, 0), len(self._text))
        end = min(max(end_char, start), len(self._text))
        if self._current is not None:  # the snapshot keeps what it has
            self._tree, self._chars, self._bytes = self._tree.copy(), self._chars.copy(), self._bytes.copy()
            self._current = None
        start_byte = self._byte(start)
        old_end_byte = self._byte(end)
        new_bytes = encode(new_text)
        old_source = self._source
        self._reindex(start, end, new_text, len(new_bytes) - (old_end_byte - start_byte))
        self._text = self._text[:start] + new_text + self._text[end:]
        self._source = old_source[:start_byte] + new_bytes + old_source[old_end_byte:]
        new_end_byte = start_byte + len(new_bytes)
        self._tree.edit(
            start_byte,
            old_end_byte,
            new_end_byte,
            start_point := _point(old_source, start_byte, 0, (0, 0)),
            _point(old_source, old_end_byte, start_byte, start_point),
            _point(self._source, new_end_byte, start_byte, start_point),
        )
        self._version = self._version + 1 if version is None else version

    def _byte(self, char: int) -> int:
        if len(self._source) == len(self._text):
            return char
        row = self._chars.row_at(char)
        return self._bytes.start(row) + len(encode(self._text[self._chars.start(row) : char]))

    def _reindex(self, start: int, end: int, new_text: str, byte_shift: int) -> None:
        """Find the line starts again in the lines that the edit touches, and in one that it may join by CR LF."""
        chars, text = self._chars, self._text
        first, last = chars.row_at(max(start - 1, 0)), chars.row_at(end)
        is_last = last + 1 == len(chars)
        region_start, region_end = chars.start(first), len(text) if is_last else chars.start(last + 1)
        region = text[region_start:start] + new_text + text[end:region_end]
        ends = [match.end() for match in LINE_END.finditer(region)]
        if not is_last:
            ends.pop()  # where line last + 1 starts, which the index has
        byte_start = self._bytes.start(first)
        self._bytes.replace(first, last, [byte_start + byte for byte in _in_bytes(region, ends)], byte_shift)
        chars.replace(first, last, [region_start + end for end in ends], len(new_text) - (end - start))


def _in_bytes(text: str, offsets: list[int]) -> list[int]:
    """Ascending character offsets of ``text`` as byte offsets."""
    if text.isascii():
        return offsets
    found, byte, previous = [], 0, 0
    for offset in offsets:
        byte += len(encode(text[previous:offset]))
        previous = offset
        found.append(byte)
    return found


def _point(source: bytes, byte: int, known_byte: int, known: tuple[int, int]) -> tuple[int, int]:
    """The parser's (row, column in bytes) of ``byte``, counted on from a known one; only LF ends its lines."""
    rows = source.count(b"\n", known_byte, byte)
    if not rows:
        return known[0], known[1] + byte - known_byte
    return known[0] + rows, byte - source.rfind(b"\n", known_byte, byte) - 1

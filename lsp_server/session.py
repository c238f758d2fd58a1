"""What the server knows of the open documents. The only thing that changes; everything else works on
snapshots.

An ``Offer`` follows the cursor's place: as long as the user types what was offered, the rest of it is still
the answer, and no model is asked. Times are ``time.monotonic()`` seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lsprotocol import types as lsp

from codeworld.canvas import Accept, Reject, Verdict
from codeworld.syntax.document import Document, Snapshot
from codeworld.syntax.position import LINE_END, Encoding, width

_UNDOABLE_EDITS = 16
_UNDOABLE_CHARS = 10_000


class Edit(NamedTuple):
    """``new_text`` replaces the characters [start, start + len(removed)); the two share no prefix and no
    suffix."""

    start_char: int
    removed: str
    new_text: str


class Offer:
    """What was found for one cursor position, and what has been typed there since.

    It knows where the cursor is after that in the client's own terms, so that following it needs no syntax tree.
    """

    __slots__ = ("agrees", "column", "cursor_char", "encoding", "row", "typed", "verdict")

    def __init__(self, cursor_char: int, row: int, column: int, encoding: Encoding) -> None:
        self.cursor_char = cursor_char
        self.row, self.column, self.encoding = row, column, encoding  # of the cursor now
        self.typed = ""
        self.agrees = True  # false once the document was edited anywhere else
        self.verdict: Verdict | None = None  # None while the engine is asked

    def follow(self, edit: Edit) -> None:
        """Take note of an edit."""
        # A carriage return at an end may become half of a line end, and rows would be counted differently.
        if edit.new_text.endswith("\r"):
            self.agrees = False
        elif not edit.removed and edit.start_char == self.cursor_char + len(self.typed):
            self.typed += edit.new_text
            *above, last = LINE_END.split(edit.new_text)
            self.row += len(above)
            self.column = (0 if above else self.column) + width(last, self.encoding)
        elif edit.removed or edit.new_text:
            self.agrees = False

    def char_at(self, row: int, column: int) -> int | None:
        """The character of a client's position if that is where the cursor is."""
        known = self.agrees and (row, column) == (self.row, self.column)
        return self.cursor_char + len(self.typed) if known else None

    def at(self, row: int, column: int) -> Accept | Reject | None:
        """The answer for a client's position if it is known: what remains to be typed, or that there is nothing."""
        if self.verdict is None or self.char_at(row, column) is None:
            return None
        if not self.typed:
            return self.verdict
        if isinstance(self.verdict, Reject) or not self.verdict.text.startswith(self.typed):
            return None
        rest = self.verdict.text[len(self.typed) :]
        # Typed to its end, it is a new question.
        return Accept(self.verdict.candidate, rest) if rest.strip() else None


class OpenDocument:
    """One open document."""

    def __init__(self, uri: str, path: Path | None, item: lsp.TextDocumentItem) -> None:
        self.uri = uri
        self.path = path
        self.version = item.version
        self.revision = 0  # counts edits: clients may leave versions out or repeat them
        self.offer: Offer | None = None
        self._removed_at_s = float("-inf")
        self._removals: deque[tuple[int, str]] = deque(maxlen=_UNDOABLE_EDITS)
        self._document = Document.from_text(item.text, path=str(path or ""))

    @property
    def text(self) -> str:
        """The text now."""
        return self._document.text

    def snapshot(self) -> Snapshot:
        """The document now, frozen."""
        return self._document.snapshot()

    def change(
        self,
        changes: Iterable[lsp.TextDocumentContentChangeEvent],
        version: int,
        encoding: Encoding,
        now_s: float,
    ) -> None:
        """Apply one didChange notification."""
        balance, undone = 0, False
        for change in changes:
            edit = self._edit(change, encoding)
            if not edit.removed and not edit.new_text:
                continue
            balance += len(edit.new_text) - len(edit.removed)
            undone |= len(edit.new_text) > 1 and (edit.start_char, edit.new_text) in self._removals
            if edit.removed and len(edit.removed) <= _UNDOABLE_CHARS:
                self._removals.append((edit.start_char, edit.removed))
            if self.offer is not None:
                self.offer.follow(edit)
            self._document.apply(edit.start_char, edit.start_char + len(edit.removed), edit.new_text)
        # Enter also trims blanks of the line it leaves: what counts is whether there is less than before.
        if balance < 0 or undone:
            self._removed_at_s = now_s
        self.version = version
        self.revision += 1

    def is_quiet(self, now_s: float, quiet_ms: int) -> bool:
        """Whether the user deleted or undid something within the last ``quiet_ms``."""
        return (now_s - self._removed_at_s) * 1e3 < quiet_ms

    def begin_offer(self, cursor_char: int, encoding: Encoding) -> Offer:
        """A new offer, which replaces the one before."""
        self.offer = Offer(cursor_char, *self.snapshot().position(cursor_char, encoding), encoding)
        self.offer.agrees = not self.text.endswith("\r", 0, cursor_char)  # see Offer.follow
        return self.offer

    def _edit(self, change: lsp.TextDocumentContentChangeEvent, encoding: Encoding) -> Edit:
        if isinstance(change, lsp.TextDocumentContentChangeWholeDocument):
            return _shortest(self.text, 0, len(self.text), change.text)
        start = self._char_at(change.range.start, encoding)
        end = start if change.range.end == change.range.start else self._char_at(change.range.end, encoding)
        return _shortest(self.text, min(start, end), max(start, end), change.text)

    def _char_at(self, position: lsp.Position, encoding: Encoding) -> int:
        # Most edits are at the cursor, and a snapshot would have the text parsed.
        known = self.offer.char_at(position.line, position.character) if self.offer is not None else None
        if known is not None:
            return known
        return self.snapshot().char_at(position.line, position.character, encoding)


class Session:
    """The open documents by URI."""

    def __init__(self) -> None:
        self._documents: dict[str, OpenDocument] = {}

    def __iter__(self) -> Iterator[OpenDocument]:
        return iter(self._documents.values())

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, uri: str) -> OpenDocument | None:
        """The document if it is open and of a language we know."""
        return self._documents.get(uri)

    def open(self, item: lsp.TextDocumentItem, path: Path | None) -> OpenDocument:
        """Begin to mirror a document; one that is open already starts anew."""
        document = self._documents[item.uri] = OpenDocument(item.uri, path, item)
        return document

    def close(self, uri: str) -> OpenDocument | None:
        """Forget a document."""
        return self._documents.pop(uri, None)


def _shortest(text: str, start: int, end: int, new_text: str) -> Edit:
    """The edit without what stays the same at its two ends, so that a client which replaces words, lines or
    the whole text looks like one that inserts."""
    if start == end:
        return Edit(start, "", new_text)
    removed = text[start:end]
    kept = _common_prefix_chars(removed, new_text)
    removed, new_text = removed[kept:], new_text[kept:]
    tail = _common_prefix_chars(removed[::-1], new_text[::-1])
    return Edit(start + kept, removed[: len(removed) - tail], new_text[: len(new_text) - tail])


def _common_prefix_chars(one: str, other: str) -> int:
    """Length of the longest common prefix; by halving, as comparing slices is far faster than characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low

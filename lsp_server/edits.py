"""Accepted text as the editor's edits, in the client's position encoding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

if TYPE_CHECKING:
    from codeworld.syntax.document import Snapshot
    from codeworld.syntax.position import Encoding

_WORD_BEFORE = re.compile(r"\w*\Z")
_LABEL_CHARS = 60
# After everything a language server sorts by name or by "0…9a…z": the editor's own entries keep their places.
_SORTED_LAST = "~codeworld"


def inline_item(row: int, column: int, text: str) -> lsp.InlineCompletionItem:
    """Ghost text at the cursor: an insertion, so that nothing the user wrote is replaced."""
    at = lsp.Position(row, column)
    return lsp.InlineCompletionItem(insert_text=text, range=lsp.Range(at, at))


def over_selected(
    snapshot: Snapshot, cursor_char: int, text: str, selected: lsp.SelectedCompletionInfo, encoding: Encoding
) -> lsp.InlineCompletionItem | None:
    """Ghost text while the editor's menu is open: it must go on from the entry selected there, else the
    editor would have to hide one of the two. None when it says something else."""
    start = snapshot.char_at(selected.range.start.line, selected.range.start.character, encoding)
    whole = snapshot.text[start:cursor_char] + text
    if start > cursor_char or not whole.startswith(selected.text) or whole == selected.text:
        return None
    return lsp.InlineCompletionItem(insert_text=whole, range=selected.range)


def menu_item(snapshot: Snapshot, cursor_char: int, text: str, encoding: Encoding) -> lsp.CompletionItem:
    """The completion as an entry of the editor's menu: it replaces the word being typed by itself and what
    follows, is never selected by itself and comes last."""
    line = snapshot.line_before(cursor_char)
    found = _WORD_BEFORE.search(line)
    word = found[0] if found else ""
    whole = word + text
    first, more, _ = whole.partition("\n")
    label = first.strip()[:_LABEL_CHARS] + ("…" if more or len(first.strip()) > _LABEL_CHARS else "")
    start = _position(snapshot, cursor_char - len(word), encoding)
    return lsp.CompletionItem(
        label=label,
        label_details=lsp.CompletionItemLabelDetails(description="codeworld"),
        kind=lsp.CompletionItemKind.Text,
        sort_text=_SORTED_LAST,
        filter_text=whole,
        preselect=False,
        insert_text_format=lsp.InsertTextFormat.PlainText,
        text_edit=lsp.TextEdit(lsp.Range(start, _position(snapshot, cursor_char, encoding)), whole),
        documentation=whole if more else None,
    )


def _position(snapshot: Snapshot, char: int, encoding: Encoding) -> lsp.Position:
    return lsp.Position(*snapshot.position(char, encoding))

from __future__ import annotations

import pytest
from lsprotocol import types as lsp

from codeworld.syntax.document import Document
from codeworld.syntax.position import Encoding
from lsp_server.edits import inline_item, menu_item, over_selected


def selected(start: int, end: int, text: str) -> lsp.SelectedCompletionInfo:
    return lsp.SelectedCompletionInfo(lsp.Range(lsp.Position(0, start), lsp.Position(0, end)), text)


def test_ghost_text_is_an_insertion_at_the_cursor() -> None:
    item = inline_item(3, 14, "1")
    assert item == lsp.InlineCompletionItem("1", range=lsp.Range(lsp.Position(3, 14), lsp.Position(3, 14)))


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 16), ("utf-16", 14), ("utf-32", 13)])
def test_the_menus_range_is_in_the_clients_columns(encoding: Encoding, column: int) -> None:
    snapshot = Document.from_text('s = "😀"; x = \n').snapshot()
    edit = menu_item(snapshot, 13, "1", encoding).text_edit
    assert isinstance(edit, lsp.TextEdit)
    assert edit.range == lsp.Range(lsp.Position(0, column), lsp.Position(0, column))


def test_the_menus_entry_replaces_the_word_and_comes_last() -> None:
    snapshot = Document.from_text("x = resu\n").snapshot()
    item = menu_item(snapshot, 8, "lt.value", "utf-16")
    assert item.text_edit == lsp.TextEdit(lsp.Range(lsp.Position(0, 4), lsp.Position(0, 8)), "result.value")
    assert item.label == "result.value"
    assert item.filter_text == "result.value"
    assert item.preselect is False
    assert item.sort_text is not None
    assert item.sort_text > "zz"


def test_a_long_entry_has_a_short_label() -> None:
    snapshot = Document.from_text("x = \n").snapshot()
    item = menu_item(snapshot, 4, "a" * 100 + "\nb", "utf-16")
    assert item.label == "a" * 60 + "…"
    assert item.documentation == "a" * 100 + "\nb"


def test_over_an_open_menu_only_what_goes_on_from_its_entry() -> None:
    snapshot = Document.from_text("x = pri\n").snapshot()
    item = over_selected(snapshot, 7, "nt(1)", selected(4, 7, "print"), "utf-16")
    assert item is not None
    assert item.insert_text == "print(1)"
    assert over_selected(snapshot, 7, "nt(1)", selected(4, 7, "private"), "utf-16") is None
    assert over_selected(snapshot, 7, "nt", selected(4, 7, "print"), "utf-16") is None

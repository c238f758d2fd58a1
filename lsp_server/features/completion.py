"""textDocument/completion, for editors without ghost text: one entry that keeps out of the way of the
others."""

from __future__ import annotations

from lsprotocol import types as lsp

from lsp_server.edits import menu_item
from lsp_server.server import CodeworldServer


def register(server: CodeworldServer) -> None:
    """Add the feature."""
    options = lsp.CompletionOptions(
        resolve_provider=False, completion_item=lsp.ServerCompletionItemOptions(label_details_support=True)
    )
    server.feature(lsp.TEXT_DOCUMENT_COMPLETION, options)(completion)


async def completion(server: CodeworldServer, params: lsp.CompletionParams) -> lsp.CompletionList:
    """At most one entry. The list is incomplete: what follows depends on all that is typed before it."""
    if not _is_wanted(server):
        return lsp.CompletionList(is_incomplete=False, items=[])
    at = params.position
    # The menu opens by itself on every word, so being asked does not mean that the user asked.
    found = await server.completer.complete(params.text_document.uri, at.line, at.character, explicit=False)
    if found is None:
        return lsp.CompletionList(is_incomplete=True, items=[])
    snapshot = found.document.snapshot()
    cursor_char = snapshot.char_at(found.row, found.column, server.encoding)
    item = menu_item(snapshot, cursor_char, found.text, server.encoding)
    return lsp.CompletionList(is_incomplete=True, items=[item])


def _is_wanted(server: CodeworldServer) -> bool:
    menu = server.settings.completion.menu
    if menu != "auto":
        return menu == "always"
    text_document = server.client_capabilities.text_document
    return text_document is None or text_document.inline_completion is None

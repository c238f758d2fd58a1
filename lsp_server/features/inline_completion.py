"""textDocument/inlineCompletion: ghost text. Nothing to offer is an empty list: a null leaves old ghost text
standing."""

from __future__ import annotations

from lsprotocol import types as lsp

from lsp_server.edits import inline_item, over_selected
from lsp_server.server import CodeworldServer


def register(server: CodeworldServer) -> None:
    """Add the feature."""
    # Without the options object pygls does not announce the capability.
    server.feature(lsp.TEXT_DOCUMENT_INLINE_COMPLETION, lsp.InlineCompletionOptions())(inline_completion)


async def inline_completion(
    server: CodeworldServer, params: lsp.InlineCompletionParams
) -> lsp.InlineCompletionList | list[lsp.InlineCompletionItem]:
    """At most one item."""
    explicit = params.context.trigger_kind == lsp.InlineCompletionTriggerKind.Invoked
    at = params.position
    found = await server.completer.complete(
        params.text_document.uri, at.line, at.character, explicit=explicit
    )
    if found is None:
        return []
    selected = params.context.selected_completion_info
    if selected is None:
        return lsp.InlineCompletionList(items=[inline_item(found.row, found.column, found.text)])
    snapshot = found.document.snapshot()
    cursor_char = snapshot.char_at(found.row, found.column, server.encoding)
    item = over_selected(snapshot, cursor_char, found.text, selected, server.encoding)
    return lsp.InlineCompletionList(items=[item]) if item is not None else []

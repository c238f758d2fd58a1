"""textDocument/didOpen, didChange, didSave, didClose: the mirror of the editor's texts, and the index after
them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from lsp_server.folders import path_of
from lsp_server.server import CodeworldServer

if TYPE_CHECKING:
    from lsp_server.session import OpenDocument

SUFFIXES = (".py", ".pyi")
MAX_CHARS = 1_000_000  # what is larger is data, and parsing it would keep everybody waiting
INDEX_DELAY_S = 2.0  # after the last change of a document, its new lines are worth finding from other files


def register(server: CodeworldServer) -> None:
    """Add the features."""
    server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)(did_open)
    server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)(did_change)
    server.feature(lsp.TEXT_DOCUMENT_DID_SAVE, lsp.SaveOptions(include_text=False))(did_save)
    server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)(did_close)


def did_open(server: CodeworldServer, params: lsp.DidOpenTextDocumentParams) -> None:
    """Begin to mirror a Python document; others, and very large ones, are none of our business."""
    item = params.text_document
    path = path_of(item.uri)
    is_file = path is not None or item.uri.startswith("untitled:")
    if not is_file or not (item.language_id == "python" or str(path).endswith(SUFFIXES)):
        return
    if len(item.text) > MAX_CHARS:
        return
    server.session.open(item, path)
    if server.allows(path):
        server.start_engine()


def did_change(server: CodeworldServer, params: lsp.DidChangeTextDocumentParams) -> None:
    """Edit the mirror. A request that waits for the old text is answered with nothing."""
    document = server.session.get(params.text_document.uri)
    if document is None:
        return
    server.completer.give_way(document.uri)
    document.change(params.content_changes, params.text_document.version, server.encoding, time.monotonic())
    server.later(f"index {document.uri}", INDEX_DELAY_S, lambda: index_document(server, document))


def did_save(server: CodeworldServer, params: lsp.DidSaveTextDocumentParams) -> None:
    """Index what was saved."""
    document = server.session.get(params.text_document.uri)
    if document is not None and document.path is not None:
        server.folders.of(document.path).recheck(document.path)
        index_document(server, document)


async def did_close(server: CodeworldServer, params: lsp.DidCloseTextDocumentParams) -> None:
    """Forget the mirror; from now on the file's content counts, which may be older than what was typed."""
    uri = params.text_document.uri
    server.completer.closed(uri)
    document = server.session.close(uri)
    if document is not None and document.path is not None:
        await index_file(server, document.path)


def index_document(server: CodeworldServer, document: OpenDocument) -> None:
    """Put an open document's text into the index of its folder."""
    if document.path is not None and server.session.get(document.uri) is document:
        allowed = server.allows(document.path)
        server.folders.of(document.path).update(document.path, document.text if allowed else None)


async def index_file(server: CodeworldServer, path: Path) -> None:
    """Put a file into the index of its folder, or take it out when it is gone or ignored."""
    folder = server.folders.of(path)
    if not folder.indexed or path.suffix not in SUFFIXES:
        return
    text = await asyncio.to_thread(_read, path) if folder.recheck(path) else None
    folder.update(path, text)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None

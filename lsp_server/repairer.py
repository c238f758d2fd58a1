"""From an open document to a verified repair and the editor's edits; shared by the quick fix and the command."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

from lsp_server.background import in_background

if TYPE_CHECKING:
    from codeworld.canvas import InfillReply, InfillRequest, Reject
    from codeworld.repair.edits import Fix
    from codeworld.repair.repair import Settings
    from codeworld.repair.typed import Checker
    from codeworld.repair.verify import Comparison
    from codeworld.verify.project_tests import ProjectTests
    from lsp_server.server import CodeworldServer
    from lsp_server.session import OpenDocument

_ANSWER_S = 20.0  # for one question to the engine, loading excluded


async def find_fixes(
    server: CodeworldServer,
    text: str,
    settings: Settings,
    *,
    with_model: bool,
    tests: ProjectTests | None = None,
    types: Comparison | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[Fix] | Reject:
    """Repair ``text`` in a thread of its own; cancelling the caller stops it. Without the engine, the order of the
    repairs is the prior's."""
    from codeworld.repair.with_tests import repair_with_tests

    stop = threading.Event()
    infill = bridge(server, asyncio.get_running_loop(), stop) if with_model else None

    def should_stop() -> bool:
        return stop.is_set() or is_cancelled()

    def work() -> list[Fix] | Reject:
        return repair_with_tests(
            text,
            tests,
            infill=infill,
            types=types,
            settings=settings,
            should_stop=should_stop,
            progress=report,
        )

    try:
        return await in_background("repair", work)
    finally:
        stop.set()


async def find_type_fixes(
    text: str,
    checker: Checker,
    *,
    is_cancelled: Callable[[], bool],
    report: Callable[[int, int], None],
) -> list[Fix] | Reject:
    """Repair what ``checker`` complains of in ``text``, as ``find_fixes``."""
    from codeworld.repair.typed import repair_complaints

    stop = threading.Event()

    def work() -> list[Fix] | Reject:
        return repair_complaints(
            text, checker, should_stop=lambda: stop.is_set() or is_cancelled(), progress=report
        )

    try:
        return await in_background("repair", work)
    finally:
        stop.set()


def workspace_edit(server: CodeworldServer, document: OpenDocument, fix: Fix) -> lsp.WorkspaceEdit:
    """The fix as the client's edits, tied to the document's version where the client can do that."""
    snapshot, encoding = document.snapshot(), server.encoding
    edits = [
        lsp.TextEdit(
            lsp.Range(
                lsp.Position(*snapshot.position(edit.start_char, encoding)),
                lsp.Position(*snapshot.position(edit.end_char, encoding)),
            ),
            edit.new_text,
        )
        for edit in fix.edits
    ]
    workspace = server.client_capabilities.workspace
    offered = workspace.workspace_edit if workspace is not None else None
    if offered is None or not offered.document_changes:
        return lsp.WorkspaceEdit(changes={document.uri: edits})
    identifier = lsp.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(identifier, list(edits))])


def bridge(
    server: CodeworldServer, loop: asyncio.AbstractEventLoop, stop: threading.Event
) -> Callable[[InfillRequest], InfillReply]:
    """Ask the engine from the thread. Who gets no answer goes on without a model."""
    import msgspec

    from codeworld.canvas import InfillReply
    from codeworld.context.secrets import mask

    def infill(hole: InfillRequest) -> InfillReply:
        nothing = InfillReply((), 0.0, "", "")
        if stop.is_set():
            return nothing
        hole = msgspec.structs.replace(hole, prefix=mask(hole.prefix), suffix=mask(hole.suffix))
        asked = asyncio.run_coroutine_threadsafe(server.engine.infill(hole, ""), loop)
        try:
            answer = asked.result(_ANSWER_S)
        except (TimeoutError, concurrent.futures.CancelledError):
            asked.cancel()
            return nothing
        return answer if isinstance(answer, InfillReply) else nothing

    return infill

"""The code action ``refactor.rewrite.docstring`` and workspace/executeCommand ``codeworld.generateDocstring``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from lsp_server.background import in_background
from lsp_server.progress import progress
from lsp_server.repairer import workspace_edit
from lsp_server.server import CodeworldServer

if TYPE_CHECKING:
    from codeworld.canvas import Reject
    from lsp_server.session import OpenDocument
    from textdiff.docstring.document import Offer

KIND = "refactor.rewrite.docstring"
OWNER = "codeworld.docstring"
_APPLY_S = 10.0


def register(server: CodeworldServer) -> None:
    """Add the command."""
    server.command("codeworld.generateDocstring")(generate_docstring)


async def offer(server: CodeworldServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """A docstring for the function or class whose head the cursor is in, if one is missing; on an existing docstring,
    its update. Who asks for this kind alone may stand anywhere in it. What it will say is worked out when the action
    is resolved. Not offered by itself while the cursor moves: a large module takes a while to read."""
    context = params.context
    if context.only is None and context.trigger_kind is lsp.CodeActionTriggerKind.Automatic:
        return []
    document = server.session.get(params.text_document.uri)
    if document is None or not server.allows(document.path):
        return []
    from codeworld.canvas import Reject
    from textdiff.docstring.document import at_line

    text, line = document.text, params.range.start.line
    within = [*(context.only or ())] == [KIND]  # a tuple or a list: as the converter likes
    target = await in_background("docstring", lambda: at_line(text, line, within=within))
    if isinstance(target, Reject) or document.text != text:
        return []
    verb = "update the docstring of" if target.docstring is not None else "write a docstring for"
    data = {"owner": OWNER, "uri": document.uri, "version": document.version, "qualname": target.qualname}
    return [lsp.CodeAction(f"Codeworld: {verb} {target.qualname}", kind=KIND, data=data)]


async def resolve(server: CodeworldServer, action: lsp.CodeAction) -> lsp.CodeAction:
    """The action with its edit; ``disabled`` says why there is none."""
    from codeworld.canvas import Reject

    data: Any = action.data
    document = server.session.get(str(data.get("uri")))
    if document is None or document.version != data.get("version"):
        return _refused(action, "the document has changed")
    text = document.text
    found = await _find(server, document, str(data.get("qualname")), None)
    if isinstance(found, Reject):
        return _refused(action, f"{found.reason}: {found.detail}".strip(": "))
    if document.text != text:
        return _refused(action, "the document has changed")
    action.edit = _edit(server, document, found)
    return action


async def generate_docstring(
    server: CodeworldServer, uri: object = None, qualname: object = None, style: object = None
) -> dict[str, Any]:
    """Write or update the docstrings of an open document, or the one of ``qualname``, and have the editor apply them.
    ``style`` is the project's when left out. The answer says where each phrase came from.

    Raises JsonRpcInvalidParams for what is no open document, JsonRpcRequestCancelled when the user stops it.
    """
    document = server.session.get(uri) if isinstance(uri, str) else None
    if (
        document is None
        or not isinstance(qualname, str | None)
        or style not in (None, "google", "numpy", "sphinx", "plain")
    ):
        raise JsonRpcInvalidParams(
            "codeworld.generateDocstring takes the URI of an open document, a qualified name, a style"
        )
    if not server.allows(document.path):
        raise JsonRpcInvalidParams("codeworld.generateDocstring: the document is ignored")
    import msgspec

    from codeworld.canvas import Reject

    text = document.text
    async with progress(server, "Codeworld: docstrings", cancellable=True) as bar:
        found = await _find(server, document, qualname, style, lambda: bar.cancelled)
    if isinstance(found, Reject):
        if found.reason == "cancelled":
            raise JsonRpcRequestCancelled("stopped")
        return {"applied": False, "reason": f"{found.reason}: {found.detail}".strip(": ")}
    if document.text != text:
        return {"applied": False, "reason": "the document has changed"}
    params = lsp.ApplyWorkspaceEditParams(edit=_edit(server, document, found), label="Codeworld: docstrings")
    answer = await server.ask_client(server.workspace_apply_edit_async(params), _APPLY_S)
    applied = isinstance(answer, lsp.ApplyWorkspaceEditResult) and answer.applied
    return {"applied": applied, "offers": msgspec.to_builtins(found)}


async def _find(
    server: CodeworldServer,
    document: OpenDocument,
    qualname: str | None,
    style: object,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[Offer] | Reject:
    """The docstrings, found in a thread; cancelling the caller stops it."""
    text, path = document.text, document.path
    folder = server.folders.of(path) if path is not None else None
    stop = threading.Event()

    def should_stop() -> bool:
        return stop.is_set() or is_cancelled()

    def work() -> list[Offer] | Reject:
        from textdiff.docstring import document as docstrings
        from textdiff.docstring import project, styles

        known = project.around(path, folder.root, folder.rules, should_stop) if path and folder else None
        settings = docstrings.Settings(style=styles.Style(style) if style else None)  # type: ignore[arg-type]
        before = project.committed(path, folder.root) if path and folder else None
        return docstrings.offers(
            text, project=known, before=before, qualname=qualname, settings=settings, should_stop=should_stop
        )

    try:
        return await in_background("docstring", work)
    finally:
        stop.set()


def _edit(server: CodeworldServer, document: OpenDocument, found: list[Offer]) -> lsp.WorkspaceEdit:
    from codeworld.repair.edits import Fix
    from textdiff.docstring.document import apply

    edits = tuple(sorted((one.edit for one in found), key=lambda edit: edit.start_char))
    return workspace_edit(server, document, Fix(edits, apply(document.text, found), "docstring", 1.0))


def _refused(action: lsp.CodeAction, why: str) -> lsp.CodeAction:
    action.disabled = lsp.CodeActionDisabled(reason=why)
    return action

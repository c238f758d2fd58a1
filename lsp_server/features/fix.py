"""workspace/executeCommand: ``codeworld.fix``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from lsp_server.background import post
from lsp_server.progress import progress
from lsp_server.repairer import find_fixes, find_type_fixes, workspace_edit
from lsp_server.server import CodeworldServer

if TYPE_CHECKING:
    from codeworld.repair.edits import Fix
    from codeworld.repair.typed import Checker
    from codeworld.verify.project_tests import ProjectTests
    from lsp_server.session import OpenDocument

_APPLY_S = 10.0
_USAGE = (
    "codeworld.fix takes the URI of an open document, a test command, a description, whether to check types"
)


def register(server: CodeworldServer) -> None:
    """Add the command."""
    server.command("codeworld.fix")(fix)


async def fix(
    server: CodeworldServer,
    uri: object = None,
    test: object = None,
    describe: object = "",
    types: object = False,
) -> dict[str, Any]:
    """Repair an open document and apply the best fix. ``test`` is a command that must succeed; with ``types`` the
    project's type checker may find no new error or, without a test, what it finds is repaired. Both run in the
    sandbox, and only because the user says so here.

    Raises JsonRpcInvalidParams for what is no open document, JsonRpcRequestCancelled when the user stops it.
    """
    document = server.session.get(uri) if isinstance(uri, str) else None
    if document is None or not isinstance(test, str | None) or not isinstance(describe, str):
        raise JsonRpcInvalidParams(_USAGE)
    if not server.allows(document.path):
        raise JsonRpcInvalidParams("codeworld.fix: the document is ignored")
    from codeworld.canvas import Reject
    from codeworld.errors import BadInput
    from codeworld.repair.localise import fault
    from codeworld.repair.repair import Settings
    from codeworld.verify.type_check import comparison

    text, loop = document.text, asyncio.get_running_loop()
    settings = Settings(describe=describe)
    async with progress(server, "Codeworld: looking for a fix", cancellable=True) as bar:
        given: dict[str, Callable[..., Any]] = {
            "is_cancelled": lambda: bar.cancelled,
            "report": lambda done, total: post(loop, bar.report, done, total),
        }
        checker = _checker(server, document, given["is_cancelled"]) if types else None
        try:
            if checker and not test and not describe and fault(text) is None:
                found = await find_type_fixes(text, checker, **given)
            else:
                found = await find_fixes(
                    server,
                    text,
                    settings,
                    with_model=True,
                    tests=_tests(server, document, test, given["is_cancelled"]) if test else None,
                    types=comparison(checker, text) if checker else None,
                    **given,
                )
        except BadInput as error:
            raise JsonRpcInvalidParams(f"codeworld.fix: {error}") from error
    if isinstance(found, Reject):
        if found.reason == "cancelled":
            raise JsonRpcRequestCancelled("stopped")
        return {"applied": False, "reason": f"{found.reason} {found.detail}".strip()}
    return await _apply(server, document, text, found[0])


async def _apply(server: CodeworldServer, document: OpenDocument, text: str, best: Fix) -> dict[str, Any]:
    """Have the editor apply the fix of ``text``, unless the user has changed it."""
    if document.text != text:
        return {"applied": False, "reason": "the document has changed"}
    edit = lsp.ApplyWorkspaceEditParams(edit=workspace_edit(server, document, best), label="Codeworld: fix")
    answer = await server.ask_client(server.workspace_apply_edit_async(edit), _APPLY_S)
    applied = isinstance(answer, lsp.ApplyWorkspaceEditResult) and answer.applied
    return {"applied": applied, "kind": best.kind, "confidence": best.confidence, "checks": list(best.checks)}


def _tests(
    server: CodeworldServer, document: OpenDocument, test: str, should_stop: Callable[[], bool]
) -> ProjectTests:
    """The user's command with each program in the document's place. Raises BadInput, JsonRpcInvalidParams."""
    from codeworld.verify.project_tests import ProjectTests

    if document.path is None:
        raise JsonRpcInvalidParams("codeworld.fix: a test needs a file")
    return ProjectTests(document.path, server.folders.of(document.path).root, test, should_stop)


def _checker(
    server: CodeworldServer, document: OpenDocument, should_stop: Callable[[], bool]
) -> Checker | None:
    """The project's type checker. Raises JsonRpcInvalidParams."""
    from codeworld.verify.type_check import find

    path = document.path
    if path is None:
        raise JsonRpcInvalidParams("codeworld.fix: types need a file")
    found = find(server.folders.of(path).root)
    return None if found is None else lambda text: found.complaints(path, text, should_stop)

"""workspace/executeCommand: ``codeworld.fix``."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from lsp_server.background import post
from lsp_server.progress import progress
from lsp_server.repairer import find_fixes, workspace_edit
from lsp_server.server import CodeworldServer

if TYPE_CHECKING:
    from codeworld.repair.edits import Fix
    from codeworld.repair.verify import Judge
    from lsp_server.session import OpenDocument

_APPLY_S = 10.0


def register(server: CodeworldServer) -> None:
    """Add the command."""
    server.command("codeworld.fix")(fix)


async def fix(
    server: CodeworldServer, uri: object = None, test: object = None, describe: object = ""
) -> dict[str, Any]:
    """Repair an open document and apply the best fix. ``test`` is a command that must succeed; it runs in the
    sandbox, and only because the user names it here.

    Raises JsonRpcInvalidParams for what is no open document, JsonRpcRequestCancelled when the user stops it.
    """
    document = server.session.get(uri) if isinstance(uri, str) else None
    if document is None or not isinstance(test, str | None) or not isinstance(describe, str):
        raise JsonRpcInvalidParams(
            "codeworld.fix takes the URI of an open document, a test command, a description"
        )
    if not server.allows(document.path):
        raise JsonRpcInvalidParams("codeworld.fix: the document is ignored")
    from codeworld.canvas import Reject
    from codeworld.repair.repair import Settings

    text, loop = document.text, asyncio.get_running_loop()
    settings = Settings(describe=describe, two_edits=bool(test), least_tests=16)
    async with progress(server, "Codeworld: looking for a fix", cancellable=True) as bar:
        found = await find_fixes(
            server,
            text,
            settings,
            with_model=True,
            judge=_judge(server, document, test, lambda: bar.cancelled) if test else None,
            is_cancelled=lambda: bar.cancelled,
            report=lambda done, total: post(loop, bar.report, done, total),
        )
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


def _judge(
    server: CodeworldServer, document: OpenDocument, test: str, should_stop: Callable[[], bool]
) -> Judge:
    """The user's command with each program in the document's place. Raises JsonRpcInvalidParams."""
    from codeworld.verify import sandbox

    path = document.path
    try:
        command = shlex.split(test)
    except ValueError as error:
        raise JsonRpcInvalidParams("codeworld.fix: the test is no command line") from error
    if path is None or not command:
        raise JsonRpcInvalidParams("codeworld.fix: a test needs a file and a command")
    root = server.folders.of(path).root

    def passes(program: str) -> bool:
        changed = {Path(path).resolve(): program}
        return sandbox.run(command, project=root, changed=changed, should_stop=should_stop).status == "passed"

    def judge(programs: Sequence[str]) -> list[bool]:
        return [not should_stop() and passes(program) for program in programs]

    return judge

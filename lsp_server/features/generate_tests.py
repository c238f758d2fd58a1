"""The code action ``source.generateTests`` and workspace/executeCommand ``codeworld.generateTests``.

Both run the document's code in the sandbox, so both need a workspace that the user trusts (``tests.trusted``). Nothing
is written by the server: the editor gets an edit that it can show before it applies it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from lsp_server.background import post
from lsp_server.progress import progress
from lsp_server.server import CodeworldServer
from lsp_server.tester import NotUsable, find_tests, workspace_edit

if TYPE_CHECKING:
    from codeworld.canvas import Reject
    from codeworld.testgen.cases import Generated
    from lsp_server.session import OpenDocument

KIND = "source.generateTests"
OWNER = "codeworld.generateTests"
UNTRUSTED = "the workspace is not trusted (setting codeworld.tests.trusted): its code is not run"
_APPLY_S = 600.0  # a person looks at the preview


def register(server: CodeworldServer) -> None:
    """Add the command."""
    server.command("codeworld.generateTests")(generate_tests)


async def offer(server: CodeworldServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """Tests of the function, method or class at the place; of the whole file outside of all. Not offered by itself
    while the cursor moves."""
    context = params.context
    if context.only is None and context.trigger_kind is lsp.CodeActionTriggerKind.Automatic:
        return []
    document = server.session.get(params.text_document.uri)
    if document is None or document.path is None or not server.allows(document.path):
        return []
    from codeworld.syntax.trees import parsed
    from codeworld.testgen.target import at_line

    text = document.text
    if document.path.name.startswith("test_") or parsed(text) is None:
        return []
    qualname = at_line(text, params.range.start.line + 1)
    data = {"owner": OWNER, "uri": document.uri, "version": document.version, "qualname": qualname}
    action = lsp.CodeAction(
        f"Codeworld: generate tests of {qualname or document.path.name}", kind=KIND, data=data
    )
    if not server.settings.tests.trusted:
        action.disabled = lsp.CodeActionDisabled(reason=UNTRUSTED)
    return [action]


async def resolve(server: CodeworldServer, action: lsp.CodeAction) -> lsp.CodeAction:
    """The action with its edit; ``disabled`` says why there is none."""
    data: Any = action.data
    document = server.session.get(str(data.get("uri")))
    if document is None or document.version != data.get("version"):
        action.disabled = lsp.CodeActionDisabled(reason="the document has changed")
        return action
    try:
        made = await _find(server, document, str(data.get("qualname", "")))
        action.edit = workspace_edit(server, made)
        action.disabled = None
    except NotUsable as error:
        action.disabled = lsp.CodeActionDisabled(reason=str(error))
    return action


async def generate_tests(
    server: CodeworldServer, uri: object = None, qualname: object = ""
) -> dict[str, Any]:
    """Make tests of an open document, or of a function or class of it, and have the editor apply them. The answer says
    whether it did, how the tests are run, what is suspected to be a bug and what is not tested.

    Raises JsonRpcInvalidParams for what is no open document, JsonRpcRequestCancelled when the user stops it.
    """
    from codeworld.testgen.doubts import said

    document = server.session.get(uri) if isinstance(uri, str) else None
    if document is None or not isinstance(qualname, str):
        raise JsonRpcInvalidParams(
            "codeworld.generateTests takes the URI of an open document, a qualified name"
        )
    if document.path is None or not server.allows(document.path):
        raise JsonRpcInvalidParams("codeworld.generateTests: the document is ignored, or no file")
    try:
        made = await _find(server, document, qualname)
        edit = workspace_edit(server, made)
    except NotUsable as error:
        return {"applied": False, "reason": str(error)}
    params = lsp.ApplyWorkspaceEditParams(edit=edit, label="Codeworld: generate tests")
    answer = await server.ask_client(server.workspace_apply_edit_async(params), _APPLY_S)
    return {
        "applied": isinstance(answer, lsp.ApplyWorkspaceEditResult) and answer.applied,
        "path": made.path,
        "new": made.before is None,
        "tests": len(made.kept),
        "command": list(made.command),
        "doubts": [_plain(one) for one in made.doubts],
        "suspected": [f"line {one.line}: {said(one)}" for one in made.doubts],
        "untested": [_plain(one) for one in made.untested],
        "missing": list(made.missing),
    }


async def _find(server: CodeworldServer, document: OpenDocument, qualname: str) -> Generated:
    """Tests, with a bar that can be cancelled. Raises NotUsable."""
    from codeworld.canvas import Reject

    if not server.settings.tests.trusted:
        raise NotUsable(UNTRUSTED)
    loop, text = asyncio.get_running_loop(), document.text
    name = qualname or (document.path.name if document.path else "")
    async with progress(server, f"Codeworld: tests of {name}", cancellable=True) as bar:
        made: Generated | Reject = await find_tests(
            server,
            document,
            qualname,
            is_cancelled=lambda: bar.cancelled,
            report=lambda done, total: post(loop, bar.report, done, total),
        )
    if isinstance(made, Reject):
        if made.reason == "cancelled":
            raise JsonRpcRequestCancelled("stopped")
        raise NotUsable(f"{made.reason} {made.detail}".strip())
    if document.text != text:
        raise NotUsable("the document has changed")
    return made


def _plain(value: object) -> object:
    import msgspec

    return msgspec.to_builtins(value)

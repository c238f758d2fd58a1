"""The code action ``quickfix``. It is offered only where a repair was found that passes its checks; which of the
repairs it is, the model says when the action is resolved."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as lsp

from lsp_server.repairer import find_fixes, workspace_edit
from lsp_server.server import CodeworldServer

_THRESHOLD = 0.5  # as on the command line
OWNER = "codeworld.quickfix"
KIND = lsp.CodeActionKind.QuickFix


async def offer(server: CodeworldServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """At most one: the repair of a program that does not parse, asked for at its first error or at a diagnostic."""
    document = server.session.get(params.text_document.uri)
    if document is None or not server.allows(document.path):
        return []
    from codeworld.canvas import Reject
    from codeworld.repair.localise import fault
    from codeworld.repair.repair import Settings

    text, version = document.text, document.version
    error = fault(text)
    asked = [params.range, *(one.range for one in params.context.diagnostics)]
    lines = {line for where in asked for line in _lines(where)}
    if error is None or error.line not in lines:
        return []
    found = await find_fixes(server, text, Settings(threshold=_THRESHOLD), with_model=False)
    if isinstance(found, Reject) or document.text != text:
        return []
    about = [one for one in params.context.diagnostics if error.line in _lines(one.range)]
    data = {"owner": OWNER, "uri": document.uri, "version": version}
    title = f"Codeworld: repair the syntax error in line {error.line + 1}"
    return [lsp.CodeAction(title, kind=KIND, diagnostics=about or None, data=data)]


async def resolve(server: CodeworldServer, action: lsp.CodeAction) -> lsp.CodeAction:
    """The action with its edit; ``disabled`` says why there is none."""
    data: Any = action.data
    document = server.session.get(str(data.get("uri")))
    if document is None or document.version != data.get("version"):
        return _refused(action, "the document has changed")
    from codeworld.canvas import Reject
    from codeworld.repair.rank import QUICK
    from codeworld.repair.repair import Settings

    text = document.text
    found = await find_fixes(server, text, Settings(threshold=_THRESHOLD, budget=QUICK), with_model=True)
    if isinstance(found, Reject):
        return _refused(action, found.reason)
    if document.text != text:
        return _refused(action, "the document has changed")
    action.edit = workspace_edit(server, document, found[0])
    return action


def _refused(action: lsp.CodeAction, why: str) -> lsp.CodeAction:
    action.disabled = lsp.CodeActionDisabled(reason=why)
    return action


def _lines(where: lsp.Range) -> range:
    return range(where.start.line, where.end.line + 1)

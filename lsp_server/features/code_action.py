"""textDocument/codeAction and codeAction/resolve: each kind of action has a file of its own, which offers it and,
by the ``owner`` in its data, completes it."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as lsp

from lsp_server.features import generate_docstring, generate_tests, quickfix
from lsp_server.server import CodeworldServer

_OWNERS = {
    quickfix.OWNER: quickfix,
    generate_docstring.OWNER: generate_docstring,
    generate_tests.OWNER: generate_tests,
}


def register(server: CodeworldServer) -> None:
    """Add the features."""
    kinds: list[str] = [str(_value(one.KIND)) for one in _OWNERS.values()]
    options = lsp.CodeActionOptions(code_action_kinds=kinds, resolve_provider=True)
    server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, options)(code_action)
    server.feature(lsp.CODE_ACTION_RESOLVE)(resolve)


async def code_action(server: CodeworldServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    """What can be done at a place, of the kinds that are asked for."""
    only = params.context.only
    found: list[lsp.CodeAction] = []
    for one in _OWNERS.values():
        kind = str(_value(one.KIND))
        if only is None or any(f"{kind}.".startswith(f"{_value(asked)}.") for asked in only):
            found += await one.offer(server, params)
    return found


async def resolve(server: CodeworldServer, action: lsp.CodeAction) -> lsp.CodeAction:
    """The action with its edit; ``disabled`` says why there is none, and so does a message: no editor shows what an
    action that was offered is refused for."""
    data: Any = action.data
    owner = _OWNERS.get(str(data.get("owner"))) if isinstance(data, dict) else None
    if owner is None:
        return action
    resolved: lsp.CodeAction = await owner.resolve(server, action)
    if resolved.disabled is not None and resolved.edit is None:
        text = f"{resolved.title}: {resolved.disabled.reason}"
        server.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Info, text))
    return resolved


def _value(kind: object) -> object:
    return getattr(kind, "value", kind)

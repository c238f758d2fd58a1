"""workspace/executeCommand: ``codeworld.commitMessage``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from lsp_server.background import in_background
from lsp_server.features.summary import folder_of
from lsp_server.progress import progress
from lsp_server.server import CodeworldServer


def register(server: CodeworldServer) -> None:
    """Add the command."""
    server.command("codeworld.commitMessage")(commit_message)


async def commit_message(server: CodeworldServer, uri: object = None) -> dict[str, Any]:
    """A message for what is staged in the workspace's folder ``uri`` (the first one when left out); ``reason`` says why
    there is none.

    Raises JsonRpcInvalidParams for what is no folder of the workspace, JsonRpcRequestCancelled when the user stops it.
    """
    root = folder_of(server, uri)
    if root is None:
        raise JsonRpcInvalidParams("codeworld.commitMessage takes a folder of the workspace")

    async with progress(server, "Codeworld: reading the staged changes", cancellable=True) as bar:
        stop = threading.Event()
        try:
            return await in_background("commit-message", _work(root, lambda: stop.is_set() or bar.cancelled))
        finally:
            stop.set()


def _work(root: Path, should_stop: Callable[[], bool]) -> Callable[[], dict[str, Any]]:
    """What the thread does."""

    def compose() -> dict[str, Any]:
        import msgspec

        from codeworld.canvas import Reject
        from textdiff.commit.message import message

        found = message(root, should_stop=should_stop)
        if isinstance(found, Reject):
            if found.reason == "cancelled":
                raise JsonRpcRequestCancelled("stopped")
            return {"message": "", "reason": found.reason, "detail": found.detail}
        return {"message": found.text, **msgspec.to_builtins(found)}

    return compose

"""Work-done progress that the server starts: shown when the client can, cancellable, harmless when it does
not answer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from lsprotocol import types as lsp

if TYPE_CHECKING:
    from lsp_server.server import CodeworldServer

CREATE_TIMEOUT_S = 5.0
_numbers = itertools.count(1)


class Progress:
    """One bar in the editor. All methods belong on the event loop's thread, except reading ``cancelled``."""

    def __init__(self, server: CodeworldServer, token: str | None) -> None:
        self._server = server
        self._token = token
        self._percentage = -1

    @property
    def cancelled(self) -> bool:
        """Whether the user pressed cancel."""
        if self._token is None:
            return False
        future = self._server.work_done_progress.tokens.get(self._token)
        return future is not None and future.cancelled()

    def report(self, done: int, total: int) -> None:
        """Show how far it is; sends nothing unless the percentage changed."""
        percentage = 100 * done // max(total, 1)
        if self._token is not None and percentage != self._percentage:
            self._percentage = percentage
            value = lsp.WorkDoneProgressReport(message=f"{done}/{total}", percentage=percentage)
            self._server.work_done_progress.report(self._token, value)


@contextlib.asynccontextmanager
async def progress(server: CodeworldServer, title: str, *, cancellable: bool) -> AsyncIterator[Progress]:
    """A bar that is shown while the block runs."""
    token = await _create(server)
    bars = server.work_done_progress
    if token is not None:
        percentage = 0 if cancellable else None
        bars.begin(
            token, lsp.WorkDoneProgressBegin(title=title, cancellable=cancellable, percentage=percentage)
        )
    try:
        yield Progress(server, token)
    finally:
        if token is not None:
            bars.end(token, lsp.WorkDoneProgressEnd())
            bars.tokens.pop(token, None)


async def _create(server: CodeworldServer) -> str | None:
    """The token of a new bar, None when the client shows none or does not answer."""
    window = server.client_capabilities.window
    if window is None or not window.work_done_progress:
        return None
    token = f"codeworld-{next(_numbers)}"
    asked = asyncio.ensure_future(server.work_done_progress.create_async(token))
    try:
        # Shielded: cancelling a task that awaits the client's answer makes pygls raise InvalidStateError.
        await asyncio.wait_for(asyncio.shield(asked), CREATE_TIMEOUT_S)
    except asyncio.CancelledError:
        raise
    except Exception:  # the client refused, or never answered
        asked.add_done_callback(lambda task: task.cancelled() or task.exception())
        return None
    return token

"""pygls's protocol with the answers it does not give itself.

Every request is answered exactly once: also one that cannot be understood (-32602, -32700), one that comes
before ``initialize`` (-32002) or after ``shutdown`` (-32600). Nothing pops up in the editor because of it.
Text of documents is mirrored by lsp_server.session only, so pygls's own copy is switched off.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from cattrs import Converter, transform_error
from lsprotocol import types as lsp
from pygls.protocol import LanguageServerProtocol, lsp_method

if TYPE_CHECKING:
    from lsp_server.server import CodeworldServer

log = logging.getLogger("codeworld.server")

SERVER_NOT_INITIALIZED = -32002
_SINGLE_HANDLER = (
    lsp.TEXT_DOCUMENT_DID_OPEN,
    lsp.TEXT_DOCUMENT_DID_CHANGE,
    lsp.TEXT_DOCUMENT_DID_CLOSE,
    lsp.NOTEBOOK_DOCUMENT_DID_OPEN,
    lsp.NOTEBOOK_DOCUMENT_DID_CHANGE,
    lsp.NOTEBOOK_DOCUMENT_DID_CLOSE,
)


class AnsweringProtocol(LanguageServerProtocol):
    """One client's conversation."""

    _server: CodeworldServer

    def __init__(self, server: CodeworldServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self._initialized = False
        for (
            method
        ) in _SINGLE_HANDLER:  # pygls's copy of each text costs milliseconds per change of a large file
            self.fm.builtin_features.pop(method, None)

    def receive(self, body: bytes) -> None:
        """Handle one message. Never raises."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            self.refuse(None, lsp.ErrorCodes.ParseError, "not JSON")
            return
        try:
            self._dispatch(message)
        except Exception as error:  # a bug of ours must not end the session
            log.error("a message was dropped: %s", type(error).__name__)

    def refuse(self, request_id: int | str | None, code: int, why: str) -> None:
        """Answer a request with an error."""
        # Not pygls's response type: it leaves out an id that is null.
        error = {"code": int(code), "message": why}
        self._send_data({"jsonrpc": self.VERSION, "id": request_id, "error": error})

    async def answer_all(self) -> None:
        """Cancel the requests that still run, so that they are answered before the process ends."""
        futures: list[object] = list(self._request_futures.values())
        running = [future for future in futures if isinstance(future, asyncio.Task)]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=0.5)

    def _dispatch(self, message: object) -> None:
        if not isinstance(message, dict) or message.get("jsonrpc") != self.VERSION:
            self.refuse(None, lsp.ErrorCodes.InvalidRequest, "not a JSON-RPC 2.0 message")
            return
        method, request_id = message.get("method"), message.get("id")
        if "id" in message and method is not None and not _is_id(request_id):
            self.refuse(None, lsp.ErrorCodes.InvalidRequest, "the id is neither a number nor a string")
            return
        if method is None and request_id not in self._request_futures:
            return  # an answer to nothing we asked
        early = self._out_of_order(method)
        if early is not None:
            if "id" in message:
                self.refuse(request_id, *early)
            return
        try:
            structured = self.structure_message(message)
        except Exception as error:
            self._malformed(message, error)
            return
        self._initialized |= method == lsp.INITIALIZE
        self.handle_message(structured)

    def _out_of_order(self, method: object) -> tuple[int, str] | None:
        if method is None or method == lsp.EXIT:
            return None
        if self._shutdown:
            return lsp.ErrorCodes.InvalidRequest, "the server is shut down"
        if self._initialized and method == lsp.INITIALIZE:
            return lsp.ErrorCodes.InvalidRequest, "the server is already initialized"
        if not self._initialized and method != lsp.INITIALIZE:
            return SERVER_NOT_INITIALIZED, "the server is not initialized"
        return None

    def _malformed(self, message: dict[str, Any], error: Exception) -> None:
        cause = error.__cause__ or error
        if "method" not in message:
            future = self._request_futures.pop(message["id"], None)
            if future is not None and not future.done():
                future.set_exception(ValueError("the client's answer cannot be understood"))
        elif "id" in message:
            self.refuse(message["id"], lsp.ErrorCodes.InvalidParams, _where(cause))
        else:
            log.warning("ignored a malformed %.60r: %s", message["method"], _where(cause))

    # What pygls does differently

    def _handle_cancel_notification(self, msg_id: int | str) -> None:
        # pygls would also "cancel" the futures of requests *we* sent, whose ids live in the same table.
        future = self._request_futures.get(msg_id)
        if future is not None:
            super()._handle_cancel_notification(msg_id)

    @lsp_method(lsp.EXIT)
    def lsp_exit(self, *arguments: object) -> None:  # type: ignore[override]
        """End the process: with 0 after a ``shutdown`` request, with 1 without."""
        self._server.stop(0 if self._shutdown else 1)

    @lsp_method(lsp.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # type: ignore[override]
        self, params: lsp.ExecuteCommandParams
    ) -> object:
        """Run a command; a coroutine, so that cancelling the request cancels the command too."""
        return await self._server.run_command(params.command, list(params.arguments or []))


def _is_id(value: object) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _where(error: BaseException) -> str:
    """What is wrong with the parameters, in one line, without the values: they may be text of a document."""
    try:
        lines = transform_error(error, format_exception=lambda problem, expected: type(problem).__name__)
    except Exception:
        lines = [type(error).__name__]
    return "invalid parameters: " + "; ".join(lines[:3])

"""The engine's sockets: accepts the user's own connections, cuts the stream into messages, writes replies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec

from codeworld.engine.core import Engine, Patience
from codeworld.engine.paths import is_own_peer
from codeworld.engine.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    EngineStatus,
    Failed,
    Filled,
    Reply,
    frame,
    request_decoder,
)
from codeworld.engine.worker import Backend, stack

log = logging.getLogger("codeworld.engine")

MAX_CONNECTIONS = 128
MAX_UNREAD_BYTES = 32 * 1024 * 1024  # of replies a client does not read; then it is cut off


class _Envelope(msgspec.Struct):
    """What can be read of a request whose body makes no sense."""

    id: int


_envelope_decoder = msgspec.msgpack.Decoder(_Envelope)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, front: Front, number: int) -> None:
        self._front = front
        self._number = number
        self._received = bytearray()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the client, unless it is another user's or one too many."""
        self.transport = cast(asyncio.Transport, transport)
        if not is_own_peer(transport.get_extra_info("socket")):
            log.warning("refused a connection of another user")
            self.transport.abort()
        elif self._front.ended.done():
            self.transport.abort()  # who is told nothing looks for the successor
        elif len(self._front.connections) >= MAX_CONNECTIONS:
            log.warning("refused a connection: %d are open", MAX_CONNECTIONS)
            self.transport.abort()
        else:
            self._front.connections[self._number] = self

    def data_received(self, data: bytes) -> None:
        """Handle each message that is complete."""
        self._received += data
        while self._number in self._front.connections and len(self._received) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._received)
            if length > MAX_FRAME_BYTES:
                self._cut_off(f"a frame of {length} bytes")
                return
            end = HEADER.size + length
            if len(self._received) < end:
                return
            body = bytes(self._received[HEADER.size : end])
            del self._received[:end]
            self._message(body)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the client and what it asked for."""
        if self._front.connections.pop(self._number, None) is not None:
            self._front.engine.disconnected(self._number)

    def send(self, request_id: int, body: Filled | EngineStatus | Failed) -> None:
        """Write one reply; a client that does not read its replies is cut off."""
        if self.transport is None or self.transport.is_closing():
            return
        try:
            data = frame(Reply(request_id, body))
        except ValueError:  # too large, or text that is not Unicode
            data = frame(Reply(request_id, Failed("crashed", "the reply cannot be encoded")))
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._cut_off("replies that are not read")

    def _message(self, body: bytes) -> None:
        try:
            request = request_decoder.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            self._malformed(body)
        else:
            self._front.engine.handle(self._number, request)

    def _malformed(self, body: bytes) -> None:
        try:
            request_id = _envelope_decoder.decode(body).id
        except (msgspec.DecodeError, ValueError, RecursionError):
            self._cut_off("a frame that is no message")
        else:
            self.send(request_id, Failed("bad-request", "the message has not the form of a request"))

    def _cut_off(self, why: str) -> None:
        log.warning("closed a connection: %s", why)
        assert self.transport is not None
        self.connection_lost(None)
        self.transport.abort()


class Front:
    """All connections, and the engine behind them."""

    def __init__(self, factory: Callable[[], Backend], patience: Patience) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_exception)
        self.connections: dict[int, Connection] = {}
        self.ended: asyncio.Future[str] = loop.create_future()
        self.engine = Engine(factory, self._send, loop.call_soon_threadsafe, self.end, patience)
        self._patience = patience
        self._count = 0

    def connect(self) -> Connection:
        """The protocol factory: one Connection for each accepted socket."""
        self._count += 1
        return Connection(self, self._count)

    def end(self, reason: str) -> None:
        """Make ``serve`` return."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def serve(self, listener: socket.socket) -> str:
        """Serve until told to end, long idle, or ``listener``'s path is no longer ours; returns the reason.

        The socket's file is removed first, so that nobody connects to an engine that is about to end.
        """
        path = Path(listener.getsockname())
        inode = path.stat().st_ino
        server = await asyncio.get_running_loop().create_unix_server(self.connect, sock=listener)
        while not self.ended.done():
            await asyncio.wait({self.ended}, timeout=self._patience.tick_s)
            self.engine.tick(len(self.connections))
            if _inode(path) != inode:
                self.end("the socket's file is gone")
        if _inode(path) == inode:
            path.unlink()
        server.close()
        await self._close_connections()
        return self.ended.result()

    async def _close_connections(self) -> None:
        """Answer what is open, let the clients read it, then end the worker."""
        stopped = self.engine.close(timeout_s=0)
        for connection in list(self.connections.values()):
            if connection.transport is not None:
                connection.transport.close()  # after what is buffered was written
        deadline = asyncio.get_running_loop().time() + 1.0
        while self.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.005)
        if not stopped:
            await asyncio.to_thread(self.engine.close, 2.0)

    def _send(self, connection: int, request_id: int, body: Filled | EngineStatus | Failed) -> None:
        client = self.connections.get(connection)
        if client is not None:
            client.send(request_id, body)


def _inode(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return os.stat(path).st_ino
    return None


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """asyncio's own handler would print messages and reprs, which may quote a document."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        log.error("in the event loop: %s [%s]", type(error).__name__, stack(error))
    else:
        log.error("in the event loop")

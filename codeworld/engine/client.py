"""A synchronous client of the engine, for the command line. (The language server has an asyncio one.)

One exchange at a time; threads take turns. Nothing here waits longer than its time-out.
"""

from __future__ import annotations

import contextlib
import select
import socket as sockets
import threading
import time
from pathlib import Path
from types import TracebackType

import msgspec

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.engine.paths import is_own_peer
from codeworld.engine.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    Cancel,
    EngineStatus,
    Failed,
    Filled,
    Infill,
    Load,
    Priority,
    Request,
    Shutdown,
    Status,
    frame,
    reply_decoder,
)
from codeworld.engine.spawn import (
    START_TIMEOUT_S,
    EngineUnavailable,
    default_socket,
    ensure_running,
    spawn_engine,
)

__all__ = ["EngineClient", "EngineUnavailable", "ensure_running", "spawn_engine"]

INFILL_TIMEOUT_S = 120.0  # the first one loads the model
LOAD_TIMEOUT_S = 300.0
STATUS_TIMEOUT_S = 5.0

Body = Infill | Status | Load | Shutdown
Answer = Filled | EngineStatus | Failed


class _Closed(Exception):
    """The engine closed the connection."""


class EngineClient:
    """Connects when first asked, starting the engine if ``spawn``; reconnects after the engine ended."""

    def __init__(self, *, socket: Path | None = None, spawn: bool = True) -> None:
        self._path = socket
        self._spawn = spawn
        self._lock = threading.Lock()
        self._connection: sockets.socket | None = None
        self._received = bytearray()
        self._count = 0

    def infill(
        self,
        hole: InfillRequest,
        *,
        document: str = "",
        priority: Priority = "interactive",
        timeout_s: float | None = None,
    ) -> InfillReply | Failed:
        """The fill, or why there is none. Raises nothing: an engine that cannot start ("unavailable"), that dies
        while it answers ("crashed") or takes longer than ``timeout_s`` ("cancelled") is a value too."""
        try:
            answer = self._ask(
                Infill(hole, document, priority), INFILL_TIMEOUT_S if timeout_s is None else timeout_s
            )
        except EngineUnavailable as error:
            return Failed("unavailable", str(error))
        if isinstance(answer, EngineStatus):
            return Failed("crashed", "the engine sent a wrong kind of answer")
        return answer.reply if isinstance(answer, Filled) else answer

    def status(self) -> EngineStatus:
        """What the engine is doing. Raises EngineUnavailable."""
        return _status(self._ask(Status(), STATUS_TIMEOUT_S))

    def load(self, timeout_s: float | None = None) -> EngineStatus:
        """Load the model and wait for it; ``state`` says whether it worked. Raises EngineUnavailable."""
        return _status(self._ask(Load(), LOAD_TIMEOUT_S if timeout_s is None else timeout_s))

    def shutdown(self) -> None:
        """End the engine if one runs, and wait until its socket is closed (5 s at most)."""
        with self._lock, contextlib.suppress(EngineUnavailable):
            deadline_s = time.monotonic() + STATUS_TIMEOUT_S
            self._connect(False, deadline_s)
            self._exchange(Shutdown(), deadline_s)
            self._await_end(deadline_s)
            self._disconnect()

    def close(self) -> None:
        """Close the connection; the engine cancels what was asked over it."""
        with self._lock:
            self._disconnect()

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, body: Body, timeout_s: float) -> Answer:
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            answer = self._connected_exchange(body, deadline_s)
            if answer == Failed("closing") and self._spawn:
                # We met an engine that was about to end: its successor is asked, once.
                self._await_end(min(deadline_s, time.monotonic() + STATUS_TIMEOUT_S))
                self._disconnect()
                answer = self._connected_exchange(body, deadline_s)
            return answer

    def _connected_exchange(self, body: Body, deadline_s: float) -> Answer:
        self._connect(self._spawn, deadline_s)
        try:
            return self._exchange(body, deadline_s)
        except BaseException:
            self._disconnect()  # Ctrl-C in the middle of a frame: what follows would be misread
            raise

    def _exchange(self, body: Body, deadline_s: float) -> Answer:
        """Send one request and wait for its answer; failures of the transport become Failed."""
        self._count += 1
        request_id = self._count
        try:
            data = frame(Request(request_id, body))
        except ValueError:
            return Failed("bad-request", f"larger than {MAX_FRAME_BYTES} bytes, or text that is not Unicode")
        try:
            self._send(data, deadline_s)
            while True:
                reply = reply_decoder.decode(self._receive(deadline_s))
                if reply.id == request_id:  # others are late answers to requests given up before
                    return reply.body
        except TimeoutError:
            self._give_up(request_id)
            return Failed("cancelled", "no answer in time")
        except (_Closed, OSError):
            self._disconnect()
            return Failed("crashed", "the engine ended while it answered")
        except msgspec.DecodeError:
            self._disconnect()
            return Failed("crashed", "the engine speaks another protocol: restart it")

    def _give_up(self, request_id: int) -> None:
        try:
            self._send(frame(Request(self._count + 1, Cancel(request_id))), time.monotonic() + 0.1)
            self._count += 1
        except (_Closed, OSError):
            self._disconnect()

    def _send(self, data: bytes, deadline_s: float) -> None:
        connection = self._open()
        connection.settimeout(_left_s(deadline_s))
        try:
            connection.sendall(data)
        except TimeoutError:
            self._disconnect()  # half a frame may be out: nothing can follow it
            raise

    def _receive(self, deadline_s: float) -> bytes:
        """The body of the next frame. Keeps what it has of an incomplete one when it times out."""
        while True:
            if len(self._received) >= HEADER.size:
                (length,) = HEADER.unpack_from(self._received)
                if length > MAX_FRAME_BYTES:
                    raise _Closed
                if len(self._received) >= HEADER.size + length:
                    body = bytes(self._received[HEADER.size : HEADER.size + length])
                    del self._received[: HEADER.size + length]
                    return body
            self._open().settimeout(_left_s(deadline_s))
            data = self._open().recv(1 << 18)
            if not data:
                raise _Closed
            self._received += data

    def _await_end(self, deadline_s: float) -> None:
        with contextlib.suppress(_Closed, OSError):
            while self._connection is not None:
                self._receive(deadline_s)

    def _open(self) -> sockets.socket:
        if self._connection is None:
            raise _Closed
        return self._connection

    def _connect(self, spawn: bool, deadline_s: float) -> None:
        """Make sure of a connection. Raises EngineUnavailable."""
        if self._connection is not None and not _has_ended(self._connection):
            return
        self._disconnect()
        left_s = max(0.0, deadline_s - time.monotonic())
        path = (
            ensure_running(self._path, min(START_TIMEOUT_S, left_s))
            if spawn
            else self._path or default_socket()
        )
        connection = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        try:
            connection.settimeout(STATUS_TIMEOUT_S)
            connection.connect(str(path))
            if not is_own_peer(connection):
                raise PermissionError(f"{path} belongs to another user")
        except OSError as error:
            connection.close()
            raise EngineUnavailable(f"no engine listens at {path}") from error
        self._connection = connection

    def _disconnect(self) -> None:
        self._received.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _has_ended(connection: sockets.socket) -> bool:
    """Whether the engine closed this connection while nobody was asking (it ends when it is idle)."""
    try:
        if not select.select([connection], [], [], 0)[0]:
            return False
        return not connection.recv(1, sockets.MSG_PEEK)
    except OSError:
        return True


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _status(answer: Answer) -> EngineStatus:
    if isinstance(answer, EngineStatus):
        return answer
    detail = answer.detail if isinstance(answer, Failed) else ""
    reason = answer.reason if isinstance(answer, Failed) else "wrong kind of answer"
    raise EngineUnavailable(f"the engine does not answer ({reason}{': ' + detail if detail else ''})")

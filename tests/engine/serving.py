"""An engine in the test's own process, with a model the test holds and releases, and clients that speak bytes."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.engine import process
from codeworld.engine.core import Patience
from codeworld.engine.front import Front
from codeworld.engine.protocol import (
    HEADER,
    EngineStatus,
    Failed,
    Filled,
    Infill,
    Priority,
    Reply,
    Request,
    Status,
    frame,
    reply_decoder,
)
from tests.engine.slow_engine import SlowBackend, Stopped

Body = Filled | EngineStatus | Failed


class HeldBackend(SlowBackend):
    """A fill whose prefix contains ``hold`` lasts until ``release`` is set or it is told to stop (unless DEAF)."""

    def __init__(self) -> None:
        super().__init__()
        self.hold = "HOLD"
        self.begun: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.stopped: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.release = threading.Event()

    def infill(self, request: InfillRequest, should_stop: Callable[[], bool]) -> InfillReply:
        self.begun.put(request.prefix)
        while self.hold in request.prefix and not self.release.wait(0.001):
            if should_stop() and "DEAF" not in request.prefix:
                self.stopped.put(request.prefix)
                raise Stopped
        return super().infill(request, should_stop)

    async def begins(self) -> str:
        """The prefix of the next fill the model begins with."""
        return await asyncio.to_thread(self.begun.get, timeout=30)

    async def stops(self) -> str:
        """The prefix of the next fill the model is stopped in."""
        return await asyncio.to_thread(self.stopped.get, timeout=30)


class Peer:
    """A client that speaks bytes and messages, several at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.count = 0

    def send(self, body: object) -> int:
        """Send without waiting; the request's id."""
        self.count += 1
        self.writer.write(frame(Request(self.count, body)))  # type: ignore[arg-type]
        return self.count

    def infill(self, prefix: str, document: str = "", priority: Priority = "interactive") -> int:
        return self.send(Infill(InfillRequest(prefix, "\n"), document, priority))

    async def receive(self) -> tuple[int, Body]:
        (length,) = HEADER.unpack(await asyncio.wait_for(self.reader.readexactly(HEADER.size), 30))
        reply: Reply = reply_decoder.decode(await self.reader.readexactly(length))
        return reply.id, reply.body

    async def ask(self, body: object) -> Body:
        """Send and wait for the answer, which must be the next one that comes."""
        request_id = self.send(body)
        answered, answer = await self.receive()
        assert answered == request_id
        return answer

    async def ends(self) -> bytes:
        """Wait until the engine closes the connection; what came before that."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), 30)
        return b""


class Serving:
    """A served Front. ``task`` returns the reason the engine ended."""

    def __init__(self, front: Front, task: asyncio.Task[str], path: str) -> None:
        self.front = front
        self.task = task
        self.path = path
        self.peers: list[Peer] = []

    async def connect(self) -> Peer:
        self.peers.append(Peer(*await asyncio.open_unix_connection(self.path)))
        return self.peers[-1]


# Of these only what a test shortens may happen.
NEVER = {"idle_s": 1e6, "exit_s": 1e6, "retry_load_s": 1e6, "stuck_s": 1e6, "unused_s": 1e6}
DEFAULT_PATIENCE = Patience()


@contextlib.asynccontextmanager
async def serving(
    factory: Callable[[], SlowBackend], patience: Patience = DEFAULT_PATIENCE
) -> AsyncIterator[Serving]:
    """Serve in this loop; needs the ``runtime`` fixture."""
    listener = process.listen()
    front = Front(factory, patience)
    served = Serving(front, asyncio.create_task(front.serve(listener)), listener.getsockname())
    try:
        yield served
    finally:
        front.end("the test is over")
        await asyncio.wait_for(served.task, 30)
        for peer in served.peers:
            peer.writer.close()
            with contextlib.suppress(OSError):
                await peer.writer.wait_closed()


def texts(body: Body) -> list[str]:
    assert isinstance(body, Filled), body
    return [candidate.text for candidate in body.reply.candidates]


async def state(peer: Peer) -> EngineStatus:
    body = await peer.ask(Status())
    assert isinstance(body, EngineStatus)
    return body


async def until(peer: Peer, wanted: str) -> EngineStatus:
    """Poll until the engine is in this state."""
    while (status := await state(peer)).state != wanted:
        await asyncio.sleep(0.005)
    return status

"""The engine process as the server's event loop sees it: many questions at a time over one socket.

Nothing here raises but CancelledError: an engine that cannot be started, or dies while it answers, is an
answer (``Failed``). The connection is made when first needed and made again after it broke; while the engine
cannot be reached, attempts come ever more rarely, and the user is told once. A request is sent again only to the
successor of an engine that was closing: one that kills the engine would kill the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.engine import paths
from codeworld.engine.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    VERSION,
    Cancel,
    EngineStatus,
    Failed,
    Filled,
    Infill,
    Load,
    Priority,
    Reply,
    Request,
    Status,
    frame,
    reply_decoder,
)
from codeworld.engine.spawn import (
    START_TIMEOUT_S,
    EngineUnavailable,
    default_socket,
    lock_owner,
    spawn_engine,
)

log = logging.getLogger("codeworld.server")

Answer = Filled | EngineStatus | Failed
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
STATUS_TIMEOUT_S = 5.0
LOAD_TIMEOUT_S = 300.0
INFILL_TIMEOUT_S = 60.0
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0


class EngineConnection:
    """``trouble`` is told, in one line for the user, why completions are degraded, and ``note`` what went wrong but
    mends itself: once per reason, and again only after the engine worked in between. ``spawn`` may be changed at
    any time."""

    def __init__(
        self, trouble: Callable[[str], None], note: Callable[[str], None], *, spawn: bool = True
    ) -> None:
        self.spawn = spawn
        self._trouble = trouble
        self._note = note
        self._told: set[str] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._count = 0
        self._connecting = asyncio.Lock()
        self._retry_at_s, self._retry_s, self._why = 0.0, FIRST_RETRY_S, ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection right now."""
        return self._writer is not None

    async def infill(
        self, hole: InfillRequest, document: str, priority: Priority = "interactive"
    ) -> InfillReply | Failed:
        """Fill one hole. Cancelling the caller cancels the engine's work."""
        answer = await self._ask(Infill(hole, document, priority), INFILL_TIMEOUT_S)
        if isinstance(answer, Filled):
            self._told.clear()
            return answer.reply
        if isinstance(answer, EngineStatus):
            return Failed("crashed", "the engine sent a wrong kind of answer")
        if answer.reason == "unavailable":
            self._tell(self._trouble, answer.detail)
        elif answer.reason == "crashed":
            self._tell(self._note, f"a completion failed: {answer.detail}")
        return answer

    async def status(self) -> EngineStatus | Failed:
        """What the engine does right now; starts none."""
        if self._writer is None:
            return Failed("unavailable", self._why or "not connected")
        answer = await self._ask(Status(), STATUS_TIMEOUT_S)
        return Failed("crashed") if isinstance(answer, Filled) else answer

    async def load(self) -> EngineStatus | Failed:
        """Start the engine if need be, load the model and wait for it."""
        answer = await self._ask(Load(), LOAD_TIMEOUT_S)
        if isinstance(answer, EngineStatus) and answer.state == "failed":
            self._tell(self._trouble, answer.detail)
        return Failed("crashed") if isinstance(answer, Filled) else answer

    async def close(self) -> None:
        """End the connection; the engine goes on for others."""
        self._disconnected(Failed("cancelled", "the session ends"))
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading

    async def _ask(self, body: Infill | Status | Load, timeout_s: float) -> Answer:
        answer = await self._exchange(body, timeout_s)
        is_ending = isinstance(answer, Failed) and answer.reason == "closing"
        return await self._exchange(body, timeout_s) if is_ending else answer

    async def _exchange(self, body: Infill | Status | Load, timeout_s: float) -> Answer:
        try:
            writer = await self._connect()
        except EngineUnavailable as error:
            self._tell(self._trouble, str(error))
            return Failed("unavailable", str(error))
        self._count += 1
        request_id = self._count
        try:
            data = frame(Request(request_id, body))
        except ValueError:  # too large, or lone surrogates
            return Failed("bad-request", f"larger than {MAX_FRAME_BYTES} bytes, or text that is not Unicode")
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        writer.write(data)
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            self._give_up(request_id)
            return Failed("cancelled", "no answer in time")
        except asyncio.CancelledError:
            self._give_up(request_id)
            raise
        finally:
            self._waiting.pop(request_id, None)

    def _give_up(self, request_id: int) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._count += 1
            self._writer.write(frame(Request(self._count, Cancel(request_id))))

    async def _connect(self) -> asyncio.StreamWriter:
        """The connection, made if there is none. Raises EngineUnavailable."""
        async with self._connecting:
            if self._writer is not None:
                return self._writer
            if time.monotonic() < self._retry_at_s:
                raise EngineUnavailable(self._why)
            try:
                reader, self._writer = await self._open()
            except EngineUnavailable as error:
                self._why = str(error)
                self._retry_at_s = time.monotonic() + self._retry_s
                self._retry_s = min(LAST_RETRY_S, 2 * self._retry_s)
                raise
            self._retry_s, self._why = FIRST_RETRY_S, ""
            self._reading = asyncio.create_task(self._read(reader, self._writer))
            return self._writer

    async def _open(self) -> Streams:
        path = default_socket()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        started = False
        while True:
            streams = await _greet(path)
            if streams is not None:
                return streams
            if not self.spawn:
                raise EngineUnavailable("no engine is running and starting one is switched off")
            if not started:
                self._process, started = await asyncio.to_thread(spawn_engine), True
            elif self._process is not None and self._process.poll():
                raise EngineUnavailable(
                    f"the engine ended with status {self._process.returncode}; see {paths.log_path()}"
                )
            if time.monotonic() > deadline_s:
                raise EngineUnavailable(
                    f"the engine did not start in {START_TIMEOUT_S:.0f} s; see {paths.log_path()}"
                )
            await asyncio.sleep(0.02)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = Failed("crashed", f"the engine ended while it answered; see {paths.crash_path()}")
        try:
            while True:
                reply = await _receive(reader)
                if isinstance(reply.body, Failed) and reply.body.reason == "closing":
                    end = reply.body  # all others get the same answer, or none
                    break
                waiting = self._waiting.get(reply.id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply.body)
        except (asyncio.IncompleteReadError, OSError, msgspec.DecodeError):
            pass
        finally:
            if self._writer is writer:
                self._disconnected(end)

    def _disconnected(self, end: Failed) -> None:
        """Answer everybody who waits with ``end``; the next question makes a new connection."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if self._process is not None:
            self._process.poll()  # so that no zombie is left
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(end)

    def _tell(self, whom: Callable[[str], None], why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            whom(why)


async def _greet(path: Path) -> Streams | None:
    """A connection to the engine at ``path``, None when none is there. Raises EngineUnavailable when it is not ours.

    For a moment after its death a killed process still takes connections, so it is asked for a sign of life.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return None
    is_ours = False
    try:
        if not paths.is_own_peer(writer.get_extra_info("socket")):
            raise EngineUnavailable(f"{path} belongs to another user")
        writer.write(frame(Request(0, Status())))
        status = (await asyncio.wait_for(_receive(reader), STATUS_TIMEOUT_S)).body
        is_ours = isinstance(status, EngineStatus) and status.version == VERSION
        if not is_ours:
            raise msgspec.DecodeError
        return reader, writer
    except (asyncio.IncompleteReadError, OSError):
        return None
    except msgspec.DecodeError as error:
        raise EngineUnavailable(
            f"an engine of another version is running: end process {lock_owner()}"
        ) from error
    finally:
        if not is_ours:
            writer.close()


async def _receive(reader: asyncio.StreamReader) -> Reply:
    """The next message. Raises IncompleteReadError or OSError at its end, msgspec.DecodeError for what is none."""
    (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
    if length > MAX_FRAME_BYTES:
        raise msgspec.DecodeError(f"a frame of {length} bytes")
    return reply_decoder.decode(await reader.readexactly(length))

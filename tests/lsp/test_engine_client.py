"""The server's side of the engine's socket, against an engine that this test plays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.engine import paths
from codeworld.engine.protocol import (
    HEADER,
    VERSION,
    Cancel,
    EngineStatus,
    Failed,
    Filled,
    Infill,
    Reply,
    Request,
    Status,
    frame,
    request_decoder,
)
from lsp_server import engine_client
from lsp_server.engine_client import EngineConnection

HOLE = InfillRequest("x = ", "\n")
REPLY = InfillReply((), 1.0, "cpu", "played-1")
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def receive(reader: asyncio.StreamReader) -> Request:
    (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
    return request_decoder.decode(await reader.readexactly(length))


@contextlib.asynccontextmanager
async def listening(*plays: Play) -> AsyncIterator[None]:
    """An engine that treats its first connection as the first play says, and so on; ends when all have ended."""
    left = list(plays)
    running: list[asyncio.Task[None]] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.append(task)
        try:
            await left.pop(0)(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_unix_server(play, paths.socket_path()):
        yield
        async with asyncio.timeout(30):
            await asyncio.gather(*running)
    assert left == []


class Told:
    """What a connection tells its user."""

    def __init__(self) -> None:
        self.trouble: list[str] = []
        self.notes: list[str] = []

    def connection(self) -> EngineConnection:
        return EngineConnection(self.trouble.append, self.notes.append, spawn=False)


@contextlib.asynccontextmanager
async def played(*plays: Play) -> AsyncIterator[tuple[EngineConnection, Told]]:
    """A connection to such an engine."""
    told = Told()
    connection = told.connection()
    async with listening(*plays):
        yield connection, told
        await connection.close()


def greeted(play: Play, version: int = VERSION) -> Play:
    """Give the sign of life that is asked for first, then play."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await receive(reader)
        assert request.body == Status()
        writer.write(frame(Reply(request.id, EngineStatus("ready", os.getpid(), version))))
        await play(reader, writer)

    return greet


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await receive(reader)


@greeted
async def fill(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = await receive(reader)
    writer.write(frame(Reply(request.id, Filled(REPLY))))


async def test_a_dead_engine_that_still_takes_connections_is_none(runtime: Path) -> None:
    async with played(hang_up, fill) as (connection, told):
        answer = await connection.infill(HOLE, "d")
        assert isinstance(answer, Failed)
        assert answer.reason == "unavailable"
        assert len(told.trouble) == 1
        connection._retry_at_s = 0.0
        assert await connection.infill(HOLE, "d") == REPLY


async def test_an_engine_that_is_ending_is_asked_again(runtime: Path) -> None:
    @greeted
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, _ = await receive(reader), await receive(reader)
        writer.write(frame(Reply(first.id, Failed("closing"))))
        await reader.read()  # the client hangs up first, and must not ask here again

    @greeted
    async def fill_both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(frame(Reply((await receive(reader)).id, Filled(REPLY))))

    async with played(closing, fill_both) as (connection, told):
        both = await asyncio.gather(connection.infill(HOLE, "d"), connection.infill(HOLE, "e"))
        assert both == [REPLY, REPLY]
        assert told.trouble == told.notes == []


async def test_a_request_that_kills_the_engine_is_not_sent_again(runtime: Path) -> None:
    async with played(greeted(hang_up), fill) as (connection, told):
        answer = await connection.infill(HOLE, "d")
        assert isinstance(answer, Failed)
        assert answer.reason == "crashed"
        assert len(told.notes) == 1
        assert await connection.infill(HOLE, "d") == REPLY
        assert told.trouble == []


async def test_answers_find_their_questions_in_any_order(runtime: Path) -> None:
    @greeted
    async def backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = [await receive(reader) for _ in range(3)]
        for request in reversed(requests):
            assert isinstance(request.body, Infill)
            reply = InfillReply((), 1.0, "cpu", request.body.document)
            writer.write(frame(Reply(request.id, Filled(reply))))

    async with played(backwards) as (connection, _):
        asked = [connection.infill(HOLE, str(number)) for number in range(3)]
        models = [reply.model for reply in await asyncio.gather(*asked) if isinstance(reply, InfillReply)]
        assert models == ["0", "1", "2"]


async def test_cancelling_tells_the_engine(runtime: Path) -> None:
    seen: asyncio.Queue[Request] = asyncio.Queue()

    @greeted
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(await receive(reader))
        seen.put_nowait(await receive(reader))

    async with played(listen) as (connection, _):
        asked = asyncio.create_task(connection.infill(HOLE, "d"))
        first = await asyncio.wait_for(seen.get(), 30)
        asked.cancel()
        assert (await asyncio.wait_for(seen.get(), 30)).body == Cancel(first.id)


async def test_the_end_of_the_session_asks_nobody_else(runtime: Path) -> None:
    begun = asyncio.Event()

    @greeted
    async def keep_waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        begun.set()
        await reader.read()

    async with played(keep_waiting) as (connection, _):
        asked = asyncio.create_task(connection.infill(HOLE, "d"))
        await begun.wait()
        await connection.close()
        assert await asked == Failed("cancelled", "the session ends")


async def test_a_missing_engine_is_told_once_and_not_tried_at_every_key(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(engine_client, "time", types.SimpleNamespace(monotonic=lambda: now_s))
    told = Told()
    connection = told.connection()
    for _ in range(3):
        answer = await connection.infill(HOLE, "d")
        assert isinstance(answer, Failed)
        assert answer.reason == "unavailable"
    assert len(told.trouble) == 1
    async with listening(fill):
        assert isinstance(await connection.infill(HOLE, "d"), Failed), (
            "it is there, but it is too early to look"
        )
        now_s += engine_client.FIRST_RETRY_S
        assert await connection.infill(HOLE, "d") == REPLY
        await connection.close()


@pytest.mark.parametrize(
    "sends", [HEADER.pack(3) + b"abc", HEADER.pack(1 << 31)], ids=["nonsense", "too much"]
)
async def test_bytes_of_another_protocol_are_told(runtime: Path, sends: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        writer.write(sends)

    async with played(babble) as (connection, told):
        assert isinstance(await connection.infill(HOLE, "d"), Failed)
        assert ["another version" in why for why in told.trouble] == [True]


async def test_an_engine_of_another_version_is_told(runtime: Path) -> None:
    async with played(greeted(lambda reader, writer: reader.read(), VERSION + 1)) as (connection, told):
        assert isinstance(await connection.infill(HOLE, "d"), Failed)
        assert ["another version" in why for why in told.trouble] == [True]


async def test_bytes_of_another_protocol_later_end_the_connection(runtime: Path) -> None:
    @greeted
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        writer.write(HEADER.pack(3) + b"abc")

    async with played(babble) as (connection, told):
        answer = await connection.infill(HOLE, "d")
        assert isinstance(answer, Failed)
        assert answer.reason == "crashed"
        assert len(told.notes) == 1


async def test_text_that_is_no_unicode_is_refused_here(runtime: Path) -> None:
    async with played(fill) as (connection, _):
        answer = await connection.infill(InfillRequest("\ud800", ""), "d")
        assert isinstance(answer, Failed)
        assert answer.reason == "bad-request"
        assert await connection.infill(HOLE, "d") == REPLY


async def test_asking_for_the_status_starts_nothing(runtime: Path) -> None:
    connection = Told().connection()
    connection.spawn = True
    assert not isinstance(await connection.status(), EngineStatus)
    assert list(runtime.iterdir()) == []

"""What the engine's socket takes: pieces, nonsense, too much."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from codeworld.canvas import InfillRequest
from codeworld.engine.front import MAX_CONNECTIONS
from codeworld.engine.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    EngineStatus,
    Failed,
    Infill,
    Request,
    Status,
    frame,
)
from tests.engine.serving import HeldBackend, serving, state

pytestmark = pytest.mark.usefixtures("runtime")


async def test_malformed_message_with_an_id_is_answered_and_the_connection_lives(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        for message in (
            {"id": 7, "body": {"type": "sing"}},
            {"id": 7},
            {"id": 7, "body": {"type": "infill"}},
        ):
            body = msgspec.msgpack.encode(message)
            peer.writer.write(HEADER.pack(len(body)) + body)
            answered, answer = await peer.receive()
            assert answered == 7
            assert isinstance(answer, Failed)
            assert answer.reason == "bad-request"
        assert await state(peer)


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(MAX_FRAME_BYTES + 1) + b"x" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        HEADER.pack(3) + b"\xff\xff\xff",
        HEADER.pack(0),
        HEADER.pack(100_000) + b"\x91" * 100_000,  # deeply nested
        HEADER.pack(4) + msgspec.msgpack.encode(["id"]),
    ],
    ids=["oversize", "http", "garbage", "empty", "nested", "list"],
)
async def test_nonsense_closes_that_connection_only(model: HeldBackend, data: bytes) -> None:
    async with serving(lambda: model) as served:
        other, peer = await served.connect(), await served.connect()
        peer.writer.write(data)
        assert await peer.ends() == b""
        assert await state(other)


async def test_messages_in_pieces_and_several_at_once(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        data = frame(Request(1, Status())) + frame(Request(2, Infill(InfillRequest("é" * 5000, "")))) * 1
        for start in range(0, len(data), 997):
            peer.writer.write(data[start : start + 997])
            await asyncio.sleep(0)
        peer.writer.write(frame(Request(3, Status())) + frame(Request(4, Status())))
        assert sorted([(await peer.receive())[0] for _ in range(4)]) == [1, 2, 3, 4]


async def test_another_protocol_version_is_refused_but_may_ask_for_status(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        peer.writer.write(frame(Request(1, Infill(InfillRequest("a", "")), version=99)))
        peer.writer.write(frame(Request(2, Status(), version=99)))
        _, refused = await peer.receive()
        assert isinstance(refused, Failed)
        assert refused.reason == "bad-request"
        assert isinstance((await peer.receive())[1], EngineStatus)


async def test_connections_are_bounded(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peers = [await served.connect() for _ in range(MAX_CONNECTIONS)]
        assert await state(peers[-1])
        assert await (await served.connect()).ends() == b""
        peers[0].writer.close()
        while len(served.front.connections) == MAX_CONNECTIONS:
            await asyncio.sleep(0.005)
        assert await state(await served.connect())


async def test_a_client_that_does_not_read_is_cut_off(
    model: HeldBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeworld.engine.front.MAX_UNREAD_BYTES", 10_000)
    async with serving(lambda: model) as served:
        peer, other = await served.connect(), await served.connect()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        while len(served.front.connections) == 2:
            for _ in range(1000):
                peer.send(Status())
            await asyncio.sleep(0)
        assert await state(other)

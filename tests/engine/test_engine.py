"""The engine over its socket, in this process, with a model that is held and released by the test."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import msgspec
import pytest

from codeworld.canvas import InfillRequest
from codeworld.engine.core import Patience
from codeworld.engine.front import MAX_CONNECTIONS
from codeworld.engine.protocol import (
    HEADER,
    MAX_FRAME_BYTES,
    Cancel,
    EngineStatus,
    Failed,
    Filled,
    Infill,
    Load,
    Request,
    Shutdown,
    Status,
    frame,
)
from tests.engine.serving import Body, HeldBackend, Peer, serving

pytestmark = pytest.mark.usefixtures("runtime")

# Of these only what a test shortens may happen.
NEVER = {"idle_s": 1e6, "exit_s": 1e6, "retry_load_s": 1e6, "stuck_s": 1e6, "unused_s": 1e6}


@pytest.fixture
def model() -> HeldBackend:
    return HeldBackend()


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


async def test_infill_loads_the_model_and_fills(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        assert (await state(peer)).state == "unloaded"
        body = await peer.ask(Infill(InfillRequest("a", "\n")))
        assert texts(body) == ["fill()", "fill(1)", "other"]
        assert isinstance(body, Filled)
        assert body.reply.latency_ms > 0
        status = await state(peer)
        assert (status.state, status.model, status.device, status.served) == ("ready", "slow-1", "cpu", 1)


async def test_status_is_answered_while_the_model_loads_and_runs(model: HeldBackend) -> None:
    gate = threading.Event()

    def factory() -> HeldBackend:
        gate.wait(10)
        return model

    async with serving(factory) as served:
        peer = await served.connect()
        load, fill = peer.send(Load()), peer.infill("HOLD")
        status = await until(peer, "loading")
        assert status.queued == 2
        gate.set()
        answered, body = await peer.receive()
        assert answered == load
        assert isinstance(body, EngineStatus)
        assert body.state == "ready"
        await model.begins()
        assert (await state(peer)).state == "ready"
        model.release.set()
        assert (await peer.receive())[0] == fill
        again = await peer.ask(Load())
        assert isinstance(again, EngineStatus)


async def test_a_failed_load_is_told_and_only_an_explicit_load_tries_again(model: HeldBackend) -> None:
    tries = 0

    def factory() -> HeldBackend:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise ValueError("no checkpoint\nat all")
        return model

    async with serving(factory, Patience(**NEVER)) as served:
        peer = await served.connect()
        failed = Failed("unavailable", "ValueError: no checkpoint")
        assert await peer.ask(Infill(InfillRequest("a", ""))) == failed
        assert await peer.ask(Infill(InfillRequest("a", ""))) == failed
        assert tries == 1
        body = await peer.ask(Load())
        assert isinstance(body, EngineStatus)
        assert (body.state, body.detail, tries) == ("failed", "ValueError: no checkpoint", 2)
        body = await peer.ask(Load())
        assert isinstance(body, EngineStatus)
        assert (body.state, body.detail) == ("ready", "")
        assert texts(await peer.ask(Infill(InfillRequest("a", ""))))


async def test_a_newer_request_of_the_document_supersedes_at_once(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer, other = await served.connect(), await served.connect()
        first = peer.infill("HOLD 1", "doc")
        assert await model.begins() == "HOLD 1"
        second = other.infill("HOLD DEAF 2", "doc")
        assert await peer.receive() == (first, Failed("superseded"))
        assert await model.stops() == "HOLD 1"
        assert await model.begins() == "HOLD DEAF 2"
        third = peer.infill("3", "doc")
        assert await other.receive() == (second, Failed("superseded")), "though the model runs on"
        model.release.set()
        answered, body = await peer.receive()
        assert answered == third
        assert texts(body)


async def test_interactive_preempts_batch_and_batch_is_not_lost(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        batch = peer.infill("HOLD batch", priority="batch")
        waiting = peer.infill("waiting", priority="batch")
        assert await model.begins() == "HOLD batch"
        interactive = peer.infill("quick")
        assert await model.stops() == "HOLD batch"
        assert (await peer.receive())[0] == interactive
        model.release.set()
        assert [(await peer.receive())[0] for _ in range(2)] == [batch, waiting]
        assert model.asked == ["quick", "HOLD batch", "waiting"]


async def test_cancel_is_answered_at_once_even_if_the_model_is_deaf(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        running = peer.infill("HOLD DEAF")
        waiting = peer.infill("waiting")
        await model.begins()
        peer.send(Cancel(waiting))
        assert await peer.receive() == (waiting, Failed("cancelled"))
        peer.send(Cancel(running))
        assert await peer.receive() == (running, Failed("cancelled"))
        peer.send(Cancel(running))
        peer.send(Cancel(12345))
        model.release.set()
        assert texts(await peer.ask(Infill(InfillRequest("next", ""))))
        assert "waiting" not in model.asked


async def test_cancel_while_the_model_loads(model: HeldBackend) -> None:
    gate = threading.Event()

    def factory() -> HeldBackend:
        gate.wait(10)
        return model

    async with serving(factory) as served:
        peer = await served.connect()
        load = peer.send(Load())
        peer.send(Cancel(load))
        assert await peer.receive() == (load, Failed("cancelled"))
        gate.set()
        await until(peer, "ready")


async def test_disconnect_cancels_what_the_client_asked(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        leaving, staying = await served.connect(), await served.connect()
        leaving.infill("HOLD")
        leaving.infill("waiting")
        await model.begins()
        leaving.writer.close()
        assert await model.stops() == "HOLD"
        assert texts(await staying.ask(Infill(InfillRequest("mine", ""))))
        assert model.asked == ["mine"]


async def test_a_crash_is_an_answer_and_quotes_nothing(
    model: HeldBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "codeworld.engine")
    async with serving(lambda: model) as served:
        peer = await served.connect()
        body = await peer.ask(Infill(InfillRequest("CRASH secret-of-the-user", "")))
        assert isinstance(body, Failed)
        assert body.reason == "crashed"
        assert "RuntimeError at slow_engine.py:" in body.detail
        assert texts(await peer.ask(Infill(InfillRequest("fine", ""))))
    assert "RuntimeError" in caplog.text
    assert "secret-of-the-user" not in caplog.text + body.detail


@pytest.mark.parametrize(("device", "survives"), [("cpu", True), ("cuda:0", False)])
async def test_crashes_in_a_row_end_a_process_with_a_gpu(
    model: HeldBackend, device: str, survives: bool
) -> None:
    model.device = device
    async with serving(lambda: model, Patience(**NEVER)) as served:
        peer = await served.connect()
        for number in range(3):
            assert isinstance(await peer.ask(Infill(InfillRequest(f"CRASH {number}", ""))), Failed)
        if survives:
            assert texts(await peer.ask(Infill(InfillRequest("fine", ""))))
        else:
            assert await asyncio.wait_for(served.task, 10) == "3 crashes in a row on cuda:0"


async def test_cache_answers_without_the_model(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        assert texts(await peer.ask(Infill(InfillRequest("x = ", "\n"), "doc"))) == [
            "fill()",
            "fill(1)",
            "other",
        ]
        held = peer.infill("HOLD", "other document")
        await model.begins()
        await model.begins()
        body = await peer.ask(Infill(InfillRequest("x = fil", "\n"), "doc"))
        assert texts(body) == ["l()", "l(1)"], "though the model is busy"
        assert isinstance(body, Filled)
        assert body.reply.latency_ms == 0
        model.release.set()
        assert (await peer.receive())[0] == held
        assert model.asked == ["x = ", "HOLD"]


async def test_a_hit_supersedes_too(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        await peer.ask(Infill(InfillRequest("x = ", "\n"), "doc"))
        held = peer.infill("HOLD", "doc")
        hit = peer.infill("x = fi", "doc")
        assert await peer.receive() == (held, Failed("superseded"))
        assert (await peer.receive())[0] == hit


async def test_only_an_edited_document_is_answered_from_the_cache(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        for document in ("doc", "", "", "doc"):
            await peer.ask(Infill(InfillRequest("x", ""), document))
        assert model.asked == ["x"] * 3
        for _ in range(2):
            await peer.ask(Infill(InfillRequest("x", ""), "doc", "batch"))
        assert model.asked == ["x"] * 5


async def test_what_follows_an_accept_is_there_before_it_is_asked(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        await peer.ask(Infill(InfillRequest("LIKELY ", "\n"), "doc"))
        assert [await model.begins() for _ in range(3)] == ["LIKELY ", "LIKELY fill()", "LIKELY fill()\n"]
        # An unrelated request of low priority comes back when the guesses are done.
        await peer.ask(Infill(InfillRequest("later", ""), "", "batch"))
        body = await peer.ask(Infill(InfillRequest("LIKELY fill()", "\n"), "doc"))
        assert isinstance(body, Filled)
        assert body.reply.latency_ms == 0
        assert model.asked.count("LIKELY fill()") == 1


async def test_guesses_give_way_to_the_next_request(model: HeldBackend) -> None:
    model.hold = "fill()"
    async with serving(lambda: model) as served:
        peer = await served.connect()
        assert texts(await peer.ask(Infill(InfillRequest("LIKELY", ")"), "doc")))
        assert [await model.begins(), await model.begins()] == ["LIKELY", "LIKELYfill()"]
        assert texts(await peer.ask(Infill(InfillRequest("next", ")"), "doc")))
        assert await model.stops() == "LIKELYfill()"
        assert model.asked == ["LIKELY", "next"]


async def test_typing_on_leaves_the_guess_alone(model: HeldBackend) -> None:
    model.hold = "fill()"
    async with serving(lambda: model) as served:
        peer = await served.connect()
        await peer.ask(Infill(InfillRequest("LIKELY", ")"), "doc"))
        assert [await model.begins(), await model.begins()] == ["LIKELY", "LIKELYfill()"]
        assert texts(await peer.ask(Infill(InfillRequest("LIKELYfi", ")"), "doc"))) == ["ll()", "ll(1)"]
        model.release.set()
        await peer.ask(Infill(InfillRequest("later", ""), "", "batch"))
        assert model.asked == ["LIKELY", "LIKELYfill()", "later"], "neither stopped nor asked again"


@pytest.mark.parametrize(("document", "prefix"), [("", "LIKELY"), ("doc", "unlikely")])
async def test_no_guesses_without_document_or_confidence(
    model: HeldBackend, document: str, prefix: str
) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        await peer.ask(Infill(InfillRequest(prefix, ")"), document))
        await peer.ask(Infill(InfillRequest("later", ""), "", "batch"))
        assert model.asked == [prefix, "later"]


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


async def test_idle_unloads_and_the_next_request_loads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeworld.engine.core.LEAN_MB", 1e6)
    models: list[HeldBackend] = []

    def factory() -> HeldBackend:
        models.append(HeldBackend())
        return models[-1]

    async with serving(factory, Patience(**{**NEVER, "idle_s": 0.05})) as served:
        peer = await served.connect()
        assert texts(await peer.ask(Infill(InfillRequest("a", ""), "doc")))
        status = await until(peer, "unloaded")
        assert status.model == ""
        assert texts(await peer.ask(Infill(InfillRequest("a", ""), "doc"))), "the cache is empty too"
        assert [len(model.asked) for model in models] == [1, 1]
        assert models[0].unloaded


async def test_idle_ends_a_process_that_stays_heavy(
    model: HeldBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeworld.engine.core.LEAN_MB", 1.0)
    async with serving(lambda: model, Patience(**{**NEVER, "idle_s": 0.05})) as served:
        peer = await served.connect()
        assert texts(await peer.ask(Infill(InfillRequest("a", ""))))
        assert await asyncio.wait_for(served.task, 10) == "idle"
        assert await peer.ends() == b""
        assert model.unloaded


async def test_no_unload_while_a_request_runs(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "idle_s": 0.04})) as served:
        peer = await served.connect()
        request = peer.infill("HOLD")
        await model.begins()
        await asyncio.sleep(0.2)
        assert (await state(peer)).state == "ready"
        assert not model.unloaded
        model.release.set()
        assert (await peer.receive())[0] == request


async def test_idle_without_clients_ends_the_process_and_removes_the_socket(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "exit_s": 0.1})) as served:
        peer = await served.connect()
        await asyncio.sleep(0.3)
        assert not served.task.done(), "somebody is connected"
        peer.writer.close()
        assert await asyncio.wait_for(served.task, 10) == "idle"
        assert not Path(served.path).exists()


async def test_a_process_that_nobody_came_to_ends_early(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "unused_s": 0.1})) as served:
        assert await asyncio.wait_for(served.task, 10) == "idle"


async def test_a_process_that_somebody_came_to_stays(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "unused_s": 0.1})) as served:
        peer = await served.connect()
        await peer.ask(Infill(InfillRequest("a", "")))
        peer.writer.close()
        await asyncio.sleep(0.3)
        assert not served.task.done()


async def test_shutdown_answers_everybody(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer, other = await served.connect(), await served.connect()
        running, waiting = other.infill("HOLD"), other.infill("waiting")
        await model.begins()
        assert isinstance(await peer.ask(Shutdown()), EngineStatus)
        assert sorted([await other.receive(), await other.receive()]) == [
            (running, Failed("closing")),
            (waiting, Failed("closing")),
        ]
        assert await other.ends() == b""
        assert await peer.ends() == b""
        assert await asyncio.wait_for(served.task, 10) == "shutdown"
        assert await model.stops() == "HOLD"


async def test_a_model_that_does_not_stop_ends_the_process(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "stuck_s": 0.1})) as served:
        peer = await served.connect()
        request = peer.infill("HOLD DEAF")
        await model.begins()
        peer.send(Cancel(request))
        peer.infill("waiting")
        assert await peer.receive() == (request, Failed("cancelled"))
        assert (await peer.receive())[1] == Failed("closing")
        assert await asyncio.wait_for(served.task, 10) == "the model does not stop"
        model.release.set()


async def test_an_engine_whose_socket_is_gone_ends(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "exit_s": 1.0})) as served:
        peer = await served.connect()
        Path(served.path).unlink()
        assert await peer.ends() == b""
        assert await asyncio.wait_for(served.task, 10) == "the socket's file is gone"


async def test_the_socket_of_a_successor_is_left_alone(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "exit_s": 1.0})) as served:
        await state(await served.connect())
        Path(served.path).unlink()
        Path(served.path).touch()
        await asyncio.wait_for(served.task, 10)
        assert Path(served.path).exists()

"""The engine over its socket, in this process, with a model that is held and released by the test."""

from __future__ import annotations

import logging
import threading

import pytest

from codeworld.canvas import InfillRequest
from codeworld.engine.core import Patience
from codeworld.engine.protocol import (
    Cancel,
    EngineStatus,
    Failed,
    Filled,
    Infill,
    Load,
)
from tests.engine.serving import NEVER, HeldBackend, serving, state, texts, until

pytestmark = pytest.mark.usefixtures("runtime")


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
        gate.wait(30)
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
        gate.wait(30)
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


async def test_what_was_asked_for_ahead_is_there(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        await peer.ask(Infill(InfillRequest("x = fill()", "\n"), "doc", "speculative"))
        body = await peer.ask(Infill(InfillRequest("x = fill()", "\n"), "doc"))
        assert isinstance(body, Filled)
        assert body.reply.latency_ms == 0
        assert model.asked == ["x = fill()"]


async def test_looking_ahead_gives_way_to_the_next_request(model: HeldBackend) -> None:
    async with serving(lambda: model) as served:
        peer = await served.connect()
        ahead = peer.infill("HOLD ahead", "doc", "speculative")
        assert await model.begins() == "HOLD ahead"
        asked = peer.infill("next", "doc")
        assert await peer.receive() == (ahead, Failed("superseded"))
        assert (await peer.receive())[0] == asked
        assert await model.stops() == "HOLD ahead"
        assert model.asked == ["next"]

"""When the engine unloads its model, and when and how its process ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from codeworld.canvas import InfillRequest
from codeworld.engine.core import Patience
from codeworld.engine.protocol import (
    Cancel,
    EngineStatus,
    Failed,
    Infill,
    Shutdown,
)
from tests.engine.serving import NEVER, HeldBackend, serving, state, texts, until

pytestmark = pytest.mark.usefixtures("runtime")


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
            assert await asyncio.wait_for(served.task, 30) == "3 crashes in a row on cuda:0"


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
        assert await asyncio.wait_for(served.task, 30) == "idle"
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
        assert await asyncio.wait_for(served.task, 30) == "idle"
        assert not Path(served.path).exists()


async def test_a_process_that_nobody_came_to_ends_early(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "unused_s": 0.1})) as served:
        assert await asyncio.wait_for(served.task, 30) == "idle"


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
        assert await asyncio.wait_for(served.task, 30) == "shutdown"
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
        assert await asyncio.wait_for(served.task, 30) == "the model does not stop"
        model.release.set()


async def test_an_engine_whose_socket_is_gone_ends(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "exit_s": 1.0})) as served:
        peer = await served.connect()
        Path(served.path).unlink()
        assert await peer.ends() == b""
        assert await asyncio.wait_for(served.task, 30) == "the socket's file is gone"


async def test_the_socket_of_a_successor_is_left_alone(model: HeldBackend) -> None:
    async with serving(lambda: model, Patience(**{**NEVER, "exit_s": 1.0})) as served:
        await state(await served.connect())
        Path(served.path).unlink()
        Path(served.path).touch()
        await asyncio.wait_for(served.task, 30)
        assert Path(served.path).exists()

"""The client against engine processes that are really started, killed and found again."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeworld.canvas import InfillReply, InfillRequest
from codeworld.engine import paths, spawn
from codeworld.engine.client import EngineClient, EngineUnavailable, ensure_running, spawn_engine
from codeworld.engine.protocol import HEADER, Failed, Reply, frame


@pytest.fixture
def client(runtime: Path) -> Iterator[EngineClient]:
    with EngineClient() as client:
        yield client


def hole(prefix: str) -> InfillRequest:
    return InfillRequest(prefix, "\n")


def text(reply: InfillReply | Failed) -> str:
    assert isinstance(reply, InfillReply), reply
    return reply.candidates[0].text


def gone(pid: int) -> None:
    """Wait until this engine, which this process started, has ended with all its threads and files."""
    for child in spawn._children:
        if child.pid == pid:
            child.wait(30)


def test_starts_an_engine_and_fills(client: EngineClient) -> None:
    assert text(client.infill(hole("a"))) == "fill()"
    status = client.status()
    assert status.pid != os.getpid()
    assert (status.state, status.served) == ("ready", 1)
    assert client.load().state == "ready"


def test_only_the_owner_can_reach_it(client: EngineClient, runtime: Path) -> None:
    client.status()
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in runtime.iterdir()}
    assert set(modes) >= {"engine.sock", "engine.lock", "engine.log"}
    assert set(modes.values()) == {0o600}


def test_all_clients_share_one_engine(runtime: Path) -> None:
    pids: list[int] = []
    barrier = threading.Barrier(6)

    def ask() -> None:
        barrier.wait()
        with EngineClient() as client:
            pids.append(client.status().pid)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 6
    assert len(set(pids)) == 1


def test_the_second_process_ends_quietly(client: EngineClient) -> None:
    pid = client.status().pid
    second = spawn_engine()
    assert second.wait(30) == 0
    assert client.status().pid == pid


def test_a_request_that_outlives_its_time_is_cancelled(client: EngineClient) -> None:
    client.load()
    assert client.infill(hole("STEPS=100000"), timeout_s=0.05) == Failed("cancelled", "no answer in time")
    assert text(client.infill(hole("next"))) == "fill()", "the late answer is not taken for this one's"


def test_a_dying_engine_is_an_answer_and_the_next_request_starts_another(client: EngineClient) -> None:
    pid = client.status().pid
    reply = client.infill(hole("DIE"))
    assert isinstance(reply, Failed)
    assert reply.reason == "crashed"
    assert text(client.infill(hole("a"))) == "fill()"
    assert client.status().pid != pid


def test_an_engine_killed_between_requests_is_not_noticed(client: EngineClient) -> None:
    pid = client.status().pid
    os.kill(pid, signal.SIGKILL)
    gone(pid)
    assert text(client.infill(hole("a"))) == "fill()"


def test_an_engine_that_keeps_dying_is_left_alone(client: EngineClient) -> None:
    reasons = []
    for _ in range(5):
        reply = client.infill(hole("DIE"))
        assert isinstance(reply, Failed)
        reasons.append(reply.reason)
    assert reasons == ["crashed"] * 3 + ["unavailable"] * 2
    with pytest.raises(EngineUnavailable, match="crashed repeatedly; next try in"):
        client.status()
    with pytest.raises(EngineUnavailable, match="crashed repeatedly"):
        spawn_engine()
    paths.starts_path().write_text("".join(f"{time.time() - 100}\n" for _ in range(3)))
    assert client.status().state == "unloaded", "the time is over"


def test_an_orderly_end_is_no_crash(client: EngineClient) -> None:
    for _ in range(5):
        pid = client.status().pid
        os.kill(pid, signal.SIGTERM)
        gone(pid)
    assert client.status().state == "unloaded"


def test_an_idle_engine_that_ended_is_started_again(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_IDLE_S", "0.2")
    monkeypatch.setenv("CODEWORLD_SLOW_HEAVY", "1")
    pids = []
    for _ in range(4):
        assert text(client.infill(hole("a"))) == "fill()"
        pids.append(client.status().pid)
        gone(pids[-1])
    assert len(set(pids)) == 4, "and no end was taken for a crash"


def test_shutdown(client: EngineClient, runtime: Path) -> None:
    pid = client.status().pid
    with EngineClient(spawn=False) as other:
        other.shutdown()
        gone(pid)
        assert not paths.socket_path().exists()
        with pytest.raises(EngineUnavailable, match="no engine listens"):
            other.status()
        assert other.infill(hole("a")).reason == "unavailable"  # type: ignore[union-attr]
        other.shutdown()
    assert client.status().pid != pid


def test_a_load_that_fails_is_told(client: EngineClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEWORLD_SLOW_LOAD", "fails")
    status = client.load()
    assert (status.state, status.detail) == ("failed", "ValueError: no checkpoint")
    assert client.infill(hole("a")) == Failed("unavailable", "ValueError: no checkpoint")


def test_a_load_that_kills_the_process_does_not_loop(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_SLOW_LOAD", "dies")
    for _ in range(3):
        with pytest.raises(EngineUnavailable, match="crashed"):
            client.load()
    with pytest.raises(EngineUnavailable, match="next try in"):
        client.load()


def test_a_module_that_cannot_start_is_told_at_once(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEWORLD_ENGINE_MODULE", "codeworld.engine.nothing")
    with pytest.raises(EngineUnavailable, match="ended with status 1 at its start"):
        client.status()


def test_text_that_is_not_unicode_is_refused(client: EngineClient) -> None:
    reply = client.infill(hole("\ud800"))
    assert isinstance(reply, Failed)
    assert reply.reason == "bad-request"
    too_large = client.infill(hole("x" * (16 * 1024 * 1024)))
    assert isinstance(too_large, Failed)
    assert too_large.reason == "bad-request"
    assert text(client.infill(hole("a"))) == "fill()"


def test_no_prompt_text_in_any_file(client: EngineClient, runtime: Path) -> None:
    for prefix in ("quiet-secret", "CRASH quiet-secret", "DIE quiet-secret"):
        client.infill(InfillRequest(prefix, "quiet-secret", path="quiet-secret.py"), document="quiet-secret")
    files = [path for path in runtime.iterdir() if path.is_file()]
    assert "RuntimeError" in paths.log_path().read_text()
    assert [path for path in files if "quiet-secret" in path.read_text()] == []


def test_threads_take_turns(client: EngineClient) -> None:
    replies: list[str] = []
    threads = [
        threading.Thread(target=lambda number=number: replies.append(text(client.infill(hole(f"{number}")))))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == ["fill()"] * 8


def test_the_current_directory_cannot_bring_code_in(
    client: EngineClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("codeworld.py", "msgspec.py", "asyncio.py"):
        (tmp_path / name).write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert client.status().state == "unloaded"


def test_ensure_running_names_the_socket_and_knows_others(runtime: Path) -> None:
    assert ensure_running() == paths.socket_path()
    assert ensure_running(paths.socket_path()) == paths.socket_path()
    with pytest.raises(EngineUnavailable, match="no engine listens at"):
        ensure_running(runtime / "other.sock")


def test_a_lock_holder_that_does_not_serve_is_told(runtime: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "from codeworld.engine import process as p; p.take_lock(); print(); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(EngineUnavailable, match="did not start within"):
        ensure_running(timeout_s=0.5)
    assert spawn.is_locked()
    assert spawn.lock_owner() == str(holder.pid)
    holder.communicate(b"\n")
    assert ensure_running(), "the one that waits for the lock takes over"


class FakeEngine:
    """Listens where the engine would and plays ``script``, one bytes value for each request it gets."""

    def __init__(self, path: Path, script: list[bytes]) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.script = script
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with self.listener, connection:
            for data in self.script:
                connection.recv(1 << 16)
                connection.sendall(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "crashed"),
        (b"\x00\x00", "crashed"),
        (b"\xff\xff\xff\xff", "crashed"),
        (HEADER.pack(3) + b"abc", "crashed"),
        (frame(Reply(77, Failed("late"))) + frame(Reply(1, Failed("mine"))), "mine"),
    ],
    ids=["nothing", "half", "oversize", "garbage", "late answer first"],
)
def test_whatever_the_engine_sends_there_is_an_answer(runtime: Path, data: bytes, reason: str) -> None:
    fake = FakeEngine(paths.socket_path(), [data])
    with EngineClient(spawn=False) as client:
        reply = client.infill(hole("a"), timeout_s=5)
    assert isinstance(reply, Failed)
    assert reply.reason == reason
    fake.thread.join()
    paths.socket_path().unlink()


def test_torch_is_not_imported() -> None:
    check = (
        "import sys, codeworld.engine.process, codeworld.engine.client;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'codeworld.model.infill')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0

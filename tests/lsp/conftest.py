from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.lsp_client import WireClient
from codeworld.engine.client import EngineClient

Start = Callable[..., Awaitable[WireClient]]


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory of its own, with the told engine for the real one."""
    directory = Path(tempfile.mkdtemp(prefix="cw-"))
    monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", str(directory))
    monkeypatch.setenv("CODEWORLD_ENGINE_MODULE", "tests.lsp.told_engine")
    yield directory
    with EngineClient(spawn=False) as client:
        client.shutdown()
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture
async def start(runtime: Path) -> AsyncIterator[Start]:
    """Starts servers and ends them; each is expected to end in good order, with nothing on stderr but warnings."""
    clients: list[WireClient] = []

    async def begin(env: dict[str, str] | None = None) -> WireClient:
        clients.append(await WireClient.start(env))
        return clients[-1]

    yield begin
    for client in clients:
        running = client.process.returncode is None
        with contextlib.suppress(ConnectionError):
            code = await client.close()
            assert not running or code == 0
        assert b"Traceback" not in client.stderr
        assert b"failed" not in client.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one Python file."""
    root = tmp_path / "project"
    root.mkdir()
    (root / ".git").mkdir()
    (root / "known.py").write_text("def start():\n    prepare_everything()\n    launch_the_rocket()\n")
    return root

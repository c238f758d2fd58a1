from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeworld.engine import spawn
from codeworld.engine.client import EngineClient
from tests.engine.serving import HeldBackend


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory of its own (short, as socket addresses are), with the slow engine for the real one."""
    directory = Path(tempfile.mkdtemp(prefix="cw-"))
    monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", str(directory))
    monkeypatch.setenv("CODEWORLD_ENGINE_MODULE", "tests.engine.slow_engine")
    yield directory
    with EngineClient(spawn=False) as client:
        client.shutdown()
    for child in spawn._children:  # also those that were too late, and would now wait for clients
        child.terminate()
        child.wait(30)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def model() -> HeldBackend:
    return HeldBackend()

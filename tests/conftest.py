"""Fixtures for all tests: a tiny model, and no test ever meets the user's own engine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tiny models gain nothing from a second thread, and lose a lot when something else runs on its processor.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small, randomly initialised, real checkpoint."""
    from codeworld.model import checkpoint

    path = tmp_path_factory.mktemp("model") / "tiny"
    checkpoint.tiny(path)
    return path


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private directory for the engine's socket; an engine that was started in it is ended."""
    from codeworld.engine.client import EngineClient

    # Not tmp_path: a socket's path may have 103 bytes at most.
    with tempfile.TemporaryDirectory(prefix="cw") as name:
        monkeypatch.setenv("CODEWORLD_RUNTIME_DIR", name)
        yield Path(name)
        EngineClient(spawn=False).shutdown()


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_users_engine() -> Iterator[None]:
    from codeworld.engine import spawn
    from codeworld.engine.client import EngineClient

    with tempfile.TemporaryDirectory(prefix="cw") as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODEWORLD_RUNTIME_DIR", name)
        yield
        EngineClient(spawn=False).shutdown()
    for child in spawn._children:  # or Python complains, after pytest's last line, of children that it forgot
        child.wait(30)

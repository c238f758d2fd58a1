from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.model import checkpoint


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, untrained checkpoint."""
    folder = tmp_path_factory.mktemp("tiny")
    checkpoint.tiny(folder)
    return folder

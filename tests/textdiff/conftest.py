from __future__ import annotations

from pathlib import Path

import pytest

from tests.textdiff.repository import Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")

"""Everything between a key and its ghost text, in a network namespace that has no way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from editors.tests.processes import ROOT

pytestmark = pytest.mark.timeout(400)
OFFLINE = [
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    sys.executable,
    str(Path(__file__).with_name("loopback.py")),
]


def test_there_is_no_way_out() -> None:
    """The namespace is what it should be: an address outside cannot even be tried."""
    code = "import socket; socket.create_connection(('192.0.2.1', 9), 2)"
    tried = subprocess.run(
        [*OFFLINE, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in tried.stderr


@pytest.mark.usefixtures("extensions")
@pytest.mark.parametrize("editor", ["vscode", "neovim"])
def test_type_accept_and_type_on(editor: str) -> None:
    chosen = f"editors/tests/test_{editor}.py::test_type_accept_and_type_on"
    command = [*OFFLINE, sys.executable, "-m", "pytest", "-q", chosen]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout

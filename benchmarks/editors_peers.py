"""Language servers side by side: what they announce, how soon, their memory and processor time while idle."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from benchmarks.lsp_client import encode
from benchmarks.results import Figure
from editors.tests import scene
from editors.tests.processes import end_group, write_program

STARTS = 5
IDLE_S = 10.0
CAPABILITIES: dict[str, Any] = {
    "window": {"workDoneProgress": True},
    "workspace": {"workspaceFolders": True},
    "textDocument": {
        "inlineCompletion": {},
        "completion": {},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix"]}}},
    },
}


def peers(others: Path | None) -> list[Figure]:
    """Rows for our server and those that are in ``others``."""
    with tempfile.TemporaryDirectory(prefix="cw-") as folder:
        ours = write_program(Path(folder) / "codeworld")
        os.environ["CODEWORLD_RUNTIME_DIR"] = folder
        commands = {"codeworld": [str(ours), "lsp"]}
        if others is not None:
            commands["copilot-language-server"] = [
                str(others / "node_modules/.bin/copilot-language-server"),
                "--stdio",
            ]
            commands["python-lsp-server"] = [str(others / "venv/bin/pylsp")]
        shop = scene.make(Path(folder) / "shop")
        return [row for name, command in commands.items() for row in _weigh(name, command, shop)]


def _weigh(name: str, command: list[str], root: Path) -> list[Figure]:
    times_s, announced, rss_mb, cpu = [], {}, 0.0, 0.0
    for number in range(STARTS):
        began_s = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            announced = _initialize(process.stdin, process.stdout, root)
            times_s.append(time.monotonic() - began_s)
            if number == STARTS - 1:
                rss_mb, cpu = _idle(process)
        finally:
            end_group(process)
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    assert stream is not None
                    stream.close()
    names = sorted(key.removesuffix("Provider") for key, value in announced.items() if value)
    commands = sorted((announced.get("executeCommandProvider") or {}).get("commands", []))
    median, worst = statistics.median(times_s), max(times_s)
    return [
        Figure(f"{name}: start → `initialize`, median (most) of {STARTS}", f"{median:.2f} s ({worst:.2f} s)"),
        Figure(f"{name}: memory, idle, no document open (its processes, resident)", f"{rss_mb:.0f} MB"),
        Figure(f"{name}: processor time, idle, over {IDLE_S:.0f} s", f"{cpu:.1f}%"),
        Figure(f"{name}: announces", ", ".join(names)),
        Figure(f"{name}: commands", ", ".join(f"`{one}`" for one in commands) or None),
    ]


def _initialize(stdin: BinaryIO | Any, stdout: BinaryIO | Any, root: Path) -> dict[str, Any]:
    params = {
        "processId": os.getpid(),
        "rootUri": root.as_uri(),
        "capabilities": CAPABILITIES,
        "workspaceFolders": [{"uri": root.as_uri(), "name": root.name}],
        "initializationOptions": {
            "editorInfo": {"name": "benchmark", "version": "1"},
            "editorPluginInfo": {"name": "benchmark", "version": "1"},
        },
    }
    stdin.write(encode({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))
    stdin.flush()
    while True:
        length = 0
        while line := stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message = json.loads(stdout.read(length))
        if message.get("id") == 1 and "method" not in message:
            stdin.write(encode({"jsonrpc": "2.0", "method": "initialized", "params": {}}))
            stdin.flush()
            found: dict[str, Any] = message["result"]["capabilities"]
            return found


def _idle(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Resident MB and processor share of a process and its children, once it has come to rest."""
    time.sleep(IDLE_S)
    leader = psutil.Process(process.pid)
    family = [leader, *leader.children(recursive=True)]
    before = sum(_seconds(one) for one in family)
    time.sleep(IDLE_S)
    after = sum(_seconds(one) for one in family)
    return sum(one.memory_info().rss for one in family) / 1e6, 100 * (after - before) / IDLE_S


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

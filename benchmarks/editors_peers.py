"""Language servers side by side: what they announce, how soon, their memory and processor time while idle."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

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


class Start(NamedTuple):
    """One start of a server: seconds until its ``initialize`` reply, on the clock and of processor time."""

    clock_s: float
    processor_s: float
    announced: dict[str, Any]


def peers(others: Path | None) -> list[Figure]:
    """Rows for our server and those that are in ``others``, started in turns."""
    with tempfile.TemporaryDirectory(prefix="cw-") as folder:
        ours = write_program(Path(folder) / "codeworld")
        os.environ["CODEWORLD_RUNTIME_DIR"] = folder
        commands = {"codeworld": [str(ours), "lsp"]}
        if others is not None:
            copilot = others / "node_modules/.bin/copilot-language-server"
            commands["copilot-language-server"] = [str(copilot), "--stdio"]
            commands["python-lsp-server"] = [str(others / "venv/bin/pylsp")]
        shop = scene.make(Path(folder) / "shop")
        starts: dict[str, list[Start]] = {name: [] for name in commands}
        for _ in range(STARTS):
            for name, command in commands.items():
                with _started(command, shop) as (start, _process):
                    starts[name].append(start)
        figures: list[Figure] = []
        for name, command in commands.items():
            with _started(command, shop) as (_start, process):
                figures += _rows(name, starts[name], *_idle(process))
        return figures


@contextlib.contextmanager
def _started(command: list[str], root: Path) -> Iterator[tuple[Start, subprocess.Popen[bytes]]]:
    began_s = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        announced = _initialize(process.stdin, process.stdout, root)
        clock_s = time.monotonic() - began_s
        yield Start(clock_s, sum(_seconds(one) for one in _family(process)), announced), process
    finally:
        end_group(process)
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                stream.close()


def _rows(name: str, starts: list[Start], rss_mb: float, idle: float) -> list[Figure]:
    announced = starts[-1].announced
    names = [key for key, value in announced.items() if value is not None and value is not False]
    kinds = sorted(key.removesuffix("Provider") for key in names)
    commands = sorted((announced.get("executeCommandProvider") or {}).get("commands", []))
    clock_s, processor_s = (statistics.median(one[at] for one in starts) for at in (0, 1))
    return [
        Figure(f"{name}: start → `initialize`, median of {len(starts)}", f"{clock_s:.2f} s"),
        Figure(f"{name}: processor time until then", f"{processor_s:.2f} s"),
        Figure(f"{name}: memory, idle, no document open (its processes, resident)", f"{rss_mb:.0f} MB"),
        Figure(f"{name}: processor time, idle, over {IDLE_S:.0f} s", f"{idle:.1f}%"),
        Figure(f"{name}: announces", ", ".join(kinds)),
        Figure(f"{name}: commands", ", ".join(f"`{one}`" for one in commands) or None),
    ]


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    leader = psutil.Process(process.pid)
    return [leader, *leader.children(recursive=True)]


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
    family = _family(process)
    before = sum(_seconds(one) for one in family)
    time.sleep(IDLE_S)
    after = sum(_seconds(one) for one in family)
    return sum(one.memory_info().rss for one in family) / 1e6, 100 * (after - before) / IDLE_S


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

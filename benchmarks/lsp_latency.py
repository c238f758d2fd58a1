"""How long an editor waits: typing at 5 keys per second in files of 100, 1,000 and 5,000 lines.

    python benchmarks/lsp_latency.py [--keys 120] [--told] [--json]

Uses the installed model through an engine process of its own; ``--told`` takes the tests' engine instead, which answers
at once: what is left is the cost of server, pipeline and sockets. Prints milliseconds and judges nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from benchmarks.lsp_client import ROOT, WireClient, items

KEY_INTERVAL_S = 0.2
COLD_START_LIMIT_S = 180.0
LINES = (100, 1_000, 5_000)
# A line of three is known to the repository, so that some of what is typed is offered and typed on.
TYPED = "    result = compute_total(prices, taxes)\n    if not result:\n        raise ValueError(name)\n"
KNOWN = "def known(prices, taxes, name):\n" + TYPED + "    return result\n"


class Spread(msgspec.Struct):
    """Milliseconds over ``count`` measurements; None when there are none."""

    count: int
    p50_ms: float | None = None
    p95_ms: float | None = None

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Spread:
        if not times_ms:
            return cls(0)
        ordered = sorted(times_ms)
        return cls(
            len(ordered),
            round(ordered[len(ordered) // 2], 2),
            round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 2),
        )


class Typing(msgspec.Struct):
    """One file. ``all``: keystroke (didChange and request) to reply, superseded ones left out; ``cached``: those
    answered from the server's memory; ``engine``: those that the engine answered; ``superseded``: not answered before
    the next key.
    """

    lines: int
    all: Spread
    cached: Spread
    engine: Spread
    superseded: int
    offered: int
    cancel: Spread


class Report(msgspec.Struct):
    engine: dict[str, Any]
    spawn_to_initialize_ms: float
    initialize_cpu_ms: float
    cold_start_to_first_suggestion_ms: float | None
    typing: list[Typing]
    server_rss_mb: float


def text_of(lines: int) -> tuple[str, int]:
    """A Python file of about so many lines, and the row in its middle that is typed into."""
    functions: list[str] = []
    count = 0
    while count < lines - 4:
        functions.append(
            f"def step_{len(functions)}(value, scale=1):\n    total = value * scale\n    return total\n\n\n"
        )
        count += 5
    half = len(functions) // 2
    # What the tests' engine is told to say; the model reads a comment.
    told = f"# FILL={TYPED.partition(chr(10))[0]}\n"
    head = "import os\n\n\n" + "".join(functions[:half]) + f"def typed(prices, taxes, name):\n{told}"
    return head + "\n\n\n" + "".join(functions[half:]), head.count("\n")


async def typed(client: WireClient, uri: str, lines: int, keys: int) -> Typing:
    """Type ``keys`` characters into a file of ``lines`` lines."""
    text, row = text_of(lines)
    client.did_open(uri, text)
    everything, cached, engine = [], [], []
    superseded = offered = column = 0
    before = (await client.status())["server"]
    for version in range(keys):
        letter = TYPED[version % len(TYPED)]
        begin_s = time.monotonic()
        client.insert(uri, version + 2, row, column, letter)
        row, column = (row + 1, 0) if letter == "\n" else (row, column + 1)
        asked = client.ask(uri, row, column)
        await asyncio.wait({asked}, timeout=KEY_INTERVAL_S)
        if not asked.done():
            superseded += 1
            continue
        elapsed_ms = (time.monotonic() - begin_s) * 1e3
        offered += bool(items(asked.result()))
        after = (await client.status())["server"]
        everything.append(elapsed_ms)
        if after["from_memory"] > before["from_memory"]:
            cached.append(elapsed_ms)
        elif after["asked"] > before["asked"]:
            engine.append(elapsed_ms)
        before = after
        await asyncio.sleep(max(0.0, KEY_INTERVAL_S - (time.monotonic() - begin_s)))
    cancel = await cancelled(client, uri, keys + 2, row, column)
    spreads = Spread.of(everything), Spread.of(cached), Spread.of(engine)
    return Typing(lines, *spreads, superseded, offered, Spread.of(cancel))


async def cancelled(client: WireClient, uri: str, version: int, row: int, column: int) -> list[float]:
    """Milliseconds from a cancel to the reply of the request, for requests the engine works on."""
    times_ms = []
    for number in range(20):
        client.insert(uri, version + number, row, column + number, "x")
        request_id = f"cancel-{uri}-{number}"
        asked = client.ask(uri, row, column + number + 1, request_id=request_id)
        await asyncio.sleep(0.01)
        if asked.done():
            continue
        begin_s = time.monotonic()
        client.notify("$/cancelRequest", {"id": request_id})
        await asyncio.wait_for(asked, 10)
        times_ms.append((time.monotonic() - begin_s) * 1e3)
    return times_ms


async def first_suggestion_ms(client: WireClient, uri: str) -> float | None:
    """Milliseconds from the server's start to the first text offered."""
    client.did_open(uri, KNOWN + "\n\n# FILL=name\ndef again(prices, taxes, name):\n    result = \n")
    deadline_s = client.started_s + COLD_START_LIMIT_S
    while time.monotonic() < deadline_s:
        reply = await client.ask(uri, KNOWN.count("\n") + 4, 13, invoked=True)
        if items(reply):
            return round((time.monotonic() - client.started_s) * 1e3, 1)
        await asyncio.sleep(0.05)
    return None


def cpu_ms(pid: int) -> float:
    """Processor time a process has used; 0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(keys: int, told: bool) -> Report:
    """All of it, with a server and an engine of its own."""
    from benchmarks.lsp_fuzz import end_engine, resident_mb

    runtime, project = Path(tempfile.mkdtemp(prefix="cw-")), Path(tempfile.mkdtemp(prefix="cw-ws-"))
    (project / "known.py").write_text(KNOWN)
    environment = {
        "CODEWORLD_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    if told:
        environment["CODEWORLD_ENGINE_MODULE"] = "tests.lsp.told_engine"
    options = {"completion": {"threshold": 0.0, "maxLatencyMs": 10_000}}
    client = await WireClient.start(environment)
    await client.initialize(project, options=options)
    initialize_ms = (time.monotonic() - client.started_s) * 1e3
    initialize_cpu_ms = cpu_ms(client.process.pid)
    cold_ms = await first_suggestion_ms(client, (project / "cold.py").as_uri())
    typing = [await typed(client, (project / f"f{lines}.py").as_uri(), lines, keys) for lines in LINES]
    report = Report(
        (await client.status())["engine"],
        round(initialize_ms, 1),
        round(initialize_cpu_ms, 1),
        cold_ms,
        typing,
        round(resident_mb(client.process.pid), 1),
    )
    await client.close()
    end_engine(environment)
    shutil.rmtree(project, ignore_errors=True)
    shutil.rmtree(runtime, ignore_errors=True)
    return report


def show(report: Report) -> None:
    """Print a report as text."""
    engine = report.engine
    print("engine:", engine.get("model"), engine.get("device"), engine.get("state", engine.get("detail")))
    print(f"spawn to initialize   {report.spawn_to_initialize_ms} ms ({report.initialize_cpu_ms} ms CPU)")
    print(f"to first suggestion   {report.cold_start_to_first_suggestion_ms} ms")
    print(f"server resident       {report.server_rss_mb} MB")
    for one in report.typing:
        print(f"{one.lines} lines: {one.offered} offered, {one.superseded} superseded")
        for name in ("all", "cached", "engine", "cancel"):
            spread: Spread = getattr(one, name)
            print(f"  {name:8} n={spread.count:<4} p50 {spread.p50_ms} ms  p95 {spread.p95_ms} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keys", type=int, default=120)
    parser.add_argument("--told", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = asyncio.run(measure(arguments.keys, arguments.told))
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(report)))
    else:
        show(report)


if __name__ == "__main__":
    main()

"""How long an editor waits: typing at 5 keys per second in files of 100, 1,000 and 5,000 lines.

    python -m benchmarks.lsp_latency [--keys 200] [--told] [--out docs/results/lsp_latency]

Uses the installed model (CODEWORLD_MODEL, CODEWORLD_DEVICE) through a server and an engine process of its own. With
``--told`` the tests' engine answers, at once: what is left is the cost of server, pipeline and sockets. A keystroke is
a didChange and a request; every request counts, also one that was answered with nothing because the next key came
first. Whatever passes the checks is offered (threshold 0), so that each reply is followed by looking ahead.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.lsp_client import ROOT, WireClient, items
from benchmarks.lsp_fuzz import end_engine, resident_mb
from benchmarks.results import Figure, markdown, stamp, write

KEY_INTERVAL_S = 0.2
COLD_START_LIMIT_S = 180.0
LINES = (100, 1_000, 5_000)
HANDSHAKES = 5
CANCELS = 20
# The repository knows some of the lines, so that some of what is typed is offered and typed on.
KNOWN = """\
def known(prices, taxes, name):
    result = compute_total(prices, taxes)
    if not result:
        raise ValueError(name)
    return round(result, 2)
"""
TYPED = """\
    result = compute_total(prices, taxes)
    if not result:
        raise ValueError(name)
    names = [price.name for price in prices if price.name]
    for index, price in enumerate(sorted(prices)):
        total = totals.get(price.name, 0) + price.amount
        totals[price.name] = total * (1 + taxes[index])
    with open(path, encoding="utf-8") as file:
        file.write("\\n".join(names))
    return round(result, 2)
"""


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
            round(ordered[len(ordered) // 2], 1),
            round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        )

    def __str__(self) -> str:
        return f"{self.p50_ms} / {self.p95_ms} ms (n={self.count})" if self.count else "none"


class Typing(msgspec.Struct):
    """One file. ``all``: keystroke to reply; of these ``cached`` were answered from the server's memory and
    ``engine`` by the engine, and ``superseded`` were not answered before the next key.
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
    initialize_ms: list[float]
    initialize_cpu_ms: list[float]
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
    cached, engine, other = [], [], []
    late: list[tuple[float, str]] = []
    offered = column = 0
    before = (await client.status())["server"]
    for version in range(keys):
        letter = TYPED[version % len(TYPED)]
        begin_s = time.monotonic()
        client.insert(uri, version + 2, row, column, letter)
        row, column = (row + 1, 0) if letter == "\n" else (row, column + 1)
        request_id = f"{uri} {version}"
        asked = client.ask(uri, row, column, request_id=request_id)
        await asyncio.wait({asked}, timeout=KEY_INTERVAL_S)
        if not asked.done():
            late.append((begin_s, request_id))
            continue
        elapsed_ms = (client.answered_s[request_id] - begin_s) * 1e3
        offered += bool(items(asked.result()))
        after = (await client.status())["server"]
        if after["from_memory"] > before["from_memory"]:
            cached.append(elapsed_ms)
        elif after["asked"] > before["asked"]:
            engine.append(elapsed_ms)
        else:
            other.append(elapsed_ms)  # a place where nothing is asked, such as a string
        before = after
        await asyncio.sleep(max(0.0, KEY_INTERVAL_S - (time.monotonic() - begin_s)))
    cancel = await cancelled(client, uri, keys + 2, row, column)
    superseded = [(client.answered_s[request_id] - begin_s) * 1e3 for begin_s, request_id in late]
    everything = Spread.of([*cached, *engine, *other, *superseded])
    spreads = everything, Spread.of(cached), Spread.of(engine)
    return Typing(lines, *spreads, len(superseded), offered, Spread.of(cancel))


async def cancelled(client: WireClient, uri: str, version: int, row: int, column: int) -> list[float]:
    """Milliseconds from a cancel to the reply of the request, for requests the engine works on."""
    times_ms = []
    for number in range(CANCELS):
        client.insert(uri, version + number, row, column + number, "x")
        request_id = f"cancel {uri} {number}"
        asked = client.ask(uri, row, column + number + 1, request_id=request_id)
        await asyncio.sleep(0.01)
        if asked.done():
            continue
        begin_s = time.monotonic()
        client.notify("$/cancelRequest", {"id": request_id})
        await asyncio.wait_for(asked, 10)
        times_ms.append((client.answered_s[request_id] - begin_s) * 1e3)
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


async def handshake(environment: dict[str, str], project: Path) -> tuple[float, float]:
    """Milliseconds from the server's start to the reply to ``initialize``: on the clock, and of the processor."""
    client = await WireClient.start(environment)
    await client.initialize(project, options={"engine": {"spawn": False}})
    elapsed_ms = (time.monotonic() - client.started_s) * 1e3
    used_ms = cpu_ms(client.process.pid)
    await client.close()
    return round(elapsed_ms, 1), round(used_ms, 1)


def cpu_ms(pid: int) -> float:
    """Processor time a process has used; 0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(keys: int, told: bool) -> Report:
    """All of it, with a server and an engine of its own."""
    runtime, project = Path(tempfile.mkdtemp(prefix="cw-")), Path(tempfile.mkdtemp(prefix="cw-ws-"))
    (project / "known.py").write_text(KNOWN)
    environment = {
        "CODEWORLD_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    if told:
        environment["CODEWORLD_ENGINE_MODULE"] = "tests.lsp.told_engine"
    try:
        shakes = [await handshake(environment, project) for _ in range(HANDSHAKES)]
        client = await WireClient.start(environment)
        options = {"completion": {"threshold": 0.0, "maxLatencyMs": 10_000}}
        await client.initialize(project, options=options)
        cold_ms = await first_suggestion_ms(client, (project / "cold.py").as_uri())
        typing = [await typed(client, (project / f"f{lines}.py").as_uri(), lines, keys) for lines in LINES]
        engine = (await client.status())["engine"]
        rss_mb = round(resident_mb(client.process.pid), 1)
        await client.close()
    finally:
        end_engine(environment)
        shutil.rmtree(project, ignore_errors=True)
        shutil.rmtree(runtime, ignore_errors=True)
    return Report(engine, [ms for ms, _ in shakes], [ms for _, ms in shakes], cold_ms, typing, rss_mb)


def figures(report: Report) -> list[Figure]:
    """The table's lines, beside what was asked for."""
    on_gpu = str(report.engine.get("device", "")).startswith("cuda")
    targets = "p50 ≤ 40" if on_gpu else "p50 ≤ 150, p95 ≤ 400"
    cold = report.cold_start_to_first_suggestion_ms
    found = [
        Figure("`initialize`: processor time, most of 5", f"{max(report.initialize_cpu_ms)} ms", "≤ 500 ms"),
        Figure("`initialize`: from the start, median of 5", f"{statistics.median(report.initialize_ms)} ms"),
        Figure("cold start to first suggestion", cold and f"{cold / 1e3:.1f} s", "≤ 10 s on a CPU"),
        Figure("server process, resident", f"{report.server_rss_mb} MB", "≤ 150 MB"),
        Figure("engine process, resident", f"{report.engine.get('resident_mb')} MB"),
    ]
    for one in report.typing:
        size = f"{one.lines:,} lines: "
        found += [
            Figure(size + "keystroke to reply, p50 / p95", one.all, f"{targets} ms"),
            Figure(size + "known or typed ahead, p50 / p95", one.cached, "p95 ≤ 15 ms"),
            Figure(size + "answered by the engine, p50 / p95", one.engine),
            Figure(size + "cancel to reply, p50 / p95", one.cancel, "≤ 20 ms"),
            Figure(size + "superseded by the next key", f"{one.superseded} of {one.all.count}"),
            Figure(size + "with something to offer", f"{one.offered} of {one.all.count}"),
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--told", action="store_true", help="the tests' engine instead of the model")
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = asyncio.run(measure(arguments.keys, arguments.told))
    title = "Latency of the language server, at 5 keys per second"
    made = stamp(f"{report.engine.get('model')} on {report.engine.get('device')}")
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(report)))
    else:
        print(markdown(title, made, figures(report)))
    if arguments.out:
        write(arguments.out, title, made, figures(report), report)


if __name__ == "__main__":
    main()

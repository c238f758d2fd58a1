"""Linear attention of ours and of others on one GPU, in one run.

    python -m benchmarks.kernels [--check] [--sweep] [--budget-seconds 420] [--wheels DIR] [--out docs/results/kernels]
    python -m benchmarks.kernels --render docs/results/kernels.jsonl      tables and plot from a run's lines

Every group of cells runs in a process of its own and writes a line for each result as it comes, so that a crash or the
end of the budget costs only what had not run. The cells of the issue come first. ``--check`` runs the correctness suite
against the float64 definitions before anything is timed. Needs torch and triton only; peers are measured where they can
be imported (``--wheels``: a folder of wheels put on the path), and a refusal is a row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.kernels_plan import COLD, MUST, PEERS, PEERS_MUST, REST, SLOW_GROUPS

ROOT = Path(__file__).parent.parent
Row = dict[str, Any]


class Run:
    """Where lines go, and how much time is left."""

    def __init__(self, path: Path, budget_s: float, wheels: Path | None) -> None:
        self.path, self.started, self.budget_s = path, time.monotonic(), budget_s
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        peers = tempfile.mkdtemp(prefix="peers")
        for wheel in sorted(wheels.glob("*.whl")) if wheels else ():
            zipfile.ZipFile(wheel).extractall(peers)
        folders = os.pathsep.join([str(ROOT), peers])
        self.environment = {
            **os.environ, "PYTHONPATH": folders, "PYTHONUNBUFFERED": "1",
            "CODEWORLD_UNVERIFIED_KERNELS": "1",  # what is verified is decided by this run
        }  # fmt: skip

    def left_s(self) -> float:
        return self.budget_s - (time.monotonic() - self.started)

    def write(self, row: Row) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shown = {name: round(one, 4) if isinstance(one, float) else one for name, one in row.items()}
        print(f"[{self.budget_s - self.left_s():5.0f} s]", json.dumps(shown), flush=True)

    def worker(self, module: str, *arguments: str, limit_s: float, **extra: str) -> None:
        """Run a worker and pass on its lines; one that fails or takes too long leaves a row that says so."""
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        process = subprocess.Popen(
            ["timeout", "-k", "5", f"{max(5.0, limit_s):.0f}", *command], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**self.environment, **extra},
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        with ThreadPoolExecutor(1) as pool:
            errors = pool.submit(process.stderr.read)
            for line in process.stdout:
                if line.startswith("{"):
                    self.write(json.loads(line))
            if process.wait():
                why = "out of time" if process.returncode in (124, 137) else errors.result().strip()[-400:]
                self.write(
                    {
                        "kind": "failure",
                        "worker": [module, *arguments[:2]],
                        "code": process.returncode,
                        "why": why,
                    }
                )


def check(run: Run) -> None:
    """All correctness cases at once: most of their time is compiling, on a processor each."""
    from benchmarks.kernels_check import CASES, STEPS

    jobs = [(op, str(number)) for op in STEPS for number in range(len(CASES[op]) + 1)]
    with ThreadPoolExecutor(max(2, (os.cpu_count() or 4) - 2)) as pool:
        list(
            pool.map(
                lambda job: run.worker(
                    "kernels_check", *job, limit_s=min(150, run.left_s()), OMP_NUM_THREADS="1"
                ),
                jobs,
            )
        )


def cells(run: Run, plan: dict[str, list[tuple[Any, ...]]], share: float = 1.0) -> None:
    for group, wanted in plan.items():
        left = run.left_s()
        if left < 8:
            run.write({"kind": "failure", "worker": [group], "why": "no time left", "cells": len(wanted)})
            continue
        limit = min(left, SLOW_GROUPS.get(group, left)) * share
        run.worker("kernels_cells", group, f"{limit - 8:.0f}", json.dumps(wanted), limit_s=limit)


def measure_all(options: argparse.Namespace, path: Path) -> None:
    run = Run(path, options.budget_seconds, options.wheels)
    run.write({"kind": "stamp", **stamp()})
    run.worker("kernels_cells", "ceilings", limit_s=60)
    if options.check:
        check(run)
    cells(run, MUST)
    for group in COLD:
        with tempfile.TemporaryDirectory() as cache:
            limit = min(run.left_s() - 5, 40)
            if limit > 10:
                run.worker("kernels_cells", "cold", group, limit_s=limit, TRITON_CACHE_DIR=cache)
    if options.sweep:
        run.worker("kernels_cells", "sweep", limit_s=min(run.left_s(), 180))
    cells(run, PEERS_MUST)
    cells(run, REST)
    cells(run, PEERS)
    run.write({"kind": "end", "seconds": options.budget_seconds - run.left_s()})


def stamp() -> Row:
    """How this was made; from an exported tree the commit comes from the environment, or is said to be unknown."""
    commit = os.environ.get("CODEWORLD_COMMIT") or "unknown"
    if shutil.which("git"):
        named = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT
        )
        commit = named.stdout.strip() or commit
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    command = f"python -m benchmarks.kernels {shlex.join(sys.argv[1:])}"
    return {"command": command, "machine": machine, "commit": commit, "date": date}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="first the correctness suite against the definitions"
    )
    parser.add_argument(
        "--sweep", action="store_true", help="also time other fixed choices of the launch options"
    )
    parser.add_argument("--budget-seconds", type=float, default=420)
    parser.add_argument("--wheels", type=Path, help="folder of pure Python wheels of peers")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/kernels", help="without suffix")
    parser.add_argument("--render", type=Path, help="only make the tables and the plot, from these lines")
    options = parser.parse_args()
    path = options.render or options.out.with_suffix(".jsonl")
    if not options.render:
        measure_all(options, path)
    try:
        from benchmarks.kernels_report import render
    except ImportError as missing:
        print(f"{missing}: the lines are in {path}; render them with --render where Codeworld is installed")
        return
    for written in render(path, options.render.with_suffix("") if options.render else options.out):
        print(written)


if __name__ == "__main__":
    main()

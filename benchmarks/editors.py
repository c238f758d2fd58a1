"""What Codeworld costs and how quick it is in the real editors (``make test-editors`` installs them).

    python -m benchmarks.editors runs|peers|windows|latency [--times N] [--peers DIR] [--out docs/results/editors]

``runs``: the end-to-end tests, three times in a row. ``peers``: what language servers announce, how soon, and what they
weigh; DIR holds others' (``npm install --prefix DIR @github/copilot-language-server``, and ``pip install
python-lsp-server`` into DIR/venv). ``windows``: two windows of VS Code and two Neovims on one engine. ``latency``: from
a key press to the ghost text on the screen. Each part replaces its own rows. The machine's load while it ran is a row
of each part: these figures are only as good as the machine was quiet.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec

from benchmarks.results import Figure, stamp, write
from editors.tests.processes import ROOT


class Report(msgspec.Struct):
    """The rows of each part."""

    parts: dict[str, list[Figure]] = {}


def runs(times_in_a_row: int) -> list[Figure]:
    """The end-to-end tests, several times in a row."""
    figures: list[Figure] = []
    times: dict[str, list[str]] = {}
    for number in range(1, times_in_a_row + 1):
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / "results.xml"
            command = [sys.executable, "-m", "pytest", "-q", "editors/tests", f"--junitxml={results}"]
            subprocess.run(command, cwd=ROOT, check=False)
            suite = ElementTree.parse(results).getroot().find("testsuite")
        assert suite is not None
        count = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        passed = count["tests"] - sum(count[name] for name in ("failures", "errors", "skipped"))
        seconds = float(suite.get("time", "0"))
        told = f"{passed} of {count['tests']} passed, {count['skipped']} skipped in {seconds:.0f} s"
        figures.append(Figure(f"end-to-end run {number}", told, "all"))
        for case in suite.iter("testcase"):
            mark = "" if not list(case) else " (not passed)"
            name = f"{case.get('classname', '').rpartition('.')[2].removeprefix('test_')}: {case.get('name')}"
            times.setdefault(name, []).append(f"{float(case.get('time', '0')):.1f}{mark}")
    return figures + [Figure(f"seconds of {name}", ", ".join(each)) for name, each in times.items()]


def measure(part: str, peers: Path | None, times: int) -> list[Figure]:
    """The rows of one part."""
    begin = os.getloadavg()[0]
    if part == "runs":
        figures = runs(times)
    elif part == "peers":
        from benchmarks.editors_peers import peers as weigh

        figures = weigh(peers)
    elif part == "windows":
        from benchmarks.editors_windows import windows

        figures = windows()
    else:
        from benchmarks.editors_latency import latency

        figures = latency()
    loads = f"{begin:.1f} before, {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores"
    return [*figures, Figure(f"load of the machine while “{part}” ran", loads)]


def save(stem: Path, part: str, rows: list[Figure]) -> None:
    """Replace the part's rows in the report."""
    report = Report()
    if stem.with_suffix(".json").exists():
        stored = msgspec.json.decode(stem.with_suffix(".json").read_bytes())
        report = msgspec.convert(stored["report"], Report)
    report.parts[part] = rows
    figures = [row for name in ("runs", "latency", "windows", "peers") for row in report.parts.get(name, [])]
    write(stem, "Codeworld in real editors", stamp("the bundled one"), figures, report)


def main() -> int:
    """Measure one part and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("part", choices=["runs", "peers", "windows", "latency"])
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--times", type=int, default=3, help="how often the tests run, one after the other")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = measure(options.part, options.peers, options.times)
    for row in rows:
        print(f"{row.name}: {row.value}")
    if options.out:
        save(options.out, options.part, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a repository's page finds and costs, on the repositories held out for development.

    python -m benchmarks.summary [--mirrors DIR] [--installed DIR] [--big] [--out docs/results/summary]

The page is made by ``codeworld summarize`` in a process of its own, on a fresh clone with an empty cache. What it
should have found comes from elsewhere (summary_truth.py); to import the packages as they are, ``pip install --target
DIR`` what they require. Public names are looked for twice: in what ``--json`` claims, and in the page as a reader has
it. ``--big`` measures repositories of 2M lines and of 50,000 files instead, made of copies, and 100,000 lines of one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.results import Figure, publish, stamp
from benchmarks.summary_truth import (
    REPOSITORIES,
    Recall,
    Repository,
    claimed_names,
    declared,
    mains,
    names_on,
    public_names,
)  # fmt: skip

PLANTED_LINES = 25
_PART_LINES = 100_000


class Cost(msgspec.Struct):
    """Of one process."""

    seconds: float
    peak_mb: float
    cpu_s: float  # of processor time, git's included: what it takes however busy the machine is

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.cpu_s:.2f} s of processor time), {self.peak_mb:.0f} MB"


class Measured(msgspec.Struct):
    """One repository."""

    name: str
    commit: str
    python_files: int
    lines: int
    scripts: Recall
    entry_points: Recall
    public_api: Recall  # what packages and modules export
    documented_api: Recall  # what documents name
    public_api_on_page: Recall
    documented_api_on_page: Recall
    public_names: int  # claimed, and those of them that an import does not find
    public_names_unknown: list[str]
    not_imported: list[str]  # modules
    dependencies: Recall
    install: Recall
    test: Recall
    citations: int
    verified: int  # by --check
    quotes: int  # citations of --json, and those whose quote a plain reader finds in the line
    quotes_found: int
    planted: int  # cited lines that were changed afterwards, and those that --check listed
    planted_found: int
    byte_stable: bool
    cold: Cost
    one_changed: Cost
    check: Cost


class Big(msgspec.Struct):
    """A repository made of copies."""

    name: str
    files: int
    lines: int
    cold: Cost
    one_changed: Cost


class Results(msgspec.Struct):
    """Everything that was measured."""

    repositories: list[Measured]
    big: list[Big]
    load: list[float]  # of the machine at the end, over 1, 5 and 15 minutes


def run(cache: Path, *arguments: str | Path, code: Path | None = None) -> tuple[Cost, bytes, int]:
    """``codeworld`` (of the checkout ``code``) with these arguments: its cost, output and exit code."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "codeworld", *map(str, arguments)],
            stdout=out,
            env={**os.environ, "XDG_CACHE_HOME": str(cache)} | ({"PYTHONPATH": str(code)} if code else {}),
            cwd=code,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        cpu_s = round(usage.ru_utime + usage.ru_stime, 2)
        cost = Cost(round(time.monotonic() - begin, 2), round(usage.ru_maxrss / 1024, 1), cpu_s)
        out.seek(0)
        return cost, out.read(), child.returncode


def measure(repository: Repository, mirrors: Path, work: Path, installed: Path | None) -> Measured:
    """Clone, make the page, compare, check, change lines, check again."""
    root, cache, page = work / repository.name.split("/")[1], work / "cache", work / "page.md"
    mirror = mirrors / repository.name.replace("/", "+") / "repo"
    subprocess.run(["git", "clone", "-q", "--shared", str(mirror), str(root)], check=True)
    cold, first, _ = run(cache, "summarize", root)
    _, second, _ = run(cache, "summarize", root)
    summary = json.loads(run(cache, "summarize", root, "-o", page, "--json")[1])
    check, checked, _ = run(cache, "summarize", root, "--check", page, "--json")
    verdict = json.loads(checked)
    quoted = _citations(summary)
    found = sum(_line(root, one["path"], one["line"]).find(one["quote"]) >= 0 for one in quoted)
    planted = _plant(root, page)
    stale = {(one["path"], one["line"]) for one in json.loads(_check(cache, root, page))["stale"]}
    subprocess.run(["git", "-C", str(root), "checkout", "-q", "."], check=True)
    changed = next(path for path in sorted(root.rglob("*.py")) if path.stat().st_size > 2_000)
    changed.write_text(changed.read_text() + "\n\ndef added_by_the_benchmark():\n    pass\n")
    one_changed, _, _ = run(cache, "summarize", root)
    subprocess.run(["git", "-C", str(root), "checkout", "-q", "."], check=True)
    head = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    return Measured(
        name=repository.name,
        commit=head.stdout.strip()[:12],
        python_files=summary["python_files"],
        lines=summary["lines"],
        **_recalls(repository, root, summary, first.decode(), installed),
        citations=verdict["citations"],
        verified=verdict["citations"] - len(verdict["stale"]),
        quotes=len(quoted),
        quotes_found=found,
        planted=len(planted),
        planted_found=len(planted & stale),
        byte_stable=first == second,
        cold=cold,
        one_changed=one_changed,
        check=check,
    )


def _check(cache: Path, root: Path, page: Path) -> bytes:
    return run(cache, "summarize", root, "--check", page, "--json")[1]


def _recalls(
    repository: Repository, root: Path, summary: dict[str, Any], page: str, installed: Path | None
) -> dict[str, Any]:
    scripts, entries, dependencies = declared(root)
    run_claims = [key for key in keys(summary, "Run") if not key.startswith("python -m ")]
    points = [*keys(summary, "Entry points"), *keys(summary, "Run")]
    claims = keys(summary, "Public API")
    public = public_names(repository, root, claims, installed)
    claimed, shown = claimed_names(summary, repository.source), names_on(page, repository.source)
    return {
        "scripts": Recall.of(run_claims, scripts),
        "entry_points": Recall.of(points, scripts | entries | mains(repository, root), None),
        "public_api": Recall.of_names(claimed, public.exported),
        "documented_api": Recall.of_names(claimed, public.documented),
        "public_api_on_page": Recall.of_names(shown, public.exported),
        "documented_api_on_page": Recall.of_names(shown, public.documented),
        "public_names": len(claims),
        "public_names_unknown": public.unknown,
        "not_imported": public.failed,
        "dependencies": Recall.of(keys(summary, "Dependencies"), dependencies),
        "install": Recall.of(keys(summary, "Install"), {repository.install}, None),
        "test": Recall.of(keys(summary, "Test"), {repository.test}, None),
    }


def keys(summary: dict[str, Any], title: str) -> list[str]:
    return [claim["key"] for one in summary["sections"] if one["title"] == title for claim in one["claims"]]


def _citations(summary: dict[str, Any]) -> list[dict[str, Any]]:
    found = [cited for one in summary["sections"] for claim in one["claims"] for cited in claim["citations"]]
    return found + [edge["citation"] for one in summary["sections"] for edge in one["edges"]]


def _line(root: Path, path: str, line: int) -> str:
    lines = (root / path).read_text(encoding="utf-8", errors="replace").split("\n")
    return lines[line - 1] if line <= len(lines) else "\0"


def _plant(root: Path, page: Path) -> set[tuple[str, int]]:
    """Change some of the lines that the page cites, of different files where there are enough."""
    rows = [row.split("\t") for row in page.read_text().split("<!-- codeworld:citations 1\n")[1].split("\n")]
    cited = sorted({(row[3], int(row[0])) for row in rows if len(row) == 4 and "%" not in row[3]})
    chosen = set(cited[:: max(1, len(cited) // PLANTED_LINES)][:PLANTED_LINES])
    for path, line in chosen:
        lines = (root / path).read_text().split("\n")
        lines[line - 1] += " # changed"
        (root / path).write_text("\n".join(lines))
    return chosen


def measure_big(mirrors: Path, work: Path, copied: int = 10, small_files: int = 50_000) -> list[Big]:
    """Copies of networkx, and small files that import each other."""
    copies, small, part_of, origin = (work / name for name in ("copies", "small", "part", "networkx"))
    subprocess.run(
        ["git", "clone", "-q", "--shared", str(mirrors / "networkx+networkx/repo"), origin], check=True
    )
    for number in range(copied):
        part = copies / f"part{number}"
        shutil.copytree(origin, part, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        for path in part.rglob("*.py"):  # the cache would know an equal file by its hash
            path.write_text(f"{path.read_text()}# copy {number}\n")
    lines = 0
    for path in sorted(origin.rglob("*.py")):
        if lines < _PART_LINES:
            lines += path.read_text().count("\n")
            (part_of / path.relative_to(origin)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, part_of / path.relative_to(origin))
    for number in range(small_files):
        folder = small / f"p{number // 500}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
        (folder / f"m{number}.py").write_text(
            f'"""Module {number}."""\nfrom . import m{max(number - 1, 0)}\n'
        )
    found = []
    for name, root in (
        ("part of networkx", part_of),
        (f"networkx × {copied}", copies),
        (f"{small_files:,} small files", small),
    ):
        cold, out, _ = run(work / "cache", "summarize", root, "--json")
        changed = next(path for path in sorted(root.rglob("*.py")) if path.stat().st_size)
        changed.write_text(changed.read_text() + "\nadded = 1\n")
        one_changed, _, _ = run(work / "cache", "summarize", root)
        summary = json.loads(out)
        found.append(Big(name, summary["files"], summary["lines"], cold, one_changed))
    return found


def figures(results: Results) -> list[Figure]:
    """The table's lines."""
    found = _quality(results.repositories) if results.repositories else []
    for measured in results.repositories:
        size = f"{measured.name}, {measured.lines:,} lines: "
        found.append(Figure(size + "cold", measured.cold, "100k lines ≤ 20 s"))
        found.append(Figure(size + "after one file changed", measured.one_changed, "100k lines ≤ 1 s"))
    for big in results.big:
        size = f"{big.name}, {big.files:,} files, {big.lines:,} lines: "
        is_part = big.lines < 2 * _PART_LINES and big.files < _PART_LINES // 10
        cold, changed = ("≤ 20 s", "≤ 1 s") if is_part else ("≤ 2 GB", "")
        found += [
            Figure(size + "cold", big.cold, cold),
            Figure(size + "after one file changed", big.one_changed, changed),
        ]
    found.append(Figure("load of the machine, 1 / 5 / 15 minutes", " / ".join(map(str, results.load))))
    return found


_KINDS = {
    "scripts": "scripts",
    "entry points": "entry_points",
    "public API, exported names": "public_api",
    "public API, documented names": "documented_api",
    "public API on the page, exported names": "public_api_on_page",
    "public API on the page, documented names": "documented_api_on_page",
    "dependencies": "dependencies",
    "install": "install",
    "test": "test",
}


def _quality(repositories: list[Measured]) -> list[Figure]:
    found = []
    for label, kind in _KINDS.items():
        recalls: list[Recall] = [getattr(one, kind) for one in repositories]
        hits, known = sum(one.found for one in recalls), sum(one.known for one in recalls)
        share = f"{100 * hits / known:.1f} % ({hits} of {known})" if known else "none to find"
        worst = min((one.found / one.known for one in recalls if one.known), default=1)
        missed = [name for one in recalls for name in one.missed]
        beyond = f", {sum(len(one.beyond) for one in recalls)} claimed beyond" if "API" not in label else ""
        note = f"; missed: {', '.join(missed[:6])}" if missed else ""
        found.append(Figure(label, f"{share}, worst repository {100 * worst:.1f} %{beyond}{note}", "≥ 95 %"))
    unknown = [name for one in repositories for name in one.public_names_unknown]
    claimed = sum(one.public_names for one in repositories)
    note = f": {', '.join(unknown[:4])} …" if unknown else ""
    found.append(
        Figure("public names claimed that an import does not find", f"{len(unknown)} of {claimed}{note}")
    )
    failed = [name for one in repositories for name in one.not_imported]
    found.append(Figure("modules that could not be imported", f"{len(failed)}: {', '.join(failed[:4])} …"))
    for label, part, whole in (
        ("citations verified by --check", "verified", "citations"),
        ("citations whose quote a plain reader finds", "quotes_found", "quotes"),
        ("changed lines that --check lists", "planted_found", "planted"),
    ):
        hits = sum(getattr(one, part) for one in repositories)
        known = sum(getattr(one, whole) for one in repositories)
        found.append(Figure(label, f"{hits} of {known}", "100 %"))
    stable = sum(one.byte_stable for one in repositories)
    found.append(Figure("reruns equal byte for byte", f"{stable} of {len(repositories)}", "all"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"), help="OWNER+NAME/repo below it")
    parser.add_argument("--installed", type=Path, help="where what the packages require was installed")
    parser.add_argument("--only", help="one repository, OWNER/NAME")
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    arguments = parser.parse_args()
    installed = arguments.installed.resolve() if arguments.installed else None
    chosen = [one for one in REPOSITORIES if arguments.only in (None, one.name)]
    with tempfile.TemporaryDirectory(prefix="summary-") as name:
        work = Path(name)
        if arguments.big:
            measured, big = [], measure_big(arguments.mirrors, work)
        else:
            measured, big = [measure(one, arguments.mirrors, work, installed) for one in chosen], []
    results = Results(measured, big, [round(one, 1) for one in os.getloadavg()])
    title = "A repository's page: what it finds, and what it costs"
    publish(arguments.out, title, stamp(""), figures(results), results)


if __name__ == "__main__":
    main()

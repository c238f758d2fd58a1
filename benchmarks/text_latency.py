"""How long people wait for a docstring and for a commit message: the command line, each call a process of its own.

    python -m benchmarks.text_latency --mirrors DIR --out docs/results/text_latency

Docstrings: one definition of each of ``--files`` held-out modules; with ``--model`` by the text model, where its
weights are installed, or the code model. Commit messages, always without a model: the newest changes of a held-out
repository with ``--lines`` changed lines or more, staged at once over the history before them. Seconds of the clock,
and of the processor, children included, which say what it takes on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks import results
from benchmarks.commit_messages import REPOSITORIES
from codeworld import git
from codeworld.training.repositories import mirror
from textdiff.docstring.understand import read

_LEAST_LINES = 60  # of a module


class Call(msgspec.Struct, frozen=True):
    """One run of a command. ``size``: lines of the file, or changed lines of the diff."""

    what: str
    repo: str
    size: int
    seconds: float
    cpu_s: float
    said: str


def called(arguments: Sequence[str], folder: Path) -> tuple[float, float, str]:
    """Seconds of the clock, of the processor, and what was printed. Raises RuntimeError where the command failed."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "codeworld", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(seconds, 3), round(cpu_s, 3), done.stdout


def docstrings(root: Path, repo: str, files: int, folder: Path, model: bool) -> Iterator[Call]:
    """One definition in the middle of each of some modules."""
    listed = git.text(root, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    paths = [path for path in listed if path.endswith(".py") and "test" not in path]
    for path in paths[:: max(1, len(paths) // files)][:files]:
        text = git.text(root, "show", f"HEAD:{path}")
        names = [one.qualname for one in getattr(read(text), "targets", ()) if one.qualname]
        if text.count("\n") < _LEAST_LINES or not names:
            continue
        file = folder / Path(path).name
        file.write_text(text, encoding="utf-8")
        name = f"{file}:{names[len(names) // 2]}"
        asked = ("docstring", name, "--private", "--json", *["--model"] * model)
        seconds, cpu_s, said = called(asked, folder)
        yield Call("docstring", repo, text.count("\n"), seconds, cpu_s, said[:200])


def commit_message(root: Path, repo: str, lines: int, folder: Path) -> Call:
    """Of all that changed since the newest commit from which on that is ``lines`` lines."""
    commits = git.text(root, "rev-list", "--first-parent", "--max-count=2000", "HEAD").split()
    for commit in commits[1:]:
        rows = git.text(root, "diff", "--numstat", commit, "HEAD").splitlines()
        changed = sum(int(cell) for row in rows for cell in row.split("\t")[:2] if cell.isdigit())
        if changed >= lines:
            break
    work = folder / repo.replace("/", "+")
    subprocess.run(["git", "clone", "-q", "--shared", str(root), str(work)], check=True, capture_output=True)
    subprocess.run(["git", "reset", "-q", "--soft", commit], cwd=work, check=True)
    seconds, cpu_s, said = called(("commit-message", "--repo", str(work)), folder)
    return Call("commit message", repo, changed, seconds, cpu_s, said.splitlines()[0] if said else "")


def figures(calls: Sequence[Call]) -> Iterator[results.Figure]:
    for what, target in (("docstring", "≤ 1.5"), ("commit message", "≤ 5")):
        own = [one for one in calls if one.what == what]
        sizes = f"{min(one.size for one in own)} to {max(one.size for one in own)}"
        unit = "lines of the file" if what == "docstring" else "changed lines"
        yield results.Figure(f"{what}: calls ({unit}: {sizes})", len(own))
        for name, values in (("clock", [c.seconds for c in own]), ("processor", [c.cpu_s for c in own])):
            ordered = sorted(values)
            told = f"{ordered[len(ordered) // 2]:.2f}, {ordered[-1]:.2f}"
            yield results.Figure(f"{what}: seconds of the {name}, median and most", told, target)


class Report(msgspec.Struct):
    """Every call; load: the machine's when it ended, of the last minute and more."""

    calls: list[Call]
    load: tuple[float, float, float]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_latency", description=__doc__)
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"))
    parser.add_argument("--repos", nargs="*", default=REPOSITORIES)
    parser.add_argument("--files", type=int, default=6, help="of each repository")
    parser.add_argument("--lines", type=int, default=5_000)
    parser.add_argument("--model", action="store_true", help="docstrings by a model")
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    calls: list[Call] = []
    for repo in given.repos:
        root = mirror(given.mirrors, repo).resolve()
        with tempfile.TemporaryDirectory() as folder:
            calls += docstrings(root, repo, given.files, Path(folder), given.model)
            calls.append(commit_message(root, repo, given.lines, Path(folder)))
            print(json.dumps(msgspec.to_builtins(calls[-1])), file=sys.stderr, flush=True)
    load = os.getloadavg()
    listed = [*figures(calls), results.Figure("load of the machine meanwhile, processes", round(load[0], 1))]
    named = os.environ.get("CODEWORLD_TEXT_MODEL", "the bundled one")
    made = results.stamp(f"{named}, for docstrings" if given.model else "none: symbolic")
    results.publish(given.out, "Waiting for texts", made, listed, Report(calls, load))
    return 0


if __name__ == "__main__":
    sys.exit(main())

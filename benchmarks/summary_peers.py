"""The same repositories, the same questions, asked of our page and of what others make of a repository.

    python -m venv PEERS && PEERS/bin/pip install aider-chat gitingest pylint
    python -m benchmarks.summary_peers --peers PEERS [--out docs/results/summary_peers]

A thing counts as found when its name (a command: all of it) stands anywhere in the output, by chance or within a copy
of the source: that is kind to peers, who do not say what a name is. A copy of everything has every name; so the same is
counted in the first 32,000 characters (about 8,000 tokens, what aider's map may take by default), and only of our
page is it known, from ``--json``, whether it is claimed as such. Time is
processor time, with an empty cache.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.results import Figure, markdown, stamp, write
from benchmarks.summary_truth import REPOSITORIES, Repository, declared, mains, public_names

HEAD_CHARS = 32_000
_TIMEOUT_S = 900
_AIDER = """
import subprocess, sys
from aider.io import InputOutput
from aider.repomap import RepoMap
class Model:
    def token_count(self, text): return len(text) // 4
root, tokens = sys.argv[1], int(sys.argv[2])
names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True).stdout.split("\\0")
io = InputOutput(pretty=False, yes=True, fancy_input=False)
found = RepoMap(map_tokens=tokens, root=root, main_model=Model(), io=io)
sys.stdout.write(found.get_repo_map([], [f"{root}/{name}" for name in names if name]) or "")
"""


class Answer(msgspec.Struct):
    """What one tool made of one repository; ``head`` counts in the first characters only, as [found, known]."""

    tool: str
    repository: str
    cpu_s: float
    peak_mb: float
    output_chars: int
    whole: dict[str, tuple[int, int]]
    head: dict[str, tuple[int, int]]
    failed: str = ""


class Results(msgspec.Struct):
    """All answers."""

    answers: list[Answer]


def known(repository: Repository, root: Path, installed: Path | None) -> dict[str, set[str]]:
    """What is to be found, as ``benchmarks.summary`` has it; public names without the module that they are in."""
    scripts, entries, dependencies = declared(root)
    public = public_names(repository, root, (), installed)
    last = {
        kind: {name.rpartition(".")[2] for name in getattr(public, kind)}
        for kind in ("exported", "documented")
    }
    return {
        "scripts": scripts,
        "entry points": scripts | entries | mains(repository, root),
        "public API, exported": last["exported"],
        "public API, documented": last["documented"],
        "dependencies": dependencies,
        "install": {repository.install},
        "test": {repository.test},
    }


def tools(peers: Path, repository: Repository, root: Path, out: Path) -> dict[str, list[str]]:
    """The command of each tool; it prints, or writes to ``out``."""
    package = root / repository.source / repository.package
    aider = [str(peers / "bin/python"), "-c", _AIDER, str(root)]
    return {
        "codeworld summarize": [
            sys.executable,
            "-m",
            "codeworld",
            "summarize",
            str(root),
            "-o",
            str(out / "page.md"),
        ],
        "codeworld summarize --budget 120": [
            *(sys.executable, "-m", "codeworld", "summarize", str(root)),
            *("--budget", "120", "-o", str(out / "page.md")),
        ],
        "codeworld summarize --json": [sys.executable, "-m", "codeworld", "summarize", str(root), "--json"],
        "aider repository map, 8k tokens": [*aider, "8192"],
        "aider repository map, 64k tokens": [*aider, "65536"],
        "gitingest": [str(peers / "bin/gitingest"), str(root), "-o", str(out / "digest.txt")],
        "pyreverse": [
            *(str(peers / "bin/python"), "-m", "pylint.pyreverse.main", "-o", "mmd"),
            *("-d", str(out), str(package)),
        ],
    }


def ask(tool: str, command: list[str], repository: Repository, root: Path, out: Path) -> tuple[Answer, str]:
    """Run a tool in a process of its own: what it cost, and all that it wrote."""
    for path in out.iterdir():
        path.unlink()
    with tempfile.TemporaryDirectory() as home, (out / "printed").open("wb") as printed:
        path = f"{Path(command[0]).parent}:{os.environ['PATH']}"
        child = subprocess.Popen(
            command,
            stdout=printed,
            stderr=subprocess.PIPE,
            cwd=root if tool.startswith("pyreverse") else Path.cwd(),
            env={**os.environ, "XDG_CACHE_HOME": home, "HOME": home, "PATH": path},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (_TIMEOUT_S, _TIMEOUT_S)),
        )
        assert child.stderr is not None
        said = child.stderr.read().decode(errors="replace").strip().split("\n")[-1]
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    text = "\n".join(path.read_text(errors="replace") for path in sorted(out.iterdir()))
    text = text.partition("\n<!-- codeworld:citations")[0]  # digests for --check, nothing to read
    answer = Answer(
        tool=tool,
        repository=repository.name,
        cpu_s=round(usage.ru_utime + usage.ru_stime, 2),
        peak_mb=round(usage.ru_maxrss / 1024, 1),
        output_chars=len(text),
        whole={},
        head={},
        failed=f"exit code {child.returncode}: {said}" if child.returncode or not text.strip() else "",
    )
    return answer, text


def count(text: str, wanted: dict[str, set[str]]) -> dict[str, tuple[int, int]]:
    """How many of each kind stand in ``text``."""
    flat = " ".join(text.split())
    words = set(re.findall(r"\w+(?:[-.]\w+)*|\w+", text)) | set(re.findall(r"\w+", text))
    plain = {_plain(word) for word in words}

    def stands(kind: str, name: str) -> bool:
        if kind in ("install", "test"):
            return name in flat
        if kind == "dependencies":
            return _plain(name) in plain
        return name in words or (name.startswith("python -m ") and (name in flat or "__main__" in words))

    return {kind: (sum(stands(kind, name) for name in names), len(names)) for kind, names in wanted.items()}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def measure(
    repository: Repository, mirrors: Path, peers: Path, work: Path, installed: Path | None
) -> list[Answer]:
    """All tools on one repository, each on the same fresh clone."""
    root, out = work / repository.name.split("/")[1], work / "out"
    out.mkdir(exist_ok=True)
    mirror = mirrors / repository.name.replace("/", "+") / "repo"
    subprocess.run(["git", "clone", "-q", "--shared", str(mirror), str(root)], check=True)
    wanted = known(repository, root, installed)
    answers = []
    for tool, command in tools(peers, repository, root, out).items():
        answer, text = ask(tool, command, repository, root, out)
        answer.whole, answer.head = count(text, wanted), count(text[:HEAD_CHARS], wanted)
        answers.append(answer)
        print(repository.name, tool, answer.cpu_s, answer.whole, answer.failed, file=sys.stderr, flush=True)
        subprocess.run(["git", "-C", str(root), "clean", "-qfdx"], check=True)
    return answers


def figures(results: Results) -> list[Figure]:
    """The table's lines: each kind for each tool, then the costs."""
    found = []
    by_tool: dict[str, list[Answer]] = {}
    for answer in results.answers:
        by_tool.setdefault(answer.tool, []).append(answer)
    for kind in results.answers[0].whole:
        for tool, answers in by_tool.items():
            whole, head = (_share(getattr(one, part)[kind] for one in answers) for part in ("whole", "head"))
            found.append(Figure(f"{kind}: {tool}", f"{whole}; in the first {HEAD_CHARS:,} characters {head}"))
    for tool, answers in by_tool.items():
        total = sum(one.output_chars for one in answers)
        seconds, peak = sum(one.cpu_s for one in answers), max(one.peak_mb for one in answers)
        cost = f"{seconds:.1f} s of processor time, at most {peak:.0f} MB, {total:,} characters"
        failed = [f"{one.repository} ({one.failed})" for one in answers if one.failed]
        found.append(
            Figure(f"cost of all: {tool}", cost + (f"; failed: {', '.join(failed)}" if failed else ""))
        )
    for answer in results.answers:
        cost = f"{answer.cpu_s:.2f} s, {answer.peak_mb:.0f} MB, {answer.output_chars:,} characters"
        found.append(Figure(f"{answer.repository}: {answer.tool}", cost))
    return found


def _share(counts: Iterable[tuple[int, int]]) -> str:
    pairs = list(counts)
    hits, known = sum(one for one, _ in pairs), sum(one for _, one in pairs)
    return f"{100 * hits / known:.1f} % ({hits} of {known})" if known else "none to find"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, required=True, help="a virtual environment with the peers")
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"), help="OWNER+NAME/repo below it")
    parser.add_argument("--installed", type=Path, help="where what the packages require was installed")
    parser.add_argument("--only", help="one repository, OWNER/NAME")
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    arguments = parser.parse_args()
    installed = arguments.installed.resolve() if arguments.installed else None
    answers = []
    for repository in REPOSITORIES:
        if arguments.only in (None, repository.name):
            with tempfile.TemporaryDirectory(prefix="peers-") as work:
                answers += measure(repository, arguments.mirrors, arguments.peers, Path(work), installed)
    results = Results(answers)
    title = "What our page and others say of the same six repositories"
    made = stamp("")
    print(markdown(title, made, figures(results)))
    if arguments.out:
        write(arguments.out, title, made, figures(results), results)


if __name__ == "__main__":
    main()

"""What a repository's page finds and costs, on the repositories held out for development.

    python -m benchmarks.summary [--mirrors DIR] [--big] [--out docs/results/summary]

The page is made by ``codeworld summarize`` in a process of its own, on a fresh clone with an empty cache. What it
should have found comes from elsewhere: pyproject.toml through tomllib, setup.py by running it with a setup() that only
takes notes, public names by importing the package with stand-ins for what it depends on (where even that fails, from
the import statements of its ``__init__``), the commands for installing and testing from its documentation, read by a
person. ``--big`` measures repositories of 2M lines and of 50,000 files instead, made of copies.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.results import Figure, markdown, stamp, write
from codeworld.summary.packaging import normalised, requirement_name

PLANTED_LINES = 25


class Repository(NamedTuple):
    """``install`` and ``test`` are documented commands; ``package`` is where the package's source begins."""

    name: str
    package: str
    source: str
    install: str
    test: str


REPOSITORIES = (
    Repository("encode/httpx", "httpx", ".", "pip install httpx", "scripts/test"),
    Repository("pallets/flask", "flask", "src", "pip install Flask", "pytest"),
    Repository("networkx/networkx", "networkx", ".", "pip install networkx", "PYTHONPATH=. pytest networkx"),
    Repository("keon/algorithms", "algorithms", ".", "pip install algorithms", "python -m pytest tests/"),
    Repository("huggingface/accelerate", "accelerate", "src", "pip install accelerate", "make test"),
    Repository("spotify/luigi", "luigi", ".", "pip install luigi", "tox run -e py310-core"),
)

NOTE_SETUP = """
import json, sys, setuptools
setuptools.setup = lambda **given: print(json.dumps({k: given.get(k) for k in
    ("name", "scripts", "entry_points", "install_requires", "extras_require")}))
sys.argv = ["setup.py", "--name"]
exec(compile(open("setup.py").read(), "setup.py", "exec"), {"__name__": "__main__", "__file__": "setup.py"})
"""
# A package is imported as it is; only what is not installed here is replaced.
PUBLIC_NAMES = """
import importlib, importlib.abc, importlib.machinery, json, sys, types
class Any(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)
    def __or__(cls, other): return cls
    def __ror__(cls, other): return cls
    def __getitem__(cls, item): return cls
    def __iter__(cls): return iter(())
    def __call__(cls, *given, **named):
        if len(given) == 1 and isinstance(given[0], types.FunctionType) and cls.__module__ == "stand_in":
            return given[0]  # a decorator
        return super().__call__()
def stand_in(name):
    return Any(name, (), {"__init__": lambda self, *a, **k: None, "__module__": "stand_in", "__getattr__": missing,
        "__call__": lambda self, *a, **k: a[0] if a else self})
def missing(self, name):
    if name.startswith("__"):
        raise AttributeError(name)
    return stand_in(name)
class Module(types.ModuleType):
    __path__ = []
    __version__ = "99.0"
    def __getattr__(self, name): return missing(self, name)
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {sys.argv[1], *sys.stdlib_module_names}:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec): return Module(spec.name)
    def exec_module(self, module): pass
sys.meta_path.append(Finder())
module = importlib.import_module(sys.argv[1])
names = getattr(module, "__all__", None) or [name for name, value in vars(module).items()
    if not name.startswith("_") and getattr(value, "__module__", sys.argv[1]).split(".")[0] == sys.argv[1]
    and not isinstance(value, types.ModuleType)]
print(json.dumps([sorted(names), sorted(vars(module))]))
"""


class Recall(msgspec.Struct):
    """How much of what is known was found; ``beyond`` is what was claimed but is not known to be so."""

    found: int
    known: int
    missed: list[str]
    beyond: list[str]

    def __str__(self) -> str:
        return f"{self.found}/{self.known}" if self.known else "none to find"

    @classmethod
    def of(cls, claimed: Iterable[str], known: Iterable[str], also: Iterable[str] | None = ()) -> Recall:
        """``also`` need not be found but may be; None for anything."""
        have, want = set(claimed), set(known)
        beyond = set() if also is None else have - want - set(also)
        return cls(len(have & want), len(want), sorted(want - have), sorted(beyond))


class Cost(msgspec.Struct):
    """Of one process."""

    seconds: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, {self.peak_mb:.0f} MB"


class Measured(msgspec.Struct):
    """One repository."""

    name: str
    commit: str
    python_files: int
    lines: int
    scripts: Recall
    entry_points: Recall
    public_api: Recall
    public_names_by: str  # import, or source: the package could not be imported
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
        cost = Cost(round(time.monotonic() - begin, 2), round(usage.ru_maxrss / 1024, 1))
        out.seek(0)
        return cost, out.read(), child.returncode


def measure(repository: Repository, mirrors: Path, work: Path) -> Measured:
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
        **_recalls(repository, root, summary),
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


def _recalls(repository: Repository, root: Path, summary: dict[str, Any]) -> dict[str, Any]:
    scripts, entries, dependencies = declared(root)
    mains = {
        f"python -m {path.parent.relative_to(root / repository.source).as_posix().replace('/', '.')}"
        for path in (root / repository.source / repository.package).rglob("__main__.py")
    }
    run_claims = [key for key in keys(summary, "Run") if not key.startswith("python -m ")]
    points = [*keys(summary, "Entry points"), *keys(summary, "Run")]
    offered, present, known_by = public_names(repository, root)
    names, attributes = ({f"{repository.package}.{name}" for name in found} for found in (offered, present))
    return {
        "scripts": Recall.of(run_claims, scripts),
        "entry_points": Recall.of(points, scripts | entries | mains, None),
        "public_names_by": known_by,
        "public_api": Recall.of(keys(summary, "Public API"), names, attributes),
        "dependencies": Recall.of(keys(summary, "Dependencies"), dependencies),
        "install": Recall.of(keys(summary, "Install"), {repository.install}, None),
        "test": Recall.of(keys(summary, "Test"), {repository.test}, None),
    }


def keys(summary: dict[str, Any], title: str) -> list[str]:
    return [claim["key"] for one in summary["sections"] if one["title"] == title for claim in one["claims"]]


def declared(root: Path) -> tuple[set[str], set[str], set[str]]:
    """Scripts, other entry points and all distributions that the metadata and requirements files name."""
    scripts: set[str] = set()
    entries: set[str] = set()
    wanted: list[str] = []
    pyproject = root / "pyproject.toml"
    content = tomllib.loads(pyproject.read_text()) if pyproject.exists() else {}
    project = content.get("project", {})
    scripts |= set(project.get("scripts", {})) | set(project.get("gui-scripts", {}))
    for group in project.get("entry-points", {}).values():
        entries |= set(group)
    groups = [
        *project.get("optional-dependencies", {}).values(),
        *content.get("dependency-groups", {}).values(),
    ]
    for group in (project.get("dependencies", []), *groups):
        wanted += [one for one in group if isinstance(one, str)]
    if (root / "setup.py").exists():
        command = [sys.executable, "-c", NOTE_SETUP]
        noted = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        given = json.loads(noted.stdout.strip().split("\n")[-1])
        scripts |= {
            one.split("=")[0].strip() for one in (given["entry_points"] or {}).get("console_scripts", [])
        }
        wanted += given["install_requires"] or []
        wanted += [one for group in (given["extras_require"] or {}).values() for one in group]
    for path in (*root.glob("requirements*.txt"), *root.glob("requirements/*.txt")):
        wanted += [
            line for line in path.read_text().split("\n") if line.strip() and line.strip()[0] not in "#-"
        ]
    return scripts, entries, {normalised(requirement_name(one)) for one in wanted if requirement_name(one)}


def public_names(repository: Repository, root: Path) -> tuple[list[str], list[str], str]:
    """What the package offers when it is imported, all its attributes, and how that was found."""
    done = subprocess.run(
        [sys.executable, "-c", PUBLIC_NAMES, repository.package],
        cwd=root / repository.source,
        env={**os.environ, "PYTHONPATH": str(root / repository.source), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return _written_names(root / repository.source / repository.package / "__init__.py")
    names, attributes = json.loads(done.stdout.strip().split("\n")[-1])
    return names, attributes, "import"


def _written_names(path: Path) -> tuple[list[str], list[str], str]:
    tree = ast.parse(path.read_text())
    names = [alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             for alias in node.names if node.level and not (alias.asname or alias.name).startswith("_")]  # fmt: skip
    return names, names, "source"


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
    copies, small, origin = work / "copies", work / "small", work / "networkx"
    subprocess.run(
        ["git", "clone", "-q", "--shared", str(mirrors / "networkx+networkx/repo"), origin], check=True
    )
    for number in range(copied):
        part = copies / f"part{number}"
        shutil.copytree(origin, part, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        for path in part.rglob("*.py"):  # the cache would know an equal file by its hash
            path.write_text(f"{path.read_text()}# copy {number}\n")
    for number in range(small_files):
        folder = small / f"p{number // 500}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
        (folder / f"m{number}.py").write_text(
            f'"""Module {number}."""\nfrom . import m{max(number - 1, 0)}\n'
        )
    found = []
    for name, root in ((f"networkx × {copied}", copies), (f"{small_files:,} small files", small)):
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
        found += [
            Figure(size + "cold", big.cold, "≤ 2 GB"),
            Figure(size + "after one file changed", big.one_changed),
        ]
    return found


def _quality(repositories: list[Measured]) -> list[Figure]:
    found = []
    for kind in ("scripts", "entry_points", "public_api", "dependencies", "install", "test"):
        recalls: list[Recall] = [getattr(one, kind) for one in repositories]
        hits, known = sum(one.found for one in recalls), sum(one.known for one in recalls)
        share = f"{100 * hits / known:.1f} % ({hits} of {known})" if known else "none to find"
        missed = [name for one in recalls for name in one.missed]
        beyond = sum(len(one.beyond) for one in recalls)
        note = f"; missed: {', '.join(missed[:6])}" if missed else ""
        if kind == "public_api":
            by_source = sum(one.public_names_by == "source" for one in repositories)
            note += f"; {by_source} of {len(repositories)} packages read, the others imported"
        found.append(Figure(kind.replace("_", " "), f"{share}, {beyond} claimed beyond{note}", "≥ 95 %"))
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
    parser.add_argument("--only", help="one repository, OWNER/NAME")
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    arguments = parser.parse_args()
    chosen = [one for one in REPOSITORIES if arguments.only in (None, one.name)]
    with tempfile.TemporaryDirectory(prefix="summary-") as name:
        work = Path(name)
        if arguments.big:
            results = Results([], measure_big(arguments.mirrors, work))
        else:
            results = Results([measure(one, arguments.mirrors, work) for one in chosen], [])
    made = stamp("")
    title = "A repository's page: what it finds, and what it costs"
    print(markdown(title, made, figures(results)))
    if arguments.out:
        write(arguments.out, title, made, figures(results), results)


if __name__ == "__main__":
    main()

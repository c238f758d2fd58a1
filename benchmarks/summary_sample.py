"""What a page finds in repositories that nobody looked at while its rules were written.

    python -m benchmarks.summary_sample --sample first|second|third [--out docs/results/summary_sample]

Three samples of repositories, drawn by a seeded generator from the manifest's training repositories and disjoint: the
first showed what was plainly wrong, the second, drawn before that and looked at afterwards, what the rules were worth;
the third was drawn when the public API had new rules, and was looked at when they were done. What should have been
found comes from the metadata through other readers than ours (tomllib, configparser, setup.py run in the sandbox with a
setup() that only takes notes), public names from importing the package in the sandbox with stand-ins for what it
depends on (summary_names.py). ``--code DIR`` measures another checkout of codeworld's.
"""

from __future__ import annotations

import argparse
import configparser
import csv
import json
import random
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from benchmarks.results import Figure, markdown, stamp, write
from benchmarks.summary import Cost, keys, run
from benchmarks.summary_truth import NAMES_PROGRAM, NOTE_SETUP, Recall, claimed_names
from codeworld.verify import sandbox

SAMPLE_SIZE = 22
_SEED = 8
_SIZE_BYTES = (100_000, 8_000_000)  # of Python: a package, and one that is cloned in seconds
_RUNNERS = re.compile(
    r"\b(pytest|py\.test|tox|nox|unittest|nosetests|nose2|hatch test|make test|make check)\b"
)
_ASIDE = ("test", "tests", "docs", "doc", "examples", "benchmarks", "scripts", "tools")
KINDS = ("scripts", "entry_points", "public_api", "dependencies", "install", "test")


class Sampled(msgspec.Struct):
    """One repository; ``imported`` says whether its public names could be had by importing it."""

    name: str
    commit: str
    lines: int
    scripts: Recall
    entry_points: Recall
    public_api: Recall
    dependencies: Recall
    install: Recall
    test: Recall
    imported: bool
    crashed: bool
    citations: int
    verified: int
    cold: Cost


class Results(msgspec.Struct):
    """Of one sample, with the rules of one commit."""

    sample: str
    repositories: list[Sampled]


class Declared(msgspec.Struct):
    """What metadata declares, as other readers than ours read it."""

    scripts: set[str]
    entries: set[str]
    requirements: set[str]
    names: set[str]


def sample(manifest: Path, mirrors: Path, which: str) -> list[str]:
    """OWNER/NAME of the repositories of a sample."""
    with manifest.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["role"] == "train"]
    low, high = _SIZE_BYTES
    names = sorted(row["repo"] for row in rows if low < int(row["kept_bytes"] or 0) < high)
    known = [name for name in names if (mirrors / name.replace("/", "+") / "repo").is_dir()]
    chosen = random.Random(_SEED).sample(known, 2 * SAMPLE_SIZE)
    if which == "third":
        return random.Random(_SEED + 1).sample([one for one in known if one not in chosen], SAMPLE_SIZE)
    return chosen[:SAMPLE_SIZE] if which == "first" else chosen[SAMPLE_SIZE:]


def declared(root: Path) -> Declared:
    """Of the project at the root of a repository."""
    found = Declared(set(), set(), set(), set())
    wanted: list[str] = []
    if (root / "pyproject.toml").exists():
        wanted += _from_toml(tomllib.loads((root / "pyproject.toml").read_text()), found)
    if (root / "setup.cfg").exists():
        wanted += _from_cfg(root / "setup.cfg", found)
    if (root / "setup.py").exists():
        wanted += _from_setup(root, found)
    for path in (*root.glob("requirements*.txt"), *root.glob("requirements/*.txt")):
        wanted += path.read_text(errors="replace").split("\n")
    for one in wanted:
        try:
            found.requirements.add(canonicalize_name(Requirement(one.split(" #")[0].strip()).name))
        except InvalidRequirement:
            continue  # an option, a path, a comment
    return found


def _from_toml(content: dict[str, Any], found: Declared) -> list[str]:
    project, poetry = content.get("project", {}), content.get("tool", {}).get("poetry", {})
    found.names |= {one["name"] for one in (project, poetry) if "name" in one}
    for table in (project, poetry):
        found.scripts |= set(table.get("scripts", {})) | set(table.get("gui-scripts", {}))
    for group in (*project.get("entry-points", {}).values(), *poetry.get("plugins", {}).values()):
        found.entries |= set(group)
    groups = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    groups += content.get("dependency-groups", {}).values()
    tables = [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
    tables += [group.get("dependencies", {}) for group in poetry.get("group", {}).values()]
    wanted = [one for group in groups for one in group if isinstance(one, str)]
    return wanted + [name for table in tables for name in table if name != "python"]


def _from_cfg(path: Path, found: Declared) -> list[str]:
    config = configparser.RawConfigParser(strict=False)
    config.read_string(path.read_text())
    sections = {name: dict(config.items(name)) for name in config.sections()}
    found.names |= {sections[one]["name"] for one in ("metadata",) if "name" in sections.get(one, {})}
    for group, text in sections.get("options.entry_points", {}).items():
        names = {line.split("=")[0].strip() for line in text.split("\n") if "=" in line}
        (found.scripts if group in ("console_scripts", "gui_scripts") else found.entries).update(names)
    scripts = sections.get("options", {}).get("scripts", "").split()
    found.scripts |= {Path(one).name for one in scripts}
    texts = [sections.get("options", {}).get("install_requires", "")]
    texts += sections.get("options.extras_require", {}).values()
    return [line for text in texts for line in text.split("\n")]


def _from_setup(root: Path, found: Declared) -> list[str]:
    given = _said(root, NOTE_SETUP)
    if not isinstance(given, dict):
        return []
    groups = given["entry_points"] or {}
    for group, values in groups.items() if isinstance(groups, dict) else ():
        names = {
            one.split("=")[0].strip()
            for one in (values.split("\n") if isinstance(values, str) else values)
            if "=" in one
        }
        (found.scripts if group in ("console_scripts", "gui_scripts") else found.entries).update(names)
    found.scripts |= {Path(one).name for one in given["scripts"] or []}
    if given.get("name"):
        found.names.add(given["name"])
    wanted = given["install_requires"] or []
    extras = (given["extras_require"] or {}).values()
    both = [wanted, *extras]
    return [one for group in both for one in (group.split("\n") if isinstance(group, str) else group)]


def _said(root: Path, program: str, *arguments: str) -> Any:
    """The JSON that a program prints last when it runs in the sandbox; None when it fails."""
    limits = sandbox.Limits(wall_s=120, cpu_s=60)
    done = sandbox.run([sys.executable, "-c", program, *arguments], project=root, limits=limits)
    try:
        return json.loads(done.output.strip().split("\n")[-1]) if done.status == "passed" else None
    except ValueError:
        return None


def package_of(root: Path, names: set[str]) -> tuple[str, str] | None:
    """The folder and the name of the package that the distribution is named after, or of the only one."""
    wanted = {re.sub(r"[-.]", "_", name).lower() for name in names}
    found = [
        (where, path.parent.name)
        for where in (".", "src", "lib")
        for path in sorted((root / where).glob("*/__init__.py"))
        if path.parent.name not in _ASIDE
    ]
    named = [one for one in found if one[1].lower() in wanted]
    return named[0] if named else found[0] if len(found) == 1 else None


def measure(name: str, mirrors: Path, work: Path, code: Path) -> Sampled:
    """Clone, make the page, compare, check."""
    root, cache, page = work / "root" / name.split("/")[1], work / "cache", work / "page.md"
    root.parent.mkdir(exist_ok=True)
    mirror = mirrors / name.replace("/", "+") / "repo"
    # A mirror lacks its largest files: then git checks out all the others and says that it failed.
    command = ["git", "clone", "-q", "--shared", str(mirror), str(root)]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
    cold, out, status = run(cache, "summarize", root, "-o", page, "--json", code=code)
    summary: dict[str, Any] = {"sections": [], "lines": 0}
    verdict: dict[str, Any] = {"citations": 0, "stale": []}
    if status == 0:  # otherwise nothing is found
        summary = json.loads(out)
        verdict = json.loads(run(cache, "summarize", root, "--check", page, "--json", code=code)[1])
    metadata = declared(root)
    package = package_of(root, metadata.names)
    program = NAMES_PROGRAM.read_text()
    offered = _said(root, program, package[1], package[0], "--stand-ins") if package else None
    mains = _mains(root, package) if package else set()
    found = keys(summary, "Entry points") + keys(summary, "Run")
    scripts = [key for key in keys(summary, "Run") if not key.startswith("python -m ")]
    names = offered["exported"] if offered else {}
    claimed = claimed_names(summary, package[0]) if package else set()
    install, test = _documented(root, metadata.names, summary)
    head = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    return Sampled(
        name=name,
        commit=head.stdout[:12],
        lines=summary["lines"],
        scripts=Recall.of(scripts, metadata.scripts),
        entry_points=Recall.of(found, metadata.scripts | metadata.entries | mains, None),
        public_api=Recall.of_names(claimed, names),
        dependencies=Recall.of(keys(summary, "Dependencies"), metadata.requirements, None),
        install=install,
        test=test,
        imported=offered is not None,
        crashed=status != 0,
        citations=verdict["citations"],
        verified=verdict["citations"] - len(verdict["stale"]),
        cold=cold,
    )


def _mains(root: Path, package: tuple[str, str]) -> set[str]:
    base = root / package[0]
    paths = [path.parent.relative_to(base).as_posix() for path in (base / package[1]).rglob("__main__.py")]
    return {f"python -m {path.replace('/', '.')}" for path in paths if "test" not in path}


def _documented(root: Path, names: set[str], summary: dict[str, Any]) -> tuple[Recall, Recall]:
    """Whether the README's ``pip install NAME`` and one of the runners of the continuous integration were found."""
    readmes = [
        path.read_text(errors="replace")
        for path in sorted(root.glob("[Rr][Ee][Aa][Dd][Mm][Ee]*"))
        if path.is_file()
    ]
    told = {
        name
        for name in names
        if any(
            re.search(rf"pip3? install [^\n]*\b{re.escape(name)}\b", text, re.IGNORECASE) for text in readmes
        )
    }
    said = " ".join(keys(summary, "Install")).lower()
    install = Recall.of([name for name in told if name.lower() in said], told, None)
    workflows = [path.read_text(errors="replace") for path in (root / ".github" / "workflows").glob("*.y*ml")]
    runners = set(_RUNNERS.findall("\n".join(workflows)))
    claimed = set(_RUNNERS.findall("\n".join(keys(summary, "Test"))))
    known = {f"one of {', '.join(sorted(runners))}"} if runners else set()
    return install, Recall.of(known if runners & claimed else (), known, None)


def figures(results: Results) -> list[Figure]:
    """The table's lines."""
    found = []
    for kind in KINDS:
        recalls: list[Recall] = [getattr(one, kind) for one in results.repositories]
        hits, known = sum(one.found for one in recalls), sum(one.known for one in recalls)
        each = [one.found / one.known for one in recalls if one.known]
        share = f"{100 * hits / known:.1f} % ({hits} of {known})" if known else "none to find"
        mean = f"; mean of {len(each)} repositories {100 * sum(each) / len(each):.1f} %" if each else ""
        note = f"; {sum(len(one.beyond) for one in recalls)} claimed beyond" if kind == "scripts" else ""
        found.append(Figure(kind.replace("_", " "), share + mean + note, "≥ 95 %"))
    imported = sum(one.imported for one in results.repositories)
    found.append(Figure("packages that could be imported", f"{imported} of {len(results.repositories)}"))
    verified, cited = (
        sum(getattr(one, part) for one in results.repositories) for part in ("verified", "citations")
    )
    found.append(Figure("citations verified by --check", f"{verified} of {cited}", "100 %"))
    crashed = [one.name for one in results.repositories if one.crashed]
    found.append(Figure("crashes", ", ".join(crashed) or "none", "none"))
    for one in results.repositories:
        missed = [
            f"{kind}: {', '.join(getattr(one, kind).missed[:3])}"
            for kind in KINDS
            if getattr(one, kind).missed
        ]
        shares = ", ".join(str(getattr(one, kind)) if getattr(one, kind).known else "–" for kind in KINDS)
        found.append(Figure(one.name, f"{shares}{'; missed ' if missed else ''}{'; '.join(missed)}"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"), help="OWNER+NAME/repo below it")
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/manifest.tsv"))
    parser.add_argument("--sample", choices=("first", "second", "third"), required=True)
    parser.add_argument("--only", help="one repository, OWNER/NAME")
    parser.add_argument(
        "--code", type=Path, default=Path.cwd(), help="the checkout whose codeworld is measured"
    )
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    arguments = parser.parse_args()
    chosen = sample(arguments.manifest, arguments.mirrors, arguments.sample)
    measured = []
    for name in chosen:
        if arguments.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="summary-") as work:
                measured.append(measure(name, arguments.mirrors, Path(work), arguments.code.resolve()))
            print(
                name,
                *(f"{kind} {getattr(measured[-1], kind)}" for kind in KINDS),
                file=sys.stderr,
                flush=True,
            )
    results = Results(arguments.sample, measured)
    title = f"A repository's page on the {arguments.sample} sample: what it finds where nobody looked"
    made = stamp("")
    print(markdown(title, made, figures(results)))
    if arguments.out:
        write(arguments.out, title, made, figures(results), results)


if __name__ == "__main__":
    main()

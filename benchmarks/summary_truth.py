"""What a repository's page should say, from other readers than ours: metadata, imports, documents.

pyproject.toml is read by tomllib, setup.py run with a setup() that only takes notes; public names come from importing
every public module of the package (summary_names.py, in a process of its own) and from its documents by docutils
(summary_documents.py); the commands for installing and testing were read by a person.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.summary_documents import named
from codeworld.summary.packaging import normalised, requirement_name

NAMES_PROGRAM = Path(__file__).with_name("summary_names.py")


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

    @classmethod
    def of_names(cls, claimed: set[str], known: dict[str, list[str]]) -> Recall:
        """``known`` has the other names of the same thing beside each name: any of them will do."""
        return cls.of((full for full, others in known.items() if claimed & {full, *others}), known)


class PublicNames(msgspec.Struct):
    """Of a package: names with others of the same thing, claimed ones that it does not have, modules not imported."""

    exported: dict[str, list[str]] = {}
    documented: dict[str, list[str]] = {}
    unknown: list[str] = []
    failed: list[str] = []


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


def mains(repository: Repository, root: Path) -> set[str]:
    """Commands for the modules of the package that ``python -m`` runs."""
    source = root / repository.source
    found = (source / repository.package).rglob("__main__.py")
    return {f"python -m {path.parent.relative_to(source).as_posix().replace('/', '.')}" for path in found}


def public_names(
    repository: Repository, root: Path, claimed: Iterable[str] = (), installed: Path | None = None
) -> PublicNames:
    """By import, with what it requires from the folder ``installed``; what fails, again with stand-ins for the rest."""
    asked = json.dumps({"documented": sorted(named(root)), "claimed": sorted(claimed)})
    paths = [str(path) for path in (installed, os.environ.get("PYTHONPATH")) if path]
    found = PublicNames()
    for options in ([], ["--stand-ins"]):
        done = subprocess.run(
            [sys.executable, str(NAMES_PROGRAM), repository.package, repository.source, *options],
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
            input=asked,
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            found = _both(found, msgspec.json.decode(done.stdout, type=PublicNames), is_first=not options)
        if found.exported and not found.failed:
            break
    return found


def _both(one: PublicNames, other: PublicNames, *, is_first: bool) -> PublicNames:
    if is_first or not one.exported:
        return other
    return PublicNames(
        other.exported | one.exported,
        other.documented | one.documented,
        sorted({*one.unknown} & {*other.unknown}),
        sorted({*one.failed} & {*other.failed}),
    )


def claimed_names(summary: dict[str, Any], source: str) -> set[str]:
    """What the claims of ``--json`` offer, by the name it is offered under and by that of its definition."""
    found = set()
    for section in summary["sections"]:
        for claim in section["claims"] if section["title"] == "Public API" else ():
            cited = claim["citations"][0]
            found |= {claim["key"], f"{_module(cited['path'], source)}.{claim['key'].rpartition('.')[2]}"}
    return found


def names_on(page: str, source: str) -> set[str]:
    """The same of what a reader finds in the page's section."""
    found = set()
    for line in page.partition("\n## Public API\n")[2].partition("\n## ")[0].split("\n"):
        head = re.match(r"- (?:class |function )?`([\w.]+)`", line)
        links = re.findall(r"\[`([^`]+)`\]\(([^)#]+)#L\d+\)", line)
        if not head or not links:
            continue
        named_links = [(name, path) for name, path in links if ":" not in name]
        for name, path in named_links:
            found |= {f"{head[1]}.{name}", f"{_module(path, source)}.{name}"}
        if not named_links:
            found |= {head[1], f"{_module(links[0][1], source)}.{head[1].rpartition('.')[2]}"}
    return found


def _module(path: str, source: str) -> str:
    inner = path if source == "." else path.removeprefix(f"{source}/")
    return inner.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

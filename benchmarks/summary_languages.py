"""Top-level symbols of languages other than Python, ours and those of Universal Ctags, in mixed repositories.

    python -m benchmarks.summary_languages [--out docs/results/summary_languages]

Needs ctags (Universal Ctags with JSON) and the extra ``languages``. Of each language up to 30 files are drawn by a
seeded generator. Of ctags' tags those count that have no scope (in C++ namespaces are seen through), without imports,
locals, members, include guards and anonymous ones; TypeScript's tests are left out, where ctags takes the constants
of callbacks for the module's. Ctags is no truth: names that only one of them has are listed in the JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import tempfile
from pathlib import Path

import msgspec

from benchmarks.results import Figure, markdown, stamp, write
from codeworld.summary.languages import readable
from codeworld.summary.other_languages import read
from codeworld.summary.sources import Sources

FILES = 30
_SEED = 8
REPOSITORIES = {
    "streamlit/streamlit": ("TypeScript", "JavaScript"),
    "wandb/wandb": ("Go",),
    "pydantic/pydantic": ("Rust",),
    "numpy/numpy": ("C", "C++"),
    "jax-ml/jax": ("C++",),
    "pantsbuild/pants": ("Rust", "Java"),
}
_NOT_TOP = {
    "package",
    "import",
    "local",
    "member",
    "parameter",
    "label",
    "enumerator",
    "unknown",
    "packageName",
    "implementation",
}


class Compared(msgspec.Struct):
    """One language in one repository."""

    repository: str
    language: str
    files: int
    both: int
    ours_only: list[str]
    ctags_only: list[str]


class Results(msgspec.Struct):
    """All of them."""

    compared: list[Compared]


def ctags(path: Path, language: str) -> set[str]:
    """The names that ctags finds at the top level of a file."""
    options = ["--output-format=json", "--fields=+ZK", "--extras=-F", "--kinds-C=+p", "--kinds-C++=+p"]
    command = ["ctags", *options, f"--language-force={language}", "-f", "-", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    tags = [json.loads(line) for line in done.stdout.split("\n") if line.startswith("{")]
    return {
        tag["name"]
        for tag in tags
        if tag.get("kind") not in _NOT_TOP
        and not tag["name"].startswith("__anon")
        and (not tag.get("scope") or tag.get("scopeKind") in ("namespace", "package"))
        and not (tag.get("kind") in ("method", "methodSpec") or "::" in tag["name"])
        and not re.search(r"_(H|HH|HPP)_*$", tag["name"])
        and not (language == "C++" and tag.get("kind") == "namespace")
    }


def compare(name: str, languages: tuple[str, ...], mirrors: Path, work: Path) -> list[Compared]:
    """The languages of one repository."""
    root = work / name.split("/")[1]
    mirror = mirrors / name.replace("/", "+") / "repo"
    # A mirror lacks its largest files: then git checks out all the others and says that it failed.
    command = ["git", "clone", "-q", "--shared", str(mirror), str(root)]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
    sources = Sources(root)
    spoken = readable(sources)
    found = []
    for language in languages:
        paths = sorted(path for path, one in spoken.items() if one.name == language and ".test." not in path)
        chosen = random.Random(_SEED).sample(paths, min(FILES, len(paths)))
        row = Compared(name, language, len(chosen), 0, [], [])
        for path in chosen:
            ours = {one.name for one in read(sources.lines(path), spoken[path]).symbols}
            theirs = ctags(root / path, language)
            row.both += len(ours & theirs)
            row.ours_only += [f"{path}: {one}" for one in sorted(ours - theirs)]
            row.ctags_only += [f"{path}: {one}" for one in sorted(theirs - ours)]
        found.append(row)
    return found


def figures(results: Results) -> list[Figure]:
    """The table's lines."""
    return [
        Figure(
            f"{one.language} in {one.repository}",
            f"{100 * one.both / max(1, one.both + len(one.ctags_only)):.1f} % of ctags' names "
            f"({one.both} of {one.both + len(one.ctags_only)}) in {one.files} files; {len(one.ours_only)} only ours",
        )
        for one in results.compared
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"), help="OWNER+NAME/repo below it")
    parser.add_argument("--only", help="one repository, OWNER/NAME")
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    arguments = parser.parse_args()
    compared = []
    for name, languages in REPOSITORIES.items():
        if arguments.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="languages-") as work:
                compared += compare(name, languages, arguments.mirrors, Path(work))
    results = Results(compared)
    made = stamp("")
    title = "Top-level symbols of other languages, beside Universal Ctags"
    print(markdown(title, made, figures(results)))
    if arguments.out:
        write(arguments.out, title, made, figures(results), results)


if __name__ == "__main__":
    main()

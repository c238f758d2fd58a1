"""Functions of the heldout-dev repositories, drawn by chance, each in a checkout of its repository."""

from __future__ import annotations

import ast
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks import testgen_pack
from codeworld.errors import BadInput
from codeworld.testgen.project import place_of
from codeworld.testgen.target import read_module

MIRROR = Path(os.environ.get("CODEWORLD_MIRROR", "../.mirror"))
MANIFEST = Path(os.environ.get("CODEWORLD_DATA", "../shared/data")) / "manifest.tsv"
# How many of each; accelerate is left out: it needs torch in the judge's interpreter.
QUOTAS = {
    "keon/algorithms": 40,
    "networkx/networkx": 25,
    "encode/httpx": 13,
    "pallets/flask": 11,
    "spotify/luigi": 11,
}
LEAST_LINES = 4


def draw(work: Path, seed: int = 0) -> Iterator[tuple[Path, Path, str, str]]:
    """Checkout, file, module and qualified name of each; turn by turn from the repositories."""
    chance = random.Random(seed)
    drawn = []
    for name, count in QUOTAS.items():
        root = checkout(name, work)
        found = sorted(candidates(root))
        chance.shuffle(found)
        drawn += [(at / count, root, *one) for at, one in enumerate(found[:count])]
    for _, root, file, module, qualname in sorted(drawn):
        yield root, root / file, module, qualname


def checkout(name: str, work: Path, *, with_tests: bool = False) -> Path:
    """The manifest's commit of a repository, as files."""
    root = work / name.replace("/", "+")
    if not root.exists():
        row = next(
            line.split("\t") for line in MANIFEST.read_text().splitlines() if line.startswith(f"{name}\t")
        )
        assert row[1] == "heldout-dev"
        unpack(name, row[3], root, with_tests=with_tests)
    return root


def unpack(name: str, commit: str, root: Path, *, with_tests: bool = False) -> None:
    """The files of a repository's commit, as a project of its own in the folder ``root``. What is there of another
    commit stays where it is the same."""
    mirror = MIRROR / name.replace("/", "+")
    (root / ".git").mkdir(parents=True, exist_ok=True)  # what marks a project's root
    if testgen_pack.holds(mirror, commit):
        testgen_pack.unpack(mirror, commit, root)
        return
    heads = (*mirror.glob("*/HEAD"), *mirror.rglob("HEAD"))  # the latter follows no links
    places = [one for one in heads if (one.parent / "objects").is_dir()]
    git = [
        "git",
        f"--git-dir={places[0].parent.resolve()}",
        f"--work-tree={root.resolve()}",
        "-c",
        "core.bare=false",
    ]
    index = {**os.environ, "GIT_INDEX_FILE": str(root.with_name(f"{root.name}.index").resolve())}
    subprocess.run([*git, "read-tree", "--reset", "-u", commit], check=True, env=index, cwd=root)
    # People's own tests of what is drawn would be judged with ours, and are inputs that peers do not see.
    for path in [
        one for one in root.rglob("*") if not with_tests and testgen_pack.IS_TEST.fullmatch(one.name)
    ]:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def candidates(root: Path) -> Iterator[tuple[str, str, str]]:
    """``(file, module, qualname)`` of public functions and methods that are more than a line or two."""
    for file in sorted(root.rglob("*.py")):
        relative = file.relative_to(root).as_posix()
        words = relative.replace(".py", "").split("/")
        if any(one.startswith(("test", "__", "doc", "example", "bench", "setup", "conf")) for one in words):
            continue
        try:
            module = read_module(file.read_text(encoding="utf-8"))
        except (BadInput, UnicodeDecodeError):
            continue
        for target in module.targets:
            function = module.functions.get(target.qualname)
            if function is not None and target.kind in ("function", "method"):
                statements = sum(isinstance(one, ast.stmt) for one in ast.walk(function)) - 1
                if statements >= LEAST_LINES and not target.name.startswith("__"):
                    yield relative, place_of(file, root).module, target.qualname

"""Docstrings for the held-out repositories: are new ones lint-clean in each style, do updates keep what people wrote?

    python -m benchmarks.docstrings lint update --out docs/results/docstrings

lint: every docstring of a sample of files is taken out and written anew, and judged by pydoclint and ruff's D rules.
update: commits that changed the signature of a documented function; the docstring before is updated to the code after,
and compared with what people did. Each part replaces its own rows of the figures.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.commit_messages import REPOSITORIES
from codeworld import git
from codeworld.canvas import Reject
from textdiff.commit.kinds import kind_of
from textdiff.docstring import document
from textdiff.docstring.document import Offer, Settings, offers
from textdiff.docstring.styles import Style, StyleName
from textdiff.docstring.understand import Target, literal, read

_CONVENTION = {"google": "google", "numpy": "numpy", "sphinx": "pep257", "plain": "pep257"}
# pydoclint judges the signature, too: without annotations these cannot be avoided by any docstring.
_OF_THE_SIGNATURE = {"DOC106", "DOC107", "DOC109", "DOC110"}
_OF_AN_UNANNOTATED_RESULT = {"DOC203", "DOC403", "DOC404"}
_VIOLATION = re.compile(r"^\s+(\d+): (DOC\d+):? (.*)$")


class Lint(msgspec.Struct):
    """One style's figures."""

    functions: int
    refused: dict[str, int]
    faults: list[str]
    annotated: int
    sources: dict[str, int]


def files(root: Path, count: int) -> Iterator[tuple[str, str]]:
    """Python files of the newest commit, spread evenly; tests are left out, as nobody documents them in full."""
    names = git.text(root, "ls-tree", "-r", "--name-only", "HEAD").split("\n")
    python = [name for name in names if name.endswith(".py") and kind_of(name) == "code"]
    for name in python[:: max(len(python) // count, 1)]:
        yield name, git.text(root, "show", f"HEAD:{name}")


def without_docstrings(text: str) -> str | None:
    """The module with its functions' and classes' docstrings taken out; None where that leaves an empty body."""
    source = read(text)
    if isinstance(source, Reject):
        return None
    spans = []
    for target in source.targets:
        where = literal(source, target)
        body = getattr(target.node, "body", [])
        if where is None or target.kind == "module":
            continue
        if len(body) < 2 or body[1].lineno == body[0].end_lineno:
            continue
        row = body[0].lineno - 1
        spans.append((source.starts[row], source.starts[(body[0].end_lineno or row)]))
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + text[end:]
    return None if isinstance(read(text), Reject) else text


def lint(mirrors: Path, name: StyleName, count: int) -> Lint:
    found = Lint(0, {}, [], 0, {})
    refused: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        written: dict[Path, dict[int, tuple[Target, Offer]]] = {}
        for repo in REPOSITORIES:
            for number, (_, text) in enumerate(files(mirrors / repo.replace("/", "+") / "repo", count)):
                path = Path(folder) / f"{repo.replace('/', '_')}_{number}.py"
                made = _write(path, text, name, refused)
                if made:
                    written[path] = made
                    found.functions += len(made)
                    found.annotated += sum(_annotated(target) for target, _ in made.values())
                    sources.update(one.source for _, offer in made.values() for one in offer.phrases)
        found.faults = [*_ruff(Path(folder), name, written), *_pydoclint(Path(folder), name, written)]
    found.refused, found.sources = dict(refused), dict(sources)
    return found


def _write(path: Path, text: str, name: StyleName, refused: Counter[str]) -> dict[int, tuple[Target, Offer]]:
    bare = without_docstrings(text)
    if bare is None:
        return {}
    settings = Settings(style=Style(name), private=True)
    source = read(bare)
    assert not isinstance(source, Reject)
    wanted = [one for one in source.targets if one.kind != "module" and one.docstring is None]
    wanted = [one for one in wanted if one.name != "__init__"]  # described by the class's docstring
    made = offers(bare, settings=settings)
    if isinstance(made, Reject):
        refused[made.reason] += 1
        return {}
    made = [one for one in made if one.kind == "new" and one.qualname]
    refused["no summary is certain"] += len(wanted) - len(made)
    unique = {one.edit.start_char: one for one in made}
    after = document.apply(bare, list(unique.values()))
    path.write_text(after, encoding="utf-8", newline="")
    now = read(after)
    assert not isinstance(now, Reject)
    by_name = {one.qualname: one for one in unique.values()}
    return {one.line + 1: (one, by_name[one.qualname]) for one in now.targets if one.qualname in by_name}


def _annotated(target: Target) -> bool:
    return target.kind != "class" and target.annotated and bool(target.returns)


def _ruff(
    folder: Path, name: StyleName, written: dict[Path, dict[int, tuple[Target, Offer]]]
) -> Iterator[str]:
    """Violations of the D rules in docstrings of ours; D1 (missing ones) is about others."""
    config = f'lint.pydocstyle.convention = "{_CONVENTION[name]}"'
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "D",
        "--ignore",
        "D1",
        "--config",
        config,
    ]
    command = [*command, "--output-format", "json", "--no-cache", str(folder)]
    out = subprocess.run(command, capture_output=True, check=False).stdout
    for fault in msgspec.json.decode(out):
        row, made = fault["location"]["row"], written.get(Path(fault["filename"]), {})
        lines = Path(fault["filename"]).read_text(encoding="utf-8").split("\n")
        for target, offer in made.values():
            near = target.line < row - 1 <= target.line + 12 + offer.docstring.count("\n")
            if near and offer.docstring.split("\n")[0] in lines[row - 1]:
                yield f"{fault['code']} {target.qualname}: {fault['message']}"


def _pydoclint(
    folder: Path, name: StyleName, written: dict[Path, dict[int, tuple[Target, Offer]]]
) -> Iterator[str]:
    style = "numpy" if name == "plain" else name
    command = [sys.executable, "-m", "pydoclint.main", "--style", style, "-q", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    made: dict[int, tuple[Target, Offer]] = {}
    for line in (done.stdout + done.stderr).splitlines():
        if line.endswith(".py"):
            made = written.get(Path(line.strip()), {})
        found = _VIOLATION.match(line)
        if not found or int(found[1]) not in made:
            continue
        target = made[int(found[1])][0]
        if found[2] in _OF_THE_SIGNATURE and not target.annotated:
            continue
        if found[2] in _OF_AN_UNANNOTATED_RESULT and not target.returns:
            continue
        yield f"{found[2]} {target.qualname}: {found[3]}"

"""Docstrings for the held-out repositories: are new ones lint-clean in each style, do updates keep what people wrote?

    python -m benchmarks.docstrings lint update --out docs/results/docstrings

lint: every docstring of a sample of files is taken out and written anew, and judged by pydoclint and ruff's D rules.
update: commits that changed the signature of a documented function; the docstring before is updated to the code after,
and compared with what people did.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import results
from benchmarks.commit_messages import REPOSITORIES
from codeworld import git
from codeworld.canvas import Reject
from textdiff.commit.diff import of_commit
from textdiff.commit.kinds import kind_of
from textdiff.docstring import document, styles
from textdiff.docstring.changes import Changes, between
from textdiff.docstring.document import Offer, Settings, offers
from textdiff.docstring.sections import Item, parse
from textdiff.docstring.styles import Style, StyleName
from textdiff.docstring.understand import Source, Target, literal, read
from textdiff.docstring.update import update

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


class Case(msgspec.Struct):
    """One documented function whose signature a commit changed."""

    repo: str
    commit: str
    name: str
    before: str
    ours: str
    theirs: str
    false_before: int
    false_ours: int
    false_theirs: int
    complete_before: bool
    complete_ours: bool
    complete_theirs: bool
    kept_ours: float
    kept_theirs: float
    kept_true_ours: float
    kept_true_theirs: float


def changed_functions(root: Path, commits: int) -> Iterator[tuple[str, Source, Target, Source, Target]]:
    """(commit, module before, function before, module after, function after) where the signature differs and the
    docstring before had sections."""
    arguments = (
        "log",
        f"--max-count={commits}",
        "--no-merges",
        "--format=%H",
        "-G^[ \t]*(async )?def ",
        "--",
        "*.py",
    )
    for commit in git.text(root, *arguments).split():
        for change in of_commit(root, commit).files:
            if change.before is None or change.after is None or not change.path.endswith(".py"):
                continue
            old, new = read(change.before), read(change.after)
            if isinstance(old, Reject) or isinstance(new, Reject):
                continue
            now = {one.qualname: one for one in new.targets}
            for one in old.targets:
                other = now.get(one.qualname)
                if other is None or one.kind not in ("function", "method") or one.docstring is None:
                    continue
                same = (one.parameters, one.returns) == (other.parameters, other.returns)
                if not same and other.docstring is not None and parse(one.docstring).items("parameters"):
                    yield commit, old, one, new, other


def false_names(raw: str, target: Target) -> int:
    """Documented parameters that the signature does not have; those that ** may take are none."""
    names = {one.name.lstrip("*") for one in target.parameters}
    if any(one.name.startswith("**") for one in target.parameters):
        return 0
    return sum(name not in names for item in parse(raw).items("parameters") for name in item.names)


def is_complete(raw: str, target: Target) -> bool:
    said = {name for item in parse(raw).items("parameters") for name in item.names}
    return {one.name.lstrip("*") for one in target.parameters} <= said


def kept(words: list[str], after: str) -> float:
    """Share of words that are still there, in their order."""
    matcher = difflib.SequenceMatcher(None, words, after.split(), autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / len(words) if words else 1.0


def still_true(before: str, old: Target, new: Target) -> list[str]:
    """The words of a docstring without those about what is gone, and without names, types, defaults that are others
    now."""
    parsed = parse(before)
    changes = between(old, new, parsed)
    lines = list(parsed.lines)
    for block in parsed.blocks:
        gone = [item for item in block.items if _is_gone(item, changes)]
        for item in gone:
            lines[slice(*item.lines)] = [""] * (item.lines[1] - item.lines[0])
        if gone and len(gone) == len(block.items):
            lines[slice(*block.lines)] = [""] * (block.lines[1] - block.lines[0])
        for item in block.items:
            for word in _others_now(item, changes):
                for row in range(*item.lines):
                    lines[row] = " ".join(one for one in lines[row].split() if word not in one)
    return " ".join(lines).split()


def _is_gone(item: Item, changes: Changes) -> bool:
    if item.kind == "returns":
        return changes.returns_gone
    if item.kind == "raises":
        return bool(item.names) and item.names[0].rpartition(".")[2] in changes.raises_gone
    return item.kind == "parameters" and bool(item.names) and set(item.names) <= changes.removed


def _others_now(item: Item, changes: Changes) -> list[str]:
    name = item.names[0] if item.names else ""
    now = changes.renamed.get(name, name)
    words = [name] if name != now or name.rpartition(".")[2] in changes.raise_renamed else []
    if now in changes.retyped or (item.kind == "returns" and changes.return_type):
        words += item.type.split()
    if now in changes.defaults and changes.defaults[now][0]:
        words.append(changes.defaults[now][0].strip("'\""))
    return [word for word in words if word]


def cases(root: Path, repo: str, commits: int, most: int) -> Iterator[Case]:
    count = 0
    for commit, old_source, old, new_source, new in changed_functions(root, commits):
        was, now = literal(old_source, old), literal(new_source, new)
        if was is None or now is None or count == most:
            continue
        count += 1
        newline = "\r\n" if "\r\n" in old_source.text else "\n"
        style = Style(parse(was.raw).style)
        ours = update(was.raw, new, old, style, newline).raw
        true = still_true(was.raw, old, new)
        yield Case(
            repo,
            commit,
            old.qualname,
            was.raw,
            ours,
            now.raw,
            *(false_names(raw, new) for raw in (was.raw, ours, now.raw)),
            is_complete(was.raw, old),
            *(is_complete(raw, new) for raw in (ours, now.raw)),
            *(kept(was.raw.split(), raw) for raw in (ours, now.raw)),
            *(kept(true, raw) for raw in (ours, now.raw)),
        )


def _percent(values: list[float] | list[bool]) -> float | None:
    return round(100 * sum(values) / len(values), 2) if values else None


def update_figures(found: list[Case]) -> list[results.Figure]:
    touched = [one for one in found if one.theirs != one.before]
    whole = [one for one in found if one.complete_before]
    near = [difflib.SequenceMatcher(None, one.ours.split(), one.theirs.split()).ratio() for one in touched]
    still = [difflib.SequenceMatcher(None, one.before.split(), one.theirs.split()).ratio() for one in touched]
    return [
        results.Figure("update: signature changes of documented functions", len(found), "≥ 300"),
        results.Figure(
            "update: words kept of what is still true, ours, %",
            _percent([c.kept_true_ours for c in found]),
            "≥ 99",
        ),
        results.Figure(
            "update: words kept of what is still true, people, %",
            _percent([c.kept_true_theirs for c in found]),
        ),
        results.Figure("update: words kept of all, ours, %", _percent([c.kept_ours for c in found])),
        results.Figure("update: words kept of all, people, %", _percent([c.kept_theirs for c in found])),
        results.Figure(
            "update: documented parameters that do not exist, left untouched",
            sum(c.false_before for c in found),
        ),
        results.Figure(
            "update: documented parameters that do not exist, people", sum(c.false_theirs for c in found)
        ),
        results.Figure(
            "update: documented parameters that do not exist, ours", sum(c.false_ours for c in found), "0"
        ),
        results.Figure(
            f"update: complete ones kept complete (of {len(whole)}), ours, %",
            _percent([c.complete_ours for c in whole]),
        ),
        results.Figure(
            f"update: complete ones kept complete (of {len(whole)}), people, %",
            _percent([c.complete_theirs for c in whole]),
        ),
        results.Figure(
            f"update: as people did, to the byte (of {len(touched)} they touched), %",
            _percent([c.ours == c.theirs for c in touched]),
        ),
        results.Figure("update: words in common with what people wrote, ours, %", _percent(near)),
        results.Figure("update: words in common with what people wrote, untouched, %", _percent(still)),
    ]


def lint_figures(name: StyleName, found: Lint) -> list[results.Figure]:
    clean = found.functions - len({one.split(" ", 1)[1].split(":")[0] for one in found.faults})
    offered = found.functions + sum(found.refused.values())
    return [
        results.Figure(f"lint {name}: docstrings", found.functions, "≥ 300"),
        results.Figure(f"lint {name}: clean, %", round(100 * clean / max(found.functions, 1), 2), "100"),
        results.Figure(f"lint {name}: of functions with all types written down", found.annotated),
        results.Figure(
            f"lint {name}: nothing offered, as no summary is certain, %",
            round(100 * (1 - found.functions / max(offered, 1)), 1),
        ),
    ]


class Report(msgspec.Struct):
    """What the JSON file holds beside the stamp."""

    lint: dict[str, Lint]
    update: dict[str, int]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.docstrings", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=["lint", "update"])
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"))
    parser.add_argument("--files", type=int, default=12, help="files of each repository (lint)")
    parser.add_argument(
        "--commits",
        type=int,
        default=150,
        help="newest commits that touch a def, of each repository (update)",
    )
    parser.add_argument("--most", type=int, default=150, help="functions of each repository (update)")
    parser.add_argument("--rows", type=Path, help="also write every case of the updates there, as JSON lines")
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    listed: list[results.Figure] = []
    report = Report({}, {})
    for name in styles.NAMES if "lint" in given.parts else ():
        begin = time.monotonic()
        report.lint[name] = lint(given.mirrors, name, given.files)
        listed += lint_figures(name, report.lint[name])
        print(
            f"{name}: {time.monotonic() - begin:.0f} s", *report.lint[name].faults, sep="\n", file=sys.stderr
        )
    if "update" in given.parts:
        found: list[Case] = []
        for repo in REPOSITORIES:
            here = list(
                cases(given.mirrors / repo.replace("/", "+") / "repo", repo, given.commits, given.most)
            )
            report.update[repo] = len(here)
            print(f"{repo}: {len(here)} changes", file=sys.stderr)
            found += here
        listed += update_figures(found)
        if given.rows:
            given.rows.write_bytes(b"\n".join(map(msgspec.json.encode, found)) + b"\n")
    made = results.stamp("none: symbolic")
    results.publish(given.out, "Docstrings", made, listed, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""All facts of a diff, the most telling first, and the type of change that they add up to."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Literal

import msgspec

from textdiff.commit import python_facts, text_facts
from textdiff.commit.diff import Diff, FileChange
from textdiff.commit.fact import Fact
from textdiff.commit.kinds import FileKind, kind_of

ChangeType = Literal["feat", "fix", "docs", "test", "refactor", "style", "build", "ci", "chore"]
MAX_FACTS = 400
_FIRST = (
    "moved",
    "renamed",
    "added",
    "removed",
    "signature",
    "version",
    "dependency",
    "body",
    "value",
    "docstring",
)


class Facts(msgspec.Struct, frozen=True):
    """``facts`` in order of weight; ``kinds`` counts changed lines by what files are for; ``type`` is the change's."""

    facts: tuple[Fact, ...]
    kinds: dict[FileKind, int]
    type: ChangeType

    def of(self, *kinds: str) -> list[Fact]:
        """The facts of some kinds."""
        return [one for one in self.facts if one.kind in kinds]


def understand(diff: Diff) -> Facts:
    """The facts of a diff."""
    found: list[Fact] = []
    kinds: Counter[FileKind] = Counter()
    for change in diff.files:
        kinds[kind_of(change.path)] += 1 + change.added + change.removed
        found += _file(change)
        if len(found) < MAX_FACTS:
            found += _python(change) if change.path.endswith((".py", ".pyi")) else []
            found += text_facts.facts(change)
    found = sorted(python_facts.moved(found), key=_weight)
    return Facts(tuple(found), dict(kinds), _type(diff, found, kinds))


def _file(change: FileChange) -> list[Fact]:
    """A file that came, went or got another name; for others its name alone."""
    if change.status == "A":
        return [Fact("added", "file", change.path, change.path)]
    if change.status == "D":
        return [Fact("removed", "file", change.path, change.path)]
    if change.status == "R":
        return [Fact("renamed", "file", change.path, change.path, old=change.old_path, new=change.path)]
    return [Fact("file", "file", change.path, change.path)]


def _python(change: FileChange) -> list[Fact]:
    if not change.read or change.status == "D" or kind_of(change.path) == "generated":
        return []
    before = python_facts.definitions(change.before)
    after = python_facts.definitions(change.after)
    if before is None or after is None:
        return []
    facts = python_facts.compare(change.path, before, after)
    if not facts and change.before is not None and _same(change.before, change.after or ""):
        comments = next((line for line in (*change.gone, *change.come) if "#" in line), "")
        return [Fact("layout", "file", change.path, change.path, new=comments)]
    return facts


def _same(before: str, after: str) -> bool:
    """Whether only comments and layout differ."""
    return ast.dump(ast.parse(before)) == ast.dump(ast.parse(after))


def _weight(fact: Fact) -> tuple[int, int, int]:
    order = _FIRST.index(fact.kind) if fact.kind in _FIRST else len(_FIRST)
    return kind_of(fact.path) in ("test", "docs"), order, not fact.public


def _type(diff: Diff, facts: list[Fact], kinds: Counter[FileKind]) -> ChangeType:
    """The type as conventional commits have it, from what kinds of files changed and how."""
    only = {kind for kind in kinds if kind != "changelog"} or {"docs"}
    if only <= {"docs", "changelog"}:
        return "docs"
    if only <= {"test"}:
        return "test"
    if only <= {"ci"}:
        return "ci"
    if any(one.kind == "version" for one in facts) and len(kinds) <= 2:
        return "chore"
    if only <= {"dependencies", "lock", "config", "ci", "generated"}:
        return "build"
    kind_set = {one.kind for one in facts if kind_of(one.path) == "code" and one.kind not in ("file", "typo")}
    if kind_set and kind_set <= {"docstring", "layout"}:
        return "docs" if "docstring" in kind_set else "style"
    return _of_code(facts, kinds)


def _of_code(facts: list[Fact], kinds: Counter[FileKind]) -> ChangeType:
    code = [one for one in facts if kind_of(one.path) == "code"]
    said = " ".join(one.name.lower() for one in facts if one.kind == "changelog")
    if "fix" in said:
        return "fix"
    added = [one for one in code if one.kind == "added" and one.public and one.what != "constant"]
    if added:
        return "feat"
    if any(one.kind in ("moved", "renamed", "removed") and one.what != "constant" for one in code):
        return "refactor"
    if kinds["test"] and any(one.kind in ("body", "signature", "value") for one in code):
        return "fix"
    if any(one.kind in ("body", "signature", "added") for one in code):
        return "fix"
    return "chore"

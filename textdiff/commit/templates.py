"""Subjects and body lines that say facts and nothing else, in the base mood ("add …"), without prefix and full stop."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from textdiff.commit.diff import Diff
from textdiff.commit.fact import Fact, Kind
from textdiff.commit.facts import Facts
from textdiff.commit.kinds import kind_of

_MANY = 3  # names in one line
_BODY_LINES = 12
_ORDER: tuple[Kind, ...] = ("moved", "renamed", "added", "removed", "signature", "body", "value", "docstring")
_ANYWHERE = frozenset(
    ("readme", "index", "__init__", "conf", "makefile", "setup", "changelog")
)  # of many folders
_UNREADABLE = "\ufffd"
_KINDS = {
    "test": "tests",
    "docs": "documentation",
    "changelog": "changelog",
    "ci": "CI configuration",
    "dependencies": "dependencies",
    "lock": "lock file",
    "generated": "generated files",
    "config": "configuration",
    "code": "code",
    "data": "data files",
}


def subjects(diff: Diff, facts: Facts) -> Iterator[str]:
    """What may stand as the subject, the most telling first; the last one always exists."""
    yield from _versions(facts)
    yield from _dependencies(facts)
    if len(diff.files) == 1 and diff.files[0].submodule:
        verb = {"A": "add", "D": "remove"}.get(diff.files[0].status, "update")
        yield f"{verb} submodule {diff.files[0].path}"
    yield from _only_typos(facts)
    yield from _prose(diff, facts)
    yield from _definitions(facts)
    yield from _layout(facts)
    yield from _files(diff)


def body(diff: Diff, facts: Facts) -> list[str]:
    """The other facts, a line each."""
    lines = list(dict.fromkeys(_lines(facts)))
    if len(lines) < 2:
        return []
    if len(lines) > _BODY_LINES:
        lines = [*lines[:_BODY_LINES], "and more"]
    for kind in ("lock", "generated"):
        if kind in facts.kinds and len(facts.kinds) > 1:
            lines.append(f"update {_KINDS[kind]}")
    return lines


def _lines(facts: Facts) -> Iterator[str]:
    for one in facts.facts:
        if one.what == "file":
            told = one.kind in ("removed", "renamed")
        elif one.kind == "body":
            told = kind_of(one.path) == "code"
        else:
            told = one.kind not in ("docstring", "layout", "changelog", "typo", "links")
        if told:
            yield sentence(one)


def sentence(fact: Fact) -> str:
    """One fact as a clause that begins with a verb."""
    if fact.kind == "dependency":
        return _dependency(fact)
    where = _code(fact.where.rpartition(".")[2]) if fact.where else ""
    inside = f" in {where}" if where and _owner(fact) == fact.name else ""
    module = _module(fact.path) if fact.path and not where and fact.what not in ("file", "test") else ""
    inside = inside or (f" in {module}" if module and _owner(fact) == fact.name else "")
    if fact.what == "file":
        name, owner, old, new = shown(fact.name), shown(fact.name), shown(fact.old), shown(fact.new)
    else:
        name, owner, old, new = _code(fact.name), _code(_owner(fact)), _code(fact.old), _code(fact.new)
    parameter = "parameter " if fact.what == "parameter" else ""
    clauses: dict[Kind, str] = {
        "added": f"add {parameter}{name}{f' to {where or module}' if where or module else ''}",
        "removed": f"remove {parameter}{name}{f' from {where}' if where else ''}",
        "renamed": f"rename {old} to {new}",
        "moved": f"move {name} from {shown(fact.old)} to {shown(fact.new)}",
        "signature": f"change the signature of {owner}{inside}",
        "version": f"bump version to {fact.new}",
        "docstring": f"update docstring of {owner}{inside}",
        "section": f'add section "{fact.name}" to {shown(fact.path)}',
        "entry": f"add {fact.name} to {shown(fact.path)}",
        "links": f"update links in {shown(fact.path)}",
    }
    return clauses.get(fact.kind, f"update {owner}{inside}")


def _dependency(fact: Fact) -> str:
    if fact.old and fact.new:
        return f"bump {fact.name} from {fact.old} to {fact.new}"
    return f"add {fact.name} {fact.new}" if fact.new else f"remove {fact.name}"


def _versions(facts: Facts) -> Iterator[str]:
    versions = {one.new for one in facts.of("version")}
    if len(versions) == 1 and not any(one.kind == "added" and one.what != "file" for one in facts.facts):
        yield f"bump version to {versions.pop()}"


def _dependencies(facts: Facts) -> Iterator[str]:
    told = facts.of("dependency")
    told = [
        one for one in told if kind_of(one.path) != "lock"
    ] or told  # what is locked follows what is asked for
    bumped = list({(one.name, one.old, one.new): one for one in told}.values())
    if bumped and set(facts.kinds) <= {"dependencies", "lock", "ci", "config"}:
        if len(bumped) == 1:
            yield _dependency(bumped[0])
        else:
            dev = all("dev" in one.path or "pre-commit" in one.path for one in bumped)
            yield "update dev dependencies" if dev else "update dependencies"


def _only_typos(facts: Facts) -> Iterator[str]:
    typos, files = facts.of("typo"), [one for one in facts.facts if one.what == "file"]
    if typos and len({one.path for one in typos}) == len(files):
        places = _names(PurePosixPath(one.path).name for one in typos)
        yield f"fix typo in {places}" if len(typos) == 1 else "fix typos"


def _prose(diff: Diff, facts: Facts) -> Iterator[str]:
    """What is new in one text."""
    told = facts.of("entry", "section", "links")
    if len(diff.files) == 1 and len(told) == 1:
        yield sentence(told[0])


def _layout(facts: Facts) -> Iterator[str]:
    """Python files whose syntax trees did not change."""
    files = [one for one in facts.facts if one.what == "file" and one.kind == "file"]
    layouts = facts.of("layout")
    if layouts and len(layouts) == len(files):
        places = _names(shown(one.path) for one in layouts)
        yield f"{'update comments in' if layouts[0].new else 'reformat'} {places}"


def _definitions(facts: Facts) -> Iterator[str]:
    """What happened to code; to tests when there is nothing else."""
    told = [one for one in facts.facts if one.what not in ("file", "text") and one.kind != "layout"]
    told = [one for one in told if kind_of(one.path) == "code"] or [
        one for one in told if kind_of(one.path) == "test"
    ]
    whole = {
        kind: {one.path for one in facts.of(kind) if one.what == "file"} for kind in ("added", "removed")
    }
    for kind in _ORDER:
        found = [one for one in told if one.kind == kind and one.name not in ("self", "cls")]
        for better in (lambda one: one.public, lambda one: one.what not in ("constant", "parameter")):
            found = [one for one in found if better(one)] or found
        if found:
            yield _several(kind, found, whole.get(kind, set()))


def _several(kind: Kind, found: list[Fact], whole_files: set[str]) -> str:
    """One fact; names where there are few; else the files, of which can be said that they came only if all did."""
    paths = list(dict.fromkeys(one.path for one in found))
    if kind == "added" and all(one.what == "test" for one in found) and len(found) > 1:
        return f"add tests for {_names(map(_module, paths))}"
    if kind == "added" and set(paths) <= whole_files:
        return f"add {_names(_module(path).replace('_', ' ').strip() for path in paths)}"
    if len({sentence(one) for one in found}) == 1:
        return sentence(found[0])
    verb = {"added": "add", "removed": "remove", "renamed": "rename", "moved": "move"}.get(kind, "update")
    if len(found) <= _MANY:
        names = _names(_code(one.old if kind == "renamed" else _owner(one)) for one in found)
        return f"{verb} {'parameters ' if all(one.what == 'parameter' for one in found) else ''}{names}"
    return f"{verb if set(paths) <= whole_files else 'update'} {_names(map(_module, paths))}"


def _owner(fact: Fact) -> str:
    """The class for its constructor, which nobody names."""
    special = fact.name in ("__init__", "__new__", "__post_init__") and fact.where and fact.kind != "added"
    return fact.where.rpartition(".")[2] if special else fact.name


def _module(path: str) -> str:
    """The name of a module without what only says that it is one of tests; a package's for its ``__init__``."""
    pure = PurePosixPath(path)
    if pure.stem == "__init__" and pure.parent.name:
        return pure.parent.name
    return pure.stem.removeprefix("test_").removesuffix("_test").strip("_") or pure.name


def _files(diff: Diff) -> Iterator[str]:
    verbs = {"A": "add", "D": "remove", "R": "rename"}
    statuses = {one.status for one in diff.files}
    verb = verbs.get(statuses.pop(), "update") if len(statuses) == 1 else "update"
    if len(diff.files) == 1:
        one = diff.files[0]
        if one.status == "R":
            yield f"rename {shown(one.old_path)} to {shown(one.path)}"
        elif one.mode_only:
            yield f"change mode of {shown(one.path)}"
        yield f"{verb} {shown(one.path)}"
    if len(diff.files) <= _MANY:
        yield f"{verb} {_names(shown(one.path) for one in diff.files)}"
    kinds = {kind_of(one.path) for one in diff.files}
    if kinds != {"code"}:
        yield f"{verb} {_names(_KINDS[kind] for kind in sorted(kinds, key=list(_KINDS).index))}"
    folder = os.path.commonpath([one.path for one in diff.files]) if diff.files else ""
    if folder and _UNREADABLE not in folder:
        yield f"{verb} files in {folder}"
    yield f"{verb} files"


def _names(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    if len(listed) > _MANY:
        listed = [*listed[:_MANY], "others"]
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def _code(name: str) -> str:
    return f"`{name}`" if "/" not in name and "." not in name.strip(".") else name


def shown(path: str) -> str:
    """A file as people name it: without its folder, where its own name tells enough; one that is no UTF-8 by its
    folder."""
    pure = PurePosixPath(path)
    if _UNREADABLE not in path:
        return path if pure.stem.lower() in _ANYWHERE else pure.name
    folder = str(pure.parent)
    return f"a file in {folder}" if folder != "." and _UNREADABLE not in folder else "a file"

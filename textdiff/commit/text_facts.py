"""What changed in files that are no Python: dependencies, versions, changelog entries, typing errors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from textdiff.commit.diff import FileChange
from textdiff.commit.fact import Fact
from textdiff.commit.kinds import is_fragment, kind_of

_VERSION = r"v?\d+(?:\.\w+)+(?:[-+.]?\w+)*|v\d+"
_PINNED = re.compile(
    rf"""^[\s"'\-,]*(?:uses:\s*)?(?P<name>[A-Za-z][\w.\-/\[\]]*)["']?\s*"""
    rf"""(?:===?|~=|>=|<=|@|\^|:\s*["']?[\^~>=]*|=\s*["'][\^~>=]*)\s*(?P<version>{_VERSION})""",
    re.VERBOSE,
)
_PINNED_HASH = re.compile(
    rf"^\s*-?\s*uses:\s*(?P<name>[\w.-]+/[\w./-]+)@[0-9a-f]{{40}}\s*\#\s*(?P<version>{_VERSION})"
)
_HEADING = re.compile(r"^#{1,4}\s+(?P<text>\S.{2,50}?)\s*#*$")
_UNDERLINE = re.compile(r"^([=\-~^\"'+*#])\1{2,}$")
_LINK = re.compile(r"^\s*[-*+]\s+(?:\[(?P<md>[^\]]{2,40})\]\(|`(?P<rst>[^`<]{2,40}?)\s*<)")
_URL = re.compile(r"https?://[^\s)>\"'`]+")
_REVISION = re.compile(rf"""^\s*(?:rev|ref|tag):\s*["']?(?P<version>{_VERSION})["']?\s*(?:\#.*)?$""")
_REPOSITORY = re.compile(r"^\s*-?\s*repo:\s*\S*/(?P<name>[\w.-]+?)(?:\.git)?\s*$")
_PACKAGE = re.compile(
    r"""^name = "([\w.\-]+)"\nversion = "([\w.+!\-]+)"$""", re.MULTILINE
)  # Poetry, uv, PDM, Cargo
_NODE_PACKAGE = re.compile(
    r"""^ +"node_modules/([\w.@/\-]+)": \{\n +"version": "([\w.+\-]+)",?$""", re.MULTILINE
)
_FEW_LOCKED = 3
_NO_DEPENDENCIES = frozenset(
    ("name", "version", "python-version", "pip-version", "node-version", "rev", "ref", "tag")
)
_OWN_VERSION = re.compile(
    rf"""^\s*(?:__version__|version|VERSION)\s*[:=]\s*["']?(?P<version>{_VERSION})["']?"""
)
_ENTRY = re.compile(r"^\s*(?:[-*+]|\d+\.)\s+(?P<text>\S.{8,})$")
_ROLE = re.compile(r":[\w:+-]+:`~?([^`<]+?)(?:\s*<[^`]*>)?`")
_REFERENCE = re.compile(r"\s*[(\[]?(?:#\d+|:\w+:`#?\d+`|gh-\d+|PR \d+)[)\]]?(?:\([^)]*\))?")
_LINE_WORD = re.compile(r"\w+|[^\w\s]")


def facts(change: FileChange) -> Iterator[Fact]:
    """The facts of one file, by its changed lines."""
    kind = kind_of(change.path)
    if kind == "lock":
        yield from _locked(change)
    if kind in ("lock", "generated"):
        return
    yield from _version(change)
    if kind in ("dependencies", "ci", "config") or change.path == "setup.py":
        yield from _dependencies(change)
    if kind == "changelog":
        yield from _entries(change)
    if kind == "docs":
        yield from _prose(change)
    yield from _typo(change)


def _prose(change: FileChange) -> Iterator[Fact]:
    """New sections, new entries of a list of links, and changes of nothing but links."""
    come, gone = change.come, set(change.gone)
    for line, below in zip(come, (*come[1:], ""), strict=False):
        found = _HEADING.match(line)
        rst = len(line) <= 50 and bool(line.strip()) and _UNDERLINE.match(below) and len(below) >= len(line)
        if (found or rst) and line not in gone and change.status == "M":
            text = found["text"] if found else line.strip()
            yield Fact("section", "text", text.replace("`", ""), change.path)
    links = [found for line in come if (found := _LINK.match(line))]
    if len(links) == len([line for line in come if line.strip()]) == 1 and not gone:
        yield Fact("entry", "text", links[0]["md"] or links[0]["rst"], change.path)
    before, after = ([_URL.sub("", line) for line in side] for side in (change.gone, change.come))
    if before and before == after:
        yield Fact("links", "text", "", change.path)


def _version(change: FileChange) -> Iterator[Fact]:
    old, new = (_first(_OWN_VERSION, side) for side in (change.gone, change.come))
    if new and old != new:
        yield Fact("version", "version", new, change.path, old=old, new=new)


def _first(pattern: re.Pattern[str], lines: Iterable[str]) -> str:
    return next((found["version"] for line in lines if (found := pattern.match(line))), "")


def _dependencies(change: FileChange) -> Iterator[Fact]:
    old, new = _pins(change.gone, change.before), _pins(change.come, change.after)
    for name in dict.fromkeys([*new, *old]):
        if old.get(name) != new.get(name):
            yield Fact(
                "dependency", "dependency", name, change.path, old=old.get(name, ""), new=new.get(name, "")
            )


def _locked(change: FileChange) -> Iterator[Fact]:
    """The packages of a lock file in another version, where they are few enough to be told."""
    pattern = _NODE_PACKAGE if change.path.endswith(".json") else _PACKAGE
    old, new = (dict(pattern.findall(text or "")) for text in (change.before, change.after))
    changed = [name for name, version in new.items() if name in old and old[name] != version]
    for name in changed if len(changed) <= _FEW_LOCKED else ():
        yield Fact("dependency", "dependency", name, change.path, old=old[name], new=new[name])


def _pins(lines: tuple[str, ...], text: str | None) -> dict[str, str]:
    """Name → version. A hook's revision stands below the name of its repository."""
    pins: dict[str, str] = {}
    whole = (text or "").splitlines()
    for line in lines:
        if revision := _REVISION.match(line):
            above = whole[: whole.index(line)] if line in whole else []
            name = next((m["name"] for row in reversed(above) if (m := _REPOSITORY.match(row))), "")
            if name:
                pins[name] = revision["version"]
            continue
        found = _PINNED_HASH.match(line) or _PINNED.match(line)
        if found and not _OWN_VERSION.match(line) and found["name"] not in _NO_DEPENDENCIES:
            tag = "uses:" in line  # which bots write without its v
            pins[found["name"].partition("[")[0]] = found["version"].removeprefix("v" if tag else "")
    return pins


def _entries(change: FileChange) -> Iterator[Fact]:
    """The entries that were added to a changelog, as prose."""
    if is_fragment(change.path):
        if change.status == "A":
            yield Fact("changelog", "text", _plain(" ".join(change.come)), change.path)
        return
    gone = set(change.gone)
    for number, line in enumerate(change.come):
        found = _ENTRY.match(line)
        if not found or line in gone:
            continue
        text = [found["text"]]
        for more in change.come[number + 1 :]:
            if not more.startswith("  ") or _ENTRY.match(more):
                break
            text.append(more.strip())
        yield Fact("changelog", "text", _plain(" ".join(text)), change.path)


def _plain(entry: str) -> str:
    """The first sentence of a changelog's entry, without references."""
    prose = _REFERENCE.sub("", _ROLE.sub(r"`\1`", entry)).replace("``", "`").strip(" .")
    return prose.split(". ")[0]


def _typo(change: FileChange) -> Iterator[Fact]:
    """The same lines but for one or two letters in words that are no numbers."""
    if not change.gone or len(change.gone) != len(change.come) or len(change.come) > 8:
        return
    pairs = []
    for old, new in zip(change.gone, change.come, strict=True):
        one, other = _LINE_WORD.findall(old), _LINE_WORD.findall(new)
        if len(one) != len(other):
            return
        pairs += [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    if 0 < len(pairs) <= 8 and all(_near(*pair) for pair in pairs):
        yield Fact("typo", "text", "", change.path, old=pairs[0][0], new=pairs[0][1])


def _near(old: str, new: str) -> bool:
    if not (old.isalpha() and new.isalpha()) or min(len(old), len(new)) < 3 or abs(len(old) - len(new)) > 1:
        return False
    if old.lower() == new.lower():
        return False
    if sorted(old) == sorted(new):
        return True
    return difflib.SequenceMatcher(None, old, new).ratio() >= 0.75

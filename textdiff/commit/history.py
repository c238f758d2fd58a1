"""The last commits of a repository: their messages, and what their diffs are about, as bags of words. One `git log`
stream is parsed as it comes, within a budget of bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from codeworld import git
from textdiff.commit.diff import PATCH, Diff
from textdiff.commit.kinds import FileKind, kind_of

MAX_COMMITS = 400
MAX_BYTES = 24_000_000
_MAX_COMMIT_LINES = 600
_START, _FIELD = b"\x1e", b"\x1f"
# GitHub's own ending, and trailers: numbers that nobody can know when the commit is made.
_PULL_REQUEST = re.compile(r"\s*\((?:#\d+|gh-\d+)\)\s*$|\s+#\d+\s*$")
_WORD = re.compile(r"[A-Za-z_]\w+|\d+(?:\.\d+)+")
_PARTS = re.compile(r"[a-z]{2,}|[A-Z][a-z]+|[A-Z]{2,}|\d+")

Bag = Counter[str]


class Past(NamedTuple):
    """One commit: ``subject`` without pull request number, ``has_body``, ``bag`` of its diff, and ``words``: everything
    its diff's lines and paths are made of."""

    commit: str
    subject: str
    has_body: bool
    bag: Bag
    words: frozenset[str]
    kinds: frozenset[FileKind]


def clean(subject: str) -> str:
    """A subject without the number of a pull request, which is unknown when the message is written."""
    return _PULL_REQUEST.sub("", " ".join(subject.split()))


def read(root: Path, revision: str = "HEAD", count: int = MAX_COMMITS, budget: int = MAX_BYTES) -> list[Past]:
    """The last ``count`` commits without merges up to ``revision``, newest first; none in an empty repository."""
    form = "--format=%x1e%H%x1f%s%x1f%b%x1f"
    arguments = ("log", f"--max-count={count}", "--no-merges", form, *PATCH, revision, "--")
    with git.stream(root, *arguments) as out:
        return [_past(entry) for entry in entries(out, budget)]


def entries(out: Iterable[bytes], budget: int) -> Iterator[list[bytes]]:
    """The lines of each commit; the tail of a huge one is left out."""
    entry: list[bytes] = []
    for line in out:
        budget -= len(line)
        if budget < 0:
            break
        if line.startswith(_START):
            if entry:
                yield entry
            entry = [line[1:]]
        elif entry and len(entry) < _MAX_COMMIT_LINES:
            entry.append(line[:400])
    if entry:
        yield entry


def _past(entry: list[bytes]) -> Past:
    head, _, patch = b"".join(entry).rpartition(_FIELD)
    commit, subject, body = [*head.decode("utf-8", "replace").split("\x1f", 2), "", ""][:3]
    paths: list[str] = []
    signed: list[tuple[str, str]] = []
    for line in patch.decode("utf-8", "replace").split("\n"):
        if line.startswith(("--- a/", "+++ b/")):
            paths.append(line[6:].rstrip("\t"))
        elif line[:1] in ("+", "-") and not line.startswith(("--- /dev/null", "+++ /dev/null")):
            signed.append((line[0], line[1:]))
    unique = list(dict.fromkeys(paths))
    bag, words = bag_of(unique, signed)
    kinds = frozenset(kind_of(path) for path in unique)
    return Past(commit, clean(subject), bool(body.strip()), bag, words, kinds)


def bag_of_diff(diff: Diff) -> tuple[Bag, frozenset[str]]:
    """The bag and the words of a diff that is about to be committed, as ``read`` makes them of old ones."""
    paths: list[str] = []
    signed: list[tuple[str, str]] = []
    for one in diff.files:
        paths += [path for path in (one.old_path or one.path, one.path) if path]
        signed += [("-", line) for line in one.gone] + [("+", line) for line in one.come]
    return bag_of(list(dict.fromkeys(paths)), signed[:_MAX_COMMIT_LINES])


def bag_of(paths: list[str], signed: list[tuple[str, str]]) -> tuple[Bag, frozenset[str]]:
    """Features of a change: its paths and their folders, its words with their sign; and the parts of all its words."""
    bag: Bag = Counter()
    words: set[str] = set()
    for path in paths:
        folders = path.split("/")
        bag[f"p:{path}"] += 3
        bag[f"k:{kind_of(path)}"] += 1
        bag.update(f"d:{folder}" for folder in folders[:-1])
        words.update(_WORD.findall(path))
    for sign, line in signed:
        found = _WORD.findall(line)
        bag.update(f"{sign}{word}" for word in found)
        words.update(found)
    parts = {part.lower() for word in words for part in _PARTS.findall(word)}
    return bag, frozenset(word.lower() for word in words) | parts

"""Commits with a usable message and a small diff, and the earlier subjects that stood by the same files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from codeworld import git
from codeworld.training import filters
from codeworld.training.history import END, MAX_DIFF_BYTES, TRAILER, entries_of, log_entries
from textdiff.source import HISTORY_SUBJECTS, sentences

SCANNED: Final = 4_000  # commits whose messages are looked at per repository, newest first
WANTED: Final = 400  # and whose diffs are read
MAX_FILES: Final = 12  # more have no room in MAX_DIFF_BYTES
# Data in diffs costs git more time than all the rest and says nothing about the message.
_DATA: Final = (".json", ".ipynb", ".svg", ".lock", ".po", ".csv", ".xml", ".html")
_LOOKED_AT: Final = (".", *(f":(exclude,glob)**/*{end}" for end in _DATA))
BODY_CHARS: Final = 240
_AUTHOR: Final = "\x1d"
_FIELDS: Final = f"%H%n%at%n%an <%ae>{_AUTHOR}%B"
_BOT: Final = re.compile(
    r"\[bot\]|\bbot\b|-bot\b|dependabot|renovate|pre-commit-ci|github-actions|greenkeeper|weblate|transifex|pyup|snyk"
    r"|travis|copybara|imgbot|jenkins|buildbot|codecov",
    re.IGNORECASE,
)
_USELESS: Final = re.compile(
    r"^(merge\b|revert\b|wip\b|fixup!|squash!|amend!|auto[- ]?commit|\[?automat|initial commit|first commit"
    r"|bump(ed|s|ing)?\b|backport\b|changelog|checkpoint|test(s|ing)?$|done$|ok$|up$|todo\b|trigger\b|nightly\b|sync\b"
    r"|release\b|prepare (for )?release|version\b|v?\d+[\d.]+|updates? (version|changelog|changes|readme|dependenc)"
    r"|(fix|fixes|fixed|fixing)( (typos?|bugs?|tests?|lint|stuff|it|build|ci|errors?))?$"
    r"|(minor|small|some|more|misc)\b.{0,20}$"
    r"|\[?pre-commit|lint(ing)?$|typos?$|clean ?up$|cosmetics?$|formatting$|pep-?8$|black$|isort$|updates?$)",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(
    r"\s*[([](gh-|pr )?#?\d+[)\]]\s*\.?$|\s*\[(ci|skip)[ -]?\w*\]\s*|^\[[\d.x]+\]\s*"
    r"|^((fix(es|ed)?|close[sd]?|refs?|issue|pr|gh)[ -]?)?(#\d+|bpo-\d+)[\s:,.-]*"
    r"|[\s,(-]*((fix(es|ed)?|close[sd]?|refs?|see|for)\s)?#\d+\)?\.?$",
    re.IGNORECASE,
)


class Commit(msgspec.Struct):
    """One commit; ``history``: subjects of earlier commits about the same files, newest first."""

    commit: str
    time: int  # of the author, seconds since 1970
    subject: str
    body: str
    diff: str
    history: list[str]


def clean_subject(message: str) -> str:
    """The first line of a message without pull request numbers and CI marks; "" when it says too little to learn
    from."""
    line = " ".join(_REFERENCE.sub("", message.strip().split("\n", 1)[0].strip()).split())
    letters = sum(character.isalpha() and character.isascii() for character in line)
    few = not 2 <= line.count(" ") + 1 <= 24 or not 10 <= len(line) <= 120
    if few or letters < 0.6 * len(line) or "http" in line or re.search(r"#\d", line) or _USELESS.match(line):
        return ""
    return filters.mask_emails(line)[0]


def clean_body(message: str) -> str:
    """The first paragraph of prose under the subject, at most about BODY_CHARS; "" when there is none."""
    rest = TRAILER.sub("", message.strip()).partition("\n")[2]
    for paragraph in re.split(r"\n\s*\n", rest.strip()):
        lines = [line.strip() for line in paragraph.split("\n") if line.strip()]
        text = sentences(" ".join(" ".join(lines).split()), BODY_CHARS)
        words = text.split()
        letters = sum(character.isalpha() and character.isascii() for character in text)
        prose = letters >= 0.7 * len(text) and "http" not in text and ":" not in words[0] if words else False
        if prose and text[0] not in "*-+>" and 5 <= len(words) <= 60 and len(text) <= BODY_CHARS + 60:
            return filters.mask_emails(text)[0]
        if words:
            return ""
    return ""


def mine(
    git_dir: Path,
    restricted: tuple[str, ...],
    since: str | None,
    scanned: int = SCANNED,
    wanted: int = WANTED,
) -> list[Commit]:
    """The repository's usable commits, newest first: at most ``wanted`` diffs of the newest ``scanned`` commits are
    read."""
    listed = _listed(git_dir, restricted, since, scanned)
    names = [commit for commit, _ in _readable(git_dir, listed)][:wanted]
    found = [
        parsed
        for entry in entries_of(git_dir, names, _FIELDS, paths=_LOOKED_AT)
        if (parsed := _parse(entry, restricted))
    ]
    seen: dict[str, list[str]] = defaultdict(list)  # path -> subjects, oldest first
    commits: list[Commit] = []
    for commit, paths in reversed(found):
        commit.history = _recent([seen[path] for path in paths])
        commits.append(commit)
        for path in paths:
            seen[path].append(commit.subject)
    return commits[::-1]


def _listed(
    git_dir: Path, restricted: tuple[str, ...], since: str | None, scanned: int
) -> Iterator[tuple[str, list[str]]]:
    """(commit, objects) of the commits whose message and paths are usable; no file is read for that."""
    entries = log_entries(git_dir, _FIELDS, since=since, limit=scanned, names_only=True)
    for entry in entries:
        head, _, listing = entry.partition(END)
        fields, _, message = head.partition(_AUTHOR)
        commit, _, author = fields.split("\n", 2)
        rows = [line.split("\t", 1) for line in listing.split("\n") if line.startswith(":")]
        rows = [row for row in rows if not row[1].endswith(_DATA)]
        if len(rows) <= MAX_FILES and _usable(author, message, [path for _, path in rows], restricted):
            objects = [name for meta, _ in rows for name in meta.split()[2:4] if name.strip("0")]
            yield commit, objects


def _readable(git_dir: Path, listed: Iterable[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Those of which every file is there (a mirror may lack its largest) and none is too large."""
    rows = list(listed)
    asked = "".join(f"{name}\n" for _, objects in rows for name in objects).encode()
    told = git.run(git_dir, "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked).out.decode()
    sizes = dict(line.split(" ", 1) for line in told.splitlines())
    fit = {name for name, size in sizes.items() if size.isdigit() and int(size) <= filters.MAX_BYTES}
    return [(commit, objects) for commit, objects in rows if fit.issuperset(objects)]


def _recent(subjects: list[list[str]]) -> list[str]:
    """The newest subjects of each file in turn, none twice."""
    ranked = (own[-1 - depth] for depth in range(HISTORY_SUBJECTS) for own in subjects if len(own) > depth)
    return list(dict.fromkeys(ranked))[:HISTORY_SUBJECTS]


def _usable(author: str, message: str, paths: list[str], restricted: tuple[str, ...]) -> bool:
    """Whether a person wrote the message, it says something, and Python that we may read was changed."""
    if not clean_subject(message) or _BOT.search(author):
        return False
    if not any(path.endswith((".py", ".pyi", ".pyx")) for path in paths):
        return False
    return not any(
        filters.path_reason(path) or (restricted and path.startswith(restricted)) for path in paths
    )


def _parse(entry: str, restricted: tuple[str, ...]) -> tuple[Commit, list[str]] | None:
    """The commit of one log text and its paths; None when it is too large or not usable."""
    head, _, diff = entry.partition(END)
    fields, separator, message = head.partition(_AUTHOR)
    if not separator or len(diff.encode()) > MAX_DIFF_BYTES:
        return None
    commit, moment, author = fields.split("\n", 2)
    paths = list(dict.fromkeys(_paths(diff)))
    if not _usable(author, message, paths, restricted):
        return None
    made = Commit(
        commit, int(moment), clean_subject(message), clean_body(message), filters.mask_emails(diff)[0], []
    )
    return made, paths


def _paths(diff: str) -> Iterator[str]:
    for match in re.finditer(r"^diff --git a/.* b/(.*)$", diff, re.MULTILINE):
        yield match.group(1)

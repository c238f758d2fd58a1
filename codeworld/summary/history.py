"""What git knows: which files change most, and who changed them. Everything is empty without git."""

from __future__ import annotations

import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

WINDOW_COMMITS = 1_000  # the last ones without merges: what happened long ago says little about today
_TIMEOUT_S = 120
# A repository's own configuration must not run programs, and a partial clone must not fetch what it lacks.
_HARMLESS = (
    "core.fsmonitor=false",
    "log.showSignature=false",
    "protocol.allow=never",
    "core.quotePath=false",
)
_MARK = "\x01"


@dataclass
class History:
    """Of the last commits up to ``head``: commits per file, and per file and author."""

    head: str = ""
    commits: int = 0
    churn: Counter[str] = field(default_factory=Counter)
    authors: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def owner(self, path: str) -> tuple[str, int]:
        """Who changed a file most often, and how often."""
        people = self.authors.get(path)
        return min(people.items(), key=lambda item: (-item[1], item[0])) if people else ("", 0)


def read(root: Path, head: str = "HEAD") -> History:
    """The history of the files below ``root``, up to the commit ``head``."""
    commit = _git(root, "rev-parse", "--verify", "--quiet", f"{head}^{{commit}}").strip()
    if not commit:
        return History()
    found = History(head=commit)
    log = _git(
        root,
        *(
            "log",
            "--no-ext-diff",
            "--no-textconv",
            f"--max-count={WINDOW_COMMITS}",
            "--no-merges",
            "--no-renames",
            "--name-only",
            "--relative",
        ),
        *(f"--format={_MARK}%aN", "-z", commit, "--", "."),
    )
    for entry in log.split(_MARK)[1:]:
        author, _, names = entry.partition("\0")
        found.commits += 1
        for name in {name.strip("\n") for name in names.split("\0")} - {""}:
            found.churn[name] += 1
            found.authors[name][" ".join(author.split())] += 1
    return found


def _git(root: Path, *arguments: str) -> str:
    """The output of a git command that only reads; "" when it fails or there is no git."""
    settings = [word for setting in _HARMLESS for word in ("-c", setting)]
    command = ["git", "--no-optional-locks", *settings, "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else ""

"""What git knows: which files change most, and who changed them. Everything is empty without git."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from codeworld import git

WINDOW_COMMITS = 1_000  # the last ones without merges: what happened long ago says little about today
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
    commit = git.text(root, "rev-parse", "--verify", "--quiet", f"{head}^{{commit}}").strip()
    if not commit:
        return History()
    found = History(head=commit)
    log = git.text(
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

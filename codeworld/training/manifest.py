"""Rows for the corpus manifest: the licence of each mirrored repository, read off its own licence file.

    python -m codeworld.training.manifest --mirrors DIR --known MANIFEST.tsv REPOSITORY … > more.tsv

A repository whose licence file is missing or is not plainly one permissive licence is left out, with a line on stderr.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from codeworld.training.filters import restrictive_licence_text
from codeworld.training.repositories import blobs, mirror

_FILE: Final = re.compile(
    r"^(un)?(licen[sc]e|copying)[-_.]?(mit|apache|bsd|2\.0|apache-2\.0)?(\.(txt|md|rst))?$", re.IGNORECASE
)
# The words that only this licence has, in the order in which they are looked for; white space counts as one blank.
_WORDS: Final = (
    ("Apache-2.0", "apache license version 2.0"),
    ("BSD-3-Clause", "neither the name"),
    ("BSD-3-Clause", "the names of its contributors may not be used"),
    ("BSD-2-Clause", "redistributions in binary form must reproduce"),
    ("MIT", "permission is hereby granted, free of charge"),
    ("ISC", "permission to use, copy, modify, and/or distribute this software"),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
)


def licence_of(text: str) -> str | None:
    """The SPDX name of a licence file's text; None when it is no permissive licence that we know, or more than that."""
    if restrictive_licence_text(text):
        return None
    flat = re.sub(r"[\s*#=>,]+", " ", text.lower().replace(",", " "))
    return next((name for name, words in _WORDS if re.sub(r"[\s,]+", " ", words) in flat), None)


def row(mirrors: Path, repo: str) -> str | None:
    """The manifest row of a mirrored repository at its newest commit."""
    git_dir = mirror(mirrors, repo)
    if not (git_dir / "HEAD").exists():
        return None
    git = ["git", f"--git-dir={git_dir}"]
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    tree = subprocess.run([*git, "ls-tree", commit], capture_output=True, text=True, check=True).stdout
    entries = [line.split(None, 3) for line in tree.splitlines()]
    found = [oid for _, kind, oid, name in entries if kind == "blob" and _FILE.match(name)]
    names = {licence_of(data.decode("utf-8", "replace")) for data in blobs(git_dir, found)}
    if not names or None in names:
        return None
    return f"{repo}\ttrain\t{' OR '.join(sorted(name for name in names if name))}\t{commit}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument(
        "--known", type=Path, required=True, help="a manifest whose repositories are not repeated"
    )
    parser.add_argument("repositories", nargs="+", metavar="OWNER/NAME")
    given = parser.parse_args()
    known = {line.split("\t")[0].lower() for line in given.known.read_text().splitlines()}
    print("repo\trole\tlicence\tcommit")
    for repo in given.repositories:
        found = None if repo.lower() in known else row(given.mirrors, repo)
        print(found or f"left out: {repo}", file=sys.stdout if found else sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

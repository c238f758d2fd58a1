"""Whether a page still tells the truth: each of its citations against the repository as it is now.

A citation is stale when its line is gone or says something else, when the claim beside it was changed, or when the page
holds a claim or a link that the comment does not know. What git said is asked again, for the same commit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import msgspec

from codeworld.errors import BadInput
from codeworld.summary import history
from codeworld.summary.citations import CLOSING, OPENING, Cited, cited_in, digest, uncited
from codeworld.summary.sources import Sources
from codeworld.summary.summarize import Progress, claims_of_many_lines
from codeworld.summary.written import without_marked

_COUNT = re.compile(  # as the sections write them; a docstring may count whatever it likes
    r"- `[^`]+` \((?:\d+ files, )?\d+ lines\): |[ (]imported by \d+ files?\)?$|, imported by \d+ files?: |"
    r": \d+ test functions in \d+ files$|: \d+ files that can be run as scripts, |"
    r"- `[^`]+`: \d+ files?, \d+ bytes, |[^\\`]` and \d+ more$"
)


class Stale(msgspec.Struct, frozen=True):
    """A citation that no longer holds, and why."""

    path: str
    line: int
    page_line: int
    reason: str


class Checked(msgspec.Struct, frozen=True):
    """The outcome; what ``--json`` prints."""

    page: str
    citations: int
    stale: tuple[Stale, ...]


class _Record(msgspec.Struct):
    prefix: str = ""
    head: str = ""
    commits: dict[str, int] = {}
    rows: Counter[tuple[str, int, str, str]] = msgspec.field(default_factory=Counter)


def check(page: Path, root: Path, *, progress: Progress = lambda done, total: None) -> Checked:
    """Verify every citation of ``page`` in the repository ``root``. Raises BadInput for what is no page of ours.

    ``progress(done, total)`` counts files.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{page}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{page} is not UTF-8 text") from error
    body, found, comment = text.partition(f"\n{OPENING}\n")
    if not found or CLOSING not in comment:
        raise BadInput(f"{page} was not written by codeworld summarize: its citations are missing")
    record = _read(page, comment.split(f"\n{CLOSING}")[0].split("\n"))
    lines = body.replace("\r\n", "\n").split("\n")
    sources = Sources(root, without=page)
    cited = list(cited_in(lines, record.prefix))
    stale = [*_stale_lines(cited, record, sources)]
    stale += [Stale("", 0, number, reason) for number, reason in uncited(lines)]
    stale += _stale_counts(cited, sources, progress)
    stale += _stale_commits(record, sources.root, lines)
    return Checked(
        str(page), len(cited), tuple(sorted(stale, key=lambda one: (one.page_line, one.path, one.line)))
    )


def _read(page: Path, rows: list[str]) -> _Record:
    record = _Record()
    try:
        for row in rows:
            parts = row.split("\t")
            if row.startswith("links "):
                record.prefix = row.removeprefix("links ").removeprefix("./")
            elif row.startswith("head "):
                record.head = row.removeprefix("head ")
            elif parts[0] == "commits":
                record.commits[unquote(parts[2])] = int(parts[1])
            elif row.strip():
                line, line_digest, claim_digest, path = parts
                record.rows[unquote(path), int(line), line_digest, claim_digest] += 1
    except (ValueError, IndexError) as error:
        raise BadInput(f"{page}: the comment with its citations is damaged") from error
    return record


def _stale_lines(cited: list[Cited], record: _Record, sources: Sources) -> Iterator[Stale]:
    left = record.rows.copy()
    for one in cited:
        line = sources.line(one.path, one.line)
        key = one.path, one.line, digest(line or ""), digest(one.claim)
        if line is not None and left[key] > 0:
            left[key] -= 1
            continue
        yield Stale(one.path, one.line, one.page_line, _reason(one, line, record, sources))
    missing = sum(record.rows.values()) - len(cited)
    if missing > 0:
        yield Stale("", 0, 0, f"{missing} citations were taken out of the page")


def _reason(one: Cited, line: str | None, record: _Record, sources: Sources) -> str:
    if one.path not in sources:
        return "the file is gone or may not be read"
    known = [row for row in record.rows if row[:2] == (one.path, one.line)]
    if not known:
        return "the page did not cite this line when it was written"
    if line is not None and any(row[2] == digest(line) for row in known):
        return "the claim was changed"
    places = [
        number
        for number, text in enumerate(sources.lines(one.path), 1)
        if any(digest(text) == row[2] for row in known)
    ]
    if len(places) == 1:
        return f"the line is now line {places[0]}"
    return "there is no such line" if line is None else "the line was changed"


def _stale_counts(cited: list[Cited], sources: Sources, progress: Progress) -> Iterator[Stale]:
    """Claims about what many lines say together: their own line may be as it was."""
    counting = {one.claim: one for one in cited if not one.name and _COUNT.search(one.claim)}
    listing = [one for one in cited if one.name]
    now = claims_of_many_lines(sources, progress) if counting or listing else set()
    for claim, one in counting.items():
        if without_marked(claim.removeprefix("- ")) not in now:
            yield Stale(one.path, one.line, one.page_line, "what the claim counts is different now")
    for one in listing:
        if f"{one.claim.removeprefix('- ').partition(': ')[0]}: {one.name}" not in now:
            yield Stale(one.path, one.line, one.page_line, f"{one.name} is not offered there now")


def _stale_commits(record: _Record, root: Path, lines: list[str]) -> Iterator[Stale]:
    if not record.commits:
        return
    now = history.read(root, record.head)
    for path, count in record.commits.items():
        if now.churn[path] != count:
            page_line = next(
                (number for number, line in enumerate(lines, 1) if f"`{path}`: {count} commits" in line), 0
            )
            reason = (
                "its commits cannot be counted again" if not now.head else f"it has {now.churn[path]} commits"
            )
            yield Stale(path, 1, page_line, reason)

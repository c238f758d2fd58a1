"""Commit messages for the last commits of the held-out repositories, composed with only earlier commits in sight.

    python -m benchmarks.commit_messages --out docs/results/commit_messages

Per repository the newest commits without merges are the test, and each sees the 400 before it (the window moves every
ten commits). Subjects are compared without pull request numbers, which nobody knows when the message is written.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from benchmarks import results
from codeworld import git
from textdiff import metrics
from textdiff.commit import history
from textdiff.commit.compose import Around, Message, compose
from textdiff.commit.diff import Diff, of_commit
from textdiff.commit.facts import ChangeType, understand
from textdiff.commit.history import MAX_COMMITS, Past, bag_of_diff
from textdiff.commit.retrieve import Index, parts
from textdiff.commit.style import Style, learn

REPOSITORIES = (
    "encode/httpx",
    "pallets/flask",
    "networkx/networkx",
    "keon/algorithms",
    "huggingface/accelerate",
    "spotify/luigi",
)
_MOVES = 10
# The type that a person's own words name; other subjects have none.
_SAID: tuple[tuple[ChangeType, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("docs", r"^\W*docs?\b|\bdoc(s|umentation|string)s?\b|readme|changelog|\btypos?\b"),
        ("test", r"^\W*(tests?|tst)\b|\btests?\b"),
        ("ci", r"^\W*ci\b|\b(travis|github actions?|circleci|workflows?|tox)\b"),
        ("build", r"^\W*(build|chore\(deps\))|\b(bump|pin|unpin|dependenc(y|ies)|requirements)\b"),
        ("style", r"^\W*style\b|\b(flake8|black|isort|pep ?8|lint(ing)?|whitespace|format(ting)?)\b"),
        ("fix", r"^\W*(fix|bug)|\b(fix(es|ed)?|bug|correct(s|ed)?)\b"),
        (
            "refactor",
            r"^\W*(refactor|maint)|\b(refactor|remove[sd]?|rename[sd]?|move[sd]?|clean ?up|simplify|drop)",
        ),
        ("feat", r"^\W*(feat|enh)|^\W*(add|adds|added|allow|support|implement|introduce)\b"),
    )
)
_NAMES = re.compile(r"[A-Za-z]\w*_\w*|\w*[a-z][A-Z]\w*|\d+(?:\.\d+)*\w*|\w+\.\w+|(?<=`)[^`\s]+(?=`)")
_RELEVANT = re.compile(r"^(\w+\([^)]*\)|\w+)!?: |^\[[^]]*\] ?")


class Row(msgspec.Struct):
    """One commit with what each way wrote."""

    repo: str
    commit: str
    reference: str
    ours: str
    source: str
    neighbour: str
    template: str
    type: str
    said: str
    neighbour_said: str
    invented: list[str]
    broken_style: list[str]
    seconds: float


def said(subject: str) -> str:
    return next((kind for kind, pattern in _SAID if pattern.search(subject)), "")


def template(diff: Diff) -> str:
    """What a fixed form can say: verb by status, names of files."""
    statuses = {one.status for one in diff.files}
    verb = (
        {"A": "Add", "D": "Remove", "R": "Rename"}.get(statuses.pop(), "Update")
        if len(statuses) == 1
        else "Update"
    )
    names = list(dict.fromkeys(one.path.rpartition("/")[2] for one in diff.files))
    return f"{verb} {', '.join(names[:3])}" + (" and others" if len(names) > 3 else "")


def invented(subject: str, texts: list[str]) -> list[str]:
    """Names and numbers of a message that stand nowhere in the diff, the changed files or the list of paths. Written
    without the rule that the product itself uses, so that it can contradict it."""
    everything = "\n".join(texts)
    found = _NAMES.findall(_RELEVANT.sub("", subject))
    return [one for one in found if one.strip("().") not in everything]


def broken_style(message: str, style: Style) -> list[str]:
    """Which limits a subject breaks."""
    faults = []
    if len(message) > style.limit_chars:
        faults.append("length")
    if "\n" in message or message != message.strip():
        faults.append("shape")
    if message.endswith(".") != style.full_stop:
        faults.append("full stop")
    if style.conventional and not re.match(r"^[a-z]+(\([^)]*\))?!?: \S", message):
        faults.append("conventional")
    return faults


def rows(root: Path, repo: str, test: int, every: int, tell: Callable[[int], None]) -> Iterator[Row]:
    pasts = history.read(root, count=test + MAX_COMMITS, budget=10**10)
    test = min(test, len(pasts) - MAX_COMMITS) if len(pasts) > 2 * MAX_COMMITS else len(pasts) // 2

    @cache
    def parts_of(commit: str) -> dict[str, str]:
        diff = of_commit(root, commit)
        return parts(diff, understand(diff))

    for start in range(0, test, _MOVES):
        earlier = pasts[start + _MOVES : start + _MOVES + MAX_COMMITS]
        index, style = Index(earlier), learn(earlier)
        for number in range(start, min(start + _MOVES, test)):
            if number % every == 0 and pasts[number].subject:
                around = Around(index, style, "", parts_of)
                yield _row(root, repo, pasts[number], around)
                tell(number)


def _row(root: Path, repo: str, past: Past, around: Around) -> Row:
    diff = of_commit(root, past.commit)
    paths = git.text(root, "ls-tree", "-r", "--name-only", "-z", past.commit).replace("\0", "\n")
    begin = time.monotonic()
    message: Message = compose(diff, Around(around.index, around.style, paths, around.parts_of))
    seconds = time.monotonic() - begin
    nearest = around.index.nearest(bag_of_diff(diff)[0], 1)
    neighbour = nearest[0].past.subject if nearest else ""
    names = [text for one in diff.files for text in (one.path, one.old_path, *one.gone, *one.come)]
    texts = [paths, *names, *(text for one in diff.files for text in (one.before, one.after) if text)]
    return Row(
        repo,
        past.commit,
        past.subject,
        message.subject,
        message.phrases[0].source,
        neighbour,
        template(diff),
        message.type or "",
        said(past.subject),
        said(neighbour),
        invented(message.subject, texts) + invented(message.body, texts),
        broken_style(message.subject, around.style),
        round(seconds, 3),
    )


class Report(msgspec.Struct):
    """What the JSON file holds beside the stamp."""

    commits: int
    by_repository: dict[str, dict[str, dict[str, float]]]
    by_source: dict[str, dict[str, float]]


def _scores(pairs: list[tuple[str, str]]) -> dict[str, float]:
    got = metrics.table([one for one, _ in pairs], [other for _, other in pairs])
    return {"commits": len(pairs)} | {name: round(value, 2) for name, value in got.items()}


_WAYS: dict[str, Callable[[Row], str]] = {
    "ours, without a model": lambda row: row.ours,
    "nearest neighbour": lambda row: row.neighbour,
    "template": lambda row: row.template,
}


def figures(found: list[Row]) -> tuple[list[results.Figure], Report]:
    listed: list[results.Figure] = [results.Figure("commits", len(found), "≥ 5,000")]
    for name, text in _WAYS.items():
        for metric, value in _scores([(row.reference, text(row)) for row in found]).items():
            if metric != "commits":
                listed.append(results.Figure(f"{metric.replace('bleu', 'B-Norm BLEU')}, {name}", value))
    told = [row for row in found if row.said]
    most = Counter(row.said for row in told).most_common(1)[0][0]
    for name, right in (
        ("ours", [row.type == row.said for row in told]),
        ("nearest neighbour", [row.neighbour_said == row.said for row in told]),
        (f"always {most!r}", [row.said == most for row in told]),
    ):
        share = round(100 * sum(right) / len(right), 1)
        listed.append(
            results.Figure(f"change type right (of {len(told)} whose words tell), {name}, %", share)
        )
    kept = round(100 * sum(not row.broken_style for row in found) / len(found), 2)
    listed.append(
        results.Figure("invented names, paths and numbers", sum(len(row.invented) for row in found), "0")
    )
    listed.append(results.Figure("subjects within the style's limits, %", kept, "100"))
    bleus = {
        name: _scores([(row.reference, text(row)) for row in found])["bleu"] for name, text in _WAYS.items()
    }
    ours = bleus.pop("ours, without a model")
    over = f"{ours - max(bleus.values()):+.2f}, at {ours:.2f}"
    listed.append(results.Figure("B-Norm over the best of the others", over, "+3, and ≥ 20"))
    repositories = {
        repo: {
            name: _scores([(r.reference, text(r)) for r in found if r.repo == repo])
            for name, text in _WAYS.items()
        }
        for repo in dict.fromkeys(row.repo for row in found)
    }
    sources = {
        source: _scores([(row.reference, row.ours) for row in found if row.source == source])
        for source in dict.fromkeys(row.source for row in found)
    }
    for source, scores in sources.items():
        listed.append(
            results.Figure(
                f"B-Norm BLEU where the subject is from: {source} ({scores['commits']})", scores["bleu"]
            )
        )
    return listed, Report(len(found), repositories, sources)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.commit_messages", description=__doc__)
    parser.add_argument("--mirrors", type=Path, default=Path("../.mirror"))
    parser.add_argument("--test", type=int, default=1_000, help="newest commits of each repository")
    parser.add_argument("--every", type=int, default=1, help="take one of so many")
    parser.add_argument("--repos", nargs="*", default=REPOSITORIES)
    parser.add_argument(
        "--rows", type=Path, help="keep every row there; a repository that has some is not asked again"
    )
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    lines = given.rows.read_bytes().splitlines() if given.rows and given.rows.exists() else []
    found = [msgspec.json.decode(line, type=Row) for line in lines]
    done = {row.repo for row in found}
    for repo in [one for one in given.repos if one not in done]:
        root = given.mirrors / repo.replace("/", "+") / "repo"
        begin = time.monotonic()
        here = list(rows(root, repo, given.test, given.every, lambda n: None))
        print(f"{repo}: {len(here)} commits, {time.monotonic() - begin:.0f} s", file=sys.stderr)
        found += here
        if given.rows:
            with given.rows.open("ab") as file:
                file.writelines(msgspec.json.encode(row) + b"\n" for row in here)
    listed, report = figures(found)
    made = results.stamp("none: symbolic")
    results.publish(given.out, "Commit messages", made, listed, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

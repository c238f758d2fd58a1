"""Deterministic sets of holes to score completion on: held-out repositories, and MBPP made into infilling.

A hole is a JSON object on one line, see ``Hole``. The document around it is budgeted as it is for a live keystroke, and
its seeds come from the repository *without* the hole: of the document itself only the other lines are looked at.

    python -m codeworld.training.holes --mirror DIR --manifest data/manifest.tsv --out heldout_holes.jsonl
    python -m codeworld.training.holes --mbpp mbpp_infilling_dev.jsonl.gz --out mbpp_holes.jsonl
"""

from __future__ import annotations

import argparse
import gzip
import io
import itertools
import json
import random
import re
import subprocess
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from codeworld.canvas import InfillRequest, Seed, Shape
from codeworld.context.budget import build_request
from codeworld.context.retrieval import RepositoryIndex

Kind = Literal["rest", "line", "block", "single", "multi", "random", "function"]

MIN_TARGET_CHARS = 6
MAX_TARGET_CHARS = 400  # beyond this a "line" is data
MAX_FILE_BYTES = 200_000
MAX_BLOCK_LINES = 4
PER_REPOSITORY: dict[Kind, int] = {"rest": 58, "line": 58, "block": 50}
DOCSTRING = re.compile(r"(\"{3}|'{3})[\s\S]*?\1[ \t]*\n")
_NOT_CODE = (tokenize.COMMENT,)
_LAYOUT = (
    tokenize.NEWLINE,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.COMMENT,
)


class Hole(msgspec.Struct, frozen=True):
    """One question and its answer. ``target`` is never shown to what is scored, nor is its length."""

    id: str
    kind: Kind
    shape: Shape
    prefix: str
    suffix: str
    target: str
    repo: str = ""
    path: str = ""
    seeds: tuple[Seed, ...] = ()
    outline: str = ""

    def request(self) -> InfillRequest:
        """What a model under test may see."""
        return InfillRequest(
            self.prefix, self.suffix, self.path, self.shape, self.seeds, outline=self.outline
        )


class Place(NamedTuple):
    """A hole before it is budgeted: half-open character range of ``text`` in ``path``."""

    kind: Kind
    path: str
    text: str
    start_char: int
    end_char: int


def code_lines(text: str) -> list[int]:
    """0-based numbers of the lines that hold code only: no comment, no docstring, nothing of a multi-line string.

    Empty for text that Python cannot tokenize.
    """
    banned: set[int] = set()
    code: set[int] = set()
    previous = tokenize.NEWLINE
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return []
    for token, after in itertools.pairwise(tokens):
        first, last = token.start[0] - 1, token.end[0] - 1
        docstring = token.type == tokenize.STRING and previous in _LAYOUT and after.type in _LAYOUT
        if token.type in _NOT_CODE or docstring or (token.type == tokenize.STRING and last > first):
            banned.update(range(first, last + 1))
        elif token.type not in _LAYOUT:
            code.update((first, last))
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            previous = token.type
    return sorted(code - banned)


def places(files: Sequence[tuple[str, str]], counts: dict[Kind, int], seed: int) -> Iterator[Place]:
    """Draw ``counts`` holes of each kind, a random file first and then a random line of it, no line twice.

    Files are drawn with probability proportional to their number of code lines. The same files and seed give the same
    holes.
    """
    chance = random.Random(seed)
    eligible = [(path, text, number) for path, text in sorted(files) for number in code_lines(text)]
    chance.shuffle(eligible)
    wanted = [kind for kind, count in counts.items() for _ in range(count)]
    chance.shuffle(wanted)
    for path, text, number in eligible:
        if not wanted:
            return
        place = _cut(wanted[-1], path, text, number, chance)
        if place is not None:
            wanted.pop()
            yield place


def _cut(kind: Kind, path: str, text: str, number: int, chance: random.Random) -> Place | None:
    lines = text.split("\n")
    line = lines[number]
    indent = len(line) - len(line.lstrip())
    column, last = indent, number
    if kind == "rest":
        if len(line.rstrip()) - MIN_TARGET_CHARS <= indent:
            return None
        column = chance.randint(indent + 1, len(line.rstrip()) - MIN_TARGET_CHARS)
    elif kind == "block":
        last = number + chance.randint(1, MAX_BLOCK_LINES) - 1
        if last >= len(lines) or not lines[last].strip():
            return None
    start = sum(len(each) + 1 for each in lines[:number])
    end = start + sum(len(each) + 1 for each in lines[number:last]) + len(lines[last].rstrip())
    start += column
    target = text[start:end]
    if len(target.strip()) < MIN_TARGET_CHARS or len(target) > MAX_TARGET_CHARS:
        return None
    return Place(kind, path, text, start, end)


def repository_holes(
    repo: str, files: Sequence[tuple[str, str]], counts: dict[Kind, int], seed: int
) -> Iterator[Hole]:
    """Holes of one repository's ``(path, text)`` files, seeds retrieved from the repository without each hole."""
    index = RepositoryIndex()
    for path, text in sorted(files):
        index.update(path, text)
    for number, place in enumerate(places(files, counts, seed)):
        before, after = place.text[: place.start_char], place.text[place.end_char :]
        *lines_before, line_prefix = before.split("\n")
        shape: Shape = "span" if place.kind == "block" else "line"
        seeds = index.seeds(
            lines_before,
            line_prefix,
            after.split("\n")[1:],
            exclude=place.path,
            max_lines=MAX_BLOCK_LINES if shape == "span" else 1,
        )
        request = build_request(
            before + after,
            len(before),
            path=place.path,
            seeds=seeds,
            shape=shape,
            repository=index.definitions,
        )
        yield Hole(
            f"{repo}/{place.kind}/{number}",
            place.kind,
            shape,
            request.prefix,
            request.suffix,
            place.text[place.start_char : place.end_char],
            repo,
            place.path,
            request.seeds,
            request.outline,
        )


def mbpp_holes(lines: Iterable[str]) -> Iterator[Hole]:
    """The MBPP infilling set in the same form; no repository, so no seeds."""
    for line in lines:
        item = json.loads(line)
        yield Hole(
            item["task_id"], item["kind"], "span", item["prompt"], item["suffix"], item["canonical_solution"]
        )


def function_holes(lines: Iterable[str]) -> Iterator[Hole]:
    """The same problems as functions to be written from signature and docstring: one hole for each program."""
    seen = set()
    for line in lines:
        item = json.loads(line)
        program = item["prompt"] + item["canonical_solution"] + item["suffix"]
        docstring = DOCSTRING.search(program, program.index("def " + item["entry_point"]))
        if docstring and item["source_id"] not in seen:
            seen.add(item["source_id"])
            start = docstring.end()
            yield Hole(item["source_id"], "function", "span", program[:start], "", program[start:])


def git_files(git_dir: Path, commit: str) -> list[tuple[str, str]]:
    """``(path, text)`` of the Python files of a commit that are UTF-8 and no larger than MAX_FILE_BYTES."""
    git = ["git", f"--git-dir={git_dir}"]
    listing = subprocess.run(
        [*git, "ls-tree", "-r", "-l", "-z", commit], check=True, capture_output=True
    ).stdout
    files = []
    for row in filter(None, listing.decode().split("\0")):
        about, path = row.split("\t", 1)
        mode, _, blob, size = about.split()
        if path.endswith(".py") and mode.startswith("100") and int(size) <= MAX_FILE_BYTES:
            content = subprocess.run([*git, "cat-file", "blob", blob], check=True, capture_output=True).stdout
            try:
                files.append((path, content.decode().replace("\r\n", "\n")))
            except UnicodeDecodeError:
                continue
    return files


def manifest_rows(manifest: Path, role: str) -> list[tuple[str, str]]:
    """``(owner/name, commit)`` of the manifest's repositories with that role."""
    rows = [line.split("\t") for line in manifest.read_text().splitlines()[1:]]
    return [(row[0], row[3]) for row in rows if row[1] == role]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m codeworld.training.holes", description="Make a set of holes."
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mbpp", type=Path, help="mbpp_infilling_dev.jsonl.gz")
    parser.add_argument(
        "--functions", type=Path, help="the same file, for whole functions from their docstrings"
    )
    parser.add_argument("--mirror", type=Path, help="folder of {owner+name}/repo git directories")
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--scale", type=float, default=1.0, help="times as many holes per repository")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set asked for; returns the exit code."""
    args = _parser().parse_args(arguments)
    holes: list[Hole] = []
    if args.mbpp:
        with gzip.open(args.mbpp, "rt", encoding="utf-8") as lines:
            holes.extend(mbpp_holes(lines))
    if args.functions:
        with gzip.open(args.functions, "rt", encoding="utf-8") as lines:
            holes.extend(function_holes(lines))
    if args.mirror and args.manifest:
        counts = {kind: round(count * args.scale) for kind, count in PER_REPOSITORY.items()}
        for repo, commit in manifest_rows(args.manifest, "heldout-dev"):
            files = git_files(args.mirror / repo.replace("/", "+") / "repo", commit)
            holes.extend(repository_holes(repo, files, counts, args.seed))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    encode = msgspec.json.Encoder().encode
    args.out.write_bytes(b"".join(encode(hole) + b"\n" for hole in holes))
    print(f"{len(holes)} holes -> {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

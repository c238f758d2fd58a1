"""The text corpus: examples (source, target) from the code corpus, from histories and from documentation.

Functions and classes come from the code corpus's own spools (``codeworld.training.corpus``: licence-clean, without
copies, decontaminated); commits and prose from the same bare mirrors under the same rules of path, licence and e-mail
addresses, histories cut where a repository was relicensed. Held-out repositories become evaluation sets, and what
equals one of their examples is dropped from training. Repositories of any other role are never opened.

    python -m textdiff.corpus --manifest M --mirrors DIR --code-corpus DIR/final --out OUT --decontamination HASHES
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from codeworld.training import corpus as code_corpus
from codeworld.training import dedup, filters
from codeworld.training.repositories import (
    Source,
    blobs,
    licensed_since,
    mirror,
    read_manifest,
    resolve,
    restricted_folders,
    tree,
)
from textdiff import commits, prose
from textdiff.source import (
    Task,
    body_source,
    commit_source,
    definitions,
    docstring_source,
    summaries_around,
    summary,
    text_source,
)

CAPS: Final[dict[Task, int]] = {
    "docstring": 3_000,
    "commit": 1_200,
    "body": 300,
    "text": 600,
    "continue": 400,
}
SAME_TARGET: Final = 8  # of one task in all repositories together
NEWEST_HELD_OUT: Final = 20  # commits of each training repository, for the split by time
SHARD_LIMIT: Final = 16_400_000  # bytes
FLUSHED_LIMIT: Final = 900_000  # that a compressor may hold back
TOTAL_LIMIT: Final = 109_000_000
WATCHED: Final = 800  # examples of each of NEAR_TASKS, of held-out repositories, not evaluated
NEAR_TASKS: Final[tuple[Task, ...]] = ("docstring", "commit")  # of which near copies are dropped
_QUOTES: Final = re.compile(
    r"\"\"\"|'''"
)  # a file without them has next to no docstrings, and need not be parsed
_NOT_SUMMARY: Final = re.compile(
    r"https?:|\bTODO\b|\bFIXME\b|^(see|test|tests|same as|override|overrides|inherited|deprecated)\b|[{}|<>]{2}|^\W*$"
    r"|:(param|return|type)\b|@\w+|^\W",
    re.IGNORECASE,
)


Sketch = NDArray[np.uint32]


class Example(msgspec.Struct, frozen=True):
    """One pair. ``place`` is path:line or a commit, ``time`` seconds since 1970 (0: not dated)."""

    task: Task
    repo: str
    place: str
    source: str
    target: str
    time: int = 0


class Job(NamedTuple):
    """What a worker needs to read one repository."""

    source: Source
    mirrors: Path
    code_corpus: Path
    stage: Path
    decontamination: Path


def functions(source: Source, items: Iterable[code_corpus.Item]) -> Iterator[Example]:
    """Definitions with a usable summary; of tests there are enough in commits."""
    for item in items:
        if item.test or not _QUOTES.search(item.text):
            continue
        found = list(definitions(item.text, documented_only=True))
        for number, one in enumerate(found):
            target = summary(one.docstring) if one.docstring else ""
            if usable_summary(target) and one.code.count("\n") >= 1:
                around = summaries_around(found, number)
                text = docstring_source(one.code, path=item.path, name=one.name, around=around)
                yield Example("docstring", source.repo, f"{item.path}:{one.line}", text, target)


def usable_summary(target: str) -> bool:
    """Whether a summary is an English sentence of ordinary length that says something."""
    letters = sum(character.isalpha() and character.isascii() for character in target)
    words = target.count(" ") + 1
    return (
        3 <= words <= 42
        and len(target) <= 280
        and letters >= 0.68 * len(target)
        and not _NOT_SUMMARY.search(target)
    )


def changes(
    source: Source, git_dir: Path, restricted: tuple[str, ...], since: str | None
) -> Iterator[Example]:
    """Commits, newest first: subject from diff and history, body from diff and subject."""
    wanted = commits.WANTED * (1 if source.role == "train" else 10)
    for one in commits.mine(git_dir, restricted, f"@{since}" if since else None, wanted=wanted):
        text = commit_source(one.diff, one.history)
        yield Example("commit", source.repo, one.commit, text, one.subject, one.time)
        if one.body:
            yield Example(
                "body", source.repo, one.commit, body_source(one.diff, one.subject), one.body, one.time
            )


def documentation(
    source: Source, git_dir: Path, entries: list[tuple[str, str, int]], restricted: tuple[str, ...]
) -> Iterator[Example]:
    """Paragraphs of the newest documentation files."""
    wanted = [e for e in entries if prose.wanted(e[0]) and 200 <= e[2] <= filters.MAX_BYTES]
    wanted = [e for e in wanted if not (restricted and e[0].startswith(restricted))]
    for (path, _, _), data in zip(wanted, blobs(git_dir, (oid for _, oid, _ in wanted)), strict=True):
        text = filters.decode(data)
        for number, one in enumerate(prose.paragraphs(text) if text else ()):
            task: Task = "continue" if one.previous else "text"
            yield Example(
                task, source.repo, f"{path}#{number}", text_source(one.keyword, one.previous), one.text
            )


def extract(job: Job) -> str:
    """Write one repository's examples to its stage file; returns a note. Runs in a worker process."""
    source = job.source
    if job.stage.exists():
        return ""
    if not filters.permissive(source.licence):
        return "licence not permissive"
    found: list[Example] = []
    spool = job.code_corpus / f"{source.slug}.msgpack"
    if spool.exists():
        items = msgspec.msgpack.decode(spool.read_bytes(), type=code_corpus.Spool).items
        found += functions(source, items)
    git_dir = mirror(job.mirrors, source.repo)
    note = "no mirror"
    if (git_dir / "HEAD").exists():
        commit, note = resolve(git_dir, source.commit)
        entries = tree(git_dir, commit)
        restricted = restricted_folders(git_dir, entries)
        since = licensed_since(git_dir)
        outside = [*documentation(source, git_dir, entries, restricted)]
        if since is None:
            note = "history left out: the newest licence file is restrictive"
        else:
            outside += changes(source, git_dir, restricted, since)
        windows = dedup.load_windows(job.decontamination)
        found += [one for one in outside if dedup.evaluation_hits(_plain(one), windows) <= dedup.MAX_HITS]
    partial = job.stage.with_suffix(".part")
    partial.write_bytes(msgspec.msgpack.encode(found))
    partial.replace(job.stage)
    return note


def _plain(example: Example) -> str:
    """The example's text without the diff's signs, for comparing windows of tokens."""
    return re.sub(r"^[-+|@] ?", "", example.source, flags=re.MULTILINE) + "\n" + example.target


def _capped(found: list[Example]) -> list[Example]:
    """A stable choice of at most CAPS of each task; the order is kept."""
    kept: list[Example] = []
    for task, cap in CAPS.items():
        own = sorted(
            (one for one in found if one.task == task),
            key=_chance,
        )
        kept += own[:cap]
    chosen = {(one.task, one.place) for one in kept}
    return [one for one in found if (one.task, one.place) in chosen]


def _key(text: str) -> bytes:
    """A digest that ignores white space."""
    return hashlib.blake2b("".join(text.split()).encode(), digest_size=8).digest()


def _code(example: Example) -> str:
    """What is described, without its place and what people wrote around it."""
    lines = [line for line in example.source.split("\n")[1:] if not line.startswith("| ")]
    return "\n".join(lines[1:] if example.task == "docstring" else lines)


class Selection:
    """Drops repeated examples and what is nearly a held-out one. Held-out examples must be added first."""

    def __init__(self) -> None:
        self.heldout: set[bytes] = set()
        self.seen: set[bytes] = set()
        self.targets: Counter[bytes] = Counter()
        self.near = {task: dedup.NearDuplicates() for task in NEAR_TASKS}
        self.dropped: Counter[str] = Counter()

    def hold_out(self, example: Example) -> None:
        """Never to be trained on: this source or one that is nearly the same, and this target when it is longer than a
        phrase."""
        self.heldout.add(_key(_code(example) + example.task))
        if len(example.target) > 50:
            self.heldout.add(_key(example.target + example.task))
        if example.task in self.near:
            self.near[example.task].add(_sketch(example))

    def admits(self, example: Example) -> bool:
        """Whether the example is new; counts why it is not."""
        reason = self._reason(example)
        if reason:
            self.dropped[f"{example.task}: {reason}"] += 1
            return False
        self.seen.add(_key(_code(example) + example.task))
        self.targets[_key(example.target + example.task)] += 1
        return True

    def _reason(self, example: Example) -> str:
        code, target = _key(_code(example) + example.task), _key(example.target + example.task)
        if code in self.heldout or target in self.heldout:
            return "held out"
        prose_twice = example.task in ("text", "continue") and self.targets[target] > 0
        if (code in self.seen and example.task in NEAR_TASKS) or prose_twice:
            return "copy"
        if self.targets[target] >= SAME_TARGET:
            return "frequent target"
        near = self.near.get(example.task)
        return "near copy" if near is not None and near.add(_sketch(example)) is not None else ""


def _sketch(example: Example) -> Sketch:
    """Of what is described together with how: two short functions that differ in their summary stay apart."""
    return dedup.sketch(f"{_code(example)}\n{example.target}")


def read_stage(stage: Path) -> list[Example]:
    """The examples of one repository."""
    return msgspec.msgpack.decode(stage.read_bytes(), type=list[Example])


def select(stages: dict[str, Path], heldout: set[str], out: Path) -> tuple[list[Example], Selection]:
    """Training examples in the order of repositories. Writes those of held-out repositories: WATCHED of each task for
    the loss that is watched while a model is trained (``watched/``), the others for evaluation (``evaluation/``), and
    the newest commits of training repositories beside them (by time)."""
    selection = Selection()
    by_task: dict[str, list[Example]] = {}
    for repo in sorted(heldout & stages.keys()):
        own = Selection()  # a set has no copies of its own either
        for one in read_stage(stages[repo]):
            selection.hold_out(one)
            if own.admits(one):
                by_task.setdefault(one.task, []).append(one)
    training: list[Example] = []
    by_time: list[Example] = []
    for repo in sorted(stages.keys() - heldout):
        examples = read_stage(stages[repo])
        dated = [e for e in examples if e.task == "commit"]  # newest first
        newest = {e.place for e in dated[:NEWEST_HELD_OUT]} if len(dated) >= 10 * NEWEST_HELD_OUT else set()
        by_time += [e for e in dated if e.place in newest]
        training += [e for e in _capped(examples) if e.place not in newest and selection.admits(e)]
    watched = {task: _share(by_task.get(task, []), WATCHED) for task in NEAR_TASKS}
    places = {one.place for own in watched.values() for one in own}
    write_shards([one for own in watched.values() for one in own], out / "watched")
    (out / "evaluation").mkdir(exist_ok=True)
    for task, examples in [*by_task.items(), ("commit-time", by_time)]:
        encoded = b"".join(msgspec.json.encode(one) + b"\n" for one in examples if one.place not in places)
        (out / "evaluation" / f"text-{task}.jsonl").write_bytes(encoded)
    return training, selection


def _share(examples: list[Example], count: int) -> list[Example]:
    """A stable choice of ``count``."""
    return sorted(examples, key=_chance)[:count]


def _chance(example: Example) -> float:
    """In [0, 1): the same for a commit and its body."""
    return filters.share(f"text {example.repo} {example.place}")


def write_shards(examples: Iterable[Example], folder: Path) -> list[tuple[str, int, int]]:
    """Shards of at most SHARD_LIMIT bytes: (name, examples, bytes). Examples keep their order: a repository's are
    alike, and side by side they take less room."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("shard-*.jsonl.xz"):
        old.unlink()
    shards: list[tuple[str, int, int]] = []
    lines = (msgspec.json.encode(one) + b"\n" for one in examples)
    while line := next(lines, b""):
        target, count = folder / f"shard-{len(shards):03d}.jsonl.xz", 0
        with target.open("wb") as file:
            compressor = lzma.LZMACompressor(preset=3)  # 6 takes 2.4 times as long and saves 12 %
            while line:
                file.write(compressor.compress(line))
                count += 1
                if file.tell() > SHARD_LIMIT - FLUSHED_LIMIT:
                    break
                line = next(lines, b"")
            file.write(compressor.flush())
        shards.append((target.name, count, target.stat().st_size))
        print(*shards[-1], file=sys.stderr, flush=True)
    return shards


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="textdiff.corpus", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="TSV: repo, role, licence, commit")
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument(
        "--code-corpus", type=Path, required=True, help="final/ of codeworld.training.corpus's output"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--decontamination", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--staged", action="store_true", help="read no repositories; use those that were read before"
    )
    given = parser.parse_args(arguments)
    begin = time.monotonic()
    (given.out / "stage").mkdir(parents=True, exist_ok=True)
    sources = read_manifest(given.manifest)
    stages = {source.repo: given.out / "stage" / f"{source.slug}.msgpack" for source in sources}
    work = [Job(s, given.mirrors, given.code_corpus, stages[s.repo], given.decontamination) for s in sources]
    with ProcessPoolExecutor(given.jobs) as pool:
        work = [] if given.staged else work
        for number, (source, note) in enumerate(zip(sources, pool.map(extract, work), strict=False)):
            if note or number % 20 == 0:
                print(
                    f"{time.monotonic() - begin:.0f} s {number} {source.repo} {note}",
                    file=sys.stderr,
                    flush=True,
                )
    present = {repo: stage for repo, stage in stages.items() if stage.exists()}
    heldout = {source.repo for source in sources if source.role != "train"}
    examples, selection = select(present, heldout, given.out)
    shards, share = write_shards(examples, given.out / "train"), 1.0
    while (total := sum(size for _, _, size in shards)) > TOTAL_LIMIT:  # then a stable random choice is kept
        share *= 0.99 * TOTAL_LIMIT / total
        shards = write_shards((one for one in examples if _chance(one) < share), given.out / "train")
    report = {
        "repositories": len(present),
        "selected": Counter(one.task for one in examples if _chance(one) < share),
        "dropped": selection.dropped,
        "shards": shards,
        "seconds": round(time.monotonic() - begin),
    }
    (given.out / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    print(msgspec.json.encode(report).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())

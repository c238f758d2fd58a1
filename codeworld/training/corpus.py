"""The training corpus: repositories at fixed commits in, compressed shards of cleaned Python files out.

Each repository is read from its git objects (no work tree is made), filtered and cleaned into a spool file; then copies
are found across all of them, what overlaps an evaluation set is dropped, each repository is capped, and the rest is
spread over shards. Spool files are kept under OUT/stage and reused while the commit and PIPELINE stay the same, so an
interrupted build goes on where it stopped. Every dropped file is counted by reason, with its size in bytes.

Run it with `python -m codeworld.training.corpus --manifest M --mirrors DIR --out OUT --decontamination HASHES`.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np

from codeworld.context.definitions import Definitions
from codeworld.context.outline import brought_by
from codeworld.training import dedup, filters
from codeworld.training.repositories import (
    CLONE_URL,
    Counts,
    RepositoryReport,
    Source,
    clone,
    files_of,
    read_manifest,
)

PIPELINE: Final = 2
REPOSITORY_CAP: Final = 12_000_000
TEST_SHARE: Final = 0.40
SHARD_LIMIT: Final = 50 * 2**20
# About 15 MB each (xz -6 on Python sorted by path compresses six times): training can begin with the first ones.
SHARD_TEXT: Final = 100_000_000

T = TypeVar("T")
R = TypeVar("R")


class Item(msgspec.Struct):
    """One cleaned file, with its exact digest and its MinHash sketch (dedup.BINS little-endian uint32)."""

    path: str
    text: str
    test: bool
    size: int
    digest: bytes
    sketch: bytes
    brought: list[str] = []  # signatures of what the file imports from its repository (context.outline)


class Spool(msgspec.Struct):
    """A repository's cleaned files on disk between the steps of a build."""

    key: str
    report: RepositoryReport
    items: list[Item]


class ShardInfo(msgspec.Struct):
    """One written file: path relative to OUT, sizes in bytes."""

    path: str
    sha256: str
    files: int
    text_bytes: int
    bytes: int


class Report(msgspec.Struct):
    """The whole build."""

    repositories: list[RepositoryReport]
    shards: list[ShardInfo]
    dev: list[ShardInfo]
    missing: list[str]
    kept: list[int]
    dropped: Counts
    decontaminated: bool
    seed: int
    seconds: float


def clean(source: Source, path: str, size: int, data: bytes, report: RepositoryReport) -> Item | None:
    """The cleaned file, or None with the drop counted."""
    text = filters.decode(data)
    test = filters.is_test(path)
    training = source.role == "train"
    reason = "not_utf8" if text is None else filters.text_reason(text)
    if reason is None and test and training and filters.share(f"{source.repo}/{path}") >= TEST_SHARE:
        reason = "test_downweighted"
    if reason is not None or text is None:
        report.drop(reason or "not_utf8", path, size)
        return None
    text, emails = filters.mask_emails(filters.strip_licence(text))
    syntax = filters.syntax(text)
    encoded = text.encode()
    if syntax == "python2" or len(encoded) < filters.MIN_BYTES:
        report.drop("python2" if syntax == "python2" else "too_small", path, size)
        return None
    report.emails_masked += emails
    report.unparsable_kept += syntax == "unparsable"
    digest = hashlib.blake2b(encoded, digest_size=16).digest()
    return Item(path, text, test, len(encoded), digest, dedup.sketch(text).astype("<u4").tobytes())


def extract(job: tuple[Source, Path, Path, Path | None]) -> str:
    """Write one repository's spool file; returns a note when it could not be read. Runs in a worker process."""
    source, mirrors, spool, library = job
    key = f"{PIPELINE} {source.repo} {source.commit}"
    if spool.exists() and msgspec.msgpack.decode(spool.read_bytes(), type=_SpoolKey).key == key:
        return ""
    report = RepositoryReport(source.repo, source.role, source.licence, source.commit)
    files = files_of(source, mirrors, library, report)
    if isinstance(files, str):
        return files
    cleaned = (clean(source, path, size, data, report) for path, size, data in files)
    items = [item for item in cleaned if item is not None]
    partial = spool.with_suffix(".part")
    partial.write_bytes(msgspec.msgpack.encode(Spool(key, report, items)))
    partial.replace(spool)
    return ""


class _SpoolKey(msgspec.Struct):
    key: str


def _load(spool: Path) -> Spool:
    return msgspec.msgpack.decode(spool.read_bytes(), type=Spool)


def find_copies(spools: list[Path]) -> list[dict[str, str]]:
    """Per spool, the drop reason of each path that copies an earlier file.

    Held-out repositories must come first: they are registered but never dropped, so that training files copied from
    them are. Library files come before tests, so that of two copies the library's stays.
    """
    seen: dict[bytes, bool] = {}
    near = dedup.NearDuplicates()
    heldout_texts = 0
    entries: list[tuple[bool, bool, int, str, bytes, bytes]] = []
    for number, spool in enumerate(spools):
        content = _load(spool)
        training = content.report.role == "train"
        entries += [(training, i.test, number, i.path, i.digest, i.sketch) for i in content.items]
    drops: list[dict[str, str]] = [{} for _ in spools]
    for training, _, number, path, digest, sketch in sorted(entries):
        if digest in seen:
            reason: str | None = "near_heldout" if seen[digest] else "exact_copy"
        else:
            seen[digest] = not training
            other = near.add(np.frombuffer(sketch, dtype="<u4").astype(np.uint32))
            reason = None if other is None else "near_heldout" if other < heldout_texts else "near_copy"
        if not training:
            heldout_texts = len(near)
        elif reason:
            drops[number][path] = reason
    return drops


def finish(job: tuple[Path, Path, dict[str, str], Path | None]) -> RepositoryReport:
    """Drop copies and evaluation overlap, cap the repository, write the final spool. Runs in a worker process."""
    spool, final, drops, decontamination = job
    content = _load(spool)
    report = content.report
    kept: list[Item] = []
    windows = dedup.load_windows(decontamination) if decontamination else frozenset()
    for item in content.items:
        reason = drops.get(item.path)
        if reason is None and windows and report.role == "train":
            hits = dedup.evaluation_hits(item.text, windows)
            reason = "evaluation_overlap" if hits > dedup.MAX_HITS else None
        if reason:
            report.drop(reason, item.path, item.size)
        else:
            kept.append(item)
    defined = Definitions()
    for item in kept:
        defined.update(item.path, partial(str, item.text))
    if report.role == "train":
        kept = _cap(kept, report)
    for item in kept:
        item.brought = brought_by(item.text, item.path, defined)
    report.kept = [len(kept), sum(item.size for item in kept)]
    final.write_bytes(msgspec.msgpack.encode(Spool("", report, sorted(kept, key=lambda item: item.path))))
    return report


def _cap(items: list[Item], report: RepositoryReport) -> list[Item]:
    """A stable random choice of at most REPOSITORY_CAP bytes."""
    kept, total = [], 0
    for item in sorted(items, key=lambda item: filters.share(f"cap {report.repo}/{item.path}")):
        if total + item.size > REPOSITORY_CAP:
            report.drop("over_cap", item.path, item.size)
            continue
        total += item.size
        kept.append(item)
    return kept


class _Line(msgspec.Struct):
    repo: str
    path: str
    text: str
    brought: list[str]


def write_shard(job: tuple[Path, list[Path], int, int, int, bool]) -> ShardInfo:
    """Write the files of shard `number` of `count`, by repository and path. Runs in a worker process.

    A shard is compressed when its name ends in .xz; files are spread by a hash of seed and path, or, `whole`,
    repositories by a hash of seed and name.
    """
    target, finals, number, count, seed, whole = job
    files = text_bytes = 0
    encode = msgspec.json.Encoder().encode
    target.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(target, "wb", preset=6) if target.suffix == ".xz" else target.open("wb") as stream:
        for final in finals:
            content = _load(final)
            repo = content.report.repo
            for item in content.items:
                key = f"{seed} {repo}" if whole else f"{seed} {repo}/{item.path}"
                if int(filters.share(key) * count) == number:
                    stream.write(encode(_Line(repo, item.path, item.text, item.brought)) + b"\n")
                    files += 1
                    text_bytes += item.size
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    relative = f"{target.parent.name}/{target.name}"
    return ShardInfo(relative, digest, files, text_bytes, target.stat().st_size)


def _parallel(jobs: int, function: Callable[[T], R], work: list[T]) -> list[R]:
    """function over work in `jobs` processes, results in order; in this process when jobs is 1."""
    if jobs <= 1:
        return [function(job) for job in work]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(function, work))


def write_shards(
    folder: Path, finals: list[Path], text_bytes: int, seed: int, jobs: int, *, whole: bool = False
) -> list[ShardInfo]:
    """As few shards as stay under SHARD_LIMIT compressed bytes each; `whole`: no repository is in two of them."""
    count = max(1, -(-text_bytes // SHARD_TEXT))
    while True:
        for old in folder.glob("shard-*.jsonl.xz"):
            old.unlink()
        targets = [folder / f"shard-{number:03d}.jsonl.xz" for number in range(count)]
        work = [(target, finals, number, count, seed, whole) for number, target in enumerate(targets)]
        shards = _parallel(jobs, write_shard, work)
        if all(shard.bytes <= SHARD_LIMIT for shard in shards):
            return shards
        count += 1


def build(
    manifest: Path,
    mirrors: Path,
    out: Path,
    *,
    decontamination: Path | None,
    jobs: int = 2,
    seed: int = 0,
    library: Path | None = None,
    by_repository: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Build the corpus under `out`; `library` is CPython's Lib folder for the manifest row that names it;
    `by_repository`: the shards, once more, with whole repositories, under `out`/repositories."""
    begin = time.monotonic()
    sources = read_manifest(manifest)
    final = out / "final"
    for folder in (out / "stage", final, out / "dev"):
        folder.mkdir(parents=True, exist_ok=True)
    spools = {source.slug: out / "stage" / f"{source.slug}.msgpack" for source in sources}
    notes = _parallel(jobs, extract, [(s, mirrors, spools[s.slug], library) for s in sources])
    missing = [f"{s.repo}: {note}" for s, note in zip(sources, notes, strict=True) if note]
    present = [source for source, note in zip(sources, notes, strict=True) if not note]
    say(f"extracted {len(present)} repositories, {len(missing)} missing, {time.monotonic() - begin:.0f} s")
    drops = find_copies([spools[source.slug] for source in present])
    say(f"copies found, {time.monotonic() - begin:.0f} s")
    finals = {source.slug: final / f"{source.slug}.msgpack" for source in present}
    work = [(spools[s.slug], finals[s.slug], d, decontamination) for s, d in zip(present, drops, strict=True)]
    reports = _parallel(jobs, finish, work)
    say(f"decontaminated, {time.monotonic() - begin:.0f} s")
    training = sorted(source.slug for source in present if source.role == "train")
    text_bytes = sum(report.kept[1] for report in reports if report.role == "train")
    chosen = [finals[slug] for slug in training]
    shards = write_shards(out / "train", chosen, text_bytes, seed, jobs)
    if by_repository:
        shards += write_shards(out / "repositories", chosen, text_bytes, seed, jobs, whole=True)
    heldout = [source.slug for source in present if source.role != "train"]
    dev = [
        write_shard((out / "dev" / f"{slug}.jsonl", [finals[slug]], 0, 1, seed, False)) for slug in heldout
    ]
    kept, dropped = totals(report for report in reports if report.role == "train")
    seconds = time.monotonic() - begin
    report = Report(reports, shards, dev, missing, kept, dropped, decontamination is not None, seed, seconds)
    _save(out, report)
    return report


def _save(out: Path, report: Report) -> None:
    """Write report.json and, with the digests of what was built, manifest.json."""
    (out / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    built = {"train": report.shards, "dev": report.dev}
    (out / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(built)))


def totals(reports: Iterable[RepositoryReport]) -> tuple[list[int], Counts]:
    """Kept [files, bytes] and dropped {reason: [files, bytes]} over repositories."""
    kept, dropped = [0, 0], Counts()
    for report in reports:
        kept = [kept[0] + report.kept[0], kept[1] + report.kept[1]]
        for reason, (files, size) in report.dropped.items():
            count = dropped.setdefault(reason, [0, 0])
            count[0] += files
            count[1] += size
    return kept, dict(sorted(dropped.items(), key=lambda pair: -pair[1][1]))


def table(report: Report) -> str:
    """The build's totals for people: megabytes are 10^6 bytes."""
    rows = [f"{'kept':24}{report.kept[0]:>9,} files {report.kept[1] / 1e6:>9.1f} MB"]
    rows += [
        f"{name:24}{files:>9,} files {size / 1e6:>9.1f} MB" for name, (files, size) in report.dropped.items()
    ]
    rows += [f"{shard.path}: {shard.files:,} files, {shard.bytes / 2**20:.1f} MiB" for shard in report.shards]
    rows += [f"missing: {line}" for line in report.missing]
    return "\n".join([*rows, f"{report.seconds:.0f} s"])


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="codeworld.training.corpus", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="TSV: repo, role, licence, commit")
    parser.add_argument(
        "--mirrors", type=Path, required=True, help="folder of bare clones, owner+name/repo each"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--decontamination", type=Path, help="gzip of sorted uint64 window hashes")
    parser.add_argument("--cpython-lib", type=Path, help="Lib folder for the row python/cpython@...:Lib")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, default=0, help="of the spreading over shards")
    parser.add_argument(
        "--by-repository", action="store_true", help="also write shards of whole repositories"
    )
    parser.add_argument("--clone", action="store_true", help="clone what has no mirror (uses the network)")
    parser.add_argument("--clone-url", default=CLONE_URL, help="URL with {repo} in it")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    given = parser.parse_args(arguments)
    if given.clone:
        for source in read_manifest(given.manifest):
            clone(source, given.mirrors, given.clone_url)
    report = build(
        given.manifest,
        given.mirrors,
        given.out,
        decontamination=given.decontamination,
        jobs=given.jobs,
        seed=given.seed,
        library=given.cpython_lib,
        by_repository=given.by_repository,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(msgspec.json.encode(report).decode() if given.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

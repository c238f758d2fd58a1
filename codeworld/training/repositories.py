"""Where the corpus comes from: the manifest, bare git mirrors and the files in them.

Repositories are read from their git objects at the manifest's commit; no work tree is ever made, nothing in them runs.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from codeworld.training import filters

CLONE_URL: Final = "https://github.com/{repo}.git"

Counts = dict[str, list[int]]


class Source(msgspec.Struct, frozen=True):
    """One manifest row that is read: a repository at a commit."""

    repo: str
    role: str
    licence: str
    commit: str

    @property
    def slug(self) -> str:
        """The repository's name as a file name."""
        return self.repo.replace("/", "__").replace("@", "-").replace(":", "-")


class RepositoryReport(msgspec.Struct):
    """What became of one repository; counts are [files, bytes], kept bytes are of cleaned text."""

    repo: str
    role: str
    licence: str
    commit: str
    note: str = ""
    seen: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    kept: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    dropped: Counts = msgspec.field(default_factory=dict)
    unparsable_kept: int = 0
    emails_masked: int = 0
    dropped_paths: list[list[str]] = msgspec.field(default_factory=list)

    def drop(self, reason: str, path: str, size: int) -> None:
        """Count a dropped file of `size` bytes; its path is noted so that drops can be looked at."""
        count = self.dropped.setdefault(reason, [0, 0])
        count[0] += 1
        count[1] += max(size, 0)
        self.dropped_paths.append([reason, path])


def read_manifest(path: Path) -> list[Source]:
    """The rows to read, held-out ones first; repositories of any other role are not even returned."""
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:] if line.strip()]
    sources = [Source(*row[:4]) for row in rows if row[1] in ("train", "heldout-dev")]
    return sorted(sources, key=lambda source: source.role != "heldout-dev")


def mirror(mirrors: Path, repo: str) -> Path:
    """Where a repository's bare git directory lies: MIRRORS/owner+name/repo."""
    return mirrors / repo.replace("/", "+") / "repo"


def clone(source: Source, mirrors: Path, url: str) -> None:
    """Clone a missing repository without its work tree; `url` has a {repo} placeholder."""
    target = mirror(mirrors, source.repo)
    if target.exists() or "@" in source.repo:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    command = ["git", "clone", "--quiet", "--bare", "--", url.format(repo=source.repo), str(target)]
    subprocess.run(command, check=False, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})


def _git(git_dir: Path, *arguments: str) -> bytes:
    command = ["git", f"--git-dir={git_dir}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def resolve(git_dir: Path, commit: str) -> tuple[str, str]:
    """The commit to read and a note: HEAD when the wanted one is not in the mirror."""
    try:
        _git(git_dir, "cat-file", "-e", f"{commit}^{{commit}}")
    except subprocess.CalledProcessError:
        return _git(git_dir, "rev-parse", "HEAD").decode().strip(), "commit missing, HEAD read"
    return commit, ""


def tree(git_dir: Path, commit: str) -> list[tuple[str, str, int]]:
    """(path, object id, bytes) of each regular file; symbolic links and submodules are left out."""
    entries = []
    for line in _git(git_dir, "ls-tree", "-r", "-z", "-l", "--full-tree", commit).split(b"\0"):
        mode, _, rest = line.partition(b" ")
        if mode in (b"100644", b"100755"):
            meta, _, path = rest.partition(b"\t")
            _, oid, size = meta.split()
            # A partial mirror lists objects that it lacks, and git prints BAD for their size.
            length = int(size) if size.isdigit() else -1
            entries.append((path.decode("utf-8", "replace"), oid.decode(), length))
    return entries


def blobs(git_dir: Path, oids: Iterable[str]) -> Iterator[bytes]:
    """The objects' contents in order, through one `git cat-file --batch`."""
    with tempfile.TemporaryFile() as wanted:
        # A file as stdin: with two pipes git and we could wait for each other.
        wanted.write("".join(f"{oid}\n" for oid in oids).encode())
        wanted.seek(0)
        command = ["git", f"--git-dir={git_dir}", "cat-file", "--batch"]
        with subprocess.Popen(command, stdin=wanted, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while head := process.stdout.readline():
                _oid, _kind, *size = head.split()
                if not size:  # "<oid> missing": an incomplete mirror
                    yield b""
                    continue
                yield process.stdout.read(int(size[0]))
                process.stdout.read(1)


def restricted_folders(git_dir: Path, entries: list[tuple[str, str, int]]) -> tuple[str, ...]:
    """The folders, each with its slash, that a licence of their own keeps out."""
    nested = [(folder, oid) for path, oid, _ in entries if (folder := filters.licence_folder(path))]
    texts = blobs(git_dir, (oid for _, oid in nested))
    return tuple(
        folder + "/"
        for (folder, _), data in zip(nested, texts, strict=True)
        if filters.restrictive_licence_text(data.decode("utf-8", "replace"))
    )


def licensed_since(git_dir: Path) -> str | None:
    """Where a repository was relicensed, the time (seconds since 1970) from which its history is permissive; "" when
    it always was, None when its newest licence file is not.

    Each version of the licence files in the root is read; the last one that is not permissive ends what is cut off.
    """
    pathspec = [":(top,icase,glob)licen[sc]e*", ":(top,icase,glob)copying*"]
    log = _git(
        git_dir,
        "log",
        "--reverse",
        "--no-renames",
        "--raw",
        "--no-abbrev",
        "--format=%ct",
        "HEAD",
        "--",
        *pathspec,
    )
    versions: list[tuple[str, str]] = []
    moment = ""
    for line in log.decode("utf-8", "replace").splitlines():
        if line.startswith(":"):
            fields = line.split("\t")[0].split()
            versions.append((moment, "" if fields[4] == "D" else fields[3]))
        elif line:
            moment = line
    texts = iter(blobs(git_dir, (oid for _, oid in versions if oid)))
    since, restricted = "", False
    for moment, oid in versions:
        was, restricted = (
            restricted,
            bool(oid) and filters.restrictive_licence_text(next(texts).decode("utf-8", "replace")),
        )
        if was and not restricted:
            since = moment
    return None if restricted else since


def _git_files(git_dir: Path, commit: str, report: RepositoryReport) -> Iterator[tuple[str, int, bytes]]:
    """(path, bytes, content) of the Python files whose path and size pass; the others are counted."""
    entries = tree(git_dir, commit)
    restricted = restricted_folders(git_dir, entries)
    wanted = [entry for entry in entries if entry[0].endswith(".py") and _open(entry, restricted, report)]
    contents = blobs(git_dir, (oid for _, oid, _ in wanted))
    for (path, _, size), data in zip(wanted, contents, strict=True):
        yield path, size, data


def _open(entry: tuple[str, str, int], restricted: tuple[str, ...], report: RepositoryReport) -> bool:
    """Whether a file is to be opened, judged by path and size; counts it either way."""
    path, _, size = entry
    report.seen[0] += 1
    report.seen[1] += max(size, 0)
    reason = filters.path_reason(path)
    if reason is None and restricted and path.startswith(restricted):
        reason = "non_permissive_folder"
    if reason is None and size > filters.MAX_BYTES:
        reason = "too_large"
    if reason is None and size < filters.MIN_BYTES:
        reason = "too_small" if size >= 0 else "object_missing"
    if reason:
        report.drop(reason, path, size)
    return reason is None


def _folder_files(root: Path, report: RepositoryReport) -> Iterator[tuple[str, int, bytes]]:
    """As _git_files, for an installed standard library."""
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root).as_posix()
        if file.is_file() and not file.is_symlink() and _open((path, "", file.stat().st_size), (), report):
            yield path, file.stat().st_size, file.read_bytes()


def files_of(
    source: Source, mirrors: Path, library: Path | None, report: RepositoryReport
) -> Iterator[tuple[str, int, bytes]] | str:
    """(path, bytes, content) of a repository's Python files worth opening, or why it cannot be read.

    A row `name@version:folder` stands for an installed standard library, read from `library`.
    """
    if not filters.permissive(source.licence):
        return "licence not permissive"
    if "@" in source.repo:
        return (
            _folder_files(library, report)
            if library and library.is_dir()
            else "no local standard library given"
        )
    git_dir = mirror(mirrors, source.repo)
    if not (git_dir / "HEAD").exists():
        return "no mirror"
    report.commit, report.note = resolve(git_dir, source.commit)
    return _git_files(git_dir, report.commit, report)

"""What a commit will change: the staged diff (or, for measurements and retrieval, one of a commit's), as values.

Budgets keep a huge diff cheap: of files whose two versions are read, of their bytes, and of changed lines; what was not
read is still known by name, kind and number of changed lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from codeworld import git
from codeworld.canvas import Reject

MAX_FILES = 400  # whose contents are read
MAX_BYTES = 6_000_000  # of both versions together
MAX_FILE_BYTES = 600_000
MAX_PATCH_BYTES = 6_000_000
MAX_LINES = 2_000  # changed lines of one file that are looked at
_SUBMODULE = "160000"
_NONE = "0" * 40


class FileChange(msgspec.Struct, frozen=True):
    """One changed file. ``path`` is shown, so bytes that are no UTF-8 are "\\ufffd" in it. ``before`` and ``after`` are
    None where there is no such version, it is binary, or the budget was spent (then ``read`` is false); ``gone`` and
    ``come`` are the lines of the patch, without their signs.
    ``status`` is git's letter: A, D, M, R (renamed), C (copied), T (type changed), U (unmerged)."""

    path: str
    status: str
    old_path: str = ""
    added: int = 0
    removed: int = 0
    binary: bool = False
    submodule: bool = False
    mode_only: bool = False
    before: str | None = None
    after: str | None = None
    read: bool = False
    gone: tuple[str, ...] = ()
    come: tuple[str, ...] = ()
    ids: tuple[str, str] = (_NONE, _NONE)


class Diff(msgspec.Struct, frozen=True):
    """All changed files, and the branch (empty when HEAD is detached)."""

    files: tuple[FileChange, ...]
    branch: str = ""

    def text(self, limit_chars: int = 2_000_000) -> str:
        """Everything that may be named: paths and both versions of what was read."""
        parts: list[str] = []
        left = limit_chars
        for one in self.files:
            lines = "\n".join((*one.gone, *one.come))
            for part in (one.path, one.old_path, lines, one.before, one.after):
                if part and left > 0:
                    parts.append(part[:left])
                    left -= len(part)
        return "\n".join(parts)


def staged(root: Path) -> Diff | Reject:
    """The staged changes of the repository that holds ``root``, or why there is nothing to describe."""
    head = git.run(root, "rev-parse", "--is-inside-work-tree")
    if head.code == 127:
        return Reject("no-git", head.err)
    if head.code != 0:
        return Reject("no-repository", f"{root} is not inside a git repository")
    if head.out.strip() != b"true":
        return Reject("no-work-tree", f"{root} has no work tree, so nothing can be staged")
    top = Path(git.text(root, "rev-parse", "--show-toplevel").strip() or str(root))
    done = git.run(top, "diff", "--cached", *_WHAT)
    if done.code != 0:
        return Reject("git-failed", done.err)
    files = list(_entries(done.out))
    if any(one.status == "U" for one in files):
        return Reject("unmerged", "there are conflicts: resolve and stage them first")
    if not files:
        return Reject("nothing-staged", "stage changes with `git add` first")
    branch = git.text(top, "symbolic-ref", "--quiet", "--short", "HEAD").strip()
    with git.stream(top, "diff", "--cached", *PATCH) as out:
        files = with_lines(files, out)
    return Diff(tuple(_with_contents(top, files)), branch)


def of_commit(root: Path, commit: str) -> Diff:
    """What a commit without a merge changed."""
    tree = ("diff-tree", "-r", "--root", "--no-commit-id")
    files = list(_entries(git.run(root, *tree, *_WHAT, commit).out))
    with git.stream(root, *tree, *PATCH, commit) as out:
        files = with_lines(files, out)
    return Diff(tuple(_with_contents(root, files)))


_PLAIN = ("-M", "--no-ext-diff", "--no-textconv", "--no-color")
_WHAT = ("--raw", "--numstat", "-z", "--no-abbrev", *_PLAIN)
PATCH = ("--patch", "--unified=0", *_PLAIN)


def patches(
    out: Iterable[bytes], limit_bytes: int = MAX_PATCH_BYTES
) -> Iterator[tuple[list[str], list[str]]]:
    """The removed and the added lines of each file of a patch without context, in git's order of files."""
    gone: list[str] = []
    come: list[str] = []
    begun = inside = False
    for line in out:
        limit_bytes -= len(line)
        if line.startswith(b"diff --git ") or limit_bytes < 0:
            if begun:
                yield gone, come
            if limit_bytes < 0:
                return
            gone, come, begun, inside = [], [], True, False
        elif line.startswith(b"@@ "):
            inside = True
        elif begun and inside and line[:1] in b"+-":
            side = come if line[:1] == b"+" else gone
            if len(side) < MAX_LINES:
                side.append(line[1:].decode("utf-8", "replace").rstrip("\r\n"))
    if begun:
        yield gone, come


def with_lines(files: list[FileChange], out: Iterable[bytes]) -> list[FileChange]:
    """The files with the lines of their patch; a changed type has two patches."""
    sections = patches(out)
    filled = []
    for one in files:
        gone, come = next(sections, ([], []))
        if one.status == "T":
            come = next(sections, ([], []))[1]
        filled.append(msgspec.structs.replace(one, gone=tuple(gone), come=tuple(come)))
    return filled


def _entries(out: bytes) -> Iterator[FileChange]:
    """git's --raw -z records, then its --numstat -z records, which come in the same order."""
    words = out.split(b"\0")
    raw: list[FileChange] = []
    at = 0
    while at < len(words) and words[at].startswith(b":"):
        old_mode, new_mode, old_id, new_id, status = words[at][1:].decode("ascii").split(" ")
        two = status[0] in "RC"
        names = [_shown(name) for name in words[at + 1 : at + (3 if two else 2)]]
        raw.append(
            FileChange(
                path=names[-1],
                status=status[0],
                old_path=names[0] if two else "",
                submodule=_SUBMODULE in (old_mode, new_mode),
                mode_only=old_id == new_id and old_mode != new_mode,
                ids=(old_id, new_id),
            )
        )
        at += 3 if two else 2
    counts: list[tuple[bytes, bytes]] = []
    while at < len(words) and words[at].count(b"\t") >= 2:
        added, removed, name = words[at].split(b"\t", 2)
        counts.append((added, removed))
        at += 1 if name else 3
    for number, one in enumerate(raw):
        added, removed = counts[number] if number < len(counts) else (b"0", b"0")
        binary = added == b"-"
        lines = (0, 0) if binary else (int(added), int(removed))
        yield msgspec.structs.replace(one, binary=binary, added=lines[0], removed=lines[1])


def _shown(name: bytes) -> str:
    return name.decode("utf-8", errors="replace")


def _with_contents(root: Path, files: list[FileChange]) -> list[FileChange]:
    """The files with their two versions, code and small changes first, as far as the budget goes."""
    order = sorted(
        range(len(files)),
        key=lambda i: (not files[i].path.endswith(".py"), files[i].added + files[i].removed),
    )
    order = [i for i in order if not (files[i].binary or files[i].submodule or files[i].mode_only)]
    wanted = [name for i in order[:MAX_FILES] for name in files[i].ids if name != _NONE]
    found = _blobs(root, wanted)
    filled = list(files)
    for i in order:
        before, after = (found.get(name) for name in files[i].ids)
        missing = any(name != _NONE and name not in found for name in files[i].ids)
        if not missing:
            filled[i] = msgspec.structs.replace(files[i], before=before, after=after, read=True)
    return filled


def _blobs(root: Path, ids: Sequence[str]) -> dict[str, str]:
    """The texts of blobs, within the budget; sizes are asked first, so that nothing large is read at all."""
    if not ids:
        return {}
    names = "\n".join(dict.fromkeys(ids)).encode() + b"\n"
    chosen, left = [], MAX_BYTES
    for line in (
        git.run(root, "cat-file", "--batch-check", stdin=names).out.decode("ascii", "replace").splitlines()
    ):
        name, kind, *size = line.split(" ")
        if kind == "blob" and size and int(size[0]) <= min(left, MAX_FILE_BYTES):
            chosen.append(name)
            left -= int(size[0])
    if not chosen:
        return {}
    out = git.run(root, "cat-file", "--batch", stdin="\n".join(chosen).encode() + b"\n").out
    texts: dict[str, str] = {}
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        name, kind, size_text = out[at:end].decode("ascii").split(" ")
        texts[name] = out[end + 1 : end + 1 + int(size_text)].decode("utf-8", errors="replace")
        at = end + 2 + int(size_text)
    return texts

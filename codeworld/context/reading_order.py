"""In which order a repository's files are read, and which of them when not all are.

What a file imports stands before it, as in a book; what is nearest to the file that somebody works on is chosen first
and read last, for a memory that fades keeps best what it read last.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from codeworld.context.definitions import Modules
from codeworld.context.retrieval import Rules, python_files
from codeworld.context.secrets import mask

_NAME: Final = re.compile(r"[^\W\d]\w{3,}")
FAR: Final = 1_000  # imports away: not connected


def readable(root: Path, rules: Rules, should_stop: Callable[[], bool] = lambda: False) -> dict[str, str]:
    """Path → text of the Python files under ``root`` that may be read, their secrets masked. What is no UTF-8 is left
    out; stops early, with what it has."""
    texts = {}
    for path in python_files(root, rules, should_stop):
        try:
            texts[path.relative_to(root).as_posix()] = mask(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
    return texts


class Rank(NamedTuple):
    """How near a file is to the open one; smaller is nearer."""

    imports: int  # steps along imports from the open file: 1 for what it imports, FAR when none leads there
    recency: int  # place among the files edited last, 0 the newest
    unlike: float  # 1 - share of its names that the open file has too, half of it for the folder
    path: str


def by_imports(files: Mapping[str, str], roots: Iterable[str]) -> list[str]:
    """The paths of ``files`` (path → text), those that a file imports before it: depth first from one root to the next
    and then from every other file, so that they also stand close to it. Where imports go in a circle, the file that is
    reached first comes last."""
    modules = Modules(files)
    order: dict[str, None] = {}
    entered: set[str] = set()
    for root in (*roots, *files):
        stack = [root] if root in files and root not in entered else []
        while stack:
            path = stack[-1]
            if path in entered:
                stack.pop()
                order.setdefault(path)
                continue
            entered.add(path)
            stack += [p for p in reversed(modules.imported(path, files[path])) if p not in entered]
    return list(order)


def ranked(opened: str, files: Mapping[str, str], recent: Sequence[str] = ()) -> list[str]:
    """All other files, nearest first: imported by the open file (directly, then over others), edited recently, similar
    in their names. ``recent``: paths, the newest first."""
    modules = Modules(files)
    distance = import_distances(opened, lambda path: modules.imported(path, files.get(path, "")))
    newest = {path: place for place, path in enumerate(recent)}
    names = frozenset(_NAME.findall(files.get(opened, "")))
    folder = posixpath.dirname(opened)

    def rank(path: str) -> Rank:
        own = frozenset(_NAME.findall(files[path]))
        unlike = 1 - len(own & names) / max(1, len(own)) + 0.5 * (posixpath.dirname(path) != folder)
        return Rank(distance.get(path, FAR), newest.get(path, len(newest)), unlike, path)

    return [one.path for one in sorted(rank(path) for path in files if path != opened)]


def import_distances(opened: str, imported: Callable[[str], list[str]]) -> dict[str, int]:
    """Steps along imports from the open file to each file that they lead to; ``imported``: of a path, the paths that it
    imports."""
    distance, last = {opened: 0}, [opened]
    while last:
        reached = [path for importer in last for path in imported(importer)]
        steps = distance[last[0]] + 1
        last = [path for path in dict.fromkeys(reached) if path not in distance]
        distance |= dict.fromkeys(last, steps)
    return distance


def chosen(
    opened: str,
    files: Mapping[str, str],
    budget: int,
    size: Callable[[str], int],
    recent: Sequence[str] = (),
) -> list[str]:
    """What is read before the open file, in reading order: the nearest files that fit into ``budget``, in the unit of
    ``size`` (of a text): what is imported before what imports it, and apart from that the nearest last."""
    kept = []
    for path in ranked(opened, files, recent):
        needed = size(files[path])
        if needed <= budget:
            kept.append(path)
            budget -= needed
    return by_imports({path: files[path] for path in reversed(kept)}, ())


def kept_order(before: Mapping[str, str], files: Mapping[str, str], wanted: Sequence[str]) -> list[str]:
    """``wanted``, but what is as it was when it was read (``before``, path → text, in the order then) keeps its place,
    and what is new or has changed comes behind it, where it costs least to read it again."""
    asked = set(wanted)
    same = {path: None for path in before if path in asked and files.get(path) == before[path]}
    return [*same, *(path for path in wanted if path not in same)]

"""The workspace's folders: what of them may be read, and the index of their lines, built in the
background."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pygls.uris import to_fs_path

from lsp_server.background import lower_priority, post

if TYPE_CHECKING:
    from codeworld.context.ignore import IgnoreRules
    from codeworld.context.retrieval import RepositoryIndex

log = logging.getLogger("codeworld.server")


def path_of(uri: str) -> Path | None:
    """The file behind a ``file:`` URI, None for other schemes."""
    found = to_fs_path(uri)
    return Path(found) if found else None


class Folder:
    """One folder of the workspace, or the directory of a file outside of all of them (then nothing is
    indexed)."""

    def __init__(self, root: Path, *, indexed: bool) -> None:
        self.root = root
        self.indexed = indexed and _is_project(root)
        self.index: RepositoryIndex | None = None
        self.state: Literal["none", "building", "ready"] = "none"
        self.rules: IgnoreRules = _rules(root)
        self._stop = threading.Event()
        self._allowed: dict[Path, bool] = {}
        self._meanwhile: dict[str, str | None] = {}  # what changed while the index is built

    def relative(self, path: Path) -> str:
        """``path`` as the index names it."""
        return path.relative_to(self.root).as_posix()

    def reload_rules(self) -> None:
        """Read the ignore files again."""
        self.rules = _rules(self.root)
        self._allowed.clear()

    def allows(self, path: Path) -> bool:
        """Whether ``path`` may be looked at; remembered until ``recheck``. A rule that fails forbids."""
        if path not in self._allowed:
            try:
                self._allowed[path] = self.rules.allows(path)
            except OSError:
                return False
        return self._allowed[path]

    def recheck(self, path: Path) -> bool:
        """``allows`` for a file that has changed on disk: it may have grown too large, or become binary."""
        self._allowed.pop(path, None)
        return self.allows(path)

    def update(self, path: Path, text: str | None) -> None:
        """Take ``text`` as the content of ``path`` now; None when it is gone or may not be read."""
        if self.state == "building":
            self._meanwhile[self.relative(path)] = text
        elif self.index is not None:
            self.index.update(self.relative(path), text)

    def stop(self) -> None:
        """Stop building."""
        self._stop.set()

    async def build(self, budget_s: float, report: Callable[[int, int], bool]) -> None:
        """Build the index anew in a thread of low priority. ``report(done, total)`` is called on the loop's
        thread and returns whether to stop; also stops after ``budget_s``, with what there is by then."""
        self._stop.set()  # one that is being built already
        stop = self._stop = threading.Event()
        self.state = "building"
        loop = asyncio.get_running_loop()
        done: asyncio.Future[RepositoryIndex | None] = loop.create_future()

        def tell(files: int, total: int) -> None:
            if report(files, total):
                stop.set()

        def finish(index: RepositoryIndex | None) -> None:
            if not done.done():
                done.set_result(index)

        def run() -> None:
            index = _build(self.root, self.rules, budget_s, stop, lambda *n: post(loop, tell, *n))
            post(loop, finish, index)

        threading.Thread(target=run, name="index", daemon=True).start()
        try:
            index = await done
        finally:
            stop.set()
        if self._stop is stop:
            self._take(index)

    def _take(self, index: RepositoryIndex | None) -> None:
        self.index = index
        self.state = "none" if index is None else "ready"
        changes, self._meanwhile = self._meanwhile, {}
        if index is not None:
            for path, text in changes.items():
                index.update(path, text)


class Folders:
    """All folders; a file belongs to the innermost one."""

    def __init__(self) -> None:
        self._folders: dict[Path, Folder] = {}
        self._loose: dict[Path, Folder] = {}

    def __iter__(self) -> Iterator[Folder]:
        return iter(self._folders.values())

    def add(self, uri: str) -> Folder | None:
        """Add a folder; None when it is there already or is not on this machine."""
        root = path_of(uri)
        if root is None or root in self._folders or not root.is_dir():
            return None
        folder = self._folders[root] = Folder(root, indexed=True)
        return folder

    def remove(self, uri: str) -> None:
        """Forget a folder and its index."""
        root = path_of(uri)
        folder = self._folders.pop(root, None) if root is not None else None
        if folder is not None:
            folder.stop()

    def of(self, path: Path) -> Folder:
        """The folder that ``path`` belongs to."""
        for parent in path.parents:
            if parent in self._folders:
                return self._folders[parent]
        if path.parent not in self._loose:
            self._loose[path.parent] = Folder(path.parent, indexed=False)
        return self._loose[path.parent]

    def reload_rules(self) -> None:
        """Read all ignore files again."""
        self._loose.clear()
        for folder in self:
            folder.reload_rules()


def _is_project(root: Path) -> bool:
    """Home and the root directory are opened by accident: nobody wants them read from end to end."""
    return root != Path(root.anchor) and root != Path.home()


def _rules(root: Path) -> IgnoreRules:
    from codeworld.context.ignore import IgnoreRules

    return IgnoreRules.for_root(root)


def _build(
    root: Path,
    rules: IgnoreRules,
    budget_s: float,
    stop: threading.Event,
    report: Callable[[int, int], None],
) -> RepositoryIndex | None:
    from codeworld.context.retrieval import RepositoryIndex

    lower_priority()
    deadline_s = time.monotonic() + budget_s
    last_s = 0.0

    def advance(done: int, total: int) -> None:
        nonlocal last_s
        time.sleep(0)  # lets the loop's thread have the interpreter between two files
        if time.monotonic() - last_s > 0.1 or done == total:
            last_s = time.monotonic()
            report(done, total)

    def should_stop() -> bool:
        return stop.is_set() or time.monotonic() > deadline_s

    try:
        return RepositoryIndex.build(root, rules, progress=advance, should_stop=should_stop)
    except Exception as error:
        log.error("the index cannot be built: %s", type(error).__name__)
        return None

"""The files of a repository that may be read, and their lines, with every secret masked before anything sees them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from codeworld.context.ignore import IgnoreRules
from codeworld.context.secrets import mask
from codeworld.summary.facts import Citation

_KEPT_BYTES = 12_000_000  # of files in memory at a time: their lines are cited, checked and put on the page


class Cancelled(Exception):
    """The caller asked to stop; nothing was written."""


class Sources:
    """The readable files below ``root`` but for the page ``without``, sorted; made once, as they are then."""

    def __init__(
        self, root: Path, should_stop: Callable[[], bool] = lambda: False, without: Path | None = None
    ) -> None:
        self.root = root.resolve()
        self._without = without.resolve() if without else None
        self.sizes: dict[str, int] = {}  # in bytes
        self._rules = IgnoreRules.for_root(self.root)
        self._texts: OrderedDict[str, list[str]] = OrderedDict()
        self._kept = 0  # bytes
        for path, size in self._walk(should_stop):
            self.sizes[path] = size
        self.paths = sorted(self.sizes)
        self._known = frozenset(self.paths)

    def __contains__(self, path: str) -> bool:
        return path in self._known

    def _walk(self, should_stop: Callable[[], bool]) -> Iterator[tuple[str, int]]:
        for folder, folders, names in os.walk(self.root):
            if should_stop():
                raise Cancelled
            here = Path(folder)
            folders[:] = sorted(
                name
                for name in folders
                if name != ".git" and not (here / name).is_symlink() and self._rules.allows(here / name)
            )
            for name in names:
                path = here / name
                if path == self._without or not self._rules.allows(path):
                    continue
                with contextlib.suppress(OSError):  # it has gone meanwhile
                    found = path.lstat()
                    if stat.S_ISREG(found.st_mode):
                        yield path.relative_to(self.root).as_posix(), found.st_size

    def content(self, path: str) -> tuple[bytes, str]:
        """The bytes of a file and their hash; nothing, when it has gone meanwhile."""
        try:
            data = (self.root / path).read_bytes()
        except OSError:
            data = b""
        return data, hashlib.sha256(data).hexdigest()[:24]

    def text(self, path: str) -> str:
        """A file with its secrets masked; "" for one that may not be read."""
        return "\n".join(self.lines(path))

    def lines(self, path: str) -> list[str]:
        """The lines of a file, as ``text``."""
        if path not in self._known:
            return []
        if path not in self._texts:
            self._texts[path] = masked_lines(self.content(path)[0])
            self._kept += self.sizes[path]
            while self._kept > _KEPT_BYTES and len(self._texts) > 1:
                self._kept -= self.sizes[self._texts.popitem(last=False)[0]]
        self._texts.move_to_end(path)
        return self._texts[path]

    def line(self, path: str, line: int) -> str | None:
        """Line ``line`` (from 1), None when there is none."""
        lines = self.lines(path)
        return lines[line - 1] if 1 <= line <= len(lines) else None

    def holds(self, citation: Citation) -> bool:
        """Whether the cited line says what it is cited for."""
        line = self.line(citation.path, citation.line)
        return line is not None and citation.quote in line

    def cite(self, path: str, quote: str, start: int = 1) -> Citation | None:
        """The first line from ``start`` on that holds ``quote``."""
        lines = self.lines(path)
        for number in range(start, len(lines) + 1):
            if quote in lines[number - 1]:
                return Citation(path, number, quote)
        return None


def masked_lines(data: bytes) -> list[str]:
    """Lines as git and editors count them, without line ends and secrets."""
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return mask(text.removeprefix("\ufeff")).split("\n")

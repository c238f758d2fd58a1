"""Facts of files by the hash of their content, kept under the user's cache directory from one run to the next."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import msgspec

from codeworld.summary.facts import FileFacts

_FORMAT = 4  # another one when FileFacts or what fills it changes: old entries are then forgotten


class _Stored(msgspec.Struct):
    format: int
    files: dict[str, FileFacts]


class FactCache:
    """What is known of one repository's files. A cache that cannot be read or written costs time, nothing else."""

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:24]
        self.path = cache_dir() / f"{name}.msgpack"
        self._old: dict[str, FileFacts] = {}
        self._now: dict[str, FileFacts] = {}
        # Whatever stands in that file, the page is made.
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            stored = msgspec.msgpack.decode(self.path.read_bytes(), type=_Stored)
            self._old = stored.files if stored.format == _FORMAT else {}

    def find(self, digest: str) -> FileFacts | None:
        """The facts of a content seen before; they stay in the cache."""
        facts = self._now.get(digest) or self._old.get(digest)
        if facts is not None:
            self._now[digest] = facts
        return facts

    def store(self, digest: str, facts: FileFacts) -> None:
        """Remember the facts of a content."""
        self._now[digest] = facts

    def save(self) -> None:
        """Write what was found or stored in this run, in one move."""
        if self._now.keys() == self._old.keys():
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.path, msgspec.msgpack.encode(_Stored(_FORMAT, self._now)))


class TextCache:
    """Texts by what they were made of, each in a file of its own named by the hash of that."""

    def __init__(self, kind: str) -> None:
        self._folder = cache_dir() / kind

    def find(self, made_of: str) -> str | None:
        """A text that was stored."""
        try:
            return self._path(made_of).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def store(self, made_of: str, text: str) -> None:
        """Keep a text, if that is possible."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(made_of), text.encode("utf-8", "replace"))

    def _path(self, made_of: str) -> Path:
        return self._folder / hashlib.sha256(made_of.encode("utf-8", "replace")).hexdigest()[:24]


def cache_dir() -> Path:
    """``$XDG_CACHE_HOME/codeworld/summary``, below ``~/.cache`` by default."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and os.path.isabs(base) else Path.home() / ".cache") / "codeworld" / "summary"


def write_atomically(path: Path, data: bytes) -> None:
    """Put ``data`` in place of ``path``: whoever reads it sees the old content or the new. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if path.exists():
            os.chmod(name, path.stat().st_mode & 0o777)
        else:
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise

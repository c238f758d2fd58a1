"""Standard input and output, each with a thread of its own: neither a slow client nor a long message blocks a
handler.

File descriptors are read and written directly: a daemon thread that waits inside a buffered stream would hold
its lock while the interpreter ends.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator

log = logging.getLogger("codeworld.server")

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_UNREAD_BYTES = (
    64 * 1024 * 1024
)  # of replies the client does not read; then the connection counts as broken
_CONTENT_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_HEADER_END = b"\r\n\r\n"
_MAX_HEADER_BYTES = 8 * 1024


class QueuedWriter:
    """Writes to a file descriptor in the order of the calls, from a thread; ``write`` returns at once.

    ``broken`` is called, once and from that thread, when the other side is gone or has stopped reading.
    """

    def __init__(self, descriptor: int, broken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._broken = broken
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._unread_bytes = 0  # touched by both threads: only a bound, so a lost update does not matter
        self._open = True
        self._thread = threading.Thread(target=self._write_all, name="stdout", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Queue ``data``; it is dropped when the connection is broken."""
        if not self._open:
            return
        self._unread_bytes += len(data)
        if self._unread_bytes > MAX_UNREAD_BYTES:
            self._break()
        else:
            self._queue.put(data)

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is queued, but wait no longer than ``timeout_s`` for a client that does not read."""
        self._open = False
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _write_all(self) -> None:
        while (data := self._queue.get()) is not None:
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except OSError:
                    self._break()
                    return
            self._unread_bytes -= len(data)

    def _break(self) -> None:
        if self._open:
            self._open = False
            self._broken()


class Framing:
    """Cuts a byte stream into message bodies. Headers without a usable length are skipped, too large bodies
    too."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._skip_bytes = 0
        self._length: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that ``data`` completes."""
        self._received += data
        while True:
            if self._skip_bytes:
                skipped = min(self._skip_bytes, len(self._received))
                del self._received[:skipped]
                self._skip_bytes -= skipped
            if self._length is None and not self._header():
                return
            if self._length is not None:
                if len(self._received) < self._length:
                    return
                body = bytes(self._received[: self._length])
                del self._received[: self._length]
                self._length = None
                yield body

    def _header(self) -> bool:
        """Read one header; false when it has not all come yet."""
        end = self._received.find(_HEADER_END)
        if end < 0:
            if len(self._received) > _MAX_HEADER_BYTES:  # not a header: keep what may be the start of its end
                del self._received[: -len(_HEADER_END)]
            return False
        found = _CONTENT_LENGTH.search(self._received, 0, end + 1)
        length = int(found[1]) if found else None
        del self._received[: end + len(_HEADER_END)]
        if length is None:
            log.warning("skipped a header without Content-Length")
        elif length > MAX_MESSAGE_BYTES:
            log.warning("skipped a message of %d bytes", length)
            self._skip_bytes = length
        else:
            self._length = length
        return True


def read_in_thread(descriptor: int, deliver: Callable[[bytes], None], ended: Callable[[], None]) -> None:
    """Start the thread that reads ``descriptor``: it calls ``deliver`` with each body, then ``ended`` at the
    end of file, both on that thread."""

    def read_all() -> None:
        framing = Framing()
        try:
            while data := os.read(descriptor, 1 << 16):
                for body in framing.feed(data):
                    deliver(body)
        except OSError:
            log.warning("standard input cannot be read")
        ended()

    threading.Thread(target=read_all, name="stdin", daemon=True).start()

from __future__ import annotations

import os
import queue
import random
import threading

from lsp_server import transport
from lsp_server.transport import Framing, QueuedWriter, read_in_thread


def framed(*bodies: bytes) -> bytes:
    return b"".join(b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies)


def test_bodies_come_out_whole_however_the_bytes_arrive() -> None:
    bodies = [b"{}", b"", b"\r\n\r\nContent-Length: 9\r\n\r\n", "ü😀".encode() * 50]
    stream = framed(*bodies)
    chance = random.Random(1)
    for _ in range(50):
        framing, found, at = Framing(), [], 0
        while at < len(stream):
            step = chance.choice([1, 2, 7, 1000])
            found += framing.feed(stream[at : at + step])
            at += step
        assert found == bodies


def test_other_headers_and_other_spellings() -> None:
    stream = b"Content-Type: x; charset=utf-8\r\ncontent-length:2\r\n\r\n{}"
    assert list(Framing().feed(stream)) == [b"{}"]


def test_a_header_without_length_is_skipped() -> None:
    assert list(Framing().feed(b"Content-Length: many\r\n\r\n" + framed(b"ok"))) == [b"ok"]
    assert list(Framing().feed(b"x" * 100_000 + b"\r\n\r\n" + framed(b"ok"))) == [b"ok"]


def test_a_body_that_is_too_large_is_skipped_without_being_kept() -> None:
    framing = Framing()
    length = transport.MAX_MESSAGE_BYTES + 1
    assert list(framing.feed(b"Content-Length: %d\r\n\r\n" % length)) == []
    left = length
    while left:
        part = min(left, 1 << 20)
        assert list(framing.feed(b"x" * part)) == []
        assert len(framing._received) == 0
        left -= part
    assert list(framing.feed(framed(b"ok"))) == [b"ok"]


def test_writing_to_a_client_that_does_not_read_returns_at_once_and_gives_up_in_the_end() -> None:
    read_end, write_end = os.pipe()
    broken = threading.Event()
    writer = QueuedWriter(write_end, broken.set)
    for _ in range(transport.MAX_UNREAD_BYTES // (1 << 20) + 1):
        writer.write(b"x" * (1 << 20))  # a pipe holds 64 KiB: this would hang
    assert broken.is_set()
    writer.close(timeout_s=0.01)  # does not hang either
    os.close(read_end)
    writer.close(timeout_s=30)  # the thread must be gone before its file descriptor may name something else
    os.close(write_end)


def test_what_was_queued_is_written_before_the_end() -> None:
    read_end, write_end = os.pipe()
    writer = QueuedWriter(write_end, lambda: None)
    for number in range(1000):
        writer.write(b"%03d" % number)
    writer.close()
    assert os.read(read_end, 1 << 16) == b"".join(b"%03d" % number for number in range(1000))
    os.close(read_end)
    os.close(write_end)


def test_a_reader_that_is_gone_is_told_once() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    told: queue.SimpleQueue[bool] = queue.SimpleQueue()
    writer = QueuedWriter(write_end, lambda: told.put(True))
    writer.write(b"x")
    assert told.get(timeout=30)
    writer.write(b"x")
    writer.close()
    assert told.empty()
    os.close(write_end)


def test_the_reader_delivers_and_then_tells_the_end() -> None:
    read_end, write_end = os.pipe()
    bodies: list[bytes] = []
    ended = threading.Event()
    read_in_thread(read_end, bodies.append, ended.set)
    os.write(write_end, framed(b"one", b"two"))
    os.close(write_end)
    assert ended.wait(30)
    assert bodies == [b"one", b"two"]
    os.close(read_end)

"""The one thread that touches the model: loads it, runs one request at a time, gives its memory back."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol, TypeVar

from codeworld.canvas import InfillReply, InfillRequest

T = TypeVar("T")


class Backend(Protocol):
    """What the engine needs of a model; codeworld.model.infill.Infiller is one.

    ``infill`` polls ``should_stop`` and raises (anything) soon after it turned true. Called from one thread.
    """

    @property
    def device(self) -> str:
        """Such as "cpu" or "cuda:0"."""
        ...

    @property
    def model(self) -> str:
        """Name and version."""
        ...

    def infill(self, request: InfillRequest, should_stop: Callable[[], bool]) -> InfillReply:
        """Fill one hole."""
        ...

    def unload(self) -> None:
        """Let go of weights and caches; not called again after that."""
        ...


class Worker:
    """Runs thunks in order on its own daemon thread and hands what became of each to ``done`` on that thread.

    A daemon, so that a model call which never returns cannot keep the process alive.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="codeworld-model", daemon=True)
        self._thread.start()

    def start(self, task: Callable[[], T], done: Callable[[T | BaseException], None]) -> None:
        """Queue ``task``; ``done`` gets its value or the exception it raised."""

        def call() -> None:
            result: T | BaseException
            try:
                result = task()
            except BaseException as error:  # whatever the model raises must not end the thread
                result = error
            done(result)

        self._tasks.put(call)

    def close(self, timeout_s: float) -> bool:
        """End the thread; False when the model did not let go of it within ``timeout_s``."""
        self._tasks.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
            del task  # it refers to the model, which must not live on while the thread waits


def give_back(backend: Backend) -> None:
    """Unload ``backend`` and return what it held to the system, as far as the allocators let us."""
    backend.unload()
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has none
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def resident_mb() -> float:
    """Memory of this process in MiB; 0 where the platform does not tell cheaply."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def one_line(error: BaseException) -> str:
    """Type and first line of an exception's message. Only for loading, which cannot quote a document."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__


def where(error: BaseException) -> str:
    """Type of an exception and the line that raised it, without its message, which may quote a document."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def stack(error: BaseException) -> str:
    """The call stack of an exception for the log: places only, no values and no message."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames)
    )

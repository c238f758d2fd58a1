"""Work in a thread of low priority, for what must not make the editor wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

BACKGROUND_NICE = 10
_Result = TypeVar("_Result")


def lower_priority() -> None:
    """Let the calling thread have the processor only when nobody else wants it."""
    if sys.platform == "linux":  # elsewhere the call would take the whole process down, not the thread
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND_NICE)


def post(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *arguments: object) -> None:
    """Have ``call`` made on the loop's thread; nothing happens when the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *arguments)


async def in_background(name: str, work: Callable[[], _Result]) -> _Result:
    """What ``work`` returns or raises. When the waiting is cancelled, ``work`` runs on: give it a way to see that."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def finish(result: _Result | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        lower_priority()
        try:
            result = work()
        except Exception as error:
            post(loop, finish, None, error)
        else:
            post(loop, finish, result, None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done

"""Launching Triton kernels, and compiling all those of an operation side by side before the first is launched.

A kernel takes a second or two to compile, and an operation has up to nine of them. The compiler holds Python's lock for
a part of that only, so threads save most of the wait.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

_only_compile: ContextVar[bool] = ContextVar("only_compile", default=False)
_compiled: set[Hashable] = set()
THREADS = 9


def launch(kernel: Any, grid: tuple[int, ...], *args: Any, **options: Any) -> None:
    """``kernel[grid](*args, **options)``; within ``compile_ahead`` it is only compiled."""
    if _only_compile.get():
        kernel.warmup(*args, grid=grid, **options)
    else:
        kernel[grid](*args, **options)


def compile_ahead(key: Hashable, run: Callable[[], object]) -> None:
    """Compile what ``run`` launches, all at once, unless that was done for ``key``; nothing runs on the GPU.

    What a key does not tell apart is compiled when it is launched, as ever.
    """
    if key in _compiled:
        return
    from triton import AsyncCompileMode

    _compiled.add(key)
    before = _only_compile.set(True)
    try:
        with ThreadPoolExecutor(THREADS) as pool, AsyncCompileMode(pool):
            run()
    finally:
        _only_compile.reset(before)

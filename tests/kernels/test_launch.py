"""Compiling ahead: what is launched there is compiled and does not run, once for each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import kernels.launch as module
from kernels.launch import compile_ahead, launch


class Kernel:
    """As Triton's: remembers what was asked of it."""

    def __init__(self) -> None:
        self.compiled: list[Any] = []
        self.ran: list[Any] = []

    def warmup(self, *args: Any, grid: tuple[int, ...], **options: Any) -> None:
        self.compiled.append((grid, args, options))

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return lambda *args, **options: self.ran.append((grid, args, options))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="triton is not installed (make test-kernels)")
    monkeypatch.setattr(module, "_compiled", set())


def test_ahead_kernels_are_compiled_and_do_not_run() -> None:
    kernel = Kernel()
    call = ((2, 3), ("a", 1), {"num_warps": 4})
    compile_ahead("key", lambda: launch(kernel, (2, 3), "a", 1, num_warps=4))
    assert (kernel.compiled, kernel.ran) == ([call], [])
    launch(kernel, (2, 3), "a", 1, num_warps=4)
    assert (kernel.compiled, kernel.ran) == ([call], [call])


def test_once_for_each_key() -> None:
    kernel = Kernel()
    for key in ("one", "one", "two", "one"):
        compile_ahead(key, lambda: launch(kernel, (1,)))
    assert len(kernel.compiled) == 2


def test_after_a_failure_kernels_run_again() -> None:
    kernel = Kernel()

    def fails() -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        compile_ahead("key", fails)
    launch(kernel, (1,))
    assert kernel.ran
    assert not kernel.compiled

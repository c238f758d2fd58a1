"""What the Triton kernels may serve on a GPU is what the check has found right there, and nothing else."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import cast

import pytest
import torch

import kernels.verified as module
from kernels.hardware import power_of_two
from kernels.verified import H100, VERIFIED, trusted, verified

LINES = Path(__file__).parents[2] / "docs" / "results" / "kernels.jsonl"
Key = tuple[str, torch.dtype, tuple[int, int]]


def checked() -> dict[Key, bool]:
    """Of the recorded run: operation, type and sizes → was it right, in every case?"""
    found: dict[Key, bool] = {}
    for line in LINES.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] == "check":
            if row["case"].startswith("step"):  # of 64 × 64, float32
                key: Key = (f"{row['op']}_step", torch.float32, (64, 64))
            else:
                kind, sizes = row["case"].split()[:2]
                size, value_size = (power_of_two(int(one), 32) for one in sizes.split("x"))
                key = (row["op"], getattr(torch, kind), (size, value_size))
            found[key] = found.get(key, True) and row["ok"]
    return found


def test_only_what_was_right_on_that_gpu_is_listed() -> None:
    right = checked()
    for op, machines in VERIFIED.items():
        assert set(machines) <= {H100}
        for dtype, sizes in machines.get(H100, {}).items():
            for one in sizes:
                assert right.get((op, dtype, one)), (op, dtype, one)


def test_what_was_wrong_is_refused() -> None:
    wrong = [key for key, ok in checked().items() if not ok]
    assert ("favor_plus", torch.bfloat16, (256, 256)) in wrong
    for op, dtype, sizes in wrong:
        assert not verified(op, *H100, dtype, *sizes)


@pytest.mark.parametrize("op", list(VERIFIED))
def test_other_gpus_other_compilers_and_other_sizes_are_refused(op: str) -> None:
    for capability, triton in (((8, 0), "3.6"), ((9, 0), "3.9"), ((10, 0), "3.6")):
        assert not verified(op, capability, triton, torch.bfloat16, 64, 64)
    for size in (32, 160, 256):
        assert not verified(op, *H100, torch.bfloat16, size, size)
    assert not trusted(op, torch.zeros(1, 1, 1, 64), 64)


def test_without_triton_plain_torch_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    class OnGpu:
        is_cuda, dtype, device, shape = True, torch.bfloat16, "cuda", (1, 1, 1, 64)

    monkeypatch.delenv("CODEWORLD_UNVERIFIED_KERNELS", raising=False)
    monkeypatch.setattr(module, "_capability", lambda device: H100[0])
    monkeypatch.setattr(module, "_triton", lambda: H100[1])
    q = cast("torch.Tensor", OnGpu())
    assert trusted("gated_delta", q, 64)
    assert trusted("favor_plus", q, 64, 128)
    assert not trusted("favor_plus", q, 64, 64)
    monkeypatch.undo()
    monkeypatch.setattr(module, "version", missing)
    monkeypatch.setattr(module, "_capability", lambda device: H100[0])
    module._triton.cache_clear()
    assert not trusted("gated_delta", q, 64)
    module._triton.cache_clear()


def test_sizes_are_rounded_up_as_kernels_see_them() -> None:
    assert verified("gated_delta", *H100, torch.float16, 48, 96)
    assert verified("gated_delta", *H100, torch.bfloat16, 112, 128)
    assert not verified("gated_delta", *H100, torch.float32, 128, 128)

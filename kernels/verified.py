"""Which Triton kernels have been right on which GPU: anything else is served by the chunked torch path.

A kernel can be right in Triton's interpreter and wrong on a GPU (races between warps, compilers' mistakes), so only
what ``python -m benchmarks.kernels --check`` has found right is used: see ``docs/results/kernels.md``. Kernels see
sizes rounded up to powers of two, hence those are listed. ``CODEWORLD_UNVERIFIED_KERNELS=1`` uses all of them
regardless, which is what the check and the benchmark do.
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import torch

from kernels.hardware import power_of_two

Sizes = frozenset[tuple[int, int]]
"""Head sizes of keys and values, rounded up."""

H100 = ((9, 0), "3.6")
"""Compute capability and Triton's version. torch 2.11, 2026-11-28."""
VERIFIED: dict[str, dict[tuple[tuple[int, int], str], dict[torch.dtype, Sizes]]] = {
    # Keys of 256 ended in an illegal memory access, whatever the values' size.
    "gated_delta": {
        H100: {
            torch.bfloat16: frozenset({(64, 64), (64, 256), (128, 128)}),
            torch.float16: frozenset({(64, 64), (64, 128)}),
            torch.float32: frozenset({(64, 64)}),
        }
    },
    "gated_delta_step": {H100: {torch.float32: frozenset({(64, 64)})}},
    # Keys of 256 ended in an illegal memory access; float32 asked for more shared memory than there is (less since).
    "favor_plus": {
        H100: {
            torch.bfloat16: frozenset({(64, 64), (64, 256), (128, 128)}),
            torch.float16: frozenset({(64, 64)}),
        }
    },
    "favor_plus_step": {H100: {torch.float32: frozenset({(64, 64)})}},
}
FEATURES = {"favor_plus": 128, "favor_plus_step": 64}
"""Random features with which these have been right."""


def verified(
    op: str, capability: tuple[int, int], triton: str, dtype: torch.dtype, size: int, value_size: int
) -> bool:
    """Has the check found this right on such a GPU, with this version of Triton (its first two numbers)?"""
    sizes = VERIFIED[op].get((capability, triton), {}).get(dtype, frozenset())
    return (power_of_two(size, 32), power_of_two(value_size, 32)) in sizes


@lru_cache(maxsize=16)
def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


@lru_cache(maxsize=1)
def _triton() -> str:
    try:
        return ".".join(version("triton").split(".")[:2])
    except PackageNotFoundError:
        return "none"


def regardless() -> bool:
    """Are unverified kernels asked for?"""
    return os.environ.get("CODEWORLD_UNVERIFIED_KERNELS") == "1"


def trusted(op: str, q: torch.Tensor, value_size: int, features: int | None = None) -> bool:
    """May the Triton kernel serve this call?"""
    if not q.is_cuda or q.dtype == torch.float64:
        return False
    if regardless():
        return True
    if features != FEATURES.get(op):
        return False
    return verified(op, _capability(q.device), _triton(), q.dtype, q.shape[-1], value_size)

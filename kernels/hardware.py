"""What the kernels need to know of the machine and of a tensor's type. Fixed choices, nothing is tuned at run time."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch


class Operands(NamedTuple):
    """What FAVOR+ feeds the tensor cores with.

    bfloat16 as it is; float16 and float32 as tf32, because exponentials need float32's range.
    """

    bf16: bool
    precision: str
    exponents: str
    """Of the forward pass's exponents: an error there is a relative error of the features. (Gradients have no room.)"""


def operands(dtype: torch.dtype) -> Operands:
    """For inputs of a type."""
    if dtype == torch.bfloat16:
        return Operands(True, "tf32", "tf32")
    if dtype == torch.float16:  # a float16 number is a tf32 number
        return Operands(False, "tf32", "tf32")
    if dtype == torch.float32:
        return Operands(False, "tf32", "tf32x3")
    raise TypeError(f"the kernels take bfloat16, float16 or float32, not {dtype}")


@lru_cache(maxsize=16)
def processors(device: torch.device) -> int:
    """Streaming multiprocessors; 4 where Triton's interpreter stands in for a GPU, so that tests meet segments."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 4


def power_of_two(size: int, least: int = 16) -> int:
    """The smallest power of two that holds ``size``."""
    return max(least, 1 << (size - 1).bit_length())

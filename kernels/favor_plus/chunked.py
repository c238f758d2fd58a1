"""FAVOR+ in plain torch, a chunk at a time: what CPUs run. Differentiable by torch itself.

Within a chunk attention is a masked [C, C] matrix, between chunks it goes through the state: time and memory grow
linearly with the length.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from kernels.favor_plus.state import FavorState
from kernels.layout import Bounds

CHUNK = 64


def _one_chunk(queries: Tensor, keys: Tensor, v: Tensor, state: FavorState) -> tuple[Tensor, FavorState]:
    """Exponents [H, C, M] of queries and keys, values [H, C, V], state of [H, …]."""
    peak = torch.maximum(state.peak, keys.detach().amax(1))
    fall = torch.exp(state.peak - peak)
    sums, mass = state.sums * fall[..., None], state.mass * fall
    key = torch.exp(keys - peak[:, None])
    exponent = queries + peak[:, None]
    query = torch.exp(exponent - exponent.detach().amax(-1, keepdim=True))
    weights = (query @ key.transpose(1, 2)).tril()
    normaliser = weights.sum(-1, keepdim=True) + query @ mass[..., None]
    o = (weights @ v + query @ sums) / normaliser.clamp(min=1e-37)
    return o, FavorState(sums + key.transpose(1, 2) @ v, mass + key.sum(1), peak)


def favor_plus_chunked(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, scale: float, state: FavorState, bounds: Bounds
) -> tuple[Tensor, FavorState]:
    """As ``favor_plus_naive``, computed in float32 (float64 for float64 inputs); o has the type of v."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    root = scale**0.5
    x, y, values = (part.to(dtype).transpose(0, 1) for part in (q, k, v))
    x, y = x * root, y * root
    directions = w.to(dtype).T
    outputs: list[Tensor] = []
    states: list[FavorState] = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        current = FavorState(*(part[number].to(dtype) for part in state))
        for first in range(start, end, CHUNK):
            here = slice(first, min(first + CHUNK, end))
            norm = y[:, here].square().sum(-1, keepdim=True) / 2
            keys = y[:, here] @ directions - norm
            o, current = _one_chunk(x[:, here] @ directions, keys, values[:, here], current)
            outputs.append(o)
        states.append(current)
    joined = torch.cat(outputs, 1).transpose(0, 1).to(v.dtype) if outputs else torch.zeros_like(v)
    return joined, FavorState(*(torch.stack(parts) for parts in zip(*states, strict=True)))

"""FAVOR+ in plain torch, a chunk at a time: what CPUs run. Differentiable by torch itself.

Within a chunk attention is a masked [C, C] matrix, between chunks it goes through the state: time and memory grow
linearly with the length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.favor_plus.state import FavorState
from kernels.layout import Bounds, equal_runs, to_lanes, to_rows

CHUNK = 64


def _one_chunk(
    queries: Tensor, keys: Tensor, v: Tensor, g: Tensor | None, state: FavorState
) -> tuple[Tensor, FavorState]:
    """Exponents [H, C, M] of queries and keys, values [H, C, V], log-decays [H, C], state of [H, …]; H counts the heads
    of all sequences."""
    before = state.peak
    if g is not None:
        # Relative to the chunk's end: what then is left over is the same for all features, and cancels.
        total = g.cumsum(1)
        keys, before = keys + (total[:, -1:] - total)[..., None], before + total[:, -1:]
    peak = torch.maximum(before.detach(), keys.detach().amax(1))
    fall = torch.exp(before - peak)
    sums, mass = state.sums * fall[..., None], state.mass * fall
    key = torch.exp(keys - peak[:, None])
    exponent = queries + peak[:, None]
    query = torch.exp(exponent - exponent.detach().amax(-1, keepdim=True))
    weights = (query @ key.transpose(1, 2)).tril()
    normaliser = weights.sum(-1, keepdim=True) + query @ mass[..., None]
    o = (weights @ v + query @ sums) / normaliser.clamp(min=1e-37)
    return o, FavorState(sums + key.transpose(1, 2) @ v, mass + key.sum(1), peak)


def favor_plus_chunked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    w: Tensor,
    scale: float,
    state: FavorState,
    bounds: Bounds,
    g: Tensor | None = None,
) -> tuple[Tensor, FavorState]:
    """As ``favor_plus_naive``, computed in float32 (float64 for float64 inputs); o has the type of v."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    directions = w.to(dtype).T
    outputs: list[Tensor] = []
    states: list[FavorState] = []
    for first, last in equal_runs(bounds):
        count, start, end = last - first, bounds[first], bounds[last]
        x, y, values = (to_lanes(part[start:end].to(dtype), count) for part in (q, k, v))
        gates = None if g is None else to_lanes(g[start:end].to(dtype), count)
        x, y = x * scale**0.5, y * scale**0.5
        current = FavorState(*(part[first:last].to(dtype).flatten(0, 1) for part in state))
        parts = [v.new_empty(len(x), 0, v.shape[-1], dtype=dtype)]
        for at in range(0, x.shape[1], CHUNK):
            here = slice(at, at + CHUNK)
            norm = y[:, here].square().sum(-1, keepdim=True) / 2
            keys = y[:, here] @ directions - norm
            gate = None if gates is None else gates[:, here]
            o, current = _one_chunk(x[:, here] @ directions, keys, values[:, here], gate, current)
            parts.append(o)
        outputs.append(to_rows(torch.cat(parts, 1), count).to(v.dtype))
        states.append(FavorState(*(part.reshape(count, -1, *part.shape[1:]) for part in current)))
    return torch.cat(outputs), FavorState(*(torch.cat(parts) for parts in zip(*states, strict=True)))

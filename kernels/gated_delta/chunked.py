"""The gated delta rule in plain torch, a chunk at a time: what CPUs run. Differentiable by torch itself.

The product of a chunk's C updates has a closed form (the WY representation, section 3.3 of the paper). With γ the
cumulative log-decay, A[i, j] = β_i e^{γ_i−γ_j} k_i·k_j for j < i and T = (I + A)^-1:

    w = T (β e^γ k),  u = T (β v),  r = u − w S,  o = scale (e^γ q S + [e^{γ_i−γ_j} q_i·k_j]_{j≤i} r)
    S' = e^{γ_C} S + (e^{γ_C−γ} k)ᵀ r
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from kernels.layout import Bounds

CHUNK = 64


def _one_chunk(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """q, k [H, C, D], v [H, C, V], g, beta [H, C], state [H, D, V]."""
    size = q.shape[1]
    total = g.cumsum(1)
    causal = torch.ones(size, size, dtype=torch.bool, device=q.device).tril()
    # Masked before the exponential: above the diagonal it could overflow, and its gradient with it.
    decay = (total[:, :, None] - total[:, None, :]).masked_fill(~causal, -torch.inf).exp()
    lower = (beta[..., None] * decay * (k @ k.transpose(1, 2))).tril(-1)
    right = torch.cat([k * (beta * total.exp())[..., None], v * beta[..., None]], -1)
    unit = lower + torch.eye(size, dtype=q.dtype, device=q.device)
    w, u = torch.linalg.solve_triangular(unit, right, upper=False).split([k.shape[-1], v.shape[-1]], -1)
    r = u - w @ state
    o = (q * total.exp()[..., None]) @ state + (decay * (q @ k.transpose(1, 2))) @ r
    last = total[:, -1:]
    kept = state * last.exp()[..., None]
    return o, kept + (k * (last - total).exp()[..., None]).transpose(1, 2) @ r


def gated_delta_chunked(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, scale: float, state: Tensor, bounds: Bounds
) -> tuple[Tensor, Tensor]:
    """As ``gated_delta_naive``, computed in float32 (float64 for float64 inputs); o has the type of v."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    rows = [part.to(dtype).transpose(0, 1) for part in (q, k, v, g, beta)]
    outputs: list[Tensor] = []
    states: list[Tensor] = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        current = state[number].to(dtype)
        for first in range(start, end, CHUNK):
            here = slice(first, min(first + CHUNK, end))
            x, y, values, gate, share = (part[:, here] for part in rows)
            o, current = _one_chunk(x, y, values, gate, share, current)
            outputs.append(o * scale)
        states.append(current)
    joined = torch.cat(outputs, 1).transpose(0, 1).to(v.dtype) if outputs else torch.zeros_like(v)
    return joined, torch.stack(states)

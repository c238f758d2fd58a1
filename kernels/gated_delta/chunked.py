"""The gated delta rule in plain torch, a chunk at a time: what CPUs run. Differentiable by torch itself.

The product of a chunk's C updates has a closed form (the WY representation, section 3.3 of the paper). With γ the
cumulative log-decay, A[i, j] = β_i e^{γ_i−γ_j} k_i·k_j for j < i and T = (I + A)^-1:

    w = T (β e^γ k),  u = T (β v),  r = u − w S,  o = scale (e^γ q S + [e^{γ_i−γ_j} q_i·k_j]_{j≤i} r)
    S' = e^{γ_C} S + (e^{γ_C−γ} k)ᵀ r
"""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.layout import Bounds, equal_runs, to_lanes, to_rows

CHUNK = 64


def _one_chunk(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """q, k [H, C, D], v [H, C, V], g, beta [H, C], state [H, D, V]; H counts the heads of all sequences."""
    size = q.shape[1]
    if size == 1:  # decoding: the definition itself is shorter
        faded = state * g.exp()[..., None]
        after = faded + k.transpose(1, 2) @ (beta[..., None] * (v - k @ faded))
        return q @ after, after
    total = g.cumsum(1)
    causal = torch.ones(size, size, dtype=torch.bool, device=q.device).tril()
    # Masked before the exponential: above the diagonal it could overflow, and its gradient with it.
    decay = (total[:, :, None] - total[:, None, :]).masked_fill(~causal, -torch.inf).exp()
    lower = (beta[..., None] * decay * (k @ k.transpose(1, 2))).tril(-1)
    right = torch.cat([k * (beta * total.exp())[..., None], v * beta[..., None]], -1)
    unit = lower + torch.eye(size, dtype=q.dtype, device=q.device)
    right = torch.linalg.solve_triangular(unit, right, upper=False)
    w, u = right[..., : k.shape[-1]], right[..., k.shape[-1] :]
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
    outputs: list[Tensor] = []
    states: list[Tensor] = []
    for first, last in equal_runs(bounds):
        count, start, end = last - first, bounds[first], bounds[last]
        lanes = [to_lanes(part[start:end].to(dtype), count) for part in (q, k, v, g, beta)]
        current = state[first:last].to(dtype).flatten(0, 1)
        parts = [v.new_empty(len(current), 0, v.shape[-1], dtype=dtype)]
        for at in range(0, lanes[0].shape[1], CHUNK):
            x, y, values, gate, share = (part[:, at : at + CHUNK] for part in lanes)
            o, current = _one_chunk(x, y, values, gate, share, current)
            parts.append(o * scale)
        outputs.append(to_rows(torch.cat(parts, 1), count).to(v.dtype))
        states.append(current.reshape(count, -1, *current.shape[1:]))
    return torch.cat(outputs), torch.cat(states)

"""The gated delta rule, wherever the tensors are: the one entry, with the one set of defaults."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.gated_delta.chunked import gated_delta_chunked
from kernels.layout import Bounds, sequence_bounds
from kernels.verified import regardless, trusted


def gated_delta(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    *,
    scale: float | None = None,
    state: Tensor | None = None,
    cu_seqlens: Tensor | Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """The gated delta rule (definition: ``naive.py``), chunked.

    q, k [B, T, H, D] and v [B, T, H, V] in bfloat16, float16 or float32, D and V multiples of 16 from 32 to 256; g (the
    logarithm of the decay, ≤ 0) and beta [B, T, H], used as float32; ``scale`` defaults to D^-½; ``state`` [N, H, D, V]
    float32 of what was read before, for each sequence; ``cu_seqlens`` cuts a batch of one row into sequences.
    Returns o as v, and the states (float32) after each sequence. Gradients flow to every tensor. On a GPU the Triton
    kernels serve what has been verified there (``kernels.verified``), plain torch the rest.
    """
    batch, length, heads, size = q.shape
    scale = size**-0.5 if scale is None else scale
    bounds = sequence_bounds(batch, length, cu_seqlens)
    if state is None:
        state = torch.zeros(len(bounds) - 1, heads, size, v.shape[-1], device=q.device)
    rows = [part.reshape(batch * length, *part.shape[2:]) for part in (q, k, v, g, beta)]
    if trusted("gated_delta", q, v.shape[-1]) and (regardless() or _in_segments(rows[0], rows[2], bounds)):
        from kernels.gated_delta.triton_op import gated_delta_triton

        o, state = gated_delta_triton(rows[0], rows[1], rows[2], rows[3], rows[4], scale, state, bounds)
    else:
        o, state = gated_delta_chunked(rows[0], rows[1], rows[2], rows[3], rows[4], scale, state, bounds)
    return o.reshape(v.shape), state


def _in_segments(q: Tensor, v: Tensor, bounds: Bounds) -> bool:
    """Is any sequence split? Only so the kernels have been right on a GPU yet."""
    from kernels.gated_delta.triton_op import plan

    return plan(q, v, bounds).layout.split


def gated_delta_step(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor, *, scale: float | None = None
) -> Tensor:
    """Read one token (or a few) of each sequence and answer at once, for decoding: ``state`` is changed in place.

    Shapes as for ``gated_delta``, the state float32 and contiguous. One launch, no allocation but the output, nothing
    waits for the GPU: safe inside a CUDA graph. No gradients.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    with torch.no_grad():
        if trusted("gated_delta_step", q, v.shape[-1]):
            from kernels.gated_delta.triton_step import gated_delta_step_triton

            return gated_delta_step_triton(q, k, v, g, beta, scale, state)
        o, after = gated_delta(q, k, v, g, beta, scale=scale, state=state)
        state.copy_(after)
    return o

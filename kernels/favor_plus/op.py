"""FAVOR+, wherever the tensors are: the one entry, with the one set of defaults."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kernels.favor_plus.chunked import favor_plus_chunked
from kernels.favor_plus.state import FavorState, empty_state
from kernels.layout import sequence_bounds
from kernels.verified import trusted


def favor_plus(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    features: Tensor,
    g: Tensor | None = None,
    *,
    scale: float | None = None,
    state: FavorState | None = None,
    cu_seqlens: Tensor | Sequence[int] | None = None,
) -> tuple[Tensor, FavorState]:
    """Causal linear attention with positive random features (definition: ``naive.py``).

    q, k [B, T, H, D] and v [B, T, H, V] in bfloat16, float16 or float32, D and V multiples of 16 from 32 to 256;
    ``features`` [M, D], M a multiple of 16 up to 256 (``random_features``); g, the logarithm of the decay (≤ 0),
    [B, T, H] or none; ``scale`` defaults to D^-½; ``state`` of what was read before, for each sequence; ``cu_seqlens``
    cuts a batch of one row into sequences.
    Returns o as v, and the state (float32) after each sequence. Gradients flow to q, k, v, g and to the state's sums
    and mass. Where log features of one chunk (64 tokens) differ by more than 80, early tokens of it lose precision.
    On a GPU the Triton kernels serve what has been verified there (``kernels.verified``), plain torch the rest,
    and whatever has decays.
    """
    batch, length, heads, size = q.shape
    scale = size**-0.5 if scale is None else scale
    bounds = sequence_bounds(batch, length, cu_seqlens)
    w = features.detach().to(q)
    if state is None:
        state = empty_state(len(bounds) - 1, heads, len(w), v.shape[-1], q.device)
    rows = [part.reshape(batch * length, *part.shape[2:]) for part in (q, k, v)]
    known = g is None and trusted("favor_plus", q, v.shape[-1], len(w))
    if known and _fits(size, v.shape[-1], len(w), q.dtype):
        from kernels.favor_plus.triton_op import favor_plus_triton

        o, state = favor_plus_triton(rows[0], rows[1], rows[2], w, scale, state, bounds)
    else:
        gates = None if g is None else g.reshape(batch * length, heads)
        o, state = favor_plus_chunked(rows[0], rows[1], rows[2], w, scale, state, bounds, gates)
    return o.reshape(v.shape), state


def favor_plus_step(
    q: Tensor, k: Tensor, v: Tensor, features: Tensor, state: FavorState, *, scale: float | None = None
) -> Tensor:
    """Read one token (or a few) of each sequence and answer at once, for decoding: ``state`` is changed in place.

    Shapes as for ``favor_plus``, the state float32 and contiguous. One launch, no allocation but the output, nothing
    waits for the GPU: safe inside a CUDA graph. No gradients.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    w = features.detach().to(q)
    with torch.no_grad():
        size, value_size = q.shape[-1], v.shape[-1]
        known = trusted("favor_plus_step", q, value_size, len(w))
        if known and _fits(size, value_size, len(w), q.dtype):
            from kernels.favor_plus.triton_step import favor_plus_step_triton

            return favor_plus_step_triton(q, k, v, w, scale, state)
        o, after = favor_plus(q, k, v, w, scale=scale, state=state)
        for part, new in zip(state, after, strict=True):
            part.copy_(new)
    return o


def _fits(size: int, value_size: int, features: int, dtype: torch.dtype) -> bool:
    """Can the kernels hold the features in shared memory? If not, plain torch serves."""
    room = 256 * 128 if dtype == torch.bfloat16 else 128 * 64
    return max(size, value_size) <= 256 and features * max(size, 64) <= room and dtype != torch.float64

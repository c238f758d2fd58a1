"""The gated delta rule, one token at a time, for decoding: the recurrence of ``naive.py`` in one launch."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.hardware import power_of_two


@triton.jit
def recurrent(
    q, k, v, g, beta, o, states, scale, H, T,
    D: tl.constexpr, V: tl.constexpr, DP: tl.constexpr, BV: tl.constexpr,
):  # fmt: skip
    """One program a sequence, head and block of value columns; its part of the state stays in registers."""
    sequence, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    row, column = tl.arange(0, DP), block * BV + tl.arange(0, BV)
    inside = (row < D)[:, None] & (column < V)[None, :]
    cell = states + ((sequence * H + head).to(tl.int64) * D + row[:, None]) * V + column[None, :]
    state = tl.load(cell, mask=inside, other=0.0)
    for t in range(T):
        at = (sequence * T + t).to(tl.int64) * H + head
        key = tl.load(k + at * D + row, mask=row < D, other=0.0).to(tl.float32)
        query = tl.load(q + at * D + row, mask=row < D, other=0.0).to(tl.float32)
        value = tl.load(v + at * V + column, mask=column < V, other=0.0).to(tl.float32)
        state *= tl.exp(tl.load(g + at).to(tl.float32))
        change = (value - tl.sum(state * key[:, None], 0)) * tl.load(beta + at).to(tl.float32)
        state += key[:, None] * change[None, :]
        answer = tl.sum(state * query[:, None], 0) * scale
        tl.store(o + at * V + column, answer.to(o.dtype.element_ty), mask=column < V)
    tl.debug_barrier()  # every warp has loaded what is overwritten here
    tl.store(cell, state, mask=inside)


def gated_delta_step_triton(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, scale: float, state: Tensor
) -> Tensor:
    """q, k [N, T, H, D], v [N, T, H, V], g, beta [N, T, H]; ``state`` is changed in place."""
    if not state.is_contiguous() or state.dtype != torch.float32:
        raise ValueError("a state that is changed in place has to be float32 and contiguous")
    sequences, length, heads, size = q.shape
    value_size, columns = v.shape[3], 32
    o = torch.empty(v.shape, dtype=v.dtype, device=v.device)
    with torch.cuda.device_of(q):
        recurrent[(sequences, heads, -(-value_size // columns))](
            *(part.contiguous() for part in (q, k, v, g, beta)), o, state, scale, heads, length,
            D=size, V=value_size, DP=power_of_two(size, 32), BV=columns, num_warps=4,
        )  # fmt: skip
    return o

"""FAVOR+, one token at a time, for decoding: the recurrence of ``naive.py`` in one launch."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.favor_plus.state import FavorState
from kernels.hardware import power_of_two


@triton.jit
def recurrent(
    q, k, v, w, o, sums, mass, peaks, root, H, T,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr, BV: tl.constexpr,
):  # fmt: skip
    """One program a sequence and head; the state is read and written once a token, in place."""
    sequence, head = tl.program_id(0), tl.program_id(1)
    feature, row, column = tl.arange(0, MP), tl.arange(0, DP), tl.arange(0, BV)
    some = feature < M
    inside = some[:, None] & (row < D)[None, :]
    features = tl.load(w + feature[:, None] * D + row[None, :], mask=inside, other=0.0).to(tl.float32)
    place = (sequence * H + head).to(tl.int64) * M + feature
    weight = tl.load(mass + place, mask=some, other=0.0)
    peak = tl.load(peaks + place, mask=some, other=-1e30)
    for t in range(T):
        at = (sequence * T + t).to(tl.int64) * H + head
        key = tl.load(k + at * D + row, mask=row < D, other=0.0).to(tl.float32)
        query = tl.load(q + at * D + row, mask=row < D, other=0.0).to(tl.float32)
        exponent = tl.sum(features * key[None, :], 1) * root - tl.sum(key * key, 0) * (0.5 * root * root)
        exponent = tl.where(some, exponent, float("-inf"))
        higher = tl.maximum(peak, exponent)
        fall, grown = tl.exp(peak - higher), tl.exp(exponent - higher)
        peak = higher
        weight = weight * fall + grown
        exponent = tl.where(some, tl.sum(features * query[None, :], 1) * root + peak, float("-inf"))
        share = tl.exp(exponent - tl.max(exponent, 0))
        normaliser = tl.sum(share * weight, 0)
        for block in tl.static_range(0, V, BV):
            there = block + column < V
            mask = some[:, None] & there[None, :]
            cell = sums + place[:, None] * V + (block + column)[None, :]
            value = tl.load(v + at * V + block + column, mask=there, other=0.0).to(tl.float32)
            total = tl.load(cell, mask=mask, other=0.0) * fall[:, None] + grown[:, None] * value[None, :]
            tl.store(cell, total, mask=mask)
            answer = tl.sum(total * share[:, None], 0) / normaliser
            tl.store(o + at * V + block + column, answer.to(o.dtype.element_ty), mask=there)
    tl.debug_barrier()  # every warp has its own copy of mass and peaks: none may load what another stores here
    tl.store(mass + place, weight, mask=some)
    tl.store(peaks + place, peak, mask=some)


def favor_plus_step_triton(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, scale: float, state: FavorState
) -> Tensor:
    """q, k [N, T, H, D], v [N, T, H, V]; ``state`` is changed in place."""
    if not all(part.is_contiguous() and part.dtype == torch.float32 for part in state):
        raise ValueError("a state that is changed in place has to be float32 and contiguous")
    sequences, length, heads, size = q.shape
    o = torch.empty(v.shape, dtype=v.dtype, device=v.device)
    with torch.cuda.device_of(q):
        recurrent[(sequences, heads)](
            q.contiguous(), k.contiguous(), v.contiguous(), w.contiguous(), o, *state, scale**0.5, heads, length,
            D=size, V=v.shape[3], M=len(w), DP=power_of_two(size, 32), MP=power_of_two(len(w)), BV=32, num_warps=4,
        )  # fmt: skip
    return o

"""The gated delta rule on a GPU: which kernels run, in which order, with what memory between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels.gated_delta import triton_backward as backward
from kernels.gated_delta import triton_forward as forward
from kernels.hardware import power_of_two, processors
from kernels.launch import compile_ahead, launch
from kernels.layout import Bounds, Layout, layout, segment_chunks

CHUNK = 64
PROGRAMS_PER_PROCESSOR = 2
LEAST_CHUNKS = 8
LARGEST_SPLIT = 128  # head size up to which a segment's D × D transition fits in shared memory

Prepared = tuple[Tensor, Tensor, Tensor, Tensor]
"""w, u, T and γ; see ``triton_forward.prepare``."""


class Plan(NamedTuple):
    """Sizes and launch options that the kernels of one call share."""

    layout: Layout
    heads: int
    blocks: int
    walk: dict[str, Any]
    """Sizes for kernels that walk along a segment."""
    chunkwise: dict[str, Any]
    """Sizes for kernels that take one chunk."""
    prepare: dict[str, Any]
    """The same for ``prepare``."""

    @property
    def grid(self) -> tuple[int, int, int]:
        """Segments, heads, blocks of value columns."""
        return self.layout.counts[1], self.heads, self.blocks


def plan(
    q: Tensor, v: Tensor, bounds: Bounds, programs: int | None = None, columns: int | None = None,
    chunk: int | None = None,
) -> Plan:  # fmt: skip
    """Fixed per type and size. For experiments: programs of a pass, value columns of a program, tokens of a chunk."""
    heads, size, value_size = q.shape[1], q.shape[2], v.shape[2]
    padded = power_of_two(size, 32)
    wide = q.dtype == torch.float32
    columns = columns or min(
        power_of_two(value_size, 32), 32 if padded > 128 or (wide and padded > 64) else 64
    )
    blocks = -(-value_size // columns)
    chunk = chunk or (32 if wide and padded > 128 else CHUNK)
    programs = programs or PROGRAMS_PER_PROCESSOR * processors(q.device)
    count = segment_chunks(bounds, chunk, heads * blocks, programs, LEAST_CHUNKS)
    if padded > LARGEST_SPLIT:
        count = max(1, -(-bounds[-1] // chunk))
    table = layout(bounds, chunk, count, q.device)
    kind = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}[q.dtype]
    shared = {"D": size, "V": value_size, "C": chunk, "KIND": kind}
    launch = {"num_warps": 4, "num_stages": 1 if wide or padded > 128 else 3 if padded <= 64 else 2}
    walk = {**shared, "DP": padded, "BV": columns, **launch}
    part, value_part = min(64, padded), min(64, power_of_two(value_size, 32))
    if wide:
        part, value_part = 32, 32
    chunkwise = {**shared, "BD": part, "BV": value_part, "num_warps": 4, "num_stages": 1}
    # With 168 registers a thread, three programs of four warps fit on a processor instead of two.
    prepare = chunkwise if wide else {**chunkwise, "maxnreg": 168}
    return Plan(table, heads, blocks, walk, chunkwise, prepare)


def prepare(k: Tensor, v: Tensor, g: Tensor, beta: Tensor, made: Plan, keep: bool) -> Prepared:
    """Everything of a chunk that does not depend on the state; T only if it is to be kept for the backward pass."""
    w, u = torch.empty_like(k), torch.empty_like(v)
    solved = torch.empty(*(k.shape[:2] if keep else (1, 1)), made.walk["C"], dtype=k.dtype, device=k.device)
    total = torch.empty(k.shape[:2], device=k.device)
    grid = (made.layout.counts[2], made.heads)
    launch(
        forward.prepare,
        grid,
        k,
        v,
        g,
        beta,
        made.layout.chunks,
        w,
        u,
        solved,
        total,
        made.heads,
        **made.prepare,
        KEEP=keep,
    )
    return w, u, solved, total


def join_segments(
    products: Tensor, added: Tensor, first: Tensor, last: Tensor, made: Plan, reverse: bool
) -> Tensor:
    """What segments start from, from what they add."""
    sums = torch.empty_like(added)
    walk = made.walk
    columns = 16
    grid = (made.layout.counts[0], made.heads, -(-walk["V"] // columns))
    launch(
        forward.join, grid,
        products, added, sums, made.layout.sequences, first, last, made.heads, D=walk["D"], V=walk["V"], DP=walk["DP"],
        BV=columns, REVERSE=reverse, num_warps=4, num_stages=3 if made.walk["DP"] <= 64 else 1,
    )  # fmt: skip
    return sums


def segment_starts(k: Tensor, prepared: Prepared, state: Tensor, made: Plan) -> tuple[Tensor, Tensor]:
    """P of each segment [S, H, D, D], and the state before it [S, H, D, V]."""
    w, u, _, total = prepared
    size, value = made.walk["D"], made.walk["V"]
    shape = (made.layout.counts[1], made.heads, size)
    products, sums = torch.empty(*shape, size, device=k.device), torch.empty(*shape, value, device=k.device)
    grid = (*made.grid[:2], made.blocks + -(-size // made.walk["BV"]))
    launch(
        forward.transitions,
        grid,
        k,
        w,
        u,
        total,
        made.layout.segments,
        products,
        sums,
        made.heads,
        **made.walk,
    )
    return products, join_segments(products, sums, state, state, made, reverse=False)


class Saved(NamedTuple):
    """What the backward pass needs of the forward pass: ``prepare``'s results, P and states before segments."""

    w: Tensor
    u: Tensor
    solved: Tensor
    total: Tensor
    products: Tensor
    starts: Tensor


def run_forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    scale: float,
    state: Tensor,
    made: Plan,
    keep: bool,
) -> tuple[Tensor, Tensor, Saved]:
    """o, the final state, and (``keep``) what the backward pass needs."""
    o, final = torch.empty_like(v), state.clone()  # as it is for a sequence without tokens
    if not made.layout.counts[1]:
        return o, final, Saved(o, o, o, o, o, o)
    prepared = prepare(k, v, g, beta, made, keep)
    w, u, _, total = prepared
    starts = segment_starts(k, prepared, state, made) if made.layout.split else (state, state)
    launch(
        forward.advance, made.grid, q, k, w, u, total, o, o, o, starts[1], state, final, made.layout.segments,
        made.layout.sequences, scale, made.heads, **made.walk, SPLIT=made.layout.split, KEEP=False,
    )  # fmt: skip
    return o, final, Saved(*prepared, *starts)


def run_backward(
    given: tuple[Tensor, ...], saved: Saved, do: Tensor, dfinal: Tensor, scale: float, made: Plan
) -> tuple[Tensor, ...]:
    """Gradients of q, k, v, g, beta and the initial state; ``given``: q, k, v, beta, state."""
    q, k, v, beta, state = given
    prepared = (saved.w, saved.u, saved.solved, saved.total)
    fresh, states = _states_again(q, k, prepared, saved.starts, state, made)
    dfresh, dstates, dstate0 = _states_back(q, k, prepared, saved.products, do, dfinal, scale, made)
    dq, dk_part, dw, dtotal = _through_attention(
        q, k, do, saved.total, (fresh, dfresh, states, dstates), scale, made
    )
    dk, dv = torch.empty_like(k), torch.empty_like(v)
    dg, dbeta = torch.empty_like(saved.total), torch.empty_like(saved.total)
    launch(
        backward.solution, (made.layout.counts[2], made.heads), k, v, beta, saved.total, saved.solved, dfresh, dw,
        dk_part, dtotal, made.layout.chunks, dk, dv, dg, dbeta, made.heads, dg.numel(), **made.chunkwise,
    )  # fmt: skip
    return dq, dk, dv, dg, dbeta, dstate0


class GatedDelta(torch.autograd.Function):
    """Forward and backward."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        g: Tensor,
        beta: Tensor,
        scale: float,
        state: Tensor,
        made: Plan,
    ) -> tuple[Tensor, Tensor]:
        """Keep what the backward pass needs, if there is to be one."""
        keep = any(ctx.needs_input_grad)
        o, final, saved = run_forward(q, k, v, g, beta, scale, state, made, keep)
        if keep:
            ctx.save_for_backward(q, k, v, beta, state, *saved)
            ctx.scale, ctx.made = scale, made
        return o, final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients in the order of the arguments."""
        do, dfinal = (one.contiguous() for one in grads)
        if not ctx.made.layout.counts[1]:
            return do.new_empty(do.shape), do.new_empty(do.shape), do, None, None, None, dfinal, None
        saved = ctx.saved_tensors
        *found, dstate0 = run_backward(saved[:5], Saved(*saved[5:]), do, dfinal, ctx.scale, ctx.made)
        return *found, None, dstate0, None


def _states_again(
    q: Tensor, k: Tensor, prepared: Prepared, starts: Tensor, state: Tensor, made: Plan
) -> tuple[Tensor, Tensor]:
    """r of every token and the state before every chunk, from the states before segments."""
    w, u, _, total = prepared
    fresh = torch.empty_like(u)
    states = torch.empty(made.layout.counts[2], made.heads, *state.shape[2:], dtype=q.dtype, device=q.device)
    launch(
        forward.advance, made.grid,
        q, k, w, u, total, fresh, fresh, states, starts, state, state, made.layout.segments, made.layout.sequences, 1.0,
        made.heads, **made.walk, SPLIT=made.layout.split, KEEP=True,
    )  # fmt: skip
    return fresh, states


def _states_back(
    q: Tensor,
    k: Tensor,
    prepared: Prepared,
    products: Tensor,
    do: Tensor,
    dfinal: Tensor,
    scale: float,
    made: Plan,
) -> tuple[Tensor, Tensor, Tensor]:
    """dr of every token, the gradient of the state after every chunk, and of the initial states."""
    table, (w, u, _, total) = made.layout, prepared
    dfresh, dstate0 = torch.empty_like(u), dfinal.clone()  # as it is for a sequence without tokens
    dstates = torch.empty(table.counts[2], made.heads, *dfinal.shape[2:], dtype=q.dtype, device=q.device)
    given, after = (
        (q, k, w, do, total, dfresh, dstates),
        (dfinal, dstate0, table.segments, table.sequences, scale),
    )
    starts = dfinal
    if table.split:
        sums = torch.empty(table.counts[1], *dfinal.shape[1:], device=q.device)
        launch(
            backward.retreat, made.grid, *given, sums, *after, made.heads, **made.walk, SPLIT=True, KEEP=False
        )
        starts = join_segments(products, sums, dfinal, torch.empty_like(dfinal), made, reverse=True)
    launch(
        backward.retreat,
        made.grid,
        *given,
        starts,
        *after,
        made.heads,
        **made.walk,
        SPLIT=table.split,
        KEEP=True,
    )
    return dfresh, dstates, dstate0


def _through_attention(
    q: Tensor, k: Tensor, do: Tensor, total: Tensor, states: tuple[Tensor, ...], scale: float, made: Plan
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """dq, a part of dk (float32), dw, and parts of dγ, one for each block of key columns."""
    fresh, dfresh, before, after = states
    blocks = -(-made.walk["D"] // made.chunkwise["BD"])
    dq, dw = torch.empty_like(q), torch.empty_like(k)
    dk = torch.empty(k.shape, device=k.device)
    dtotal = torch.empty(blocks, *total.shape, device=k.device)
    grid = (made.layout.counts[2], made.heads, blocks)
    launch(
        backward.attention, grid,
        q, k, do, total, fresh, dfresh, before, after, made.layout.chunks, dq, dk, dw, dtotal, scale, made.heads,
        total.numel(), **made.chunkwise,
    )  # fmt: skip
    return dq, dk, dw, dtotal


def gated_delta_triton(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, scale: float, state: Tensor, bounds: Bounds
) -> tuple[Tensor, Tensor]:
    """As ``gated_delta_naive``, on the device of the tensors."""
    q, k, v, g, beta, start = (p.contiguous() for p in (q, k, v, g.float(), beta.float(), state.float()))
    made = plan(q, v, bounds)
    keep = torch.is_grad_enabled() and any(one.requires_grad for one in (q, k, v, g, beta, state))

    def everything() -> None:
        o, final, saved = run_forward(q, k, v, g, beta, scale, start, made, keep)
        if keep:
            run_backward((q, k, v, beta, start), saved, o, final, scale, made)

    with torch.cuda.device_of(q):
        if q.is_cuda and made.layout.counts[1]:
            key = ("gated_delta", keep, q.dtype, made.heads, made.layout.split, *made.walk.values(), q.device)
            compile_ahead(key, everything)
        o, final = GatedDelta.apply(q, k, v, g, beta, scale, start, made)
    return o, final

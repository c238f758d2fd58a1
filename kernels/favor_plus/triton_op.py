"""FAVOR+ on a GPU: which kernels run, in which order, with what memory between them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels.favor_plus import triton_backward as backward
from kernels.favor_plus import triton_forward as forward
from kernels.favor_plus.state import FavorState
from kernels.hardware import operands, power_of_two, processors
from kernels.launch import compile_ahead, launch
from kernels.layout import Bounds, Layout, layout, segment_chunks

PROGRAMS_PER_PROCESSOR = 2
"""As many as fit, by their registers."""
LEAST_CHUNKS = 4
SCANS_PER_PROCESSOR = 8
SCAN_SEGMENTS = 64
"""Segments that the scan takes at a time."""


class Plan(NamedTuple):
    """Sizes and launch options that all kernels of one call share."""

    layout: Layout
    grid: tuple[int, int, int]
    heads: int
    sizes: dict[str, Any]
    options: dict[str, Any]
    state_options: dict[str, Any]
    """Of ``segment_states``: it holds fewer tiles, so that more loads may be under way."""
    some_empty: bool
    """Is there a sequence without tokens?"""

    @property
    def chunk(self) -> int:
        """Tokens of a chunk."""
        return int(self.sizes["C"])

    @property
    def backward_options(self) -> dict[str, int]:
        """Gradients' tiles are too many for four warps."""
        warps = 8 if power_of_two(int(self.sizes["M"])) > 64 else 4
        return {"num_warps": warps, "num_stages": self.options["num_stages"]}


def plan(
    q: Tensor, v: Tensor, w: Tensor, bounds: Bounds, programs: int | None = None, columns: int | None = None,
    chunk: int | None = None,
) -> Plan:  # fmt: skip
    """Fixed per type and size. For experiments: programs of a pass, value columns of a program, tokens of a chunk."""
    bf16, precision, exponents = operands(q.dtype)
    heads, size, value_size, features = q.shape[1], q.shape[2], v.shape[2], w.shape[0]
    padded, padded_features = power_of_two(size, 32), power_of_two(features)
    huge = padded_features * padded > 128 * 128
    columns = columns or min(power_of_two(value_size, 32), 128 if bf16 and not huge else 64)
    chunk = chunk or (64 if bf16 and not huge else 32)
    blocks = -(-value_size // columns)
    programs = programs or PROGRAMS_PER_PROCESSOR * processors(q.device)
    count = segment_chunks(bounds, chunk, heads * blocks, programs, LEAST_CHUNKS)
    table = layout(bounds, chunk, count, q.device)
    sizes = {
        "D": size, "V": value_size, "M": features, "DP": padded, "MP": padded_features, "BV": columns, "C": chunk,
        "BF16": bf16, "PRECISION": precision,
    }  # fmt: skip
    options = {"num_warps": 8 if huge else 4, "num_stages": 1 if huge else 2, "EXPONENTS": exponents}
    empty = any(first == end for first, end in pairwise(bounds))
    state_options = {**options, "num_stages": 1 if huge else 3}
    return Plan(table, (table.counts[1], heads, blocks), heads, sizes, options, state_options, empty)


def _scan(made: Plan, device: torch.device) -> tuple[tuple[int, int, int], int, dict[str, int]]:
    """Grid, features of a program and sizes of a scan over segments."""
    table, features, value = made.layout, int(made.sizes["M"]), int(made.sizes["V"])
    lanes = table.counts[0] * made.heads
    count = max(1, lanes * features // (SCANS_PER_PROCESSOR * processors(device)))
    steps = min(SCAN_SEGMENTS, power_of_two(table.longest))
    options = {
        "V": value,
        "M": features,
        "VP": power_of_two(value, 32),
        "S": steps,
        "num_warps": 4,
        "num_stages": 1,
    }
    return (table.counts[0], made.heads, -(-features // count)), count, options


def segment_starts(
    k: Tensor, v: Tensor, w: Tensor, root: float, initial: FavorState, made: Plan
) -> tuple[FavorState, Tensor]:
    """The state before each segment (its peaks are in base 2), and ``key_norm`` of every token."""
    table, features = made.layout, int(made.sizes["M"])
    shape = (table.counts[1], made.heads, features)
    sums = torch.empty(2, *shape, v.shape[2], device=k.device)
    mass, peaks = torch.empty(2, *shape, device=k.device), torch.empty(2, *shape, device=k.device)
    drops = torch.empty(k.shape[:2], device=k.device)
    added, starts = (FavorState(sums[one], mass[one], peaks[one]) for one in range(2))
    launch(
        forward.segment_states, made.grid, k, v, w, table.segments, *added, drops, root, made.heads, **made.sizes,
        **made.state_options,
    )  # fmt: skip
    grid, count, sizes = _scan(made, k.device)
    launch(
        forward.scan_segments, grid, table.sequences, *added, *starts, *initial, made.heads, count, **sizes
    )
    return starts, drops


class Saved(NamedTuple):
    """What the backward pass needs of the forward pass."""

    norms: Tensor
    peaks: Tensor
    drops: Tensor
    starts: FavorState


def run_forward(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, scale: float, initial: FavorState, made: Plan, keep: bool
) -> tuple[Tensor, FavorState, Saved]:
    """o, the final state, and (``keep``) what the backward pass needs."""
    table = made.layout
    o = torch.empty_like(v)
    if not table.counts[1]:
        return o, FavorState(*(part.clone() for part in initial)), Saved(o, o, o, initial)
    # A sequence without tokens ends as it began; nothing else writes its state.
    final = FavorState(*(part.clone() if made.some_empty else torch.empty_like(part) for part in initial))
    root = scale**0.5
    norms = torch.empty(q.shape[:2] if keep else 1, device=q.device)
    features = int(made.sizes["M"])
    peaks = torch.empty((table.counts[2], made.heads, features) if keep else (1,), device=q.device)
    split = table.split or keep
    starts, drops = segment_starts(k, v, w, root, initial, made) if split else (initial, norms)
    launch(
        forward.outputs, made.grid,
        q, k, v, w, o, drops, norms, peaks, *starts, *initial, *final, table.segments, table.sequences, root,
        made.heads, **made.sizes, SPLIT=split, KEEP=keep, **made.options,
    )  # fmt: skip
    return o, final, Saved(norms, peaks, drops, starts)


class FavorPlus(torch.autograd.Function):
    """Forward and backward; the features and the initial peaks are constants."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, w: Tensor, scale: float, sums: Tensor, mass: Tensor, peak: Tensor,
        made: Plan,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """Keep what the backward pass needs, if there is to be one."""
        keep = any(ctx.needs_input_grad)
        initial = FavorState(sums, mass, peak)
        o, final, saved = run_forward(q, k, v, w, scale, initial, made, keep)
        if keep:
            norms, peaks, drops, starts = saved
            ctx.save_for_backward(q, k, v, w, o, peak, norms, peaks, drops, *starts)
            ctx.scale, ctx.made = scale, made
        ctx.mark_non_differentiable(final.peak)
        return o, final.sums, final.mass, final.peak

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients in the order of the arguments."""
        do, dsums, dmass, _ = (one.contiguous() for one in grads)
        q, k, v, w, o, peak, norms, peaks, drops, *starts = ctx.saved_tensors
        made: Plan = ctx.made
        if not made.layout.counts[1]:
            return torch.zeros_like(q), torch.zeros_like(k), do, None, None, dsums, dmass, None, None
        saved = Saved(norms, peaks, drops, FavorState(*starts))
        dq, dk, dv, dsums0, dmass0 = run_backward(
            q, k, v, w, o, do, ctx.scale, saved, (dsums, dmass, peak), made
        )
        return dq, dk, dv, None, None, dsums0, dmass0, None, None


def run_backward(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, o: Tensor, do: Tensor, scale: float,
    saved: Saved, after: tuple[Tensor, Tensor, Tensor], made: Plan,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of q, k, v, initial sums and mass; ``after``: those of the final ones, and the initial peak."""
    norms, peaks, drops, starts = saved
    table, heads, root, value = made.layout, made.heads, scale**0.5, v.shape[2]
    delta = torch.empty(q.shape[:2], device=q.device)
    rows, padded = 32, power_of_two(value, 32)
    launch(
        backward.products, (-(-delta.numel() // rows),), do, o, delta, delta.numel(), V=value, VP=padded, R=rows,
        num_warps=4,
    )  # fmt: skip
    added, back = torch.empty_like(starts.sums), torch.empty_like(starts.sums)
    added_mass, back_mass = torch.empty_like(starts.mass), torch.empty_like(starts.mass)
    token_data = (do, norms, delta, drops, peaks)
    launch(
        backward.reverse_segments, made.grid, q, do, w, norms, delta, peaks, table.segments, added, added_mass, root,
        heads, **made.sizes, **made.backward_options,
    )  # fmt: skip
    dsums0, dmass0 = torch.empty_like(after[0]), torch.empty_like(after[1])
    grid, count, sizes = _scan(made, q.device)
    launch(
        backward.reverse_scan, grid,
        table.sequences, table.segments, peaks, added, added_mass, back, back_mass, after[0], after[1], dsums0, dmass0,
        after[2], heads, count, **sizes, C=made.chunk,
    )  # fmt: skip
    blocks = made.grid[2]
    kind = q.dtype if blocks == 1 else torch.float32
    dq, dk = (torch.empty(blocks, *q.shape, dtype=kind, device=q.device) for _ in range(2))
    dv = torch.empty_like(v)
    launch(
        backward.query_gradients, made.grid, q, k, v, w, *token_data, *starts, table.segments, dq, root, heads,
        q.numel(), **made.sizes, **made.backward_options,
    )  # fmt: skip
    launch(
        backward.key_gradients, made.grid, q, k, v, w, *token_data, back, back_mass, table.segments, dk, dv, root,
        heads, q.numel(), **made.sizes, **made.backward_options,
    )  # fmt: skip
    if blocks == 1:
        return dq[0], dk[0], dv, dsums0, dmass0
    return dq.sum(0).to(q.dtype), dk.sum(0).to(k.dtype), dv, dsums0, dmass0


def favor_plus_triton(
    q: Tensor, k: Tensor, v: Tensor, w: Tensor, scale: float, state: FavorState, bounds: Bounds
) -> tuple[Tensor, FavorState]:
    """As ``favor_plus_naive``, on the device of the tensors."""
    start = FavorState(*(part.float().contiguous() for part in state))
    q, k, v, w = (part.contiguous() for part in (q, k, v, w))
    made = plan(q, v, w, bounds)
    keep = torch.is_grad_enabled() and any(one.requires_grad for one in (q, k, v, *state))

    def everything() -> None:
        o, final, saved = run_forward(q, k, v, w, scale, start, made, keep)
        if keep:
            run_backward(q, k, v, w, o, o, scale, saved, (final.sums, final.mass, start.peak), made)

    with torch.cuda.device_of(q):
        if q.is_cuda and made.layout.counts[1]:
            key = ("favor_plus", keep, q.dtype, made.heads, made.layout.split, *made.sizes.values(), q.device)
            compile_ahead(key, everything)
        o, *final = FavorPlus.apply(q, k, v, w, scale, *start, made)
    return o, FavorState(*final)

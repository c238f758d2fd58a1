"""The gated delta rule forward in Triton (the algebra: ``chunked.py``).

``prepare`` (all chunks at once) → ``transitions`` (each segment from nothing, and from the identity) → ``join`` over
segments → ``advance`` (each segment from the right state, with outputs). A segment is the affine map S → P S + B; P is
what it makes of the identity without values. With one segment a sequence, only ``prepare`` and ``advance`` run.
"""

from __future__ import annotations

import triton
import triton.language as tl

from kernels.tiles import load_columns, load_matrix, load_rows, load_tokens, store_matrix, store_rows


@triton.jit
def operand(x, KIND: tl.constexpr):
    """In the type that the tensor cores are fed with."""
    if KIND == 0:
        return x.to(tl.float32)
    elif KIND == 1:
        return x.to(tl.float16)
    else:
        return x.to(tl.bfloat16)


@triton.jit
def difference(total, lower, C: tl.constexpr, STRICT: tl.constexpr):
    """e^{γ_i − γ_j} for j ≤ i (STRICT: j < i), else zero; [i, j] if ``lower``, else [j, i]."""
    token = tl.arange(0, C)
    row, column = token[:, None], token[None, :]
    if lower:
        gap = total[:, None] - total[None, :]
        inside = row > column if STRICT else row >= column
    else:
        gap = total[None, :] - total[:, None]
        inside = row < column if STRICT else row <= column
    return tl.where(inside, tl.exp(tl.where(inside, gap, 0.0)), 0.0)


@triton.jit
def factor(x, KIND: tl.constexpr):
    """As an operand of the inverse's products: float16, where inputs have 16 bits, keeps the digits that tf32 keeps."""
    if KIND == 0:
        return x
    else:
        return x.to(tl.float16)


@triton.jit
def doubled(lower, solved, HALF: tl.constexpr, C: tl.constexpr, KIND: tl.constexpr):
    """The inverse of diagonal blocks of size 2 HALF from that of blocks of size HALF: X − X L X."""
    row = tl.arange(0, C)[:, None]
    column = tl.arange(0, C)[None, :]
    joins = (row // (2 * HALF) == column // (2 * HALF)) & (row // HALF > column // HALF)
    step = tl.dot(tl.where(joins, lower, 0.0), factor(solved, KIND), input_precision="tf32")
    return solved - tl.dot(factor(solved, KIND), factor(step, KIND), input_precision="tf32")


@triton.jit
def inverse(lower, C: tl.constexpr, KIND: tl.constexpr):
    """(I + lower)^-1 of a strictly lower triangular [C, C] tile, by doubling the size of the solved diagonal blocks.

    With X the inverse of the diagonal blocks of one size and L the part of ``lower`` that joins two of them, the
    inverse of blocks twice that size is X − X L X: forward substitution, in log2 C steps, as stable as that.
    """
    row = tl.arange(0, C)[:, None]
    column = tl.arange(0, C)[None, :]
    solved = tl.where(row == column, 1.0, 0.0)
    solved -= tl.where((row // 2 == column // 2) & (row > column), lower, 0.0)
    lower = factor(lower, KIND)
    solved = doubled(lower, solved, 2, C, KIND)
    solved = doubled(lower, solved, 4, C, KIND)
    solved = doubled(lower, solved, 8, C, KIND)
    if C > 16:
        solved = doubled(lower, solved, 16, C, KIND)
    if C > 32:
        solved = doubled(lower, solved, 32, C, KIND)
    return solved


@triton.jit
def prepare(
    k, v, g, beta, chunks, w, u, solved, total, H,
    D: tl.constexpr, V: tl.constexpr, BD: tl.constexpr, BV: tl.constexpr, C: tl.constexpr, KIND: tl.constexpr,
    KEEP: tl.constexpr,
):  # fmt: skip
    """Of one chunk: γ (``total``) [tokens, H], w as k, u as v, and (KEEP) T (``solved``) [tokens, H, C]."""
    chunk, head = tl.program_id(0), tl.program_id(1)
    start = tl.load(chunks + chunk * 2)
    length = tl.load(chunks + chunk * 2 + 1) - start
    row = start.to(tl.int64) * H + head
    token = tl.arange(0, C)
    gate = tl.cumsum(load_tokens(g + row, 0, length, H, 0.0, C), 0)
    share = load_tokens(beta + row, 0, length, H, 0.0, C)
    tl.store(total + row + token * H, gate, mask=token < length)
    pairs = tl.zeros((C, C), tl.float32)
    for block in tl.static_range(0, D, BD):
        keys = operand(load_rows(k + row * D + block, 0, length, H * D, D - block, C, BD), KIND)
        pairs += tl.dot(keys, tl.trans(keys), input_precision="tf32")
    lower = pairs * share[:, None] * difference(gate, True, C, True)
    inverted = operand(inverse(lower, C, KIND), KIND)
    if KEEP:
        store_rows(solved + row * C, inverted, 0, length, H * C, C, C, C)
    scale = share * tl.exp(gate)
    for block in tl.static_range(0, D, BD):
        keys = load_rows(k + row * D + block, 0, length, H * D, D - block, C, BD).to(tl.float32)
        part = tl.dot(inverted, operand(keys * scale[:, None], KIND), input_precision="tf32")
        store_rows(w + row * D + block, part, 0, length, H * D, D - block, C, BD)
    for block in tl.static_range(0, V, BV):
        values = load_rows(v + row * V + block, 0, length, H * V, V - block, C, BV).to(tl.float32)
        part = tl.dot(inverted, operand(values * share[:, None], KIND), input_precision="tf32")
        store_rows(u + row * V + block, part, 0, length, H * V, V - block, C, BV)


@triton.jit
def transitions(
    k, w, u, total, segments, products, sums, H,
    D: tl.constexpr, V: tl.constexpr, DP: tl.constexpr, BV: tl.constexpr, C: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """P [S, H, D, D] and B [S, H, D, V] of each segment: blocks of columns of B first, then of P."""
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    row = start.to(tl.int64) * H + head
    first_column = (block - tl.cdiv(V, BV)) * BV  # of P; negative: a block of B
    identity = first_column + tl.arange(0, BV)[None, :] == tl.arange(0, DP)[:, None]
    state = tl.where(identity, 1.0, 0.0)
    width = tl.where(first_column < 0, V - block * BV, 0)
    for first in range(0, length, C):
        removed = operand(load_rows(w + row * D, first, length, H * D, D, C, DP), KIND)
        k_t = operand(load_columns(k + row * D, first, length, H * D, D, C, DP), KIND)
        values = load_rows(u + row * V + block * BV, first, length, H * V, width, C, BV).to(tl.float32)
        gate = load_tokens(total + row, first, length, H, 0.0, C)
        last = tl.load(total + row + (tl.minimum(first + C, length) - 1) * H)
        fresh = values - tl.dot(removed, operand(state, KIND), input_precision="tf32")
        fresh = operand(fresh * tl.exp(last - gate)[:, None], KIND)
        state = state * tl.exp(last) + tl.dot(k_t, fresh, input_precision="tf32")
    place = segment.to(tl.int64) * H + head
    if first_column < 0:
        store_matrix(sums + place * D * V + block * BV, state, D, V - block * BV, V, DP, BV)
    else:
        store_matrix(products + place * D * D + first_column, state, D, D - first_column, D, DP, BV)


@triton.jit
def join(
    products, added_sums, sums, sequences, state0, state1, H,
    D: tl.constexpr, V: tl.constexpr, DP: tl.constexpr, BV: tl.constexpr, REVERSE: tl.constexpr,
):  # fmt: skip
    """From B of each segment (``added_sums``) the state before it (``sums``): S → P S + B from ``state0`` on.

    REVERSE: the gradient after it, dS → Pᵀ dS + B from the last segment to the first, which ends in ``state1``. Never
    in place: see ``kernels.tiles``.
    """
    sequence, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    own = (sequence * H + head).to(tl.int64) * D * V + block * BV
    state = load_matrix(state0 + own, D, V - block * BV, V, DP, BV)
    low = tl.load(sequences + sequence * 2)
    high = tl.load(sequences + sequence * 2 + 1)
    for step in range(high - low):
        if REVERSE:
            segment = high - 1 - step
        else:
            segment = low + step
        place = segment.to(tl.int64) * H + head
        if REVERSE:
            product = load_columns(products + place * D * D, 0, D, D, D, DP, DP)
        else:
            product = load_rows(products + place * D * D, 0, D, D, D, DP, DP)
        cell = place * D * V + block * BV
        added = load_matrix(added_sums + cell, D, V - block * BV, V, DP, BV)
        store_matrix(sums + cell, state, D, V - block * BV, V, DP, BV)
        state = added + tl.dot(product, state, input_precision="tf32x3")
    if REVERSE:
        store_matrix(state1 + own, state, D, V - block * BV, V, DP, BV)


@triton.jit
def advance(
    q, k, w, u, total, o, fresh, states, sums, state0, state1, segments, sequences, scale, H,
    D: tl.constexpr, V: tl.constexpr, DP: tl.constexpr, BV: tl.constexpr, C: tl.constexpr, KIND: tl.constexpr,
    SPLIT: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    """Read a segment from the state before it and answer; its last chunk leaves the final state of the sequence.

    KEEP (for the backward pass) instead of answering: ``fresh`` r as v, and ``states`` [chunks, H, D, V] before chunks.
    """
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    sequence = tl.load(segments + segment * 4)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    chunk = tl.load(segments + segment * 4 + 3)
    row = start.to(tl.int64) * H + head
    own = (sequence * H + head).to(tl.int64) * D * V + block * BV
    width = V - block * BV
    if SPLIT:
        state = load_matrix(
            sums + (segment.to(tl.int64) * H + head) * D * V + block * BV, D, width, V, DP, BV
        )
    else:
        state = load_matrix(state0 + own, D, width, V, DP, BV)
    for first in range(0, length, C):
        removed = operand(load_rows(w + row * D, first, length, H * D, D, C, DP), KIND)
        k_t = operand(load_columns(k + row * D, first, length, H * D, D, C, DP), KIND)
        values = load_rows(u + row * V + block * BV, first, length, H * V, width, C, BV).to(tl.float32)
        gate = load_tokens(total + row, first, length, H, 0.0, C)
        last = tl.load(total + row + (tl.minimum(first + C, length) - 1) * H)
        before = operand(state, KIND)
        change = values - tl.dot(removed, before, input_precision="tf32")
        if KEEP:
            place = (chunk + first // C).to(tl.int64) * H + head
            store_matrix(states + place * D * V + block * BV, state, D, width, V, DP, BV)
            store_rows(fresh + row * V + block * BV, change, first, length, H * V, width, C, BV)
        else:
            queries = operand(load_rows(q + row * D, first, length, H * D, D, C, DP), KIND)
            pairs = tl.dot(queries, k_t, input_precision="tf32") * difference(gate, True, C, False)
            answer = tl.dot(queries, before, input_precision="tf32") * tl.exp(gate)[:, None]
            answer += tl.dot(operand(pairs, KIND), operand(change, KIND), input_precision="tf32")
            store_rows(o + row * V + block * BV, answer * scale, first, length, H * V, width, C, BV)
        change = operand(change * tl.exp(last - gate)[:, None], KIND)
        state = state * tl.exp(last) + tl.dot(k_t, change, input_precision="tf32")
    if not KEEP and segment + 1 == tl.load(sequences + sequence * 2 + 1):
        store_matrix(state1 + own, state, D, width, V, DP, BV)

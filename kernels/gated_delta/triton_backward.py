"""The gated delta rule backward in Triton.

dS' is the gradient of the state after a chunk, P[i, j] = e^{γ_i−γ_j} q_i·k_j (j ≤ i), r, w and T as in ``chunked.py``:

    dr = scale Pᵀ do + e^{γ_C−γ} k dS'             dS = e^{γ_C} dS' + scale (e^γ q)ᵀ do − wᵀ dr       (``retreat``)
    dq, dk from P and the states, dw = −dr Sᵀ, du = dr                                               (``attention``)
    dA = −Tᵀ (du (βv)ᵀ + dw (βe^γ k)ᵀ) Tᵀ, and with it dk, dv, dβ, dγ; dg is the reversed sum of dγ  (``solution``)

A product that is needed in both orientations is computed in both; see ``kernels.tiles``.
"""

from __future__ import annotations

import triton
import triton.language as tl

from kernels.gated_delta.triton_forward import difference, operand
from kernels.tiles import load_columns, load_matrix, load_rows, load_tokens, store_matrix, store_rows


@triton.jit
def retreat(
    q, k, w, do, total, dfresh, dstates, sums, dstate1, dstate0, segments, sequences, scale, H,
    D: tl.constexpr, V: tl.constexpr, DP: tl.constexpr, BV: tl.constexpr, C: tl.constexpr, KIND: tl.constexpr,
    SPLIT: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    """Read a segment backwards. KEEP: from the gradient after it, writing dr and dS' of each chunk, and ``dstate0``.

    Otherwise from nothing, writing what it adds to the gradient into ``sums``.
    """
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    sequence = tl.load(segments + segment * 4)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    chunk = tl.load(segments + segment * 4 + 3)
    row = start.to(tl.int64) * H + head
    own = (sequence * H + head).to(tl.int64) * D * V + block * BV
    width = V - block * BV
    cell = sums + (segment.to(tl.int64) * H + head) * D * V + block * BV
    if not KEEP:
        state = tl.zeros((DP, BV), tl.float32)
    elif SPLIT:
        state = load_matrix(cell, D, width, V, DP, BV)
    else:
        state = load_matrix(dstate1 + own, D, width, V, DP, BV)
    chunks = tl.cdiv(length, C)
    for step in range(chunks):
        index = chunks - 1 - step
        first = index * C
        keys = operand(load_rows(k + row * D, first, length, H * D, D, C, DP), KIND)
        q_t = operand(load_columns(q + row * D, first, length, H * D, D, C, DP), KIND)
        w_t = operand(load_columns(w + row * D, first, length, H * D, D, C, DP), KIND)
        grad = load_rows(do + row * V + block * BV, first, length, H * V, width, C, BV)
        gate = load_tokens(total + row, first, length, H, 0.0, C)
        last = tl.load(total + row + (tl.minimum(first + C, length) - 1) * H)
        if KEEP:
            place = (chunk + index).to(tl.int64) * H + head
            store_matrix(dstates + place * D * V + block * BV, state, D, width, V, DP, BV)
        pairs = tl.dot(keys, q_t, input_precision="tf32") * difference(gate, False, C, False)
        change = tl.dot(keys, operand(state, KIND), input_precision="tf32") * tl.exp(last - gate)[:, None]
        change += tl.dot(operand(pairs, KIND), operand(grad, KIND), input_precision="tf32") * scale
        if KEEP:
            store_rows(dfresh + row * V + block * BV, change, first, length, H * V, width, C, BV)
        scaled = operand(grad.to(tl.float32) * (tl.exp(gate) * scale)[:, None], KIND)
        state = state * tl.exp(last) + tl.dot(q_t, scaled, input_precision="tf32")
        state -= tl.dot(w_t, operand(change, KIND), input_precision="tf32")
    if not KEEP:
        store_matrix(cell, state, D, width, V, DP, BV)
    elif segment == tl.load(sequences + sequence * 2):
        store_matrix(dstate0 + own, state, D, width, V, DP, BV)


@triton.jit
def attention(
    q, k, do, total, fresh, dfresh, states, dstates, chunks, dq, dk, dw, dtotal, scale, H, apart,
    D: tl.constexpr, V: tl.constexpr, BD: tl.constexpr, BV: tl.constexpr, C: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """Of one chunk and one block of key columns: dq, dw, and the parts of dk (float32) and dγ that do not go through T.

    Each block of columns writes its own share of dγ, ``apart`` numbers apart.
    """
    chunk, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(chunks + chunk * 2)
    length = tl.load(chunks + chunk * 2 + 1) - start
    row = start.to(tl.int64) * H + head
    place = (chunk.to(tl.int64) * H + head) * D * V + block * BD * V
    offset = row * D + block * BD
    width = D - block * BD
    token = tl.arange(0, C)
    gate = load_tokens(total + row, 0, length, H, 0.0, C)
    last = tl.load(total + row + (length - 1) * H)
    dquery = tl.zeros((C, BD), tl.float32)
    dkey = tl.zeros((C, BD), tl.float32)
    dremoved = tl.zeros((C, BD), tl.float32)
    dpairs = tl.zeros((C, C), tl.float32)
    dpairs_t = tl.zeros((C, C), tl.float32)
    faded = 0.0
    for column in tl.static_range(0, V, BV):
        some = V - column
        grad = operand(load_rows(do + row * V + column, 0, length, H * V, some, C, BV), KIND)
        grad_t = operand(load_columns(do + row * V + column, 0, length, H * V, some, C, BV), KIND)
        new = operand(load_rows(fresh + row * V + column, 0, length, H * V, some, C, BV), KIND)
        new_t = operand(load_columns(fresh + row * V + column, 0, length, H * V, some, C, BV), KIND)
        change = operand(load_rows(dfresh + row * V + column, 0, length, H * V, some, C, BV), KIND)
        state_t = load_columns(states + place + column, 0, width, V, some, BD, BV)
        dstate_t = load_columns(dstates + place + column, 0, width, V, some, BD, BV)
        faded += tl.sum(state_t.to(tl.float32) * dstate_t.to(tl.float32))
        dpairs += tl.dot(grad, new_t, input_precision="tf32")
        dpairs_t += tl.dot(new, grad_t, input_precision="tf32")
        dquery += tl.dot(grad, operand(state_t, KIND), input_precision="tf32")
        dkey += tl.dot(new, operand(dstate_t, KIND), input_precision="tf32")
        dremoved -= tl.dot(change, operand(state_t, KIND), input_precision="tf32")
    queries = load_rows(q + offset, 0, length, H * D, width, C, BD)
    keys = load_rows(k + offset, 0, length, H * D, width, C, BD)
    dquery *= (tl.exp(gate) * scale)[:, None]
    dkey *= tl.where(token < length, tl.exp(last - gate), 0.0)[:, None]
    through = tl.sum(dkey * keys.to(tl.float32))
    pairs = operand(dpairs * difference(gate, True, C, False) * scale, KIND)
    dquery += tl.dot(pairs, operand(keys, KIND), input_precision="tf32")
    pairs = operand(dpairs_t * difference(gate, False, C, False) * scale, KIND)
    dkey += tl.dot(pairs, operand(queries, KIND), input_precision="tf32")
    dgate = tl.sum(dquery * queries.to(tl.float32), 1) - tl.sum(dkey * keys.to(tl.float32), 1)
    dgate += tl.where(token == length - 1, through + faded * tl.exp(last), 0.0)
    tl.store(dtotal + block.to(tl.int64) * apart + row + token * H, dgate, mask=token < length)
    store_rows(dq + offset, dquery, 0, length, H * D, width, C, BD)
    store_rows(dk + offset, dkey, 0, length, H * D, width, C, BD)
    store_rows(dw + offset, dremoved, 0, length, H * D, width, C, BD)


@triton.jit
def solution(
    k, v, beta, total, solved, dfresh, dw, dk_part, dtotal, chunks, dk, dv, dg, dbeta, H, apart,
    D: tl.constexpr, V: tl.constexpr, BD: tl.constexpr, BV: tl.constexpr, C: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """Of one chunk, through T: all of dv, dβ and dg, and the rest of dk."""
    chunk, head = tl.program_id(0), tl.program_id(1)
    start = tl.load(chunks + chunk * 2)
    length = tl.load(chunks + chunk * 2 + 1) - start
    row = start.to(tl.int64) * H + head
    token = tl.arange(0, C)
    gate = load_tokens(total + row, 0, length, H, 0.0, C)
    share = load_tokens(beta + row, 0, length, H, 0.0, C)
    scale = share * tl.exp(gate)
    t = operand(load_rows(solved + row * C, 0, length, H * C, C, C, C), KIND)
    t_t = operand(load_columns(solved + row * C, 0, length, H * C, C, C, C), KIND)
    dsolved = tl.zeros((C, C), tl.float32)
    dsolved_t = tl.zeros((C, C), tl.float32)
    pairs = tl.zeros((C, C), tl.float32)
    dshare = tl.zeros((C,), tl.float32)
    dgate = tl.zeros((C,), tl.float32)
    for column in tl.static_range(0, V, BV):
        some = V - column
        change = operand(load_rows(dfresh + row * V + column, 0, length, H * V, some, C, BV), KIND)
        change_t = operand(load_columns(dfresh + row * V + column, 0, length, H * V, some, C, BV), KIND)
        values = load_rows(v + row * V + column, 0, length, H * V, some, C, BV).to(tl.float32)
        v_t = load_columns(v + row * V + column, 0, length, H * V, some, C, BV).to(tl.float32)
        dsolved += tl.dot(change, operand(v_t * share[None, :], KIND), input_precision="tf32")
        dsolved_t += tl.dot(operand(values * share[:, None], KIND), change_t, input_precision="tf32")
        back = tl.dot(t_t, change, input_precision="tf32")
        dshare += tl.sum(back * values, 1)
        store_rows(dv + row * V + column, back * share[:, None], 0, length, H * V, some, C, BV)
    for column in tl.static_range(0, D, BD):
        some = D - column
        change = operand(load_rows(dw + row * D + column, 0, length, H * D, some, C, BD), KIND)
        change_t = operand(load_columns(dw + row * D + column, 0, length, H * D, some, C, BD), KIND)
        keys = load_rows(k + row * D + column, 0, length, H * D, some, C, BD)
        k_t = load_columns(k + row * D + column, 0, length, H * D, some, C, BD)
        dsolved += tl.dot(change, operand(k_t.to(tl.float32) * scale[None, :], KIND), input_precision="tf32")
        dsolved_t += tl.dot(
            operand(keys.to(tl.float32) * scale[:, None], KIND), change_t, input_precision="tf32"
        )
        pairs += tl.dot(operand(keys, KIND), operand(k_t, KIND), input_precision="tf32")
    # dA[i, j] and its transpose, each from its own products.
    lower = tl.dot(t_t, operand(dsolved, KIND), input_precision="tf32")
    lower = -tl.dot(operand(lower, KIND), t_t, input_precision="tf32") * difference(gate, True, C, True)
    upper = tl.dot(t, operand(dsolved_t, KIND), input_precision="tf32")
    upper = -tl.dot(operand(upper, KIND), t, input_precision="tf32") * difference(gate, False, C, True)
    dshare += tl.sum(lower * pairs, 1)
    lower *= share[:, None]
    upper *= share[None, :]
    dgate += tl.sum(lower * pairs, 1) - tl.sum(upper * pairs, 1)
    for column in tl.static_range(0, D, BD):
        some = D - column
        change = operand(load_rows(dw + row * D + column, 0, length, H * D, some, C, BD), KIND)
        keys = load_rows(k + row * D + column, 0, length, H * D, some, C, BD)
        dkey = load_rows(dk_part + row * D + column, 0, length, H * D, some, C, BD).to(tl.float32)
        back = tl.dot(t_t, change, input_precision="tf32")
        along = tl.sum(back * keys.to(tl.float32), 1)
        dshare += tl.exp(gate) * along
        dgate += scale * along
        dkey += back * scale[:, None]
        dkey += tl.dot(operand(lower, KIND), operand(keys, KIND), input_precision="tf32")
        dkey += tl.dot(operand(upper, KIND), operand(keys, KIND), input_precision="tf32")
        store_rows(dk + row * D + column, dkey, 0, length, H * D, some, C, BD)
        dgate += load_tokens(dtotal + (column // BD) * apart + row, 0, length, H, 0.0, C)
    dgate = tl.where(token < length, dgate, 0.0)
    reversed_sum = tl.sum(dgate, 0) - tl.cumsum(dgate, 0) + dgate
    tl.store(dg + row + token * H, reversed_sum, mask=token < length)
    tl.store(dbeta + row + token * H, dshare, mask=token < length)

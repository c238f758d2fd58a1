"""FAVOR+ backward in Triton.

With p[i, r] = exp(a[i, r] + peak[r] − norm[i]), the query feature over the normaliser, and δ_i = do_i·o_i:

    dp[i, r] = Σ_{j ≤ i} key[j, r] (v_j·do_i − δ_i),   dkey[j, r] = Σ_{i ≥ j} p[i, r] (v_j·do_i − δ_i)
    dv_j = Σ_{i ≥ j} (p_i·key_j) do_i,   da = p dp,   db = key dkey,   dq = √s Wᵀ da,   dk = √s Wᵀ db − s k Σ_r db

Peaks cancel, so they count as constants. dp comes from the state, read forwards again; dkey and dv from the reverse
state R = Σ p doᵀ, y = −Σ p δ, read backwards. Both states run relative to the forward pass's peaks, which only rise:
going back, a reverse state shrinks by 2^(earlier peak − later peak).
"""

from __future__ import annotations

import triton
import triton.language as tl

from kernels.favor_plus.triton_forward import EMPTY_PEAK, LOG2_E, key_exponents, load_state, operand
from kernels.tiles import (
    load_columns,
    load_matrix,
    load_rows,
    load_tokens,
    store_columns,
    store_matrix,
    store_rows,
)


@triton.jit
def products(do, o, delta, count, V: tl.constexpr, VP: tl.constexpr, R: tl.constexpr):
    """delta = Σ_v do · o, for R rows a program."""
    first = tl.program_id(0).to(tl.int64) * R
    row = first + tl.arange(0, R)
    column = tl.arange(0, VP)
    mask = (row < count)[:, None] & (column < V)[None, :]
    place = row[:, None] * V + column[None, :]
    left = tl.load(do + place, mask=mask, other=0.0).to(tl.float32)
    right = tl.load(o + place, mask=mask, other=0.0).to(tl.float32)
    tl.store(delta + row, tl.sum(left * right, 1), mask=row < count)


@triton.jit
def load_peak(chunk_peaks, chunk, head, H, M: tl.constexpr, MP: tl.constexpr):
    """The [MP] peaks that a chunk used."""
    feature = tl.arange(0, MP)
    place = (chunk.to(tl.int64) * H + head) * M
    return tl.load(chunk_peaks + place + feature, mask=feature < M, other=EMPTY_PEAK)


@triton.jit
def query_features(w, q_t, peak, norm, root, M: tl.constexpr, MP: tl.constexpr, PRECISION: tl.constexpr):
    """p as a [MP, C] tile; a norm of +inf (no token) makes it zero."""
    exponent = tl.dot(w, q_t, input_precision=PRECISION) * (root * LOG2_E) + peak[:, None] - norm[None, :]
    if M < MP:
        exponent = tl.where((tl.arange(0, MP) < M)[:, None], exponent, float("-inf"))
    return tl.exp2(exponent)


@triton.jit
def reverse_segments(
    q, do, w, norms, delta, chunk_peaks, segments, back, back_mass, root, H,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr,
    BV: tl.constexpr, C: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """What each segment adds to the reverse state, relative to the peak of its first chunk."""
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    chunk = tl.load(segments + segment * 4 + 3)
    row = start.to(tl.int64) * H + head
    q += row * D
    do += row * V + block * BV
    features = operand(load_matrix(w, M, D, D, MP, DP), BF16)
    total = tl.zeros((MP, BV), tl.float32)
    weight = tl.zeros((MP,), tl.float32)
    chunks = tl.cdiv(length, C)
    above = load_peak(chunk_peaks, chunk + chunks - 1, head, H, M, MP)
    for step in range(chunks):
        index = chunks - 1 - step
        first = index * C
        q_t = operand(load_columns(q, first, length, H * D, D, C, DP), BF16)
        grad = operand(load_rows(do, first, length, H * V, V - block * BV, C, BV), BF16)
        peak = load_peak(chunk_peaks, chunk + index, head, H, M, MP)
        norm = load_tokens(norms + row, first, length, H, float("inf"), C)
        slope = load_tokens(delta + row, first, length, H, 0.0, C)
        fall = tl.exp2(peak - above)
        above = peak
        query = query_features(features, q_t, peak, norm, root, M, MP, PRECISION)
        weight = weight * fall - tl.sum(query * slope[None, :], 1)
        total = total * fall[:, None] + tl.dot(operand(query, BF16), grad, input_precision=PRECISION)
    place = segment.to(tl.int64) * H + head
    store_matrix(back + place * M * V + block * BV, total, M, V - block * BV, V, MP, BV)
    feature = tl.arange(0, MP)
    owned = tl.where(block == 0, M, 0)
    tl.store(back_mass + place * M + feature, weight, mask=feature < owned)


@triton.jit
def reverse_scan(
    sequences, segments, chunk_peaks, added_back, added_mass, back, back_mass, dsums1, dmass1, dsums0, dmass0, peak0,
    H, count,
    V: tl.constexpr, M: tl.constexpr, VP: tl.constexpr, S: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    """From what each segment adds the reverse state after it, relative to the peak of its last chunk.

    Starts from the gradient of the final state, ends in that of the initial one. S segments at a time, from the last
    on, as ``scan_segments`` does: exp2(last peak of the one that starts − first peak of the one that adds). Never in
    place: ``kernels.tiles``.
    """
    sequence, head = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, VP)
    within = column < V
    item = tl.arange(0, S)
    later = item[:, None] < item[None, :]
    own = (sequence * H + head).to(tl.int64) * M
    low = tl.load(sequences + sequence * 2)
    high = tl.load(sequences + sequence * 2 + 1)
    blocks = tl.cdiv(high - low, S)
    first_feature = tl.program_id(2) * count
    for feature in range(first_feature, tl.minimum(first_feature + count, M)):
        total = tl.load(dsums1 + (own + feature) * V + column, mask=within, other=0.0)
        weight = tl.load(dmass1 + own + feature)
        above = float("inf")  # the gradient of the final state is relative to the last peak of all
        for step in range(blocks):
            first = low + (blocks - 1 - step) * S
            there = first + item < high
            chunk = tl.load(segments + (first + item) * 4 + 3, mask=there, other=0)
            start = tl.load(segments + (first + item) * 4 + 1, mask=there, other=0)
            end = tl.load(segments + (first + item) * 4 + 2, mask=there, other=1)
            last = ((chunk + tl.cdiv(end - start, C) - 1).to(tl.int64) * H + head) * M + feature
            start_peak = tl.load(
                chunk_peaks + (chunk.to(tl.int64) * H + head) * M + feature, mask=there, other=0.0
            )
            end_peak = tl.load(chunk_peaks + last, mask=there, other=0.0)
            place = ((first + item).to(tl.int64) * H + head) * M + feature
            cell = place[:, None] * V + column[None, :]
            inside = there[:, None] & within[None, :]
            added = tl.load(added_back + cell, mask=inside, other=0.0)
            added_weight = tl.load(added_mass + place, mask=there, other=0.0)
            high_peak = tl.max(tl.where(there, end_peak, EMPTY_PEAK), 0)
            above = tl.where(step == 0, high_peak, above)
            adds = later & there[None, :]
            share = tl.where(adds, tl.exp2(tl.where(adds, end_peak[:, None] - start_peak[None, :], 0.0)), 0.0)
            fall = tl.exp2(tl.minimum(end_peak - above, 0.0))
            tl.store(back_mass + place, fall * weight + tl.sum(share * added_weight[None, :], 1), mask=there)
            after = tl.dot(share, added, fall[:, None] * total[None, :], input_precision="tf32x3")
            tl.store(back + cell, after, mask=inside)
            lowest = tl.min(tl.where(there, start_peak, float("inf")), 0)
            old, new = tl.exp2(lowest - above), tl.exp2(tl.minimum(lowest - start_peak, 0.0))
            total = total * old + tl.sum(added * new[:, None], 0)
            weight = weight * old + tl.sum(added_weight * new, 0)
            above = lowest
        initial = tl.maximum(tl.load(peak0 + own + feature) * LOG2_E, EMPTY_PEAK)
        fall = tl.where(high == low, 1.0, tl.exp2(tl.minimum(initial - above, 0.0)))
        tl.store(dsums0 + (own + feature) * V + column, total * fall, mask=within)
        tl.store(dmass0 + own + feature, weight * fall)


@triton.jit
def query_gradients(
    q, k, v, w, do, norms, delta, drops, chunk_peaks, sums, mass, peaks, segments, dq, root, H, partial,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr,
    BV: tl.constexpr, C: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """dq of a segment, reading it forwards; each block of value columns writes its part, ``partial`` numbers apart."""
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    chunk = tl.load(segments + segment * 4 + 3)
    row = start.to(tl.int64) * H + head
    q += row * D
    k += row * D
    dq += row * D + block.to(tl.int64) * partial
    v += row * V + block * BV
    do += row * V + block * BV
    features = operand(load_matrix(w, M, D, D, MP, DP), BF16)
    total, weight, above = load_state(
        sums, mass, peaks, segment.to(tl.int64) * H + head, block, 1.0, V, M, MP, BV
    )
    token = tl.arange(0, C)
    causal = token[:, None] <= token[None, :]
    for first in range(0, length, C):
        k_t = operand(load_columns(k, first, length, H * D, D, C, DP), BF16)
        q_t = operand(load_columns(q, first, length, H * D, D, C, DP), BF16)
        values = operand(load_rows(v, first, length, H * V, V - block * BV, C, BV), BF16)
        grad_t = operand(load_columns(do, first, length, H * V, V - block * BV, C, BV), BF16)
        peak = load_peak(chunk_peaks, chunk + first // C, head, H, M, MP)
        norm = load_tokens(norms + row, first, length, H, float("inf"), C)
        slope = load_tokens(delta + row, first, length, H, 0.0, C)
        slope = tl.where(block == 0, slope, 0.0)
        fall = tl.exp2(above - peak)
        above = peak
        total *= fall[:, None]
        weight *= fall
        drop = load_tokens(drops + row, first, length, H, float("inf"), C)
        exponent = key_exponents(features, k_t, drop, root, M, MP, PRECISION)
        feature = tl.exp2(exponent - peak[:, None])
        key = operand(feature, BF16)
        query = query_features(features, q_t, peak, norm, root, M, MP, PRECISION)
        pairs = tl.dot(values, grad_t, input_precision=PRECISION) - slope[None, :]
        pairs = operand(tl.where(causal, pairs, 0.0), BF16)
        dquery = tl.dot(operand(total, BF16), grad_t, input_precision=PRECISION)
        dquery = dquery + tl.dot(key, pairs, input_precision=PRECISION) - weight[:, None] * slope[None, :]
        change = operand(query * dquery, BF16)
        dq_t = tl.dot(tl.trans(features), change, input_precision=PRECISION) * root
        store_columns(dq, dq_t, first, length, H * D, D, C, DP)
        weight += tl.sum(feature, 1)
        total += tl.dot(key, values, input_precision=PRECISION)


@triton.jit
def key_gradients(
    q, k, v, w, do, norms, delta, drops, chunk_peaks, back, back_mass, segments, dk, dv, root, H, partial,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr,
    BV: tl.constexpr, C: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """dk and dv of a segment, reading it backwards; dk in parts as dq is."""
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    chunk = tl.load(segments + segment * 4 + 3)
    row = start.to(tl.int64) * H + head
    q += row * D
    k += row * D
    dk += row * D + block.to(tl.int64) * partial
    v += row * V + block * BV
    do += row * V + block * BV
    dv += row * V + block * BV
    features = operand(load_matrix(w, M, D, D, MP, DP), BF16)
    feature = tl.arange(0, MP)
    place = segment.to(tl.int64) * H + head
    total = load_matrix(back + place * M * V + block * BV, M, V - block * BV, V, MP, BV)
    weight = tl.load(back_mass + place * M + feature, mask=feature < M, other=0.0)
    token = tl.arange(0, C)
    chunks = tl.cdiv(length, C)
    above = load_peak(chunk_peaks, chunk + chunks - 1, head, H, M, MP)
    for step in range(chunks):
        index = chunks - 1 - step
        first = index * C
        q_t = operand(load_columns(q, first, length, H * D, D, C, DP), BF16)
        keys = operand(load_rows(k, first, length, H * D, D, C, DP), BF16)
        k_t = tl.trans(keys)
        v_t = operand(load_columns(v, first, length, H * V, V - block * BV, C, BV), BF16)
        grad = operand(load_rows(do, first, length, H * V, V - block * BV, C, BV), BF16)
        peak = load_peak(chunk_peaks, chunk + index, head, H, M, MP)
        norm = load_tokens(norms + row, first, length, H, float("inf"), C)
        slope = load_tokens(delta + row, first, length, H, 0.0, C)
        fall = tl.exp2(peak - above)
        above = peak
        total *= fall[:, None]
        weight *= fall
        query = query_features(features, q_t, peak, norm, root, M, MP, PRECISION)
        drop = load_tokens(drops + row, first, length, H, float("inf"), C)
        exponent = key_exponents(features, k_t, drop, root, M, MP, PRECISION) - peak[:, None]
        pairs = tl.dot(grad, v_t, input_precision=PRECISION) - tl.where(block == 0, slope, 0.0)[:, None]
        pairs = operand(tl.where(token[:, None] >= token[None, :], pairs, 0.0), BF16)
        dkey = tl.dot(operand(total, BF16), v_t, input_precision=PRECISION)
        dkey += tl.dot(operand(query, BF16), pairs, input_precision=PRECISION)
        dkey += tl.where(block == 0, weight, 0.0)[:, None]
        change = tl.exp2(exponent) * dkey
        dk_t = tl.dot(tl.trans(features), operand(change, BF16), input_precision=PRECISION) * root
        dk_t -= k_t.to(tl.float32) * (root * root * tl.sum(change, 0))[None, :]
        store_columns(dk, dk_t, first, length, H * D, D, C, DP)
        # The same key features as [C, MP], computed a second time rather than transposed.
        exponent = tl.dot(keys, tl.trans(features), input_precision=PRECISION) * (root * LOG2_E)
        exponent = exponent - drop[:, None] - peak[None, :]
        if M < MP:
            exponent = tl.where((feature < M)[None, :], exponent, float("-inf"))
        key = operand(tl.exp2(exponent), BF16)
        pairs = tl.dot(key, operand(query, BF16), input_precision=PRECISION)
        pairs = operand(tl.where(token[:, None] <= token[None, :], pairs, 0.0), BF16)
        dvalue = tl.dot(pairs, grad, input_precision=PRECISION)
        dvalue += tl.dot(key, operand(total, BF16), input_precision=PRECISION)
        store_rows(dv, dvalue, first, length, H * V, V - block * BV, C, BV)
        weight -= tl.sum(query * slope[None, :], 1)
        total += tl.dot(operand(query, BF16), grad, input_precision=PRECISION)

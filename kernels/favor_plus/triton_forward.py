"""FAVOR+ forward in Triton: states of segments → scan over segments → outputs.

Exponents are in base 2 here, features are rows ("features first"): keys arrive as [M, C] tiles, so that a maximum over
tokens is a maximum along a row and no computed tile is ever transposed.
"""

from __future__ import annotations

import triton
import triton.language as tl

from kernels.tiles import load_columns, load_matrix, load_rows, store_matrix, store_rows

EMPTY_PEAK = tl.constexpr(-1e30)
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def operand(x, BF16: tl.constexpr):
    """In the type that the tensor cores are fed with."""
    if BF16:
        return x.to(tl.bfloat16)
    else:
        return x.to(tl.float32)


@triton.jit
def key_exponents(w, k_t, valid, root, M, MP: tl.constexpr, PRECISION: tl.constexpr):
    """log2 of key features [MP, C] from keys [DP, C]; −inf where there is no token or no feature."""
    long = k_t.to(tl.float32)
    norm = tl.sum(long * long, 0) * (0.5 * root * root * LOG2_E)
    exponent = tl.dot(w, k_t, input_precision=PRECISION) * (root * LOG2_E) - norm[None, :]
    return tl.where((tl.arange(0, MP) < M)[:, None] & valid[None, :], exponent, float("-inf"))


@triton.jit
def segment_states(
    k, v, w, segments, sums, mass, peaks, root, H,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr,
    BV: tl.constexpr, C: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """What each segment adds to the state: sums [S, H, M, V], mass and peaks [S, H, M] of its keys and values."""
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    row = start.to(tl.int64) * H + head
    k += row * D
    v += row * V + block * BV
    features = operand(load_matrix(w, M, D, D, MP, DP), BF16)
    total = tl.zeros((MP, BV), tl.float32)
    weight = tl.zeros((MP,), tl.float32)
    peak = tl.full((MP,), EMPTY_PEAK, tl.float32)
    for first in range(0, length, C):
        k_t = operand(load_columns(k, first, length, H * D, D, C, DP), BF16)
        values = operand(load_rows(v, first, length, H * V, V - block * BV, C, BV), BF16)
        valid = first + tl.arange(0, C) < length
        exponent = key_exponents(features, k_t, valid, root, M, MP, PRECISION)
        higher = tl.maximum(peak, tl.max(exponent, 1))
        fall = tl.exp2(peak - higher)
        key = operand(tl.exp2(exponent - higher[:, None]), BF16)
        weight = weight * fall + tl.sum(key.to(tl.float32), 1)
        total = total * fall[:, None] + tl.dot(key, values, input_precision=PRECISION)
        peak = higher
    place = segment.to(tl.int64) * H + head
    store_matrix(sums + place * M * V + block * BV, total, M, V - block * BV, V, MP, BV)
    feature = tl.arange(0, MP)
    owned = tl.where(block == 0, M, 0)  # one block of columns writes what belongs to all
    tl.store(mass + place * M + feature, weight, mask=feature < owned)
    tl.store(peaks + place * M + feature, peak, mask=feature < owned)


@triton.jit
def scan_segments(
    sequences, added_sums, added_mass, added_peaks, sums, mass, peaks, sums0, mass0, peak0, H,
    V: tl.constexpr, M: tl.constexpr, BM: tl.constexpr, VP: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """From what each segment adds (``segment_states``) the state before it, starting from the initial states.

    The peaks of an initial state are natural logarithms, those of segments are in base 2. Never in place: see
    ``kernels.tiles``.
    """
    sequence, head = tl.program_id(0), tl.program_id(1)
    feature = tl.program_id(2) * BM + tl.arange(0, BM)
    column = tl.arange(0, VP)
    some = feature < M
    inside = some[:, None] & (column < V)[None, :]
    one = feature.to(tl.int64)
    many = one[:, None] * V + column[None, :]
    place = (sequence * H + head).to(tl.int64) * M
    total = tl.load(sums0 + place * V + many, mask=inside, other=0.0)
    weight = tl.load(mass0 + place + one, mask=some, other=0.0)
    peak = tl.load(peak0 + place + one, mask=some, other=EMPTY_PEAK) * LOG2_E
    peak = tl.maximum(peak, EMPTY_PEAK)
    low = tl.load(sequences + sequence * 2)
    high = tl.load(sequences + sequence * 2 + 1)
    for step in tl.range(0, high - low, num_stages=STAGES):
        segment = low + step
        place = (segment.to(tl.int64) * H + head) * M
        added = tl.load(added_sums + place * V + many, mask=inside, other=0.0)
        added_weight = tl.load(added_mass + place + one, mask=some, other=0.0)
        added_peak = tl.load(added_peaks + place + one, mask=some, other=EMPTY_PEAK)
        tl.store(sums + place * V + many, total, mask=inside)
        tl.store(mass + place + one, weight, mask=some)
        tl.store(peaks + place + one, peak, mask=some)
        higher = tl.maximum(peak, added_peak)
        old, new = tl.exp2(peak - higher), tl.exp2(added_peak - higher)
        total = total * old[:, None] + added * new[:, None]
        weight = weight * old + added_weight * new
        peak = higher


@triton.jit
def load_state(sums, mass, peaks, place, block, unit,
               V: tl.constexpr, M: tl.constexpr, MP: tl.constexpr, BV: tl.constexpr):  # fmt: skip
    """One block of columns of a state, its mass and its peaks times ``unit``."""
    feature = tl.arange(0, MP)
    total = load_matrix(sums + place * M * V + block * BV, M, V - block * BV, V, MP, BV)
    weight = tl.load(mass + place * M + feature, mask=feature < M, other=0.0)
    peak = tl.load(peaks + place * M + feature, mask=feature < M, other=EMPTY_PEAK) * unit
    return total, weight, tl.maximum(peak, EMPTY_PEAK)


@triton.jit
def outputs(
    q, k, v, w, o, norms, chunk_peaks, sums, mass, peaks, sums0, mass0, peak0, sums1, mass1, peak1,
    segments, sequences, root, H,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr,
    BV: tl.constexpr, C: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
    SPLIT: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    """Read a segment from the state before it; its last chunk leaves the final state of the sequence.

    KEEP: also norms [tokens, H], log2 of normaliser · 2^stabiliser, and the peaks [chunks, H, M] that each chunk used.
    """
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    sequence = tl.load(segments + segment * 4)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    chunk = tl.load(segments + segment * 4 + 3)
    row = start.to(tl.int64) * H + head
    q += row * D
    k += row * D
    v += row * V + block * BV
    o += row * V + block * BV
    norms += row
    own = (sequence * H + head).to(tl.int64)
    if SPLIT:
        total, weight, peak = load_state(
            sums, mass, peaks, segment.to(tl.int64) * H + head, block, 1.0, V, M, MP, BV
        )
    else:
        total, weight, peak = load_state(sums0, mass0, peak0, own, block, LOG2_E, V, M, MP, BV)
    features = operand(load_matrix(w, M, D, D, MP, DP), BF16)
    feature = tl.arange(0, MP)
    owned = tl.where(block == 0, M, 0)
    token = tl.arange(0, C)
    causal = token[:, None] >= token[None, :]
    for first in range(0, length, C):
        k_t = operand(load_columns(k, first, length, H * D, D, C, DP), BF16)
        queries = operand(load_rows(q, first, length, H * D, D, C, DP), BF16)
        values = operand(load_rows(v, first, length, H * V, V - block * BV, C, BV), BF16)
        exponent = key_exponents(features, k_t, first + token < length, root, M, MP, PRECISION)
        higher = tl.maximum(peak, tl.max(exponent, 1))
        fall = tl.exp2(peak - higher)
        peak = higher
        total *= fall[:, None]
        weight *= fall
        key = operand(tl.exp2(exponent - peak[:, None]), BF16)
        exponent = (
            tl.dot(queries, tl.trans(features), input_precision=PRECISION) * (root * LOG2_E) + peak[None, :]
        )
        top = tl.max(exponent, 1)
        query = operand(tl.exp2(exponent - top[:, None]), BF16)
        pairs = tl.dot(query, key, input_precision=PRECISION)
        pairs = operand(tl.where(causal, pairs, 0.0), BF16)
        normaliser = tl.sum(pairs.to(tl.float32), 1) + tl.sum(query.to(tl.float32) * weight[None, :], 1)
        normaliser = tl.maximum(normaliser, 1e-37)
        number = tl.dot(query, operand(total, BF16), input_precision=PRECISION)
        number = tl.dot(pairs, values, number, input_precision=PRECISION)
        store_rows(o, number / normaliser[:, None], first, length, H * V, V - block * BV, C, BV)
        if KEEP:
            there = first + token < tl.where(block == 0, length, 0)
            tl.store(norms + (first + token) * H, top + tl.log2(normaliser), mask=there)
            place = (chunk + first // C).to(tl.int64) * H + head
            tl.store(chunk_peaks + place * M + feature, peak, mask=feature < owned)
        weight += tl.sum(key.to(tl.float32), 1)
        total = tl.dot(key, values, total, input_precision=PRECISION)
    if segment + 1 == tl.load(sequences + sequence * 2 + 1):
        store_matrix(sums1 + own * M * V + block * BV, total, M, V - block * BV, V, MP, BV)
        tl.store(mass1 + own * M + feature, weight, mask=feature < owned)
        tl.store(peak1 + own * M + feature, peak / LOG2_E, mask=feature < owned)

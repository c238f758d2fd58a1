"""FAVOR+ forward in Triton: states of segments → scan over segments → outputs.

Exponents are in base 2 here, features are rows ("features first"): keys arrive as [M, C] tiles, so that a maximum over
tokens is a maximum along a row and no computed tile is ever transposed. Sums are taken of features before they are
rounded: of the rounded ones they cost a conversion on the unit that also computes the exponentials.
"""

from __future__ import annotations

import triton
import triton.language as tl

from kernels.tiles import load_columns, load_matrix, load_rows, load_tokens, store_matrix, store_rows

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
def key_norm(k_t, valid, root):
    """log2 of what the length of keys [DP, C] takes from their features; +inf where there is no token."""
    long = k_t.to(tl.float32)
    return tl.where(valid, tl.sum(long * long, 0) * (0.5 * root * root * LOG2_E), float("inf"))


@triton.jit
def key_exponents(w, k_t, norm, root, M: tl.constexpr, MP: tl.constexpr, EXPONENTS: tl.constexpr):
    """log2 of key features [MP, C] from keys [DP, C] and their ``key_norm``; −inf where there is none."""
    exponent = tl.dot(w, k_t, input_precision=EXPONENTS) * (root * LOG2_E) - norm[None, :]
    if M < MP:
        exponent = tl.where((tl.arange(0, MP) < M)[:, None], exponent, float("-inf"))
    return exponent


@triton.jit
def segment_states(
    k, v, w, segments, sums, mass, peaks, drops, root, H,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr,
    BV: tl.constexpr, C: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
    EXPONENTS: tl.constexpr,
):  # fmt: skip
    """What each segment adds to the state: sums [S, H, M, V], mass and peaks [S, H, M] of its keys and values.

    Also the ``key_norm`` of every token: ``drops`` [tokens, H].
    """
    segment, head, block = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start = tl.load(segments + segment * 4 + 1)
    length = tl.load(segments + segment * 4 + 2) - start
    row = start.to(tl.int64) * H + head
    k += row * D
    v += row * V + block * BV
    drops += row
    features = operand(load_matrix(w, M, D, D, MP, DP), BF16)
    total = tl.zeros((MP, BV), tl.float32)
    weight = tl.zeros((MP,), tl.float32)
    peak = tl.full((MP,), EMPTY_PEAK, tl.float32)
    token = tl.arange(0, C)
    for first in range(0, length, C):
        k_t = operand(load_columns(k, first, length, H * D, D, C, DP), BF16)
        values = operand(load_rows(v, first, length, H * V, V - block * BV, C, BV), BF16)
        norm = key_norm(k_t, first + token < length, root)
        tl.store(drops + (first + token) * H, norm, mask=first + token < tl.where(block == 0, length, 0))
        exponent = key_exponents(features, k_t, norm, root, M, MP, EXPONENTS)
        higher = tl.maximum(peak, tl.max(exponent, 1))
        fall = tl.exp2(peak - higher)
        key = tl.exp2(exponent - higher[:, None])
        weight = weight * fall + tl.sum(key, 1)
        total = tl.dot(operand(key, BF16), values, total * fall[:, None], input_precision=PRECISION)
        peak = higher
    place = segment.to(tl.int64) * H + head
    store_matrix(sums + place * M * V + block * BV, total, M, V - block * BV, V, MP, BV)
    feature = tl.arange(0, MP)
    owned = tl.where(block == 0, M, 0)  # one block of columns writes what belongs to all
    tl.store(mass + place * M + feature, weight, mask=feature < owned)
    tl.store(peaks + place * M + feature, peak, mask=feature < owned)


@triton.jit
def scan_segments(
    sequences, added_sums, added_mass, added_peaks, sums, mass, peaks, sums0, mass0, peak0, H, count,
    V: tl.constexpr, M: tl.constexpr, VP: tl.constexpr, S: tl.constexpr,
):  # fmt: skip
    """From what each segment adds (``segment_states``) the state before it, starting from the initial states.

    Of ``count`` features one after the other, S segments at a time: what they add, times a lower triangular matrix of
    exp2(peak of the one that adds − peak of the one that starts), is one product instead of S steps. The peaks of an
    initial state are natural logarithms, those of segments are in base 2. Never in place: see ``kernels.tiles``.
    """
    sequence, head = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, VP)
    within = column < V
    item = tl.arange(0, S)
    earlier = item[:, None] > item[None, :]
    own = (sequence * H + head).to(tl.int64) * M
    low = tl.load(sequences + sequence * 2)
    high = tl.load(sequences + sequence * 2 + 1)
    first_feature = tl.program_id(2) * count
    for feature in range(first_feature, tl.minimum(first_feature + count, M)):
        total = tl.load(sums0 + (own + feature) * V + column, mask=within, other=0.0)
        weight = tl.load(mass0 + own + feature)
        peak = tl.maximum(tl.load(peak0 + own + feature) * LOG2_E, EMPTY_PEAK)
        for first in range(low, high, S):
            there = first + item < high
            place = ((first + item).to(tl.int64) * H + head) * M + feature
            cell = place[:, None] * V + column[None, :]
            inside = there[:, None] & within[None, :]
            added = tl.load(added_sums + cell, mask=inside, other=0.0)
            added_weight = tl.load(added_mass + place, mask=there, other=0.0)
            added_peak = tl.load(added_peaks + place, mask=there, other=EMPTY_PEAK)
            before = tl.maximum(tl.max(tl.where(earlier, added_peak[None, :], EMPTY_PEAK), 1), peak)
            share = tl.where(
                earlier, tl.exp2(tl.where(earlier, added_peak[None, :] - before[:, None], 0.0)), 0.0
            )
            fall = tl.exp2(peak - before)
            tl.store(peaks + place, before, mask=there)
            tl.store(mass + place, fall * weight + tl.sum(share * added_weight[None, :], 1), mask=there)
            start = tl.dot(share, added, fall[:, None] * total[None, :], input_precision="tf32x3")
            tl.store(sums + cell, start, mask=inside)
            higher = tl.maximum(peak, tl.max(added_peak, 0))
            last, new = tl.exp2(peak - higher), tl.exp2(added_peak - higher)
            total = total * last + tl.sum(added * new[:, None], 0)
            weight = weight * last + tl.sum(added_weight * new, 0)
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
    q, k, v, w, o, drops, norms, chunk_peaks, sums, mass, peaks, sums0, mass0, peak0, sums1, mass1, peak1,
    segments, sequences, root, H,
    D: tl.constexpr, V: tl.constexpr, M: tl.constexpr, DP: tl.constexpr, MP: tl.constexpr,
    BV: tl.constexpr, C: tl.constexpr, BF16: tl.constexpr, PRECISION: tl.constexpr,
    EXPONENTS: tl.constexpr, SPLIT: tl.constexpr, KEEP: tl.constexpr,
):  # fmt: skip
    """Read a segment from the state before it; its last chunk leaves the final state of the sequence.

    SPLIT: the states before segments and the ``key_norm`` of tokens (``drops``) are there. KEEP: also norms
    [tokens, H], log2 of normaliser · 2^stabiliser, and the peaks [chunks, H, M] that each chunk used.
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
    drops += row
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
        if SPLIT:
            norm = load_tokens(drops, first, length, H, float("inf"), C)
        else:
            norm = key_norm(k_t, first + token < length, root)
        exponent = key_exponents(features, k_t, norm, root, M, MP, EXPONENTS)
        higher = tl.maximum(peak, tl.max(exponent, 1))
        fall = tl.exp2(peak - higher)
        peak = higher
        total *= fall[:, None]
        weight *= fall
        key = tl.exp2(exponent - peak[:, None])
        mine = operand(key, BF16)
        before = operand(total, BF16)
        old = weight
        weight += tl.sum(key, 1)
        # Before the queries, not after them: fewer tiles are alive at once.
        total = tl.dot(mine, values, total, input_precision=PRECISION)
        exponent = (
            tl.dot(queries, tl.trans(features), input_precision=EXPONENTS) * (root * LOG2_E) + peak[None, :]
        )
        top = tl.max(exponent, 1)
        query = tl.exp2(exponent - top[:, None])
        normaliser = tl.sum(query * old[None, :], 1)
        answer = operand(query, BF16)
        pairs = tl.dot(answer, mine, input_precision=PRECISION)
        pairs = tl.where(causal, pairs, 0.0)
        normaliser += tl.sum(pairs, 1)
        normaliser = tl.maximum(normaliser, 1e-37)
        number = tl.dot(answer, before, input_precision=PRECISION)
        number = tl.dot(operand(pairs, BF16), values, number, input_precision=PRECISION)
        number *= (1.0 / normaliser)[:, None]
        store_rows(o, number, first, length, H * V, V - block * BV, C, BV)
        if KEEP:
            there = first + token < tl.where(block == 0, length, 0)
            tl.store(norms + (first + token) * H, top + tl.log2(normaliser), mask=there)
            place = (chunk + first // C).to(tl.int64) * H + head
            tl.store(chunk_peaks + place * M + feature, peak, mask=feature < owned)
    if segment + 1 == tl.load(sequences + sequence * 2 + 1):
        store_matrix(sums1 + own * M * V + block * BV, total, M, V - block * BV, V, MP, BV)
        tl.store(mass1 + own * M + feature, weight, mask=feature < owned)
        tl.store(peak1 + own * M + feature, peak / LOG2_E, mask=feature < owned)

"""Triton pieces that both operations use: loading and storing tiles of tokens.

A tile is a run of tokens of one head; rows past ``end`` and columns past ``size`` read as zero and are not written.
Nothing computed is ever transposed: a transposed tile is loaded as such. Before Triton 3.7.1, and with ptxas before
13.3, a tensor-core instruction of Hopper that takes its left operand from registers could see that operand overwritten
while it still reads it (Triton issues 9433 and 11781; fla-core's issue 640 is ``tl.dot(tl.trans(x), y)`` of a computed
``x`` that is used again). So a computed left operand here is a fresh copy in the operands' type, never used again.

No kernel writes memory that it also reads. A tile smaller than the threads of a program is held by several warps, each
of which loads it for itself, possibly in two layouts, and one of which stores it; nothing makes a warp wait for the
others, so a late warp would load what another has just stored. Steps change a state in place, behind a barrier.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def load_rows(base, first, end, stride, size, C: tl.constexpr, P: tl.constexpr):
    """Tokens ``first``… as the rows of a [C, P] tile."""
    row = first + tl.arange(0, C)
    column = tl.arange(0, P)
    mask = (row < end)[:, None] & (column < size)[None, :]
    return tl.load(base + row[:, None] * stride + column[None, :], mask=mask, other=0.0)


@triton.jit
def load_columns(base, first, end, stride, size, C: tl.constexpr, P: tl.constexpr):
    """Tokens ``first``… as the columns of a [P, C] tile."""
    token = first + tl.arange(0, C)
    row = tl.arange(0, P)
    mask = (row < size)[:, None] & (token < end)[None, :]
    return tl.load(base + token[None, :] * stride + row[:, None], mask=mask, other=0.0)


@triton.jit
def store_rows(base, tile, first, end, stride, size, C: tl.constexpr, P: tl.constexpr):
    """The rows of a [C, P] tile to tokens ``first``…"""
    row = first + tl.arange(0, C)
    column = tl.arange(0, P)
    mask = (row < end)[:, None] & (column < size)[None, :]
    tl.store(base + row[:, None] * stride + column[None, :], tile.to(base.dtype.element_ty), mask=mask)


@triton.jit
def store_columns(base, tile, first, end, stride, size, C: tl.constexpr, P: tl.constexpr):
    """The columns of a [P, C] tile to tokens ``first``…"""
    token = first + tl.arange(0, C)
    row = tl.arange(0, P)
    mask = (row < size)[:, None] & (token < end)[None, :]
    tl.store(base + token[None, :] * stride + row[:, None], tile.to(base.dtype.element_ty), mask=mask)


@triton.jit
def load_tokens(base, first, end, stride, other, C: tl.constexpr):
    """One number for each of C tokens, as float32."""
    row = first + tl.arange(0, C)
    return tl.load(base + row * stride, mask=row < end, other=other).to(tl.float32)


@triton.jit
def load_matrix(base, rows, columns, stride, R: tl.constexpr, P: tl.constexpr):
    """A [R, P] tile of a row-major matrix of ``rows`` × ``columns`` numbers, zero beyond them."""
    row = tl.arange(0, R)
    column = tl.arange(0, P)
    mask = (row < rows)[:, None] & (column < columns)[None, :]
    return tl.load(base + row[:, None] * stride + column[None, :], mask=mask, other=0.0)


@triton.jit
def store_matrix(base, tile, rows, columns, stride, R: tl.constexpr, P: tl.constexpr):
    """A [R, P] tile to a row-major matrix of ``rows`` × ``columns`` numbers."""
    row = tl.arange(0, R)
    column = tl.arange(0, P)
    mask = (row < rows)[:, None] & (column < columns)[None, :]
    tl.store(base + row[:, None] * stride + column[None, :], tile.to(base.dtype.element_ty), mask=mask)

"""What FAVOR+ remembers of the tokens it has read, and the random features it reads them with."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

EMPTY = -1e30
"""The running maximum of nothing. Finite, so that differences of two such maxima are not NaN."""


class FavorState(NamedTuple):
    """Sums over the tokens read, float32, each feature r relative to its own running maximum.

    With b[j, r] the logarithm of key feature r of token j: ``peak[r] = max_j b[j, r]``,
    ``sums[r] = Σ_j exp(b[j, r] − peak[r]) v[j]`` and ``mass[r] = Σ_j exp(b[j, r] − peak[r])``. A maximum of its own for
    each feature keeps the normaliser ≥ 1 whatever the query is: nothing underflows however long the sequence.
    """

    sums: Tensor
    """[N, H, M, V]"""
    mass: Tensor
    """[N, H, M]"""
    peak: Tensor
    """[N, H, M]; no gradient flows through it"""


def empty_state(
    sequences: int, heads: int, features: int, size: int, device: torch.device | str | None = None
) -> FavorState:
    """Nothing read yet."""
    shape = (sequences, heads, features)
    sums, mass = torch.zeros(*shape, size, device=device), torch.zeros(shape, device=device)
    return FavorState(sums, mass, torch.full(shape, EMPTY, device=device))


def _rescaled(state: FavorState, peak: Tensor) -> FavorState:
    factor = torch.exp(state.peak - peak)
    return FavorState(state.sums * factor[..., None], state.mass * factor, peak)


def add(left: FavorState, right: FavorState) -> FavorState:
    """The state after reading both: ungated states are sums, in any order."""
    peak = torch.maximum(left.peak, right.peak)
    one, other = _rescaled(left, peak), _rescaled(right, peak)
    return FavorState(one.sums + other.sums, one.mass + other.mass, peak)


def subtract(state: FavorState, part: FavorState) -> FavorState:
    """The state without ``part``, which must have been added before; the peak stays as high as it was."""
    other = _rescaled(part, torch.maximum(state.peak, part.peak))
    one = _rescaled(state, other.peak)
    return FavorState(one.sums - other.sums, one.mass - other.mass, other.peak)


def random_features(
    features: int, size: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """[features, size] directions, orthogonal in blocks of ``size``, of the lengths of Gaussian vectors.

    Orthogonal features have the smaller variance (Choromanski et al. 2021, section 2.4). Drawn on the CPU, so that a
    seed means the same everywhere.
    """
    blocks = []
    for _ in range(math.ceil(features / size)):
        square = torch.randn(size, size, generator=generator, dtype=torch.float64)
        blocks.append(torch.linalg.qr(square).Q)
    lengths = torch.randn(features, size, generator=generator, dtype=torch.float64).norm(dim=1, keepdim=True)
    directions: Tensor = torch.cat(blocks)[:features] * lengths
    return directions.to(dtype)

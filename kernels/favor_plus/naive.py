"""The definition of FAVOR+, one token after the other.

Softmax attention weighs token j by exp(s q·k_j). With random directions w_r ~ N(0, I), φ_r(x) = exp(w_r·x − |x|²/2)/√M
and x = √s q, y = √s k, that is the expectation of φ(x)·φ(y) (Choromanski et al., "Rethinking attention with
Performers", ICLR 2021, lemma 1: positive random features). So

    o_i = Σ_{j ≤ i} φ(x_i)·φ(y_j) v_j / Σ_{j ≤ i} φ(x_i)·φ(y_j)

1/√M and |x_i|² cancel. What is left is computed relative to running maxima, which cancel as well; see ``FavorState``.
The features are rounded to the queries' type first: that is part of the definition. They are constants: no gradient.

Gated, what was read fades: token j's weight at i is multiplied by e^{g_{j+1} + … + g_i}.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from kernels.favor_plus.state import FavorState
from kernels.layout import Bounds


def favor_plus_naive(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    w: Tensor,
    scale: float,
    state: FavorState,
    bounds: Bounds,
    g: Tensor | None = None,
) -> tuple[Tensor, FavorState]:
    """Read all sequences, in the type of the inputs (float64 in tests).

    q, k [tokens, H, D], v [tokens, H, V], w [M, D], state of N sequences, ``bounds`` N + 1 numbers, log-decays g
    [tokens, H].
    Returns o [tokens, H, V] and the state after the last token of each sequence.
    """
    root = scale**0.5
    queries = torch.einsum("thd,md->thm", q * root, w)
    keys = torch.einsum("thd,md->thm", k * root, w) - (k * root).square().sum(-1, keepdim=True) / 2
    outputs, states = [], []
    for number, (start, end) in enumerate(pairwise(bounds)):
        sums, mass, peak = (part[number].to(q.dtype) for part in state)
        for t in range(start, end):
            before = peak if g is None else peak + g[t][:, None]
            higher = torch.maximum(before.detach(), keys[t].detach())
            fall, feature = torch.exp(before - higher), torch.exp(keys[t] - higher)
            sums = sums * fall[..., None] + feature[..., None] * v[t, :, None, :]
            mass = mass * fall + feature
            peak = higher
            exponent = queries[t] + peak
            weight = torch.exp(exponent - exponent.detach().amax(-1, keepdim=True))
            outputs.append(torch.einsum("hm,hmv->hv", weight, sums) / (weight * mass).sum(-1, keepdim=True))
        states.append(FavorState(sums, mass, peak))
    o = torch.stack(outputs) if outputs else torch.zeros_like(v)
    return o, FavorState(*(torch.stack(parts) for parts in zip(*states, strict=True)))

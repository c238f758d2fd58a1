"""The definition of the gated delta rule, one token after the other.

Yang, Kautz, Hatamizadeh, "Gated Delta Networks: improving Mamba2 with the delta rule" (ICLR 2025), equation 10, with
the state S as [D, V]:

    S_t = e^{g_t} S_{t−1} + k_t u_tᵀ,   u_t = β_t (v_t − (e^{g_t} S_{t−1})ᵀ k_t),   o_t = scale · S_tᵀ q_t

The old value of a key is replaced, by the share β, rather than added to; everything fades by e^g. Keys should be of
length at most 1 (that is the caller's business), g ≤ 0 and β in [0, 1] (up to 2 works as long as β|k|² ≤ 2).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from kernels.layout import Bounds


def gated_delta_naive(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, scale: float, state: Tensor, bounds: Bounds
) -> tuple[Tensor, Tensor]:
    """Read all sequences, in the type of the inputs (float64 in tests).

    q, k [tokens, H, D], v [tokens, H, V], g, beta [tokens, H], state [N, H, D, V], ``bounds`` N + 1 numbers.
    Returns o [tokens, H, V] and the states after the last token of each sequence.
    """
    outputs, states = [], []
    for number, (start, end) in enumerate(pairwise(bounds)):
        current = state[number].to(q.dtype)
        for t in range(start, end):
            current = current * g[t].exp()[:, None, None]
            change = beta[t][:, None] * (v[t] - torch.einsum("hdv,hd->hv", current, k[t]))
            current = current + k[t][..., None] * change[:, None, :]
            outputs.append(scale * torch.einsum("hdv,hd->hv", current, q[t]))
        states.append(current)
    return torch.stack(outputs) if outputs else torch.zeros_like(v), torch.stack(states)

"""Tokens as points on a sphere: what Gaussian noise is added to, and how a distribution over tokens becomes a point.

Rows have one length, so that the same noise hides a frequent token as well as a rare one (Dieleman et al. 2022,
CDCD), and the posterior of a token given nothing but its own noisy row is a softmax of inner products.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK_ROWS = 12288  # distributions over the vocabulary that live at once


class Codebook(nn.Module):
    """One row of ``size`` numbers per token, of length sqrt(size): unit variance in each, as the noise has."""

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(vocabulary, size))

    def rows(self) -> Tensor:
        """[vocabulary, size] fp32, normalised."""
        rows: Tensor = F.normalize(self.weight.float(), dim=-1) * float(self.weight.shape[1] ** 0.5)
        return rows

    def expected(self, logits: Tensor) -> Tensor:
        """The mean row, [..., size] fp32, under softmax(logits [..., vocabulary])."""
        rows: Tensor = F.softmax(logits.float(), dim=-1) @ self.rows()
        return rows

"""Pointing at tokens of the source: a text about code repeats its names, and a name is several tokens.

Beside the distribution over the vocabulary stands one over the source's tokens, and a gate g says which of the two is
asked (See, Liu and Manning 2017, pointer-generator networks):

    p(y) = (1 - g) softmax(vocabulary)(y) + g sum of softmax(source)(s) over the places s where y stands

For diffusion both know the noisy canvas: the exact posterior of a token (``TextNetwork.posterior``) is added to the
scores of either.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codeworld.model.loss import softmax_gradient_for

NEVER = -1e9  # a score in place of minus infinity, which has no gradient
FIRST_GATE = 0.1  # how often a network points before it has learnt when to


class Sources(NamedTuple):
    """What can be pointed at: the encoder's states [B, S, width], ids and documents int64 [B, S]."""

    states: Tensor
    ids: Tensor
    doc: Tensor


class Pointer(nn.Module):
    """Scores of a source's tokens, and the gate."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.query = nn.Linear(width, size, bias=False)
        self.key = nn.Linear(width, size, bias=False)
        self.gate = nn.Linear(width, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, math.log(FIRST_GATE / (1 - FIRST_GATE)))

    def scores(self, hidden: Tensor, states: Tensor) -> Tensor:
        """hidden [..., T, width], states [..., S, width] -> fp32 [..., T, S]."""
        found: Tensor = (self.query(hidden) @ self.key(states).mT).float() / self.size**0.5
        return found

    def log_odds(self, hidden: Tensor) -> Tensor:
        """Of pointing, fp32 [..., T]."""
        found: Tensor = self.gate(hidden).float()[..., 0]
        return found


def share_of_target(scores: Tensor, sources: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor]) -> Tensor:
    """The logarithm of the share that a target's token has among its document's source tokens, [T]; about NEVER where
    the source has it not. scores [T, S]; (ids, doc) of the source [S] and of the targets [T]."""
    (source_ids, source_doc), (target_ids, target_doc) = sources, targets
    own = scores.masked_fill(source_doc != target_doc[:, None], NEVER)
    same = own.masked_fill(source_ids != target_ids[:, None], NEVER)
    return same.logsumexp(-1) - own.logsumexp(-1)


class PointedCrossEntropy(torch.autograd.Function):
    """Sum of scale * (c - softplus(offset + c)), c the cross-entropy of hidden @ weight^T and target: with ``offset``
    the log-odds of pointing plus ``share_of_target``, and softplus(log-odds) added, the negative log-likelihood of the
    mixture. Chunked as ``codeworld.model.loss.LinearCrossEntropy``: the gradient of c is 1 - sigmoid(offset + c) times
    the usual one. Gives the sum and the unscaled losses fp32 [N], through which no gradient flows."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, target: Tensor, scale: Tensor, offset: Tensor, chunk: int
    ) -> tuple[Tensor, Tensor]:
        """hidden [N, width] and weight [vocabulary, width] in one type, target int64 [N], scale and offset fp32 [N]."""
        gradient = softmax_gradient_for(hidden)
        nats, to_hidden = torch.empty_like(scale), torch.empty_like(hidden)
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        pointed = torch.empty_like(scale)
        for at in range(0, len(hidden), chunk):
            part = slice(at, at + chunk)
            nats[part], to_logits = gradient(hidden[part] @ weight.T, target[part], scale[part])
            pointed[part] = torch.sigmoid(offset[part] + nats[part])
            kept = (1 - pointed[part])[:, None].to(hidden.dtype)
            to_hidden[part] = (to_logits @ weight) * kept
            to_weight += to_logits.T @ (hidden[part] * kept)
        losses = nats - F.softplus(offset + nats)
        ctx.save_for_backward(to_hidden, to_weight.to(weight.dtype), -pointed * scale)
        ctx.mark_non_differentiable(losses)
        return (losses * scale).sum(), losses

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, Tensor, None, None, Tensor, None]:
        """The gradients taken before, times what comes from above."""
        to_hidden, to_weight, to_offset = ctx.saved_tensors
        return to_hidden * above[0], to_weight * above[0], None, None, to_offset * above[0], None


def mixed(logits: Tensor, log_odds: Tensor, scores: Tensor, ids: Tensor) -> Tensor:
    """Log-probabilities of the mixture, fp32 [B, T, vocabulary]: logits of the same shape, log-odds of pointing [B, T],
    scores of the source's tokens [B, T, S] (minus infinity at padding) and their ids [B, S]."""
    share = torch.zeros_like(logits).scatter_add_(
        -1, ids[:, None].expand_as(scores), scores.softmax(-1).to(logits.dtype)
    )
    pointed = share.clamp(min=1e-30).log() + F.logsigmoid(log_odds)[..., None]
    return torch.logaddexp(logits.log_softmax(-1) + F.logsigmoid(-log_odds)[..., None], pointed)

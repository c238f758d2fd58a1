"""Training losses over the hidden states of a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.network import Network


def softmax_gradient(logits: Tensor, target: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats, fp32 [N], of logits [N, vocabulary], and its gradient in the logits' type, each row times
    scale [N]. One read and one write of the logits when compiled."""
    wide = logits.float()
    norm = wide.logsumexp(-1, keepdim=True)
    probability = (wide - norm).exp()
    hit = torch.arange(wide.shape[-1], device=wide.device) == target[:, None]
    loss = norm[:, 0] - torch.where(hit, wide, 0.0).sum(-1)
    return loss, ((probability - hit.float()) * scale[:, None]).to(logits.dtype)


@cache
def _compiled() -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    return torch.compile(softmax_gradient, dynamic=False)


def softmax_gradient_for(hidden: Tensor) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """``softmax_gradient``, compiled where ``hidden`` is on a GPU."""
    return _compiled() if hidden.is_cuda else softmax_gradient


class LinearCrossEntropy(torch.autograd.Function):
    """Sum of scale * cross-entropy(hidden @ weight^T, target): the logits live one chunk at a time, and their gradient
    is taken while they are there (Hsu et al. 2024, Liger-Kernel), so nothing is computed twice.

    hidden [N, width] and weight [vocabulary, width] in one type, target int64 [N], scale fp32 [N]. Gives the sum and
    the unscaled losses fp32 [N], through which no gradient flows."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, target: Tensor, scale: Tensor, chunk: int
    ) -> tuple[Tensor, Tensor]:
        """See the class."""
        gradient = softmax_gradient_for(hidden)
        losses, to_hidden = torch.empty_like(scale), torch.empty_like(hidden)
        to_weight = torch.zeros_like(weight, dtype=torch.float32)
        for at in range(0, len(hidden), chunk):
            part = slice(at, at + chunk)
            losses[part], to_logits = gradient(hidden[part] @ weight.T, target[part], scale[part])
            torch.mm(to_logits, weight, out=to_hidden[part])
            to_weight += to_logits.T @ hidden[part]
        ctx.save_for_backward(to_hidden, to_weight.to(weight.dtype))
        ctx.mark_non_differentiable(losses)
        return (losses * scale).sum(), losses

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """The gradients taken before, times what comes from above."""
        to_hidden, to_weight = ctx.saved_tensors
        return to_hidden * above[0], to_weight * above[0], None, None, None


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, target: Tensor, scale: Tensor, chunk: int = 12800
) -> tuple[Tensor, Tensor]:
    """``LinearCrossEntropy`` with the weight in the type of ``hidden``."""
    total, losses = LinearCrossEntropy.apply(hidden, weight.to(hidden.dtype), target, scale, chunk)  # type: ignore[no-untyped-call]
    return total, losses


def rows_at(hidden: Tensor, index: Tensor) -> Tensor:
    """hidden [B, T, C] at index [B, N] -> [B * N, C]."""
    gathered = torch.gather(hidden, 1, index[..., None].expand(-1, -1, hidden.shape[-1]))
    return gathered.flatten(0, 1)


def row_loss(network: Network, hidden: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of the objectives and its parts (detached, nats per token).

    token: cross-entropy of stream, fill and canvas tokens, weighted per position (see ``training.pairs.Mixture``);
    label: cross-entropy of hidden syntax labels; quality: is this visible canvas token wrong (binary cross-entropy).
    """
    target, weight = batch["loss_target"].flatten(), batch["loss_weight"].flatten()
    token, losses = linear_cross_entropy(
        rows_at(hidden, batch["loss_index"]), network.embedding.weight, target, weight / weight.sum()
    )
    at_slots = rows_at(hidden, batch["slot_index"])
    labels = batch["label_target"].flatten()
    label = F.cross_entropy(
        network.label_head(at_slots).float(), labels, ignore_index=-100, reduction="sum"
    ) / (labels >= 0).sum().clamp(min=1)  # a batch of the autoregressive twin has no labels
    wrong = batch["wrong"].flatten()
    known = (wrong >= 0).float()
    raw = F.binary_cross_entropy_with_logits(
        network.quality_head(at_slots).float().squeeze(-1), wrong.clamp(min=0), reduction="none"
    )
    quality = (raw * known).sum() / known.sum().clamp(min=1)
    total = token + 0.1 * label + 0.1 * quality
    kinds = torch.gather(batch["kind"], 1, batch["loss_index"]).flatten()
    parts = {"label": label.detach(), "quality": quality.detach(), "token": token.detach()}
    for name, kind in (("stream", 0), ("canvas", 2), ("fill", 3)):
        of_kind = ((kinds == kind) & (weight > 0)).float()
        parts[name] = (losses * of_kind).sum() / of_kind.sum().clamp(min=1)
    return total, parts

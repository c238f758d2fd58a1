"""Training losses over the hidden states of a row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from codeworld.model.network import Network


def _token_losses(hidden: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(hidden, weight).float(), target, reduction="none")


def chunked_cross_entropy(hidden: Tensor, weight: Tensor, target: Tensor, chunk: int = 16384) -> Tensor:
    """-log p(target) in nats, fp32 [N], for hidden [N, width] against weight [vocabulary, width]. The logits of one
    chunk live at a time and are made again in the backward pass, so memory is chunk x vocabulary, not N x vocabulary."""
    parts = [
        checkpoint(_token_losses, h, weight, t, use_reentrant=False)
        for h, t in zip(hidden.split(chunk), target.split(chunk), strict=True)
    ]
    return torch.cat(parts)  # type: ignore[arg-type]


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
    losses = chunked_cross_entropy(rows_at(hidden, batch["loss_index"]), network.embedding.weight, target)
    token = (losses * weight).sum() / weight.sum()
    at_slots = rows_at(hidden, batch["slot_index"])
    labels = batch["label_target"].flatten()
    label = F.cross_entropy(network.label_head(at_slots).float(), labels, ignore_index=-100)
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
        parts[name] = (losses.detach() * of_kind).sum() / of_kind.sum().clamp(min=1)
    return total, parts

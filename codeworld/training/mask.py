"""Who sees whom in a training row, as a FlexAttention mask (He et al. 2024)."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, create_mask

from codeworld.training.pairs import IN_SUFFIX, STREAM

Batch = dict[str, Tensor]


def visible(batch: Batch) -> Any:
    """mask_mod(b, h, q, k) -> bool. Stream tokens see their own file causally; a segment sees the stream between
    ``start`` and ``limit``, its group's suffix, and its own segment: causally (suffix, fill) or whole (canvas)."""
    kind, group, start, limit = batch["kind"], batch["group"], batch["start"], batch["limit"]
    causal = kind != 2  # IN_CANVAS

    def mask_mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        in_stream = (kind[b, k] == STREAM) & (k >= start[b, q]) & (k < limit[b, q])
        same_group = (group[b, k] == group[b, q]) & (kind[b, k] != STREAM)
        same_segment = (kind[b, k] == kind[b, q]) & (~causal[b, q] | (k <= q))
        from_suffix = (kind[b, k] == IN_SUFFIX) & (kind[b, q] != IN_SUFFIX)
        return in_stream | (same_group & (same_segment | from_suffix))

    return mask_mod


def block_mask(batch: Batch) -> BlockMask:
    """The sparse block mask of a batch of rows [B, T]."""
    rows, total = batch["ids"].shape
    return create_block_mask(visible(batch), rows, None, total, total, device=str(batch["ids"].device))


def dense_mask(batch: Batch) -> Tensor:
    """The same as bool [B, 1, T, T], for CPUs, where FlexAttention has no backward pass."""
    rows, total = batch["ids"].shape
    return create_mask(visible(batch), rows, 1, total, total, device=str(batch["ids"].device))

"""Who sees whom in a training row, as a FlexAttention mask (He et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, create_mask

Batch = dict[str, Tensor]


def visible(batch: Batch) -> Any:
    """mask_mod(b, h, q, k) -> bool: a token sees two intervals of its row, one of the stream (its own file up to
    itself or its hole) and one of its own segments (see ``codeworld.training.pairs``). Nothing is looked up per key."""
    start, limit, first, last = batch["start"], batch["limit"], batch["first"], batch["last"]

    def mask_mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        of_stream = (k >= start[b, q]) & (k < limit[b, q])
        of_segments = (k >= first[b, q]) & (k < last[b, q])
        return of_stream | of_segments

    return mask_mod


def block_mask(batch: Batch, create: Callable[..., BlockMask] = create_block_mask) -> BlockMask:
    """The sparse block mask of a batch of rows [B, T]; ``create`` may be create_block_mask compiled."""
    rows, total = batch["ids"].shape
    return create(visible(batch), rows, None, total, total, device=str(batch["ids"].device))


def dense_mask(batch: Batch) -> Tensor:
    """The same as bool [B, 1, T, T], for CPUs, where FlexAttention has no backward pass."""
    rows, total = batch["ids"].shape
    return create_mask(visible(batch), rows, 1, total, total, device=str(batch["ids"].device))

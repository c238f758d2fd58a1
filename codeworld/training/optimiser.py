"""Muon for the matrices of the blocks, AdamW for the rest, and the warm-up-stable-decay schedule."""

from __future__ import annotations

import msgspec
import torch
from torch import nn


class OptimiserConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Peak learning rates and the schedule, in fractions of the run."""

    matrix_rate: float = 8e-4  # Muon, update scaled to AdamW's RMS (Liu et al. 2025, "Muon is scalable")
    other_rate: float = 8e-4
    weight_decay: float = 0.05
    momentum: float = 0.95
    warm_up: float = 0.03
    decay: float = 0.4
    clip: float = 1.0


def make(network: nn.Module, config: OptimiserConfig) -> list[torch.optim.Optimizer]:
    """Matrices inside blocks go to Muon (Jordan et al. 2024); embeddings, heads and gains to AdamW."""
    matrices = [p for n, p in network.named_parameters() if n.startswith("blocks.") and p.ndim == 2]
    others = [p for n, p in network.named_parameters() if not (n.startswith("blocks.") and p.ndim == 2)]
    muon = torch.optim.Muon(
        matrices, lr=config.matrix_rate, momentum=config.momentum, weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )  # fmt: skip
    adam = torch.optim.AdamW(others, lr=config.other_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=_fused(others))
    for optimiser in (muon, adam):
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return [muon, adam]


def _fused(parameters: list[nn.Parameter]) -> bool:
    return all(p.is_cuda for p in parameters)


def rate_at(progress: float, config: OptimiserConfig) -> float:
    """Learning rate as a fraction of its peak at ``progress`` in [0, 1]: linear up, flat, then 1 - sqrt down (Haegele
    et al. 2024). A run that is to be continued stops before the decay; a later one warms up again."""
    if progress < config.warm_up:
        return max(progress / config.warm_up, 0.01)
    left = 1.0 - config.decay
    if progress <= left:
        return 1.0
    return float(1.0 - ((progress - left) / config.decay) ** 0.5) if progress < 1 else 0.0


def set_rate(optimisers: list[torch.optim.Optimizer], fraction: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * fraction

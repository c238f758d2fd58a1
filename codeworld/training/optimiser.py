"""Muon for the matrices of the blocks, AdamW for the rest, and the warm-up-stable-decay schedule."""

from __future__ import annotations

from typing import Any

import msgspec
import torch
from torch import Tensor, nn


class OptimiserConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Peak learning rates and the schedule, in fractions of the run."""

    matrix_rate: float = 8e-4  # Muon, update scaled to AdamW's RMS (Liu et al. 2025, "Muon is scalable")
    other_rate: float = 8e-4
    weight_decay: float = 0.05
    momentum: float = 0.95
    warm_up: float = 0.03
    decay: float = 0.4
    clip: float = 1.0


def orthogonalise(x: Tensor, steps: int = 5) -> Tensor:
    """Nearly orthogonal matrices with the row and column spaces of x [N, rows, columns], bf16 (Jordan et al. 2024,
    quintic Newton-Schulz iteration)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = x.shape[1] > x.shape[2]
    y = (x.mT if tall else x).bfloat16()
    y = y / (y.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = y @ y.mT
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y.mT if tall else y


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised, scaled to AdamW's root mean square. The same as torch.optim.Muon with
    ``match_rms_adamw``, but matrices of one shape go through it as one batch: a deep, narrow network has so many that
    launching kernels for each took longer than the arithmetic."""

    def __init__(self, matrices: list[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        shapes = dict.fromkeys(p.shape for p in matrices)
        groups = [{"params": [p for p in matrices if p.shape == shape]} for shape in shapes]
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every matrix; all of them must have a gradient."""
        for group in self.param_groups:
            params = group["params"]
            gradient = torch.stack([p.grad for p in params])
            state = self.state[params[0]]
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
            update = orthogonalise(gradient.lerp_(momentum, group["momentum"]))  # Nesterov's
            rate = group["lr"] * 0.2 * max(params[0].shape) ** 0.5
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(params, list(update.to(params[0].dtype).unbind()), alpha=-rate)


def make(network: nn.Module, config: OptimiserConfig) -> list[torch.optim.Optimizer]:
    """Matrices inside blocks go to Muon (Jordan et al. 2024); embeddings, heads and gains to AdamW."""
    matrices = [p for n, p in network.named_parameters() if "blocks." in n and p.ndim == 2]
    others = [p for n, p in network.named_parameters() if not ("blocks." in n and p.ndim == 2)]
    muon = Muon(matrices, config.matrix_rate, config.momentum, config.weight_decay)
    adam = torch.optim.AdamW(
        others, lr=config.other_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=_fused(others)
    )
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
    """Set every learning rate to ``fraction`` of its peak."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * fraction

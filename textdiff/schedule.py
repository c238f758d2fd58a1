"""How much noise, and when: z = alpha x + sigma e with alpha^2 + sigma^2 = 1 and gamma = log(sigma^2 / alpha^2).

Levels are drawn so that each step of time removes the same share of the loss (time warping, Dieleman et al. 2022; the
information-uniform schedule, Chen et al. 2026, LangFlow): the cross-entropy as a function of gamma is fitted by a
scaled Gumbel distribution function, whose inverse turns uniform times into levels. At inference the same curve spaces
the steps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

END_TIME = 1e-3  # times run over [END_TIME, 1 - END_TIME]: the Gumbel's tails are endless
GOLDEN = 0.6180339887498949


def first_location(dimensions: int) -> float:
    """Where the curve begins to be learned: the level at which rows of so many dimensions, sqrt(2 dimensions) apart,
    are about to be confused among thousands (the constant gives what LangFlow found for 768)."""
    return math.log(2 * dimensions / 13.7)


def alpha_sigma(gamma: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise amplitudes of levels gamma, any shape."""
    return torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma).sqrt()


class Schedule(nn.Module):
    """The learned curve. ``location`` and ``scale`` in units of gamma, ``height`` in nats."""

    def __init__(self, location: float, scale: float = 0.9, height: float = 4.0) -> None:
        super().__init__()
        self.location = nn.Parameter(torch.tensor(location))
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.height = nn.Parameter(torch.tensor(height))

    def gamma(self, time: Tensor) -> Tensor:
        """Levels of times in [0, 1] (0: clean): the inverse of the fitted distribution function, without gradient."""
        time = time.clamp(END_TIME, 1 - END_TIME).double()
        level = self.location.detach() - self.log_scale.detach().exp() * (-time.log()).log()
        return level.float()

    def misfit(self, gamma: Tensor, nats: Tensor, weight: Tensor) -> Tensor:
        """Weighted mean square of fitted against found cross-entropy at levels gamma (all three of one shape): what the
        curve learns from. Nothing else does: nats are detached."""
        fitted = self.height * torch.exp(-torch.exp((self.location - gamma) / self.log_scale.exp()))
        return (weight * (fitted - nats.detach()).square()).sum() / weight.sum().clamp(min=1)

    def levels(self, steps: int, last: float = 0.0) -> Tensor:
        """steps + 1 levels from noise to the time ``last`` (0: nearly clean), at even times."""
        return self.gamma(torch.linspace(1, last, steps + 1, device=self.location.device))


def spread_times(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Uniform times that cover [0, 1] evenly (a golden-ratio sequence with a random start): less variance than
    independent draws, and any subset is spread nearly as well."""
    count = torch.Size(shape).numel()
    start = torch.rand((), device=device, dtype=torch.float64)
    return (
        ((start + GOLDEN * torch.arange(count, device=device, dtype=torch.float64)) % 1).float().view(shape)
    )

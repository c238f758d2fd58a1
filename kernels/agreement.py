"""How far an implementation is from the definition: relative RMS errors of outputs, states and all gradients.

Used by the tests (CPU paths, Triton's interpreter) and by ``benchmarks/kernels.py --check`` (on a GPU); here, and not
among the tests, so that an installation can check itself on the GPU that it meets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from kernels.favor_plus.naive import favor_plus_naive
from kernels.favor_plus.state import FavorState, random_features
from kernels.gated_delta.naive import gated_delta_naive

FAVOR = ("o", "sums", "mass", "peak", "dq", "dk", "dv", "dsums", "dmass")
GATED = ("o", "state", "dq", "dk", "dv", "dg", "dbeta", "dstate")


@dataclass(frozen=True)
class Case:
    """Sizes and type of one comparison."""

    lengths: tuple[int, ...]
    size: int = 32
    value_size: int = 32
    dtype: torch.dtype = torch.float32
    features: int = 32
    heads: int = 2

    @property
    def bounds(self) -> tuple[int, ...]:
        """Where sequences begin and end."""
        return (0, *accumulate(self.lengths))

    @property
    def name(self) -> str:
        """For people."""
        kind = str(self.dtype).removeprefix("torch.")
        return f"{kind} {self.size}x{self.value_size} M{self.features} H{self.heads} {self.lengths}"


def relative(one: Tensor, right: Tensor) -> float:
    """Root mean square of the difference over that of ``right``; inf when anything is not finite."""
    error = (one.detach().cpu().double() - right.detach().cpu()).square().mean().sqrt()
    size = right.detach().square().mean().sqrt().clamp(min=1e-30)
    found = float(error / size)
    return found if found == found else float("inf")


@contextlib.contextmanager
def poisoned() -> Iterator[None]:
    """Fresh memory is full of NaN, so that whatever a kernel forgets to write shows."""
    empty, like = torch.empty, torch.empty_like

    def fill(made: Tensor) -> Tensor:
        return made.fill_(float("nan")) if made.is_floating_point() else made

    def poisoned_empty(*given: Any, **named: Any) -> Tensor:
        return fill(empty(*given, **named))

    def poisoned_like(*given: Any, **named: Any) -> Tensor:
        return fill(like(*given, **named))

    torch.empty, torch.empty_like = poisoned_empty, poisoned_like
    try:
        yield
    finally:
        torch.empty, torch.empty_like = empty, like


def tokens(case: Case, generator: torch.Generator, size: int) -> Tensor:
    """[tokens, H, size] random numbers of the case's type."""
    return torch.randn(case.bounds[-1], case.heads, size, generator=generator).to(case.dtype)


def _gradients(
    run: Callable[..., tuple[Tensor, ...]], inputs: list[Tensor], weights: list[Tensor]
) -> list[Tensor]:
    """Outputs, then the gradients of their weighted sum."""
    leaves = [one.detach().requires_grad_() for one in inputs]
    outputs = run(*leaves)
    loss = sum(
        (out.double() * w.to(out.device).double()).sum() for out, w in zip(outputs, weights, strict=False)
    )
    assert isinstance(loss, Tensor)
    return [*outputs, *torch.autograd.grad(loss, leaves)]


def favor_errors(run: Callable[..., Any], case: Case, device: str = "cpu", seed: int = 0) -> dict[str, float]:
    """Of ``run(q, k, v, w, scale, state, bounds)`` against the float64 definition, from random initial states."""
    g = torch.Generator().manual_seed(seed)
    q, k, v = (tokens(case, g, size) for size in (case.size, case.size, case.value_size))
    w = random_features(case.features, case.size, g).to(case.dtype)
    shape = (len(case.lengths), case.heads, case.features)
    sums = torch.randn(*shape, case.value_size, generator=g)
    mass, peak = torch.rand(shape, generator=g) * 3 + 1, torch.randn(shape, generator=g)
    weights = [torch.randn(v.shape, generator=g).to(case.dtype), torch.randn(sums.shape, generator=g) / 10]
    weights.append(torch.randn(shape, generator=g) / 10)

    def call(function: Callable[..., Any], w: Tensor, peak: Tensor) -> Callable[..., tuple[Tensor, ...]]:
        def on(q: Tensor, k: Tensor, v: Tensor, sums: Tensor, mass: Tensor) -> tuple[Tensor, ...]:
            o, state = function(q, k, v, w, case.size**-0.5, FavorState(sums, mass, peak), case.bounds)
            return (o, *state)

        return on

    inputs = [q, k, v, sums, mass]
    right = _gradients(
        call(favor_plus_naive, w.double(), peak.double()), [x.double() for x in inputs], weights
    )
    with poisoned():
        found = _gradients(call(run, w.to(device), peak.to(device)), [x.to(device) for x in inputs], weights)
    return {name: relative(one, other) for name, one, other in zip(FAVOR, found, right, strict=True)}


def gated_errors(run: Callable[..., Any], case: Case, device: str = "cpu", seed: int = 0) -> dict[str, float]:
    """Of ``run(q, k, v, g, beta, scale, state, bounds)`` against the float64 definition, from random initial states."""
    rng = torch.Generator().manual_seed(seed)
    q, k, v = (tokens(case, rng, size) for size in (case.size, case.size, case.value_size))
    k = torch.nn.functional.normalize(k.float() + 0.3, dim=-1).to(case.dtype)  # correlated, so that T matters
    # Even heads remember for long, so that what one segment hands to the next is seen; odd ones forget.
    forgets = torch.arange(case.heads) % 2
    gate = -torch.rand(q.shape[:2], generator=rng) * (0.002 + 0.2 * forgets)
    beta = torch.rand(q.shape[:2], generator=rng) * (0.2 + 0.8 * forgets)
    state = torch.randn(len(case.lengths), case.heads, case.size, case.value_size, generator=rng)
    weights = [
        torch.randn(v.shape, generator=rng).to(case.dtype),
        torch.randn(state.shape, generator=rng) / 10,
    ]

    def call(function: Callable[..., Any]) -> Callable[..., tuple[Tensor, ...]]:
        return lambda q, k, v, g, beta, state: function(q, k, v, g, beta, case.size**-0.5, state, case.bounds)

    inputs = [q, k, v, gate, beta, state]
    right = _gradients(call(gated_delta_naive), [x.double() for x in inputs], weights)
    with poisoned():
        found = _gradients(call(run), [x.to(device) for x in inputs], weights)
    return {name: relative(one, other) for name, one, other in zip(GATED, found, right, strict=True)}


def limits(dtype: torch.dtype, exact: bool) -> tuple[float, float]:
    """The largest relative RMS errors of outputs and states, and of gradients; ``exact``: no tensor cores round."""
    if dtype == torch.float32:
        return (1e-5, 1e-5) if exact else (2e-3, 4e-3)
    return (0.005, 0.02) if dtype == torch.float16 else (0.01, 0.03)


def too_large(errors: dict[str, float], dtype: torch.dtype, exact: bool) -> dict[str, float]:
    """Those of ``errors`` that are over the limit."""
    output, gradient = limits(dtype, exact)
    return {name: one for name, one in errors.items() if one > (gradient if name.startswith("d") else output)}

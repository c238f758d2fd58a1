from __future__ import annotations

import pytest
import torch

from codeworld.model.loss import chunked_cross_entropy
from codeworld.training.optimiser import OptimiserConfig, rate_at


def test_warm_up_stable_decay() -> None:
    config = OptimiserConfig(warm_up=0.1, decay=0.4)
    rates = [rate_at(i / 100, config) for i in range(101)]
    assert rates[0] < 0.05 and rates[10] == 1.0 and rates[60] == 1.0
    assert rates[100] == 0.0
    assert all(a <= b for a, b in zip(rates[:11], rates[1:11], strict=False))
    assert all(a >= b for a, b in zip(rates[60:], rates[61:], strict=False))


@pytest.mark.parametrize("chunk", [3, 7, 100])
def test_chunked_cross_entropy_is_cross_entropy(chunk: int) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(10, 8, requires_grad=True)
    weight = torch.randn(20, 8, requires_grad=True)
    target = torch.randint(20, (10,))
    expected = torch.nn.functional.cross_entropy(hidden @ weight.T, target, reduction="none")
    ours = chunked_cross_entropy(hidden, weight, target, chunk)
    torch.testing.assert_close(ours, expected)
    wanted = torch.autograd.grad(expected.square().sum(), (hidden, weight))
    given = torch.autograd.grad(ours.square().sum(), (hidden, weight))
    torch.testing.assert_close(given, wanted)

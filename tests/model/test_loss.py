from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from codeworld.model.loss import linear_cross_entropy


@pytest.mark.parametrize("chunk", [3, 16, 100])
def test_linear_cross_entropy_is_the_two_done_apart(chunk: int) -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(50, 16, requires_grad=True), torch.randn(30, 16, requires_grad=True)
    target, scale = torch.randint(0, 30, (50,)), torch.rand(50)
    total, losses = linear_cross_entropy(hidden, weight, target, scale, chunk)
    gradients = torch.autograd.grad(3 * total, (hidden, weight))
    expected = F.cross_entropy(hidden @ weight.T, target, reduction="none")
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(total, (expected * scale).sum())
    wanted = torch.autograd.grad(3 * (expected * scale).sum(), (hidden, weight))
    for ours, theirs in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)

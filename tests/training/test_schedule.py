from __future__ import annotations

from itertools import pairwise

from codeworld.training.optimiser import OptimiserConfig, rate_at


def test_warm_up_stable_decay() -> None:
    config = OptimiserConfig(warm_up=0.1, decay=0.4)
    rates = [rate_at(i / 100, config) for i in range(101)]
    assert rates[0] < 0.05
    assert rates[10] == rates[60] == 1.0
    assert rates[100] == 0.0
    assert all(a <= b for a, b in pairwise(rates[:11]))
    assert all(a >= b for a, b in pairwise(rates[60:]))

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model import checkpoint, quantised
from codeworld.model.network import Network
from codeworld.model.smoothing import smooth

IDS = [0, *range(100, 160)]


def logits(network: Network) -> Tensor:
    with torch.no_grad():
        x = network.embed(torch.tensor([IDS]))
        hidden = network(
            x,
            torch.arange(len(IDS))[None],
            lambda _: (
                lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            ),
        )
        return F.linear(hidden, network.embedding.weight)


def outlying(folder: Path) -> Network:
    """A network one channel of whose MLP is far larger than the others, as trained ones have it."""
    torch.manual_seed(2)
    network = checkpoint.load(folder).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter += 0.2 * torch.randn_like(parameter)
    for block in network.blocks:
        block.gate_up.weight[70] *= 30  # of ``up``
    return network


def test_smoothing_keeps_the_function_and_spares_int8_the_outliers(tiny: Path) -> None:
    network = outlying(tiny)
    before = logits(network)
    smooth(network, [IDS])
    torch.testing.assert_close(logits(network), before, rtol=1e-3, atol=1e-2)
    plain = outlying(tiny)
    errors = []
    for each in (plain, network):
        for block in each.blocks:
            for name in ("qkv", "out", "gate_up", "down"):
                setattr(block, name, quantised.Int8Linear(*checkpoint.quantise(getattr(block, name).weight)))
        errors.append(float((logits(each) - before).norm() / before.norm()))
    assert errors[1] < 0.5 * errors[0]


def test_int8_is_loaded_as_it_is_stored(tiny: Path) -> None:
    direct = quantised.load(tiny)
    by_way_of_fp32 = checkpoint.load(tiny).requires_grad_(False)
    x = torch.randn(5, by_way_of_fp32.config.width)
    for ours, theirs in zip(direct.blocks, by_way_of_fp32.blocks, strict=True):
        expected = quantised.Int8Linear(*checkpoint.quantise(theirs.qkv.weight))
        torch.testing.assert_close(ours.qkv(x), expected(x))
    torch.testing.assert_close(direct.logits(x), by_way_of_fp32.logits(x), rtol=0.1, atol=0.1)

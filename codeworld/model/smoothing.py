"""Move the outliers of activations into the weights, so that int8 inputs lose nothing (SmoothQuant, Xiao et al. 2023).

A few channels, at the first token most of all, are a thousand times larger than the rest; with one scale for the whole
input everything else rounds to zero (0.5 nats a token worse). Each channel j of a matrix's input is divided by s_j
where it is made (a norm's gain, the rows of ``up``, the value rows), its column multiplied by s_j: the same function.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.network import Block, Network
from codeworld.model.quantised import MATRICES

STRENGTH = 0.7  # s_j = |x_j| ** STRENGTH / |w_j| ** (1 - STRENGTH); measured: 0.5 leaves 0.06 nats, 0.7 0.01, 0.8 0.01


@torch.no_grad()
def smooth(network: Network, texts: Sequence[list[int]]) -> None:
    """Smooth ``network`` (fp32) in place, by what its activations are on ``texts``, token ids of a window each."""
    largest = _largest_inputs(network, texts)
    for block, inputs in zip(network.blocks, largest, strict=True):
        assert isinstance(block, Block)
        _smooth(block, inputs)


def _largest_inputs(network: Network, texts: Sequence[list[int]]) -> list[dict[str, Tensor]]:
    """For each block, the largest magnitude of each channel of its matrices' inputs."""
    found: list[dict[str, Tensor]] = [{} for _ in network.blocks]
    hooks = []
    for block, inputs in zip(network.blocks, found, strict=True):
        for name in MATRICES:

            def note(
                _: object, given: tuple[Tensor], name: str = name, inputs: dict[str, Tensor] = inputs
            ) -> None:
                size = given[0].abs().amax(dim=(0, 1))
                inputs[name] = torch.maximum(inputs[name], size) if name in inputs else size

            hooks.append(getattr(block, name).register_forward_pre_hook(note))

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    for ids in texts:
        network(network.embed(torch.tensor([ids])), torch.arange(len(ids))[None], lambda _: attend)
    for hook in hooks:
        hook.remove()
    return found


def _smooth(block: Block, inputs: dict[str, Tensor]) -> None:
    heads, kv_heads, _ = block.heads
    mlp_width = block.down.weight.shape[1]
    for name, norm in (("qkv", block.attention_norm), ("gate_up", block.mlp_norm)):
        weight = getattr(block, name).weight
        scale = _scale(inputs[name], weight.abs().amax(0))
        weight.mul_(scale)
        norm.weight.div_(scale)
    scale = _scale(inputs["down"], block.down.weight.abs().amax(0))
    block.down.weight.mul_(scale)
    block.gate_up.weight[mlp_width:].div_(scale[:, None])
    # Query heads share value heads: so do their scales.
    shared = (kv_heads, heads // kv_heads, block.head_size)
    values, columns = inputs["out"].view(shared), block.out.weight.abs().amax(0).view(shared)
    scale = _scale(values.amax(1), columns.amax(1))
    block.out.weight.mul_(scale[:, None].expand(shared).reshape(-1))
    block.qkv.weight[(heads + kv_heads) * block.head_size :].div_(scale.reshape(-1)[:, None])


def _scale(activation: Tensor, weight: Tensor) -> Tensor:
    scale = activation.clamp(min=1e-5) ** STRENGTH / weight.clamp(min=1e-5) ** (1 - STRENGTH)
    return scale.clamp(1e-3, 1e3)

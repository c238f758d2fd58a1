"""int8 matrices on CPUs: weights stay int8 in memory, inputs are quantised on the fly (PyTorch's dynamic kernels)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from codeworld.model.checkpoint import quantise
from codeworld.model.network import Network

# Without VNNI pairs of products are added in 16 bits, which 8-bit inputs overflow; 7 bits cost 0.04 nats a token.
SEVEN_BITS = not torch.cpu._is_vnni_supported()


class Int8Linear(nn.Module):
    """y = x W^T with int8 W (per-row scales) and dynamically quantised fp32 x [..., columns]."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, scale = quantise(weight)
        with (
            warnings.catch_warnings()
        ):  # quantised tensors are deprecated; these kernels have no faster heir on AVX2
            warnings.simplefilter("ignore", UserWarning)
            zero = torch.zeros(len(scale), dtype=torch.long)
            stored = torch._make_per_channel_quantized_tensor(rows, scale.double(), zero, 0)
        self.packed = torch.ops.quantized.linear_prepack(stored, None)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., columns] fp32 -> [..., rows] fp32."""
        y: Tensor = torch.ops.quantized.linear_dynamic(x.reshape(-1, x.shape[-1]), self.packed, SEVEN_BITS)
        return y.view(*x.shape[:-1], -1)


def to_int8(network: Network) -> None:
    """Replace the matrices of the blocks and the output matrix, in place. fp32 networks only."""
    for block in network.blocks:
        for name in ("qkv", "out", "gate_up", "down"):
            setattr(block, name, Int8Linear(getattr(block, name).weight.detach()))
    head = Int8Linear(network.embedding.weight.detach())
    network.logits = head.forward  # type: ignore[method-assign, assignment]


def supported() -> bool:
    """Whether this build of torch has the int8 kernels."""
    return bool({"fbgemm", "x86", "onednn", "qnnpack"} & set(torch.backends.quantized.supported_engines))

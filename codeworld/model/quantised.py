"""int8 matrices on CPUs: weights stay int8 in memory, inputs are quantised on the fly (PyTorch's dynamic kernels)."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from codeworld.model.checkpoint import SCALE, blank, dense, quantise
from codeworld.model.network import Network

MATRICES = ("qkv", "out", "gate_up", "down")  # of a block
# Without VNNI pairs of products are added in 16 bits, which 8-bit inputs overflow; 7 bits cost 0.04 nats a token.
SEVEN_BITS = not torch.cpu._is_vnni_supported()


class Int8Linear(nn.Module):
    """y = x W^T with int8 rows of W, their fp32 scales, and dynamically quantised fp32 x [..., columns]."""

    def __init__(self, rows: Tensor, scale: Tensor) -> None:
        super().__init__()
        # Quantised tensors are deprecated; these kernels have no faster heir on AVX2.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            zero = torch.zeros(len(scale), dtype=torch.long)
            stored = torch._make_per_channel_quantized_tensor(rows, scale.double(), zero, 0)
        self.packed = torch.ops.quantized.linear_prepack(stored, None)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., columns] fp32 -> [..., rows] fp32."""
        y: Tensor = torch.ops.quantized.linear_dynamic(x.reshape(-1, x.shape[-1]), self.packed, SEVEN_BITS)
        return y.view(*x.shape[:-1], -1)


def load(folder: Path) -> Network:
    """The network for inference with int8 matrices in its blocks and as its output matrix, the rest fp32; nothing that
    is stored as int8 becomes fp32 on the way. Raises CheckpointError."""
    network, stored = blank(folder)
    for i, block in enumerate(network.blocks):
        for name in MATRICES:
            setattr(block, name, _linear(stored, f"blocks.{i}.{name}.weight"))
    network.load_state_dict({n: dense(stored, n) for n in network.state_dict()}, assign=True)
    network.logits = _linear(stored, "embedding.weight").forward  # type: ignore[method-assign, assignment]
    return network.eval().requires_grad_(False)


def _linear(stored: dict[str, Tensor], name: str) -> Int8Linear:
    scale = stored.get(name + SCALE)
    return Int8Linear(*(quantise(stored[name]) if scale is None else (stored[name], scale)))


def supported() -> bool:
    """Whether this build of torch has the int8 kernels."""
    return bool({"fbgemm", "x86", "onednn", "qnnpack"} & set(torch.backends.quantized.supported_engines))

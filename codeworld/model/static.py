"""Passes of fixed shapes over the reader's memory, so that a GPU can replay each as one CUDA graph.

A narrow network launches hundreds of kernels that each take microseconds: launched one by one from Python a pass costs
30 ms, replayed 3. A graph knows no lengths, so a pass is padded to the next size, sees the whole memory through a
mask, and writes its keys where an index says; padding writes to a slot that nobody sees.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.network import Attend, Network

SIZES = (16, 32, 64, 128, 256, 512, 1024)  # tokens of a pass
SCRATCH = 8  # slots at the memory's end, for what padding writes; its length stays a multiple of 8


def grouped_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """q [1, H, T, D] over k, v [Hkv, S, D] -> [1, H, T, D]. Queries that share a key head are put behind one another,
    which spares copies of the keys, and the mask is theirs: [H / Hkv * T, S], bool or to be added."""
    heads, length, size = q.shape[1:]
    stacked = q.reshape(1, k.shape[0], heads // k.shape[0] * length, size)
    return F.scaled_dot_product_attention(stacked, k[None], v[None], attn_mask=mask).view(
        1, heads, length, size
    )


class _Pass:
    """One size: the inputs, in tensors that stay where they are, and the graph over them once it is captured."""

    def __init__(self, size: int, memory: int, width: int, like: Tensor) -> None:
        self.x = torch.zeros(1, size, width, dtype=like.dtype, device=like.device)
        self.positions = torch.zeros(size, dtype=torch.int64, device=like.device)
        self.slots = torch.full((size,), memory - 1, dtype=torch.int64, device=like.device)
        self.hidden = torch.zeros(size, memory, dtype=like.dtype, device=like.device)
        self.out = torch.zeros(size, width, dtype=like.dtype, device=like.device)
        self.graph: torch.cuda.CUDAGraph | None = None


class StaticPasses:
    """Runs ``network`` over keys and values [layers, kv_heads, S, head_size], the last ``SCRATCH`` slots of which are
    its own."""

    def __init__(self, network: Network, keys: Tensor, values: Tensor) -> None:
        self.network, self.keys, self.values = network, keys, values
        self.memory = keys.shape[2]
        self.passes: dict[int, _Pass] = {}

    @torch.inference_mode()
    def prepare(self) -> None:
        """Capture the graphs of all sizes (a few seconds)."""
        for size in SIZES:
            self._pass(size)

    def __call__(self, x: Tensor, positions: Tensor, base: int, at: int, mask: Tensor | None) -> Tensor:
        """As ``Reader._run``: hidden states [T, width] of x [1, T, width] at positions [T], stored from slot ``at`` on,
        seeing the memory from ``base`` to their own end through ``mask``, bool [T, at + T - base]."""
        count = x.shape[1]
        end = at + count
        one = self._pass(next(size for size in SIZES if size >= count))
        one.x[:, :count] = x
        one.positions[:count] = positions
        one.slots.fill_(self.memory - 1)
        one.slots[:count] = torch.arange(at, end, device=x.device)
        one.hidden.fill_(-torch.inf)
        one.hidden[:, base:end] = 0.0  # padding sees it too: a row that sees nothing has no softmax
        if mask is not None:
            one.hidden[:count, base:end].masked_fill_(~mask, -torch.inf)
        if one.graph is None:
            self._compute(one)
        else:
            one.graph.replay()
        return one.out[:count].clone()

    def _pass(self, size: int) -> _Pass:
        one = self.passes.get(size)
        if one is None:
            one = self.passes[size] = _Pass(size, self.memory, self.network.config.width, self.keys)
            if self.keys.is_cuda:
                self._capture(one)
        return one

    def _capture(self, one: _Pass) -> None:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries set themselves up outside the capture
            for _ in range(2):
                self._compute(one)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._compute(one)
        one.graph = graph

    def _compute(self, one: _Pass) -> None:
        c = self.network.config
        hidden = one.hidden.repeat(c.heads // c.kv_heads, 1)

        def attend_at(layer: int) -> Attend:
            keys, values = self.keys[layer], self.values[layer]

            def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
                keys.index_copy_(1, one.slots, k[0].to(keys.dtype))
                values.index_copy_(1, one.slots, v[0].to(values.dtype))
                return grouped_attention(q, keys, values, hidden)

            return attend

        one.out.copy_(self.network(one.x, one.positions[None], attend_at)[0])

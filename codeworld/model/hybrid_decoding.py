"""Greedy writing behind what the hybrid has read. On a GPU a step is one CUDA graph: a narrow network is all launches,
and its memory has one size, so nothing but its contents changes. For the dense twin the graph has a fixed room of keys.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from codeworld.model.hybrid import HybridNetwork, Reading


def first_token(network: HybridNetwork, hidden: Tensor) -> int:
    """The most probable token behind hidden states [1, T, width]."""
    return int(network.logits(hidden[:, -1]).argmax())


class Decoder:
    """Writes behind readings of one sequence; ``capacity``: the most tokens that one has in the end; ``fixed``: its
    tensors stay where they are, which a graph needs (default: on GPUs). ``problem`` says why there is no graph, ""
    where there is one or no GPU."""

    def __init__(self, network: HybridNetwork, capacity: int, fixed: bool | None = None) -> None:
        self.network, self.capacity = network, capacity
        empty = network.empty()
        self.fixed = empty.read.is_cuda if fixed is None else fixed
        layers = tuple(network.room(empty, capacity)) if self.fixed else empty.layers
        self.reading = Reading(empty.read, layers)
        self.ids = torch.zeros(1, 1, dtype=torch.int64, device=empty.read.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.problem = ""
        if self.fixed and empty.read.is_cuda:
            self._capture()

    @torch.inference_mode()
    def write(self, reading: Reading, token: int, limit: int, ends: Collection[int]) -> list[int]:
        """``token``, which is the first to be written, and what follows it: at most ``limit`` tokens, and none behind
        one that is in ``ends``."""
        self._begin(reading)
        self.ids.fill_(token)
        written = [token]
        while len(written) < limit and written[-1] not in ends:
            if self.graph is not None:
                self.graph.replay()
            else:
                self._step()
            written.append(int(self.ids))
        return written

    def _begin(self, reading: Reading) -> None:
        if not self.fixed:
            self.reading = reading
            return
        self.reading.read.copy_(reading.read)
        for mine, given in zip(self.reading.layers, reading.layers, strict=True):
            for old, new in zip(mine, given, strict=True):
                old[:, :, : new.shape[2]].copy_(new) if old.shape != new.shape else old.copy_(new)

    def _step(self) -> None:
        hidden, after = self.network(self.ids, self.reading, fixed=self.fixed)
        token = self.network.logits(hidden[:, -1]).argmax(-1, keepdim=True)
        if self.fixed:
            self.reading.read.copy_(after.read)
            for mine, given in zip(self.reading.layers, after.layers, strict=True):
                for old, new in zip(mine, given, strict=True):
                    if old is not new:
                        old.copy_(new)
        else:
            self.reading = after
        self.ids.copy_(token)

    @torch.inference_mode()
    def _capture(self) -> None:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # kernels are compiled and libraries set up outside the capture
            for _ in range(3):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._step()
        except RuntimeError as error:
            self.problem = str(error).splitlines()[0]
            return
        self.graph = graph

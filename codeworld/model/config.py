"""Sizes of the code world model; stored beside the weights as ``config.json``."""

from __future__ import annotations

from pathlib import Path

import msgspec


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A decoder-only stack that is the causal reader and, over the reader's cached keys and values, the bidirectional
    canvas denoiser. The defaults are SmolLM2-135M's with a pruned vocabulary."""

    name: str = "codeworld-code"
    version: str = "0.1"
    layers: int = 30  # blocks with weights of their own
    loops: int = (
        1  # how often all of them but the first and the last are applied: a recursive transformer from 2 on
    )
    width: int = 576
    heads: int = 9
    kv_heads: int = 3
    head_size: int = 64
    mlp_width: int = 1536
    vocabulary: int = 16384
    labels: int = 256  # syntax labels, the second diffused channel; label 0 is "masked"
    rope_base: float = 100_000.0
    norm_epsilon: float = 1e-5
    window_tokens: int = 1024  # the longest prefix that the reader was trained with
    suffix_tokens: int = 128
    canvas_tokens: int = 96  # the longest hole in one canvas
    outlines: bool = False  # trained to read an outline of the rest of the file before a part of it

    @property
    def depth(self) -> int:
        """Blocks that a token passes, each application counted; keys and values are kept for every one of them."""
        return 2 + self.loops * (self.layers - 2) if self.loops > 1 else self.layers

    @property
    def suffix_gap(self) -> int:
        """Distance in positions between the start of the hole and the first token of the suffix."""
        return self.canvas_tokens + 1


def load(path: Path) -> ModelConfig:
    """Raises msgspec.ValidationError (a ValueError) when the file does not describe a model."""
    return msgspec.json.decode(path.read_bytes(), type=ModelConfig)

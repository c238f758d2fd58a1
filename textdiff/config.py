"""Sizes of the text model; stored beside the weights as ``config.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from codeworld.model.config import ModelConfig

# What the decoder does with the target: continuous diffusion, or one of its twins of the same size, data and compute.
Kind = Literal["gaussian", "masked", "autoregressive"]

LENGTHS: Final = (
    8,
    12,
    16,
    24,
    32,
    48,
    64,
)  # of a canvas, in tokens; a text and END fill it, more ENDs follow


class TextConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An encoder that reads the source and a decoder over it, both of codeworld's blocks."""

    name: str = "codeworld-text"
    version: str = "0.1"
    kind: Kind = "gaussian"
    width: int = 576
    heads: int = 9
    kv_heads: int = 3
    head_size: int = 64
    mlp_width: int = 1536
    encoder_layers: int = 6
    decoder_layers: int = 6
    vocabulary: int = 16384
    code_size: int = 128  # dimensions in which tokens are noised
    # Share of texts that are met in training with some of their tokens decided; above 0 the sampler decides the surest
    # tokens first, instead of all at the end.
    decided: float = 0.0
    # Time down to which the others of such a text are noisy: below it a token can be read off its own noise (Ye et al.
    # 2023, DINOISER), and no longer heeds what stands beside it.
    clearest: float = 0.5
    pointer_size: int = (
        0  # of the queries that point at the source's tokens (``textdiff.pointer``); 0: it does not
    )
    rope_base: float = 100_000.0
    norm_epsilon: float = 1e-5
    source_tokens: int = 320  # the longest source that is read
    target_tokens: int = 64  # the longest target, END included

    @property
    def block(self) -> ModelConfig:
        """As codeworld's blocks want it."""
        names = (
            "width",
            "heads",
            "kv_heads",
            "head_size",
            "mlp_width",
            "vocabulary",
            "rope_base",
            "norm_epsilon",
        )
        return ModelConfig(**{name: getattr(self, name) for name in names})


def load(path: Path) -> TextConfig:
    """Raises msgspec.ValidationError (a ValueError) when the file does not describe a text model."""
    return msgspec.json.decode(path.read_bytes(), type=TextConfig)

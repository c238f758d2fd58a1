"""The text model's first weights: blocks of the code world model, which has read English and code (SmolLM2-135M, then
Python).

Depth is cut by keeping the first layers, which lift tokens, and for the decoder the last ones, which turn states back
into tokens, with a few from between: the middle ones differ least from each other (Gromov et al. 2024). Attention of
the encoder becomes bidirectional; memory's keys and values begin as the block's own; noisy rows live in the principal
components of the token embeddings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.network import Network
from textdiff.config import TextConfig
from textdiff.denoiser import DecoderBlock, TextNetwork


def chosen_layers(layers: int, available: int, to_the_end: bool) -> list[int]:
    """Which of the ``available`` layers become the ``layers`` of a stack that ends half-way or ``to_the_end``."""
    first = min(2, layers)
    last = available - 1 if to_the_end else available // 2
    rest = layers - first
    return [*range(first), *(round(first + (last - first) * (i + 1) / rest) for i in range(rest))]


@torch.no_grad()
def warm_start(code: Network, config: TextConfig) -> TextNetwork:
    """A text network of ``config`` with ``code``'s weights; widths, heads and vocabulary must be the same."""
    network = TextNetwork(config)
    network.embedding.weight.copy_(code.embedding.weight)
    for i, layer in enumerate(chosen_layers(config.encoder_layers, len(code.blocks), to_the_end=False)):
        network.encoder.blocks[i].load_state_dict(code.blocks[layer].state_dict())
    for i, layer in enumerate(chosen_layers(config.decoder_layers, len(code.blocks), to_the_end=True)):
        block = network.decoder.blocks[i]
        assert isinstance(block, DecoderBlock)
        state = code.blocks[layer].state_dict()
        own = state["qkv.weight"][config.heads * config.head_size :] * state["attention_norm.weight"]
        block.load_state_dict({**state, "memory_kv.weight": own})
    network.decoder.norm.load_state_dict(code.norm.state_dict())
    if config.kind == "gaussian":
        rows, basis = principal_rows(code.embedding.weight, config.code_size)
        network.codebook.weight.copy_(rows)
        length = code.embedding.weight.norm(dim=1).mean() / config.code_size**0.5
        network.noisy.weight.copy_(basis * length)
    return network


def principal_rows(embedding: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Normalised rows [vocabulary, size] in the principal components, each scaled to unit variance, and the components
    [width, size]."""
    centred = embedding.float() - embedding.float().mean(dim=0)
    _, strength, basis = torch.linalg.svd(centred, full_matrices=False)
    rows = centred @ basis[:size].T / strength[:size].sqrt()  # half-way to white: rare directions keep a say
    return F.normalize(rows, dim=1) * size**0.5, basis[:size].T

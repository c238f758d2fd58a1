"""The network: an encoder that reads the source once, and a decoder that attends to it and to its own canvas.

A published recipe at this size, conditioned on a source. Chosen: embedding diffusion with cross-entropy instead of a
regression loss (CDCD, Dieleman et al. 2022), normalised rows, a learned information-uniform noise schedule,
self-conditioning and the exact one-token posterior as a skip connection (LangFlow, Chen et al. 2026), an encoder and
a decoder (SeqDiffuSeq, Yuan et al. 2022), noise and guidance in a bottleneck of 128 dimensions (ELF, Hu et al. 2026).
Why this one: one loss and no balance between several (Diffusion-LM, Difformer), no simplex as wide as the vocabulary
in each step (TESS), no separate likelihood term (PLAID), no frozen encoder whose latents have to be decoded (ELF),
and it is the first of them that reached discrete diffusion's perplexity.

The condition is a tensor [B, S, width] ("memory"), so another reader's states can take the encoder's place. Memory
keys and values join the canvas's own in one softmax. Sources end at position -1 and targets begin at 0, whatever
their length: what a causal language model, from which the blocks come (``textdiff.warm_start``), expects. Blocks are
not looped: on the CPU the steps of the sampler are the cost already, and loops would multiply it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codeworld.model.config import ModelConfig
from codeworld.model.network import Attend, Block, RMSNorm, rotary, rotate
from textdiff.config import LENGTHS, TextConfig
from textdiff.embedding import Codebook
from textdiff.pointer import Pointer
from textdiff.schedule import Schedule, alpha_sigma, first_location

WAVES = 64  # pairs of sine and cosine that tell the noise level


class Memory(NamedTuple):
    """An encoded source: states [B, S, width] and positions [B, S] (…, -2, -1)."""

    states: Tensor
    positions: Tensor


class KeysValues(NamedTuple):
    """What one layer of the decoder sees of memory, [B, kv_heads, S, head_size] each."""

    keys: Tensor
    values: Tensor


class DecoderBlock(Block):
    """A block whose attention also sees memory: its keys and values are put before the canvas's own."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.memory_kv = nn.Linear(config.width, 2 * config.kv_heads * config.head_size, bias=False)

    def remember(self, memory: Tensor, cos: Tensor, sin: Tensor) -> KeysValues:
        """Keys, rotated to memory's positions, and values of memory [B, S, width]; cos, sin [B, 1, S, head_size]."""
        seen = self.memory_kv(memory).view(*memory.shape[:2], -1, self.head_size).transpose(1, 2)
        keys, values = seen.chunk(2, dim=1)
        return KeysValues(rotate(keys, cos, sin), values)

    def forward(  # type: ignore[override]
        self, x: Tensor, cos: Tensor, sin: Tensor, seen_keys: Tensor, seen_values: Tensor, attend: Attend
    ) -> Tensor:
        """x [B, T, width]; cos and sin [B or 1, 1, T, head_size]; what is remembered of B sources or of one."""
        batch, length, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, -1, self.head_size).transpose(1, 2)
        qk, v = torch.split(qkv, [sum(self.heads[:2]), self.heads[2]], dim=1)
        q, k = torch.split(rotate(qk, cos, sin), self.heads[:2], dim=1)
        keys = torch.cat((seen_keys.expand(batch, -1, -1, -1), k), dim=2)
        values = torch.cat((seen_values.expand(batch, -1, -1, -1), v), dim=2)
        x = x + self.out(attend(q, keys, values).transpose(1, 2).reshape(batch, length, -1))
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        y: Tensor = x + self.down(F.silu(gate) * up)
        return y


class Encoder(nn.Module):
    """Bidirectional over the source."""

    def __init__(self, config: ModelConfig, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config) for _ in range(layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)


class Decoder(nn.Module):
    """Over the canvas and memory; bidirectional or, in the autoregressive twin, causal: the caller's ``attend``
    decides."""

    def __init__(self, config: ModelConfig, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)


class TextNetwork(nn.Module):
    """Everything that is trained; ``config.kind`` says which inputs the decoder gets."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = 0.0  # of what each block adds, while training
        block = config.block
        self.embedding = nn.Embedding(
            config.vocabulary, config.width
        )  # of sources; the output matrix as well
        self.encoder = Encoder(block, config.encoder_layers)
        self.decoder = Decoder(block, config.decoder_layers)
        self.length_head = nn.Linear(config.width, len(LENGTHS), bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.zeros_(self.length_head.weight)
        if config.pointer_size:
            self.pointer = Pointer(config.width, config.pointer_size)
        if config.kind == "gaussian":
            self.codebook = Codebook(config.vocabulary, config.code_size)
            self.noisy = nn.Linear(config.code_size, config.width, bias=False)
            self.guess = nn.Linear(config.code_size, config.width, bias=False)  # self-conditioning
            self.level = nn.Sequential(
                nn.Linear(2 * WAVES, config.width), nn.SiLU(), nn.Linear(config.width, config.width)
            )
            self.given = nn.Parameter(torch.zeros(config.width))  # instead of a level: this token is decided
            self.schedule = Schedule(location=first_location(config.code_size))
            nn.init.zeros_(self.guess.weight)

    def turns(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin for positions [B or 1, T], with an axis for heads."""
        cos, sin = rotary(positions, self.config.head_size, self.config.rope_base)
        return cos[:, None], sin[:, None]

    def encode(
        self, ids: Tensor, positions: Tensor, attend: Attend, dtype: torch.dtype | None = None
    ) -> Memory:
        """ids [B, S] int64 at positions [B, S] -> memory."""
        x = self.embedding(ids)
        x = x if dtype is None else x.to(dtype)
        cos, sin = self.turns(positions)
        for block in self.encoder.blocks:
            x = self._added(x, block(x, cos, sin, attend))
        return Memory(self.encoder.norm(x), positions)

    def remember(self, memory: Memory) -> list[KeysValues]:
        """What each layer of the decoder sees of memory: once for all steps and candidates."""
        cos, sin = self.turns(memory.positions)
        blocks = (block for block in self.decoder.blocks if isinstance(block, DecoderBlock))
        return [block.remember(memory.states, cos, sin) for block in blocks]

    def decode(
        self, x: Tensor, positions: Tensor, remembered: Sequence[KeysValues], attend: Attend
    ) -> Tensor:
        """Embedded canvas x [B, T, width] at positions [B or 1, T] -> hidden states [B, T, width]."""
        cos, sin = self.turns(positions)
        for block, seen in zip(self.decoder.blocks, remembered, strict=True):
            x = self._added(x, block(x, cos, sin, seen.keys, seen.values, attend))
        hidden: Tensor = self.decoder.norm(x)
        return hidden

    def _added(self, before: Tensor, after: Tensor) -> Tensor:
        """``after`` a block, with dropout of what it added; outside of the blocks, which are compiled once."""
        if not (self.dropout and self.training):
            return after
        return before + F.dropout(after - before, self.dropout)

    def noisy_input(self, z: Tensor, gamma: Tensor, guess: Tensor, given: Tensor, ids: Tensor) -> Tensor:
        """The decoder's input [B, T, width] for noisy rows z and the last guess of the clean ones, both [B, T,
        code_size], at levels gamma [B, T]; where given, bool [B, T], a token is decided and comes in as the twins'
        do, by its id [B, T]."""
        rates = torch.exp(torch.linspace(0, 5, WAVES, device=gamma.device)) / 20
        angle = gamma[..., None] * rates
        told = self.level(torch.cat((angle.cos(), angle.sin()), dim=-1))
        x = self.noisy(z) + self.guess(guess) + told
        return torch.where(given[..., None], self.embedding(ids) + self.given, x)

    def posterior(self, z: Tensor, gamma: Tensor) -> Tensor:
        """z scaled so that its inner products with the codebook's rows are the exact log-odds of the tokens given z
        alone: alpha / sigma^2 z."""
        alpha, sigma = alpha_sigma(gamma)
        return z * (alpha / sigma.square())[..., None]

    def logits(self, hidden: Tensor, posterior: Tensor | None = None) -> Tensor:
        """[..., vocabulary] in the type of the weights."""
        out = hidden @ self.embedding.weight.T
        if posterior is not None:
            out = out + posterior @ self.codebook.rows().to(posterior.dtype).T
        return out

    def source_scores(self, hidden: Tensor, states: Tensor, ids: Tensor, posterior: Tensor | None) -> Tensor:
        """What ``pointer`` gives the tokens ids [..., S] with states [..., S, width]: fp32 [..., T, S]."""
        scores = self.pointer.scores(hidden, states)
        if posterior is not None:
            scores = (
                scores + (posterior @ F.embedding(ids, self.codebook.rows()).to(posterior.dtype).mT).float()
            )
        return scores

    def length_logits(self, memory_first: Tensor) -> Tensor:
        """Over LENGTHS, [..., len(LENGTHS)], from the state of the source's first token [..., width]."""
        out: Tensor = self.length_head(memory_first)
        return out

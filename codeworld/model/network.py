"""The stack of blocks, in one readable file. Llama architecture (Touvron et al. 2023): RMSNorm, rotary positions,
grouped-query attention, SwiGLU. How tokens attend to each other is not decided here: callers pass
``attend_at``, which is causal with a cache in the reader, bidirectional over that cache in the denoiser, and one block
mask in training.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codeworld.model.config import ModelConfig

# (q [B, H, T, D], k [B, Hkv, T, D], v [B, Hkv, T, D]) -> [B, H, T, D]; q and k are already rotated
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
# How a layer attends. A block never learns its number: compiled, each number would be a graph of its own.
AttendAt = Callable[[int], Attend]


def rotary(positions: Tensor, head_size: int, base: float) -> tuple[Tensor, Tensor]:
    """cos and signed sin, each [..., T, head_size] fp32, of positions [..., T] (RoPE, Su et al. 2021)."""
    frequency = base ** (
        -torch.arange(0, head_size, 2, device=positions.device, dtype=torch.float32) / head_size
    )
    angle = positions[..., None].float() * frequency
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the halves of x [..., T, D] by cos, sin [T, D] (or broadcastable). Rotations add up: a cached key moves by
    ``delta`` positions when it is rotated once more by ``delta``."""
    a, b = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat((b, a), dim=-1), sin).to(x.dtype)


class RMSNorm(nn.Module):
    """x / rms(x) * gain, computed in fp32 (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] in any float type -> the same."""
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight.float(), self.epsilon).to(x.dtype)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)). Projections that read the same input are one matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config
        self.heads = [c.heads, c.kv_heads, c.kv_heads]
        self.head_size = c.head_size
        self.attention_norm = RMSNorm(c.width, c.norm_epsilon)
        self.qkv = nn.Linear(c.width, sum(self.heads) * c.head_size, bias=False)
        self.out = nn.Linear(c.heads * c.head_size, c.width, bias=False)
        self.mlp_norm = RMSNorm(c.width, c.norm_epsilon)
        self.gate_up = nn.Linear(c.width, 2 * c.mlp_width, bias=False)
        self.down = nn.Linear(c.mlp_width, c.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
        """x [B, T, width]; cos and sin [B or 1, 1, T, head_size]."""
        batch, length, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, -1, self.head_size).transpose(1, 2)
        qk, v = torch.split(qkv, [sum(self.heads[:2]), self.heads[2]], dim=1)
        q, k = torch.split(rotate(qk, cos, sin), self.heads[:2], dim=1)
        mixed = attend(q, k, v)
        return self.feed_forward(x + self.out(mixed.transpose(1, 2).reshape(batch, length, -1)))

    def feed_forward(self, x: Tensor) -> Tensor:
        """x [..., width] -> x + mlp(norm(x))."""
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        y: Tensor = x + self.down(F.silu(gate) * up)
        return y


class Network(nn.Module):
    """Embeddings, blocks, final norm and the three heads: next token / canvas token (tied to the embedding), syntax
    label, and quality (is this visible token wrong?)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.label_embedding = nn.Embedding(config.labels, config.width)  # 0: label not known
        self.canvas_embedding = nn.Parameter(torch.zeros(config.width))  # "you may look ahead"
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        if (
            config.loops > 1
        ):  # what a loop is told of the input once more (input injection, a gain for each loop)
            self.injection = nn.Parameter(torch.zeros(config.loops - 1, config.width))
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.label_head = nn.Linear(config.width, config.labels, bias=False)
        self.quality_head = nn.Linear(config.width, 1, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.zeros_(self.label_embedding.weight)
        for head in (self.label_head, self.quality_head):
            nn.init.zeros_(head.weight)

    def embed(self, ids: Tensor, labels: Tensor | None = None, on_canvas: Tensor | None = None) -> Tensor:
        """ids [B, T] int64 -> [B, T, width]; labels [B, T] int64 and on_canvas [B, T] bool mark canvas tokens."""
        x: Tensor = self.embedding(ids)
        if labels is not None and on_canvas is not None:
            extra = self.label_embedding(labels) + self.canvas_embedding
            x = x + (extra * on_canvas[..., None]).to(x.dtype)
        return x

    def forward(self, x: Tensor, positions: Tensor, attend_at: AttendAt) -> Tensor:
        """x [B, T, width] and positions [B or 1, T] -> hidden states [B, T, width]."""
        cos, sin = (t[:, None] for t in rotary(positions, self.config.head_size, self.config.rope_base))
        embedded = x
        for depth, (block, loop) in enumerate(self.path()):
            if loop:
                x = x + self.injection[loop - 1].to(x.dtype) * embedded
            x = block(x, cos, sin, attend_at(depth))
        hidden: Tensor = self.norm(x)
        return hidden

    def path(self) -> list[tuple[nn.Module, int]]:
        """The blocks in the order of their application, with the number of the loop that begins at each (0: none).
        Recursive: one block before and one behind a stack that is applied ``loops`` times (Universal Transformer,
        Dehghani et al. 2019; the form of Geiping et al. 2025 with its input injection)."""
        if self.config.loops == 1:
            return [(block, 0) for block in self.blocks]
        first, *middle, last = self.blocks
        looped = [
            (block, loop if i == 0 else 0)
            for loop in range(self.config.loops)
            for i, block in enumerate(middle)
        ]
        return [(first, 0), *looped, (last, 0)]

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [..., width] -> [..., vocabulary], in the type of the weights."""
        return F.linear(hidden, self.embedding.weight)

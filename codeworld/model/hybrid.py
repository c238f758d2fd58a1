"""A causal language model that reads without end: linear attention, whose memory has one size however much was read,
and now and then softmax attention over a sliding window. The dense transformer that it is compared with is the same
class with another pattern of layers.

A linear layer is a Gated DeltaNet's (Yang et al., ICLR 2025): projections, a short causal convolution, keys and queries
of length one, the linear operation (``kernels``), a norm and a gate on what comes out. FAVOR+ (Choromanski et al., ICLR
2021), fading or not, takes the delta rule's place behind the same interface. Gates and states are float32.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.bias import causal_lower_right

from codeworld.model import checkpoint
from codeworld.model.checkpoint import CheckpointError
from codeworld.model.config import ModelConfig
from codeworld.model.network import Block, RMSNorm, rotary
from kernels.favor_plus.op import favor_plus, favor_plus_step
from kernels.favor_plus.state import FavorState, empty_state, random_features
from kernels.gated_delta.op import gated_delta, gated_delta_step

Kind = Literal["gated_delta", "favor", "gated_favor", "window", "dense"]
TAPS: Final = 4  # of the convolution, the newest token included
SLOWEST_TOKENS: Final = 16_384  # the e-folding times that decays begin with, spread over the heads
FASTEST_TOKENS: Final = 16
SHARPNESS: Final = 2.0  # length that FAVOR+'s queries and keys begin with

Memory = tuple[Tensor, ...]
"""What one layer remembers; the batch is each tensor's first dimension."""


class HybridConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes; layer i is of the kind ``pattern[i % len(pattern)]``."""

    name: str = "hybrid"
    pattern: tuple[Kind, ...] = ("gated_delta", "gated_delta", "gated_delta", "window")
    layers: int = 12
    width: int = 256
    heads: int = 4
    kv_heads: int = 4
    linear_heads: int = 4  # of the linear layers
    head_size: int = 64
    features: int = 128  # random features of FAVOR+
    mlp_width: int = 704
    vocabulary: int = 16384
    window: int = 512  # tokens that a window layer sees, the newest included
    rope_base: float = 100_000.0
    norm_epsilon: float = 1e-5

    def kind(self, layer: int) -> Kind:
        """Of a layer, counted from 0."""
        return self.pattern[layer % len(self.pattern)]

    def block(self, heads: int, kv_heads: int) -> ModelConfig:
        """As codeworld's blocks want it."""
        names = ("width", "head_size", "mlp_width", "vocabulary", "rope_base", "norm_epsilon")
        same = {name: getattr(self, name) for name in names}
        return ModelConfig(heads=heads, kv_heads=kv_heads, **same)


class Reading(NamedTuple):
    """How much was read, int64 [] on the device, and what each layer remembers of it."""

    read: Tensor
    layers: tuple[Memory, ...]

    @property
    def bytes(self) -> int:
        """Of all layers."""
        return sum(part.nbytes for memory in self.layers for part in memory)


class _Place(NamedTuple):
    """Of the tokens that are read now: rotations [1, 1, T, head_size] and the number of tokens before them; ``fixed``:
    dense layers keep their keys in a room of one size."""

    cos: Tensor
    sin: Tensor
    read: Tensor
    fixed: bool


def windowed(q: Tensor, k: Tensor, v: Tensor, window: int, read: Tensor) -> Tensor:
    """Softmax attention in which each token sees itself and the ``window - 1`` before it.

    q [B, H, T, D]; k, v [B, Hkv, window + T, D]: the last ``window`` tokens, zeros in front where fewer have been
    ``read``, then the new ones. Blocks of queries see a slice of keys each: time and memory grow with T, not T².
    """
    batch, heads, length, size = q.shape
    block = min(length, window)
    count = -(-length // block)
    left = count * block - length
    q, k, v = (F.pad(part, (0, 0, 0, left)) for part in (q, k, v))
    q = q.reshape(batch, heads, count, block, size).transpose(1, 2).flatten(0, 1)
    k, v = (
        part.unfold(2, block + window, block).permute(0, 2, 1, 4, 3).flatten(0, 1).contiguous()
        for part in (k, v)
    )
    at = torch.arange(block, device=q.device)[:, None]
    slot = torch.arange(block + window, device=q.device)
    near = (slot > at) & (slot <= at + window)
    there = slot + block * torch.arange(count, device=q.device)[:, None] >= window - read  # [count, slots]
    mask = (near[None] & there[:, None]).expand(batch, -1, -1, -1).flatten(0, 1)[:, None]
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=heads != k.shape[1])
    joined = o.view(batch, count, heads, block, size).transpose(1, 2).reshape(batch, heads, -1, size)
    return joined[:, :, :length]


def in_room(q: Tensor, k: Tensor, v: Tensor, memory: Memory, read: Tensor) -> Tensor:
    """Softmax attention of one token, q, k, v [B, H, 1, D], over keys and values in a room [B, Hkv, S, D], the first
    ``read`` of which are there; its own are written behind them."""
    keys, values = memory
    keys.index_copy_(2, read[None], k.to(keys))
    values.index_copy_(2, read[None], v.to(values))
    batch, heads, _, size = q.shape
    grouped = q.reshape(batch, keys.shape[1], -1, size)
    scores = (grouped @ keys.transpose(2, 3)).float() * size**-0.5
    scores = scores.masked_fill(torch.arange(keys.shape[2], device=q.device) > read, -torch.inf)
    o: Tensor = scores.softmax(-1).to(values) @ values
    return o.view(batch, heads, 1, size)


class SoftmaxBlock(Block):
    """A block of softmax attention over a window or over everything."""

    def __init__(self, config: HybridConfig, kind: Kind) -> None:
        super().__init__(config.block(config.heads, config.kv_heads))
        self.window = config.window if kind == "window" else 0

    def empty(self, batch: int, like: Tensor) -> Memory:
        """Keys and values [batch, kv_heads, window or 0, head_size] of nothing."""
        shape = (batch, self.heads[1], self.window, self.head_size)
        return like.new_zeros(shape), like.new_zeros(shape)

    def read(self, x: Tensor, memory: Memory, at: _Place) -> tuple[Tensor, Memory]:
        """x [B, T, width] -> the same, and what is remembered then."""
        kept: list[Tensor] = []

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if at.fixed and not self.window:
                kept.extend(memory)
                return in_room(q, k, v, memory, at.read)
            keys, values = (torch.cat((old.to(new), new), 2) for old, new in zip(memory, (k, v), strict=True))
            kept.extend(
                part[:, :, -self.window :].contiguous() if self.window else part for part in (keys, values)
            )
            if self.window:
                return windowed(q, keys, values, self.window, at.read)
            length, whole = q.shape[2], keys.shape[2]
            mask = None if length in (1, whole) else causal_lower_right(length, whole)
            grouped = q.shape[1] != keys.shape[1]
            return F.scaled_dot_product_attention(
                q, keys, values, attn_mask=mask, is_causal=1 < length == whole, enable_gqa=grouped
            )

        x = self(x, at.cos, at.sin, attend)
        return x, tuple(kept)


class LinearBlock(Block):
    """A block of linear attention: the delta rule, or FAVOR+."""

    features: Tensor

    def __init__(self, config: HybridConfig, kind: Kind, seed: int) -> None:
        heads, size = config.linear_heads, config.head_size
        super().__init__(config.block(heads, heads))
        self.kind, self.inner = kind, heads * size
        self.taps = nn.Parameter(torch.zeros(TAPS, 1, 3 * self.inner))
        self.output_gate = nn.Linear(config.width, self.inner, bias=False)
        self.output_norm = RMSNorm(size, config.norm_epsilon)
        nn.init.uniform_(self.taps, -0.1, 0.1)
        nn.init.constant_(self.taps[-1], 1.0)
        gates = {"gated_delta": 2, "gated_favor": 1}.get(kind, 0)
        if gates:
            self.gates = nn.Linear(config.width, gates * heads, bias=False)
            times = torch.logspace(math.log10(FASTEST_TOKENS), math.log10(SLOWEST_TOKENS), heads)
            bias = torch.zeros(gates, heads)
            bias[0] = torch.expm1(1 / times).log()  # softplus of it is 1 / time
            self.gate_bias = nn.Parameter(bias.flatten())
        if kind != "gated_delta":
            self.sharpness = nn.Parameter(torch.full((heads, 1), math.log(SHARPNESS)).flatten())
            # Drawn from a seed instead of stored: a checkpoint rounds matrices.
            rng = torch.Generator().manual_seed(seed)
            self.register_buffer("features", random_features(config.features, size, rng), persistent=False)

    def empty(self, batch: int, like: Tensor) -> Memory:
        """The convolution's last inputs [batch, TAPS - 1, 3 heads head_size] and the operation's state."""
        heads, size = self.heads[0], self.head_size
        past = like.new_zeros(batch, TAPS - 1, 3 * self.inner)
        if self.kind == "gated_delta":
            return past, torch.zeros(batch, heads, size, size, device=like.device)
        return past, *empty_state(batch, heads, len(self.features), size, like.device)

    def read(self, x: Tensor, memory: Memory, at: _Place) -> tuple[Tensor, Memory]:
        """x [B, T, width] -> the same, and what is remembered then."""
        batch, length, _ = x.shape
        inputs = self.attention_norm(x)
        new = self.qkv(inputs)
        past = torch.cat((memory[0].to(new), new), 1)
        taps = self.taps.to(new)
        mixed = past[:, :length] * taps[0]
        for i in range(1, TAPS):
            mixed = torch.addcmul(mixed, past[:, i : i + length], taps[i])
        q, k, v = F.silu(mixed).view(batch, length, 3, -1, self.head_size).unbind(2)
        q, k = F.normalize(q.float(), dim=-1), F.normalize(k.float(), dim=-1)
        gates = self._gates(inputs)
        if self.kind != "gated_delta":
            sharpness = self.sharpness.float().exp()[:, None]
            q, k = q * sharpness, k * sharpness
        o, state = self._operate(q.to(new), k.to(new), v, gates, memory[1:])
        o = self.output_norm(o.to(new)).reshape(batch, length, -1) * F.silu(self.output_gate(inputs))
        return self.feed_forward(x + self.out(o)), (past[:, 1 - TAPS :].contiguous(), *state)

    def _gates(self, inputs: Tensor) -> list[Tensor]:
        """Log-decay and, for the delta rule, write strength, fp32 [B, T, heads] each."""
        if self.kind == "favor":
            return []
        with torch.autocast(inputs.device.type, enabled=False):
            raw = F.linear(inputs.float(), self.gates.weight.float(), self.gate_bias.float())
        if self.kind == "gated_favor":  # at most e^-1 a token: a chunk of FAVOR+ holds 80
            return [-torch.sigmoid(raw)]
        decay, strength = raw.chunk(2, -1)
        return [-F.softplus(decay), torch.sigmoid(strength)]

    def _operate(
        self, q: Tensor, k: Tensor, v: Tensor, gates: list[Tensor], state: Memory
    ) -> tuple[Tensor, Memory]:
        """One token goes through the fused step, in float32 (for which it is verified)."""
        step = q.shape[1] == 1 and not torch.is_grad_enabled()
        if step:
            q, k, v = q.float(), k.float(), v.float()
        if self.kind == "gated_delta":
            if step:
                after = state[0].clone()
                return gated_delta_step(q, k, v, gates[0], gates[1], after, scale=1.0), (after,)
            o, after = gated_delta(q, k, v, gates[0], gates[1], scale=1.0, state=state[0])
            return o, (after,)
        sums = FavorState(*state)
        if step and self.kind == "favor":
            sums = FavorState(*(part.clone() for part in sums))
            return favor_plus_step(q, k, v, self.features, sums, scale=1.0), tuple(sums)
        o, sums = favor_plus(q, k, v, self.features, gates[0] if gates else None, scale=1.0, state=sums)
        return o, tuple(sums)


class HybridNetwork(nn.Module):
    """Embedding (tied to the next-token head), blocks, norm."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        kinds = [config.kind(i) for i in range(config.layers)]
        self.blocks = nn.ModuleList(
            SoftmaxBlock(config, kind) if kind in ("window", "dense") else LinearBlock(config, kind, seed)
            for seed, kind in enumerate(kinds)
        )
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        with torch.no_grad():
            nn.init.normal_(self.embedding.weight, std=0.02)
            # GPT-2's: smaller what is added to the stream.
            for name, weight in self.blocks.named_parameters():
                if weight.ndim == 2:
                    added = name.endswith(("out.weight", "down.weight"))
                    nn.init.normal_(weight, std=(config.width * (2 * config.layers if added else 1)) ** -0.5)

    def empty(self, batch: int = 1) -> Reading:
        """Nothing read yet."""
        like = self.embedding.weight
        read = torch.zeros((), dtype=torch.int64, device=like.device)
        return Reading(read, tuple(block.empty(batch, like) for block in self._all()))

    def _all(self) -> list[SoftmaxBlock | LinearBlock]:
        return [block for block in self.blocks if isinstance(block, SoftmaxBlock | LinearBlock)]

    def room(self, reading: Reading, tokens: int) -> list[Memory]:
        """The layers of a reading, with zeros behind the keys and values of dense ones up to so many tokens."""
        return [
            tuple(F.pad(part, (0, 0, 0, tokens - part.shape[2])) for part in memory)
            if isinstance(block, SoftmaxBlock) and not block.window
            else memory
            for block, memory in zip(self._all(), reading.layers, strict=True)
        ]

    def forward(
        self, ids: Tensor, before: Reading | None = None, *, fixed: bool = False
    ) -> tuple[Tensor, Reading]:
        """ids [B, T] int64 behind ``before`` -> hidden states [B, T, width] and the reading then. Nothing that is given
        is changed, and a reading can be gone on from twice; only with ``fixed``, for one token behind layers made by
        ``room``, are keys written into these."""
        before = self.empty(len(ids)) if before is None else before
        x = self.embedding(ids)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        length = ids.shape[1]
        positions = before.read + torch.arange(length, device=ids.device)
        cos, sin = (
            part[None, None] for part in rotary(positions, self.config.head_size, self.config.rope_base)
        )
        at = _Place(cos, sin, before.read, fixed)
        layers = []
        for block, memory in zip(self._all(), before.layers, strict=True):
            x, after = block.read(x, memory, at)
            layers.append(after)
        hidden: Tensor = self.norm(x)
        return hidden, Reading(before.read + length, tuple(layers))

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden [..., width] -> [..., vocabulary], in the type of the weights."""
        return F.linear(hidden, self.embedding.weight)

    def to_inference(self, dtype: torch.dtype) -> HybridNetwork:
        """Matrices in ``dtype``, gates, norms and states in float32; no gradients. Changes this network."""
        for parameter in self.parameters():
            if parameter.ndim == 2:
                parameter.data = parameter.data.to(dtype)
        return self.eval().requires_grad_(False)


def save(network: HybridNetwork, folder: Path, *, int8: bool = False, files: int = 2) -> None:
    """Write ``config.json`` and the weights (``checkpoint.write``)."""
    checkpoint.write(network.state_dict(), network.config, folder, int8=int8, files=files)


def load(folder: Path) -> HybridNetwork:
    """The network in float32 on the CPU. Raises CheckpointError."""
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=HybridConfig)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read {folder / 'config.json'}: {str(error).splitlines()[0]}"
        ) from error
    network = HybridNetwork(config)
    stored = checkpoint.read_tensors(folder)
    checkpoint.fit(network, stored, folder)
    network.load_state_dict({name: checkpoint.dense(stored, name) for name in network.state_dict()})
    return network

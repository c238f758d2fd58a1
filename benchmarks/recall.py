"""Multi-query associative recall (Arora et al., "Zoology", ICLR 2024): pairs of key and value are read, then keys come
again in another order and each asks for its value. How many pairs fit into a state of so many bytes?
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.hybrid import HybridConfig, HybridNetwork, Kind

VOCABULARY = 2048
ROWS = 256  # of the fewest pairs; of more pairs fewer, so that a step has one number of tokens
PEAK_RATE = 5e-3
# The same bytes of state: 2 heads x 32 x 32 numbers in a layer.
KINDS: dict[str, Kind] = {"FAVOR+": "favor", "gated FAVOR+": "gated_favor", "gated delta": "gated_delta"}


class Recall(msgspec.Struct, frozen=True):
    """Share of queries that got their value, by the number of pairs; bytes of state of one sequence."""

    name: str
    state_bytes: int
    right: dict[int, float]
    seconds: float


def config(kind: Kind) -> HybridConfig:
    """Two layers of one kind."""
    return HybridConfig(
        name=kind, pattern=(kind,), layers=2, width=64, heads=2, kv_heads=2, linear_heads=2, head_size=32, features=32,
        mlp_width=128, vocabulary=VOCABULARY,
    )  # fmt: skip


def questions(pairs: int, rows: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """ids int64 [rows, 4 pairs] and targets, -100 but where a key has come again. Keys are of the first half of the
    vocabulary, values of the second."""
    half = VOCABULARY // 2
    keys = torch.stack([torch.randperm(half, generator=rng)[:pairs] for _ in range(rows)])
    values = torch.randint(half, VOCABULARY, (rows, pairs), generator=rng)
    again = torch.stack([torch.randperm(pairs, generator=rng) for _ in range(rows)])
    asked, answers = keys.gather(1, again), values.gather(1, again)
    told = torch.stack((keys, values), 2).flatten(1)
    ids = torch.cat((told, torch.stack((asked, answers), 2).flatten(1)), 1)
    target = torch.full_like(ids, -100)
    target[:, 2 * pairs :: 2] = answers
    return ids, target


def measure(
    name: str, kind: Kind, steps: int, device: torch.device, pairs: Sequence[int] = (16, 32, 64, 128)
) -> Recall:
    """Train for ``steps`` on questions of all sizes in turn, then ask new ones."""
    torch.manual_seed(0)
    begin = time.perf_counter()
    network = HybridNetwork(config(kind)).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.01)
    rng = torch.Generator().manual_seed(1)
    for step in range(steps):
        rate = min(1, 10 * step / steps, 2 - 2 * step / steps) * PEAK_RATE
        for group in optimiser.param_groups:
            group["lr"] = rate
        count = pairs[step % len(pairs)]
        ids, target = (part.to(device) for part in questions(count, max(1, ROWS * pairs[0] // count), rng))
        loss = F.cross_entropy(network.logits(network(ids)[0]).flatten(0, 1), target.flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    right = {count: _right(network, count, device) for count in pairs}
    state = sum(part.nbytes for memory in network.empty().layers for part in memory[1:])
    return Recall(name, state, right, round(time.perf_counter() - begin, 1))


@torch.no_grad()
def _right(network: HybridNetwork, pairs: int, device: torch.device) -> float:
    rng = torch.Generator().manual_seed(2)
    ids, target = (part.to(device) for part in questions(pairs, math.ceil(4096 / pairs), rng))
    asked = target >= 0
    guess = network.logits(network(ids)[0][asked]).argmax(-1)
    return round(float((guess == target[asked]).float().mean()), 3)

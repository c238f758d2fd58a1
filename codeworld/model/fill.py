"""The reader's own next-token head at a hole: scoring candidate fills, and decoding one left to right."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from codeworld.model.reader import Context, Reader
from codeworld.model.tokenizer import END, FILL


@torch.inference_mode()
def score(reader: Reader, context: Context, fills: list[list[int]]) -> list[Tensor]:
    """Log-probability in nats of each token of each fill and of the end of the hole behind it, [len(fill) + 1] fp32,
    in one pass. The fills begin with the healed token."""
    ids: list[int] = []
    positions: list[int] = []
    owner: list[int] = []
    for i, fill in enumerate(fills):
        ids += [FILL, *fill]
        positions += range(context.position, context.position + len(fill) + 1)
        owner += [i] * (len(fill) + 1)
    device = reader.like.device
    group = torch.tensor(owner, device=device)
    order = torch.arange(len(ids), device=device)
    own = (group[:, None] == group) & (order[:, None] >= order)
    x = reader.network.embed(torch.tensor([ids], device=device))
    hidden = reader.segment(context, x, torch.tensor(positions, device=device), own)
    targets = torch.tensor([t for fill in fills for t in (*fill, END)], device=device)
    logprobs = reader.network.logits(hidden).float().log_softmax(-1).gather(1, targets[:, None])[:, 0].cpu()
    return list(torch.split(logprobs, [len(f) + 1 for f in fills]))


@torch.inference_mode()
def decode(reader: Reader, context: Context, allowed: Allowed, most: int) -> tuple[list[int], float]:
    """Greedy fill of at most ``most`` tokens and its log-probability (end included); ids without the end token."""
    device = reader.like.device
    fill: list[int] = []
    total, token = 0.0, FILL
    for i in range(most + 1):
        x = reader.network.embed(torch.tensor([[token]], device=device))
        hidden = reader.segment(
            context, x, torch.tensor([context.position + i], device=device), None, behind=i
        )
        logprobs = reader.network.logits(hidden[0]).float().log_softmax(-1)
        token = int((logprobs + allowed.bias(first=i == 0)).argmax())
        total += float(logprobs[token])
        if token == END:
            break
        fill.append(token)
    return fill, total


class Allowed:
    """Which tokens may stand in a fill: never special ones but END, the first continues the healed ``head``, and in a
    one-line fill none holds a newline. As fp32 biases [vocabulary] of 0 and -inf."""

    def __init__(self, reader: Reader, head: bytes, one_line: bool) -> None:
        self.later = self.first = _later(reader, one_line)
        if head:
            tokens = reader.tokenizer.token_bytes
            fitting = reader.tokenizer.starting_with(head)
            starts = [t for t in fitting if not one_line or b"\n" not in tokens[t][len(head) :]]
            self.first = torch.full_like(self.later, -torch.inf)
            self.first[torch.tensor(starts, device=self.later.device)] = 0.0

    def bias(self, *, first: bool) -> Tensor:
        """What to add to logits [..., vocabulary]."""
        return self.first if first else self.later


@lru_cache(maxsize=4)
def _later(reader: Reader, one_line: bool) -> Tensor:
    tokens = reader.tokenizer.token_bytes
    bias = torch.zeros(reader.config.vocabulary)
    bias[len(tokens) :] = -torch.inf
    bias[[i for i, t in enumerate(tokens) if not t or (one_line and b"\n" in t)]] = -torch.inf
    bias[END] = 0.0
    return bias.to(reader.like.device)

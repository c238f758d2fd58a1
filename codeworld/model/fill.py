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
    return _read(reader, context, [([FILL, *fill], [*fill, END]) for fill in fills])


def joint(reader: Reader, context: Context, texts: list[list[int]]) -> list[Tensor]:
    """Log-probability in nats, [len(text)] fp32, of each token of each text as what simply comes next behind the
    prefix, the suffix unseen: of a fill and the text behind the hole together. In one pass; texts begin with the healed
    token."""
    last = reader.prefix_ids[-1]  # read once more, for what it predicts
    plain = Context(reader.suffix_tokens, context.end - 1, context.position - 1, context.head)
    return _read(reader, plain, [([last, *text[:-1]], text) for text in texts])


@torch.inference_mode()
def _read(reader: Reader, context: Context, rows: list[tuple[list[int], list[int]]]) -> list[Tensor]:
    """For each (tokens, the tokens that they should predict): the log-probabilities of the latter."""
    ids = [token for tokens, _ in rows for token in tokens]
    positions = [context.position + i for tokens, _ in rows for i in range(len(tokens))]
    owner = [at for at, (tokens, _) in enumerate(rows) for _ in tokens]
    device = reader.like.device
    group = torch.tensor(owner, device=device)
    order = torch.arange(len(ids), device=device)
    own = (group[:, None] == group) & (order[:, None] >= order)
    x = reader.network.embed(torch.tensor([ids], device=device))
    hidden = reader.segment(context, x, torch.tensor(positions, device=device), own)
    targets = torch.tensor([token for _, wanted in rows for token in wanted], device=device)
    logprobs = reader.network.logits(hidden).float().log_softmax(-1).gather(1, targets[:, None])[:, 0].cpu()
    return list(torch.split(logprobs, [len(tokens) for tokens, _ in rows]))


@torch.inference_mode()
def decode(
    reader: Reader, context: Context, allowed: Allowed, most: int, *, least: int = 0
) -> tuple[list[int], float]:
    """Greedy fill of ``least`` to ``most`` tokens and its log-probability (end included); ids without the end token."""
    device = reader.like.device
    fill: list[int] = []
    total, token = 0.0, FILL
    for i in range(most + 1):
        x = reader.network.embed(torch.tensor([[token]], device=device))
        hidden = reader.segment(
            context, x, torch.tensor([context.position + i], device=device), None, behind=i
        )
        logprobs = reader.network.logits(hidden[0]).float().log_softmax(-1)
        biased = logprobs + allowed.bias(first=i == 0)
        if i < least:
            biased[END] = -torch.inf
        token = int(biased.argmax())
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

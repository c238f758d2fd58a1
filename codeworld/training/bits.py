"""How well a checkpoint predicts code left to right, in bits per byte: comparable between tokenizers and sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.network import Network
from codeworld.model.tokenizer import EOF, CodeTokenizer


def windows(tokenizer: CodeTokenizer, text: str, length: int) -> Iterator[list[int]]:
    """The tokens of ``text`` in pieces that begin with EOF, at most ``length`` tokens each."""
    ids = tokenizer.encode(text)
    for at in range(0, len(ids), length - 1):
        yield [EOF, *ids[at : at + length - 1]]


@torch.inference_mode()
def bits_per_byte(network: Network, tokenizer: CodeTokenizer, texts: Iterable[str]) -> float:
    """Cross-entropy of ``texts`` under the next-token head, in bits, over their length in UTF-8 bytes. Each window is
    read on its own, so what stands before it helps nothing. Raises ValueError when there is no text."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)

    nats, size = 0.0, 0
    for text in texts:
        size += len(text.encode())
        for ids in windows(tokenizer, text, network.config.window_tokens):
            row = torch.tensor([ids], device=network.embedding.weight.device)
            positions = torch.arange(len(ids), device=row.device)[None]
            logits = network.logits(network(network.embed(row), positions, lambda _: attend)[0, :-1])
            nats += float(F.cross_entropy(logits.float(), row[0, 1:], reduction="sum"))
    if not size:
        raise ValueError("no text to measure on")
    return nats / math.log(2) / size

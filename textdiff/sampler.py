"""From a source to candidates: a few denoising steps on canvases of likely lengths, all candidates in one batch a
length.

The diversity dial is the amplitude of the noise that a canvas begins with: 0 gives the one text that follows from no
noise at all, 1 what the model was trained on. Guidance extrapolates from what the model would write knowing only the
task (Ho and Salimans 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.tokenizer import END, FILL, MASK, SPECIAL, CodeTokenizer
from textdiff.config import LENGTHS
from textdiff.denoiser import KeysValues, Memory, TextNetwork
from textdiff.schedule import alpha_sigma
from textdiff.stream import tokenise


class Dials(msgspec.Struct, frozen=True, kw_only=True):
    """How to sample: denoising steps, candidates, guidance (1: none), and the diversity dial."""

    steps: int = 16
    count: int = 8
    guidance: float = 1.5
    diversity: float = 1.0


class Candidate(NamedTuple):
    """A text's ids, END excluded, and the mean log-probability of its tokens, END included, as the last step saw
    them."""

    ids: list[int]
    logprob_nats: float


class Asked(NamedTuple):
    """A source that has been read, with and without what is asked for."""

    seen: list[KeysValues]
    seen_task: list[KeysValues]
    lengths: list[float]  # probabilities of LENGTHS
    prefix: list[int]


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Everything sees everything."""
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


class Sampler:
    """A network ready to write. ``should_stop`` is asked before each step; None is given back when it says so."""

    def __init__(self, network: TextNetwork, tokenizer: CodeTokenizer) -> None:
        self.network, self.tokenizer = network, tokenizer
        self.device = network.embedding.weight.device

    @torch.inference_mode()
    def read(self, source: str, prefix: str = "") -> Asked:
        """Encode a source (``textdiff.source``) and what the text is to begin with."""
        pieces = tokenise(self.tokenizer, source, prefix)
        limit = self.network.config.source_tokens
        memory, task = self._memory(pieces.source(True, limit)), self._memory(pieces.head)
        lengths = self.network.length_logits(memory.states[0, 0]).float().softmax(-1)
        return Asked(
            self.network.remember(memory), self.network.remember(task), lengths.tolist(), pieces.target
        )

    def _memory(self, ids: list[int]) -> Memory:
        positions = torch.arange(-len(ids), 0, device=self.device)[None]
        return self.network.encode(torch.tensor([ids], device=self.device), positions, attend)

    @torch.inference_mode()
    def sample(
        self,
        asked: Asked,
        dials: Dials,
        generator: torch.Generator,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> list[Candidate] | None:
        """``dials.count`` candidates in no order."""
        kind = self.network.config.kind
        if kind == "autoregressive":
            return self._left_to_right(asked, dials, generator, should_stop)
        write = self._denoise if kind == "gaussian" else self._unmask
        found: list[Candidate] = []
        for size, count in allotted(asked.lengths, dials.count, len(asked.prefix)):
            ids, logprobs = write(asked, size, count, dials, generator, should_stop)
            if ids is None:
                return None
            found += [_cut(row, own) for row, own in zip(ids.tolist(), logprobs.tolist(), strict=True)]
        return found

    def _given(self, asked: Asked, size: int, count: int) -> tuple[Tensor, Tensor]:
        """Ids with the prefix in its place, int64 [count, size], and where it is, bool."""
        ids = torch.full((count, size), END, device=self.device)
        length = min(len(asked.prefix), size - 1)
        ids[:, :length] = torch.tensor(asked.prefix[:length], dtype=torch.long, device=self.device)
        given = torch.arange(size, device=self.device)[None].expand(count, -1) < length
        return ids, given

    def _guided(
        self, x: Tensor, positions: Tensor, asked: Asked, posterior: Tensor | None, guidance: float
    ) -> Tensor:
        """Logits [B, T, vocabulary] fp32, special tokens but END ruled out."""
        network = self.network
        logits = network.logits(network.decode(x, positions, asked.seen, attend), posterior).float()
        if guidance != 1.0:
            plain = network.logits(network.decode(x, positions, asked.seen_task, attend), posterior).float()
            logits = plain + guidance * (logits - plain)
        barred = [i for i in range(len(SPECIAL)) if i != END]
        logits[..., barred] = -torch.inf
        return logits

    def _denoise(
        self,
        asked: Asked,
        size: int,
        count: int,
        dials: Dials,
        generator: torch.Generator,
        should_stop: Callable[[], bool],
    ) -> tuple[Tensor | None, Tensor]:
        """Deterministic steps down the learned levels (DDIM, Song et al. 2021): ids and log-probabilities."""
        network, device = self.network, self.device
        rows = network.codebook.rows()
        ids, given = self._given(asked, size, count)
        clean, fixed = F.embedding(ids, rows), given[..., None]
        positions = torch.arange(size, device=device)[None]
        z = dials.diversity * torch.randn(clean.shape, generator=generator, device=device)
        guess = torch.zeros_like(clean)
        logits = torch.empty(0)
        levels = network.schedule.levels(dials.steps)
        for now, then in pairwise(levels):
            if should_stop():
                return None, z
            z = torch.where(fixed, clean, z)
            gamma = now.expand(count, size)
            x = network.noisy_input(z, gamma, guess, given)
            logits = self._guided(x, positions, asked, network.posterior(z, gamma), dials.guidance)
            expected = logits.softmax(-1) @ rows
            guess = torch.where(fixed, torch.zeros_like(expected), expected)
            (alpha, sigma), (alpha_then, sigma_then) = alpha_sigma(now), alpha_sigma(then)
            z = alpha_then * expected + sigma_then * (z - alpha * expected) / sigma
        logprobs, best = logits.log_softmax(-1).max(-1)
        return torch.where(given, ids, best), torch.where(given, 0.0, logprobs)

    def _unmask(
        self,
        asked: Asked,
        size: int,
        count: int,
        dials: Dials,
        generator: torch.Generator,
        should_stop: Callable[[], bool],
    ) -> tuple[Tensor | None, Tensor]:
        """The masked twin: in each step the surest masked tokens are kept (Chang et al. 2022, MaskGIT)."""
        ids, given = self._given(asked, size, count)
        masked = ~given
        positions = torch.arange(size, device=self.device)[None]
        logprobs = torch.zeros(count, size, device=self.device)
        for step in range(dials.steps):
            if should_stop():
                return None, logprobs
            x = self.network.embedding(torch.where(masked, MASK, ids))
            logits = self._guided(x, positions, asked, None, dials.guidance)
            noise = -torch.empty_like(logits).exponential_(generator=generator).log()
            drawn = (logits + dials.diversity * noise).argmax(-1)
            chosen = logits.log_softmax(-1).gather(-1, drawn[..., None])[..., 0]
            ids, logprobs = torch.where(masked, drawn, ids), torch.where(masked, chosen, logprobs)
            left = masked.sum(1, keepdim=True) * (dials.steps - 1 - step) // (dials.steps - step)
            order = torch.where(masked, logprobs, torch.inf).argsort(1).argsort(1)
            masked = masked & (order < left)
        return ids, logprobs

    def _left_to_right(
        self, asked: Asked, dials: Dials, generator: torch.Generator, should_stop: Callable[[], bool]
    ) -> list[Candidate] | None:
        """The autoregressive twin; diversity is the temperature, 0 is greedy."""
        network, limit = self.network, self.network.config.target_tokens
        prefix = torch.tensor([[FILL, *asked.prefix[: limit - 2]]] * dials.count, device=self.device)
        ids, logprobs = prefix, [torch.zeros(dials.count, device=self.device)] * (prefix.shape[1] - 1)
        ended = torch.zeros(dials.count, dtype=torch.bool, device=self.device)
        while ids.shape[1] <= limit and not bool(ended.all()):
            if should_stop():
                return None
            length, source = ids.shape[1], asked.seen[0].keys.shape[2]
            own = torch.ones(length, length, dtype=torch.bool, device=self.device).tril()
            mask = torch.cat((own.new_ones(length, source), own), dim=1)

            def causal(q: Tensor, k: Tensor, v: Tensor, mask: Tensor = mask) -> Tensor:
                return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)

            positions = torch.arange(length, device=self.device)[None]
            hidden = network.decode(network.embedding(ids), positions, asked.seen, causal)
            logits = network.logits(hidden[:, -1]).float()
            logits[:, [i for i in range(len(SPECIAL)) if i != END]] = -torch.inf
            noise = -torch.empty_like(logits).exponential_(generator=generator).log()
            drawn = (logits + dials.diversity * noise).argmax(-1)
            drawn = torch.where(ended, END, drawn)
            logprobs.append(logits.log_softmax(-1).gather(-1, drawn[:, None])[:, 0])
            ended |= drawn == END
            ids = torch.cat((ids, drawn[:, None]), dim=1)
        table = torch.stack(logprobs, dim=1).tolist()
        return [_cut(row, own) for row, own in zip(ids[:, 1:].tolist(), table, strict=True)]


def allotted(probabilities: Sequence[float], count: int, prefix: int) -> list[tuple[int, int]]:
    """(canvas length, candidates) for ``count`` candidates: each length gets its share, by the largest remainder;
    lengths that a prefix leaves no room in get none."""
    shares = [p if size > prefix + 1 else 0.0 for p, size in zip(probabilities, LENGTHS, strict=True)]
    if not sum(shares):
        shares[-1] = 1.0
    exact = [share / sum(shares) * count for share in shares]
    counts = [int(value) for value in exact]
    by_rest = sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])
    for i in by_rest[: count - sum(counts)]:
        counts[i] += 1
    return [(size, own) for size, own in zip(LENGTHS, counts, strict=True) if own]


def _cut(ids: list[int], logprobs: list[float]) -> Candidate:
    """Up to the first END."""
    end = ids.index(END) if END in ids else len(ids)
    known = logprobs[: end + 1]
    return Candidate(ids[:end], sum(known) / max(len(known), 1))

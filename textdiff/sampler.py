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

from codeworld.model.network import Attend
from codeworld.model.tokenizer import END, FILL, MASK, PAD, SPECIAL, CodeTokenizer
from textdiff.config import LENGTHS
from textdiff.denoiser import KeysValues, Memory, TextNetwork
from textdiff.pointer import mixed
from textdiff.schedule import alpha_sigma
from textdiff.stream import tokenise


class Dials(msgspec.Struct, frozen=True, kw_only=True):
    """How to sample: denoising steps, candidates, guidance (1: none; below it the source counts for less), and the
    diversity dial. ``temperature`` divides what the network adds to the posterior, ``length_temperature`` its logits of
    lengths: above 1 for weights that are surer than they are right. ``clearest``: the time (1: noise, 0: clean) at
    which the last tokens are decided. Left out, it is 1 for networks that decide tokens one after the other: what is
    not decided stays noise, for the less each token has made up its mind alone, the better the text (on held-out
    docstrings BLEU 23.6, 24.7 and 26.1 at 0.5, 0.75 and 1: docs/results/text_twins.md)."""

    steps: int = 16
    count: int = 8
    guidance: float = 1.0
    diversity: float = 1.0
    temperature: float = 1.0
    length_temperature: float = 1.0
    clearest: float | None = None


class Candidate(NamedTuple):
    """A text's ids, END excluded, and the mean log-probability of its tokens, END included, as the last step saw
    them."""

    ids: list[int]
    logprob_nats: float


class Asked(NamedTuple):
    """N sources that have been read, with and without what is asked for."""

    seen: list[KeysValues]
    seen_task: list[KeysValues]
    hidden: Tensor  # float [N, 1, 1, S]: -inf at padding among the sources
    hidden_task: Tensor
    states: Tensor  # of the encoder, [N, S, width], and
    source_ids: Tensor  # int64 [N, S]: what can be pointed at
    lengths: list[list[float]]  # probabilities of LENGTHS
    prefixes: list[list[int]]


class Canvas(NamedTuple):
    """Rows of one length that are written together: what each sees, and what is given."""

    seen: list[KeysValues]
    seen_task: list[KeysValues]
    attend: Attend
    attend_task: Attend
    positions: Tensor  # [1, T]
    ids: Tensor  # int64 [B, T], the prefix in its place
    given: Tensor  # bool [B, T]
    hidden: Tensor  # float [B, 1, 1, S]: -inf at padding among the sources
    states: Tensor  # [B, S, width]
    source_ids: Tensor  # int64 [B, S]


def attention(hidden: Tensor, own: Tensor) -> Attend:
    """Attention to all of the source but its padding, and to one's own canvas under ``own`` [T, T] (0 or -inf)."""
    length = own.shape[0]
    whole = torch.cat((hidden.expand(-1, 1, length, -1), own.expand(len(hidden), 1, -1, -1)), dim=-1)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=whole.to(q.dtype), enable_gqa=True)

    return attend


class Sampler:
    """A network ready to write. ``should_stop`` is asked before each step; what is given back is then None."""

    def __init__(self, network: TextNetwork, tokenizer: CodeTokenizer) -> None:
        self.network, self.tokenizer = network, tokenizer
        self.device = network.embedding.weight.device
        self.barred = torch.tensor([i for i in range(len(SPECIAL)) if i != END], device=self.device)

    @torch.inference_mode()
    def read(self, sources: Sequence[str], prefixes: Sequence[str]) -> Asked:
        """Encode sources (``textdiff.source``) and what each text is to begin with ("": nothing)."""
        pieces = [tokenise(self.tokenizer, *pair) for pair in zip(sources, prefixes, strict=True)]
        limit = self.network.config.source_tokens
        memory, hidden, ids = self._memory([one.source(True, limit) for one in pieces])
        task, hidden_task, _ = self._memory([one.head for one in pieces])
        lengths = self.network.length_logits(memory.states[:, 0]).float().softmax(-1).tolist()
        seen, seen_task = self.network.remember(memory), self.network.remember(task)
        prefixes_ids = [one.target for one in pieces]
        return Asked(seen, seen_task, hidden, hidden_task, memory.states, ids, lengths, prefixes_ids)

    def _memory(self, sources: list[list[int]]) -> tuple[Memory, Tensor, Tensor]:
        """The encoder's states of sources padded behind their ends, the padding as a mask, and the ids."""
        size = max(len(ids) for ids in sources)
        ids = torch.tensor([own + [PAD] * (size - len(own)) for own in sources], device=self.device)
        lengths = torch.tensor([[len(own)] for own in sources], device=self.device)
        memory, hidden = self.encode(ids, lengths)
        return memory, hidden, ids

    def encode(self, ids: Tensor, lengths: Tensor) -> tuple[Memory, Tensor]:
        """Sources int64 [N, S] of so many tokens, int64 [N, 1], padded behind them: the encoder's states, and the
        padding as a mask [N, 1, 1, S]."""
        index = torch.arange(ids.shape[1], device=self.device)[None]
        padding = index >= lengths
        hidden = torch.zeros(len(ids), 1, 1, ids.shape[1], device=self.device)
        hidden.masked_fill_(padding[:, None, None], -torch.inf)

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=hidden.to(q.dtype), enable_gqa=True)

        return self.network.encode(ids, torch.where(padding, 0, index - lengths), attend), hidden

    @torch.inference_mode()
    def sample(
        self,
        asked: Asked,
        dials: Dials,
        generator: torch.Generator,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> list[list[Candidate]] | None:
        """``dials.count`` candidates for each source, in no order. All rows of one length are written together."""
        kind = self.network.config.kind
        rows: dict[int, list[int]] = {}
        for number, (shares, prefix) in enumerate(zip(asked.lengths, asked.prefixes, strict=True)):
            if kind == "autoregressive":  # which needs no length; prefixes of one length are written together
                rows.setdefault(len(prefix), []).extend([number] * dials.count)
                continue
            softened = [share ** (1 / dials.length_temperature) for share in shares]
            for size, count in allotted(softened, dials.count, len(prefix)):
                rows.setdefault(size, []).extend([number] * count)
        found: list[list[Candidate]] = [[] for _ in asked.prefixes]
        for size, numbers in rows.items():
            length = size + 1 if kind == "autoregressive" else size
            written = self.write(self.canvas(asked, length, numbers), dials, generator, should_stop)
            if written is None:
                return None
            for number, ids, logprobs in zip(numbers, written[0].tolist(), written[1].tolist(), strict=True):
                found[number].append(cut(ids, logprobs))
        return found

    def write(
        self,
        canvas: Canvas,
        dials: Dials,
        generator: torch.Generator,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> tuple[Tensor, Tensor] | None:
        """Ids and log-probabilities of what was not given on a canvas, by the kind of the network, [B, T] each."""
        kinds = {"gaussian": self._denoise, "masked": self._unmask, "autoregressive": self._left_to_right}
        return kinds[self.network.config.kind](canvas, dials, generator, should_stop)

    def canvas(self, asked: Asked, size: int, numbers: list[int]) -> Canvas:
        """Canvases of ``size`` tokens for the sources ``numbers``."""
        index = torch.tensor(numbers, device=self.device)
        ids = torch.full((len(numbers), size), END, device=self.device)
        given = torch.zeros_like(ids, dtype=torch.bool)
        for row, number in enumerate(numbers):
            prefix = asked.prefixes[number][: size - 1]
            ids[row, : len(prefix)] = torch.tensor(prefix, dtype=torch.long, device=self.device)
            given[row, : len(prefix)] = True
        own = torch.zeros(size, size, device=self.device)
        one = len(asked.prefixes) == 1  # then what is remembered is shared instead of copied

        def chosen(seen: list[KeysValues]) -> list[KeysValues]:
            return seen if one else [KeysValues(kv.keys[index], kv.values[index]) for kv in seen]

        return Canvas(
            chosen(asked.seen),
            chosen(asked.seen_task),
            attention(asked.hidden[index], own),
            attention(asked.hidden_task[index], own),
            torch.arange(size, device=self.device)[None],
            ids,
            given,
            asked.hidden[index],
            asked.states[index],
            asked.source_ids[index],
        )

    def guided(self, x: Tensor, canvas: Canvas, posterior: Tensor | None, dials: Dials) -> Tensor:
        """Logits [B, T, vocabulary] fp32, special tokens but END ruled out."""
        network = self.network
        states = network.decode(x, canvas.positions, canvas.seen, canvas.attend)
        logits = network.logits(states).float()
        if dials.guidance != 1.0:
            hidden = network.decode(x, canvas.positions, canvas.seen_task, canvas.attend_task)
            plain = network.logits(hidden).float()
            logits = plain + dials.guidance * (logits - plain)
        logits = logits / dials.temperature
        if posterior is not None:  # exact, so neither guided nor softened
            logits = logits + posterior @ network.codebook.rows().T
        return self.pointed(logits, states, canvas, posterior)

    def pointed(self, logits: Tensor, states: Tensor, canvas: Canvas, posterior: Tensor | None) -> Tensor:
        """Special tokens ruled out, and the source's tokens pointed at, where the network does."""
        network, logits = self.network, logits.index_fill(-1, self.barred, -torch.inf)
        if not network.config.pointer_size:
            return logits
        scores = network.source_scores(states, canvas.states, canvas.source_ids, posterior)
        return mixed(
            logits, network.pointer.log_odds(states), scores + canvas.hidden[:, 0], canvas.source_ids
        )

    def _denoise(
        self, canvas: Canvas, dials: Dials, generator: torch.Generator, should_stop: Callable[[], bool]
    ) -> tuple[Tensor, Tensor] | None:
        """From noise to ids and log-probabilities."""
        size = (*canvas.ids.shape, self.network.config.code_size)
        noise = torch.randn(size, generator=generator, device=self.device)
        return self.denoise(canvas, dials, noise, should_stop)

    def denoise(
        self, canvas: Canvas, dials: Dials, noise: Tensor, should_stop: Callable[[], bool] = lambda: False
    ) -> tuple[Tensor, Tensor] | None:
        """Deterministic steps down the learned levels (DDIM, Song et al. 2021) from ``noise`` [B, T, code_size]: ids
        and log-probabilities, [B, T] each. Nothing here waits for the device. Networks that know texts with decided
        tokens decide the surest in each step, as the masked twin does; the others go down to ``dials.clearest``."""
        network, ids, open_ = self.network, canvas.ids, ~canvas.given
        rows = network.codebook.rows()
        logprobs = torch.zeros(ids.shape, device=self.device)
        z = dials.diversity * noise
        guess = torch.zeros_like(z)
        for step, (now, then) in enumerate(
            pairwise(network.schedule.levels(dials.steps, self._clearest(dials)))
        ):
            if should_stop():
                return None
            gamma = now.expand(ids.shape)
            x = network.noisy_input(z, gamma, guess, ~open_, ids)
            logits = self.guided(x, canvas, network.posterior(z, gamma), dials)
            shares = logits.softmax(-1)
            guess = shares @ rows
            found, best = shares.max(-1)
            ids, logprobs = torch.where(open_, best, ids), torch.where(open_, found.log(), logprobs)
            (alpha, sigma), (alpha_then, sigma_then) = alpha_sigma(now), alpha_sigma(then)
            z = alpha_then * guess + sigma_then * (z - alpha * guess) / sigma
            if network.config.decided:
                open_ = unsure(open_, logprobs, dials.steps - step)
        return ids, logprobs

    def _clearest(self, dials: Dials) -> float:
        """The time at which the last tokens are decided."""
        return float(bool(self.network.config.decided)) if dials.clearest is None else dials.clearest

    def _drawn(self, logits: Tensor, diversity: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tokens at temperature ``diversity`` (0: the likeliest) and their log-probabilities at temperature 1."""
        noise = -torch.empty_like(logits).exponential_(generator=generator).log()
        drawn = (logits + diversity * noise).argmax(-1)
        return drawn, logits.log_softmax(-1).gather(-1, drawn[..., None])[..., 0]

    def _unmask(
        self, canvas: Canvas, dials: Dials, generator: torch.Generator, should_stop: Callable[[], bool]
    ) -> tuple[Tensor, Tensor] | None:
        """The masked twin: in each step the surest masked tokens are kept (Chang et al. 2022, MaskGIT)."""
        ids, masked = canvas.ids, ~canvas.given
        logprobs = torch.zeros(ids.shape, device=self.device)
        for step in range(dials.steps):
            if should_stop():
                return None
            x = self.network.embedding(torch.where(masked, MASK, ids))
            logits = self.guided(x, canvas, None, dials)
            drawn, chosen = self._drawn(logits, dials.diversity, generator)
            ids, logprobs = torch.where(masked, drawn, ids), torch.where(masked, chosen, logprobs)
            masked = unsure(masked, logprobs, dials.steps - step)
        return ids, logprobs

    def _left_to_right(
        self, canvas: Canvas, dials: Dials, generator: torch.Generator, should_stop: Callable[[], bool]
    ) -> tuple[Tensor, Tensor] | None:
        """The autoregressive twin: the whole text is read again for each token (for quality, not for speed)."""
        network = self.network
        begin = torch.full((len(canvas.ids), 1), FILL, device=self.device)
        ids = torch.cat((begin, canvas.ids[:, :-1]), dim=1)  # FILL and the prefix
        logprobs = torch.zeros(ids[:, 1:].shape, device=self.device)
        ended = torch.zeros(len(ids), dtype=torch.bool, device=self.device)
        hidden = canvas.hidden
        while ids.shape[1] <= network.config.target_tokens and not bool(ended.all()):
            if should_stop():
                return None
            length = ids.shape[1]
            causal = torch.full((length, length), -torch.inf, device=self.device).triu(1)
            positions = torch.arange(length, device=self.device)[None]
            states = network.decode(network.embedding(ids), positions, canvas.seen, attention(hidden, causal))
            last = states[:, -1:]
            logits = self.pointed(network.logits(last).float(), last, canvas, None)[:, 0]
            drawn, chosen = self._drawn(logits, dials.diversity, generator)
            drawn = torch.where(ended, END, drawn)
            logprobs = torch.cat((logprobs, torch.where(ended, 0.0, chosen)[:, None]), dim=1)
            ended = ended | (drawn == END)
            ids = torch.cat((ids, drawn[:, None]), dim=1)
        return ids[:, 1:], logprobs


def unsure(undecided: Tensor, logprobs: Tensor, steps: int) -> Tensor:
    """Which tokens, of those that are not decided yet, bool [B, T], are left to the next of so many ``steps``: all but
    the surest (Chang et al. 2022, MaskGIT)."""
    left = undecided.sum(1, keepdim=True) * (steps - 1) // steps
    order = torch.where(undecided, logprobs, torch.inf).argsort(1).argsort(1)
    return undecided & (order < left)


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


def cut(ids: list[int], logprobs: list[float]) -> Candidate:
    """Up to the first END."""
    end = ids.index(END) if END in ids else len(ids)
    known = logprobs[: end + 1]
    return Candidate(ids[:end], sum(known) / max(len(known), 1))

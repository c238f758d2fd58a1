"""Texts of one source as CUDA graphs, for what has to be as fast as the GPU: a narrow decoder launches hundreds of
kernels a step that take microseconds each, and launching them one by one from Python takes ten times as long.

A diffusion model's graph is everything: source, canvas and all steps. Its autoregressive twin's is one token over a
cache of keys and values, replayed until every text has ended. Both are what ``Sampler`` computes (tests say so), on a
canvas of ``LENGTHS[-1]`` tokens; on a CPU the same is computed without graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.tokenizer import END, FILL, PAD
from textdiff.choose import ranked
from textdiff.config import LENGTHS
from textdiff.denoiser import KeysValues, Memory
from textdiff.sampler import Candidate, Canvas, Dials, Sampler, attention, cut
from textdiff.stream import tokenise

_SIZE: Final = LENGTHS[-1]
_ASKED_EVERY: Final = 8  # tokens, whether all texts have ended: to ask is to wait for the GPU


class Replay:
    """``dials.count`` texts of one source at a time. Not for the masked twin, whose steps are the diffusion model's."""

    def __init__(self, sampler: Sampler, dials: Dials, seed: int = 0) -> None:
        self.sampler, self.dials = sampler, dials
        self.config, self.device = sampler.network.config, sampler.device
        self.generator = torch.Generator(device=self.device).manual_seed(seed)
        rows = dials.count
        self.source = torch.full((1, self.config.source_tokens), PAD, device=self.device)
        self.length = torch.ones(1, 1, dtype=torch.int64, device=self.device)
        noise = self.config.code_size if self.config.kind == "gaussian" else self.config.vocabulary
        self.noise = torch.ones(rows, _SIZE, noise, device=self.device)
        self.ids = torch.full((rows, _SIZE), END, device=self.device)
        self.logprobs = torch.zeros(rows, _SIZE, device=self.device)
        if self.config.kind == "gaussian":
            self._whole = graph(self._diffuse, self.device)
            return
        shape = (rows, self.config.kv_heads, _SIZE, self.config.head_size)
        self.caches = [
            KeysValues(*torch.zeros(2, *shape, device=self.device)) for _ in range(self.config.decoder_layers)
        ]
        self.at = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._read = graph(self._remember, self.device)  # first: what it leaves is what the next one works on
        self._next = graph(self._token, self.device)

    @torch.inference_mode()
    def __call__(self, source: str) -> list[str]:
        """Different texts, the best first (``textdiff.choose``)."""
        tokenizer = self.sampler.tokenizer
        found = self.candidates(source)
        texts = [tokenizer.decode(one.ids).strip() for one in found]
        return [text for text, _ in ranked(texts, [one.logprob_nats for one in found])]

    @torch.inference_mode()
    def candidates(self, source: str) -> list[Candidate]:
        """As many as the dials say."""
        ids = tokenise(self.sampler.tokenizer, source).source(True, self.config.source_tokens)
        self.source.fill_(PAD)
        self.source[0, : len(ids)] = torch.tensor(ids, device=self.device)
        self.length.fill_(len(ids))
        if self.config.kind == "gaussian":
            self.noise.normal_(generator=self.generator)
            self._whole()
        else:
            self.noise.exponential_(generator=self.generator)
            self._left_to_right()
        pairs = zip(self.ids.tolist(), self.logprobs.tolist(), strict=True)
        return [cut(own, logprobs) for own, logprobs in pairs]

    def _memory(self) -> tuple[Memory, Tensor]:
        memory, hidden = self.sampler.encode(self.source, self.length)
        return memory, hidden.expand(self.dials.count, -1, -1, -1)

    def _canvas(self, memory: Memory, hidden: Tensor, seen: list[KeysValues]) -> Canvas:
        """Of so many rows, nothing given; without guidance, which would see the task alone."""
        rows, none = self.dials.count, torch.zeros(self.ids.shape, dtype=torch.bool, device=self.device)
        attend = attention(hidden, torch.zeros(_SIZE, _SIZE, device=self.device))
        positions = torch.arange(_SIZE, device=self.device)[None]
        blank = torch.full_like(self.ids, END)
        states, sources = memory.states.expand(rows, -1, -1), self.source.expand(rows, -1)
        return Canvas(seen, seen, attend, attend, positions, blank, none, hidden, states, sources)

    def _diffuse(self) -> None:
        memory, hidden = self._memory()
        canvas = self._canvas(memory, hidden, self.sampler.network.remember(memory))
        found = self.sampler.denoise(canvas, self.dials, self.noise)
        assert found is not None
        self.ids.copy_(found[0])
        self.logprobs.copy_(found[1])

    def _remember(self) -> None:
        """What stays while the twin writes; the graph keeps these tensors where they are."""
        memory, hidden = self._memory()
        self.canvas = self._canvas(memory, hidden, self.sampler.network.remember(memory))
        self.at.zero_()
        self.ids.fill_(END)
        self.logprobs.zero_()

    def _left_to_right(self) -> None:
        self._read()
        for number in range(1, _SIZE + 1):
            self._next()
            if number % _ASKED_EVERY == 0 and bool((self.ids[:, number - 1] == END).all()):
                break

    def _token(self) -> None:
        """The token at ``at`` of every text, from the one before; ``at`` moves on."""
        network, at = self.sampler.network, self.at
        before = torch.where(at > 0, self.ids[:, (at - 1).clamp(min=0)], FILL)
        ended = (before == END) & (at > 0)
        states = network.decode(network.embedding(before), at[None], self.canvas.seen, self._cached())
        logits = self.sampler.pointed(network.logits(states).float(), states, self.canvas, None)
        gumbel = -self.noise.index_select(1, at).log()
        drawn = (logits + self.dials.diversity * gumbel).argmax(-1)
        chosen = logits.log_softmax(-1).gather(-1, drawn[..., None])[..., 0]
        self.ids.index_copy_(1, at, torch.where(ended, END, drawn))
        self.logprobs.index_copy_(1, at, torch.where(ended, 0.0, chosen))
        at.add_(1)

    def _cached(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Attention of one token to the source and to the cache up to itself; layers ask in their order."""
        caches: Iterator[KeysValues] = iter(self.caches)
        later = torch.arange(_SIZE, device=self.device) > self.at
        own = torch.zeros(1, 1, 1, _SIZE, device=self.device).masked_fill(later, -torch.inf)
        mask = torch.cat((self.canvas.hidden, own.expand(self.dials.count, -1, -1, -1)), dim=-1)

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            cache = next(caches)
            cache.keys.index_copy_(2, self.at, k[:, :, -1:])
            cache.values.index_copy_(2, self.at, v[:, :, -1:])
            keys = torch.cat((k[:, :, :-1], cache.keys), dim=2)
            values = torch.cat((v[:, :, :-1], cache.values), dim=2)
            return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, enable_gqa=True)

        return attend


@torch.inference_mode()
def graph(compute: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """``compute``, which works on tensors that stay where they are, as one launch; itself where there is no GPU. It
    runs once before it is captured, or what libraries allocate at first would be captured too."""
    if device.type != "cuda":
        compute()
        return compute
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        compute()
    torch.cuda.current_stream(device).wait_stream(stream)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        compute()
    return captured.replay

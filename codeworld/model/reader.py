"""The causal reader: turns a prefix and a suffix into cached keys and values, scores fills, decodes left to right.

The suffix is read on its own and the prefix as plain text, so while the user types only the last few prefix tokens are
new; a cached suffix is moved to its new distance by rotating its keys once more. Everything after that (canvas, fill)
is a *segment*: tokens that see the cached context and each other as ``own`` says, and never change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from codeworld.model.network import Attend, Network, rotary, rotate
from codeworld.model.static import SCRATCH, StaticPasses, grouped_attention
from codeworld.model.tokenizer import EOF, SUFFIX, CodeTokenizer

SEGMENT = 512  # room for the tokens of one pass over canvases or fills


class Stopped(Exception):
    """The caller no longer wants the answer."""


def never() -> bool:
    """Stop for nothing."""
    return False


class Suffix(NamedTuple):
    """Keys (rotated from position 0 on) and values of a read suffix, [layers, kv_heads, tokens, head_size]."""

    keys: Tensor
    values: Tensor


class Context(NamedTuple):
    """Where in the reader's memory a segment's context lies, and what the first token of a fill must start with."""

    begin: int  # of the suffix, which ends where the prefix begins
    end: int  # of the prefix
    position: int  # of the first hole token
    head: bytes


class Reader:
    """One memory of keys and values, laid out ``[suffix | prefix | segment]`` so that what a segment sees is one slice.
    Not thread-safe (the engine runs one request at a time)."""

    def __init__(
        self,
        network: Network,
        tokenizer: CodeTokenizer,
        window: int,
        jump: int,
        suffix_tokens: int,
        chunk: int = 128,
        static: bool = False,
    ) -> None:
        self.network, self.tokenizer, self.config = network, tokenizer, network.config
        self.window, self.jump, self.suffix_tokens = window, jump, suffix_tokens
        self.chunk = chunk  # tokens read between two looks at should_stop
        self.like = network.canvas_embedding
        c = self.config
        self.room = suffix_tokens + window + SEGMENT
        shape = (c.depth, c.kv_heads, self.room + SCRATCH, c.head_size)
        self.keys = torch.zeros(shape, dtype=self.like.dtype, device=self.like.device)
        self.values = torch.zeros_like(self.keys)
        self.static = StaticPasses(network, self.keys, self.values) if static else None
        self.prefix_ids: list[int] = []
        self.suffixes: dict[tuple[int, ...], Suffix] = {}

    @torch.inference_mode()
    def context(
        self, prefix: str, suffix: str, path: str, should_stop: Callable[[], bool] = never, outline: str = ""
    ) -> Context:
        """Read what is new; ``outline`` says what to know of the file beyond the prefix (a model that was not trained
        with outlines is not shown it). The last prefix token is left
        out: its text is ``Context.head``, and the first token of a fill must start with it (token healing). Raises
        Stopped."""
        ids, head = self._prefix_ids(
            prefix, self.tokenizer.opening(path, outline if self.config.outlines else "")
        )
        read = self._suffix(suffix, should_stop)
        self._read_prefix(ids, should_stop)
        start, tokens = self.suffix_tokens, read.keys.shape[2]
        delta = torch.tensor([len(ids) + self.config.suffix_gap], device=self.like.device)
        cos, sin = rotary(delta, self.config.head_size, self.config.rope_base)
        self.keys[:, :, start - tokens : start] = rotate(read.keys, cos, sin)
        self.values[:, :, start - tokens : start] = read.values
        return Context(start - tokens, start + len(ids), len(ids), head)

    @torch.inference_mode()
    def surprise(
        self, prefix: str, path: str, should_stop: Callable[[], bool] = never
    ) -> tuple[list[int], list[float]]:
        """The last tokens of the prefix, as many as the window holds, and minus the log-probability (nats) of each
        behind those before it. All of them are read anew. Raises Stopped."""
        opening = self.tokenizer.opening(path)
        ids, _ = self._prefix_ids(prefix, opening)
        self.prefix_ids.clear()
        nats: list[float] = []
        for piece in self._pieces(ids, 0, should_stop):
            at = len(self.prefix_ids)
            hidden = self._read(piece, at, self.suffix_tokens, self.suffix_tokens + at)
            self.prefix_ids += piece
            following = torch.tensor(ids[at + 1 : at + 1 + len(piece)], device=self.like.device)
            if not len(following):
                break
            logprobs = self.network.logits(hidden[: len(following)]).float().log_softmax(-1)
            nats += (-logprobs.gather(1, following[:, None])[:, 0]).tolist()  # none behind the last token
        first = len(opening)
        return ids[first:], nats[first - 1 :]

    def _prefix_ids(self, prefix: str, opening: list[int]) -> tuple[list[int], bytes]:
        ids, head = self.tokenizer.encode_typed(prefix)
        room = self.window - len(opening)
        if len(ids) > room:  # the start moves in jumps, or every keystroke would mean reading all again
            ids = ids[-(-(len(ids) - room) // self.jump) * self.jump :]
        return opening + ids, head

    def _read_prefix(self, ids: list[int], should_stop: Callable[[], bool]) -> None:
        same = 0
        for ours, wanted in zip(self.prefix_ids, ids, strict=False):
            if ours != wanted:
                break
            same += 1
        del self.prefix_ids[same:]
        for piece in self._pieces(ids, same, should_stop):
            start = self.suffix_tokens
            self._read(piece, len(self.prefix_ids), start, start + len(self.prefix_ids))
            self.prefix_ids += piece

    def _suffix(self, suffix: str, should_stop: Callable[[], bool]) -> Suffix:
        ids = [SUFFIX]
        if suffix:
            count = self.suffix_tokens - 2
            tail = self.tokenizer.encode(suffix[: 6 * count])
            ids += tail[:count] + ([EOF] if len(tail) < count and len(suffix) <= 6 * count else [])
        key = tuple(ids)
        read = self.suffixes.pop(key, None)
        if read is None:  # read in the segment's place, then kept aside
            base = self.room - len(ids)
            for piece in self._pieces(ids, 0, should_stop):
                self._read(piece, 0, base, base)
            read = Suffix(
                self.keys[:, :, base : self.room].clone(), self.values[:, :, base : self.room].clone()
            )
        self.suffixes[key] = read  # most recent last
        while len(self.suffixes) > 8:
            del self.suffixes[next(iter(self.suffixes))]
        return read

    def _pieces(self, ids: list[int], done: int, should_stop: Callable[[], bool]) -> Iterator[list[int]]:
        for at in range(done, len(ids), self.chunk):
            if should_stop():
                raise Stopped
            yield ids[at : at + self.chunk]

    def _read(self, piece: list[int], position: int, base: int, at: int) -> Tensor:
        """Read ``piece`` causally at ``position``; it sees the memory from ``base`` on and is stored at ``at``. Returns
        its hidden states [T, width]."""
        device = self.like.device
        positions = torch.arange(position, position + len(piece), device=device)
        order = torch.arange(at + len(piece) - base, device=device)
        mask = None if len(piece) == 1 else order[at - base :, None] >= order
        x = self.network.embed(torch.tensor([piece], device=device))
        return self._run(x, positions, base, at, mask)

    @torch.inference_mode()
    def segment(
        self, context: Context, x: Tensor, positions: Tensor, own: Tensor | None, behind: int = 0,
        blind: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Hidden states [T, width] of embedded tokens x [1, T, width] at positions [T]. They see the context, the
        ``behind`` segment tokens of the calls before (unless ``blind``, bool [T]), and each other as ``own``, bool
        [T, T], allows (None: all)."""
        at = context.end + behind
        mask = None
        if own is not None:
            seen = torch.ones(len(positions), at - context.begin, dtype=torch.bool, device=x.device)
            if blind is not None and behind:
                seen[:, context.end - context.begin :] = ~blind[:, None]
            mask = torch.cat((seen, own), dim=1)
        return self._run(x, positions, context.begin, at, mask)

    @torch.inference_mode()
    def follow(self, context: Context, token: int, count: int) -> Tensor:
        """The hidden state [width] behind ``token`` as the stream goes on: the last token of the prefix (``count`` 0),
        or the ``count``-th after it. It sees the prefix and those before it, not the suffix."""
        device = self.like.device
        at = context.end - 1 + count
        x = self.network.embed(torch.tensor([[token]], device=device))
        position = torch.tensor([context.position - 1 + count], device=device)
        return self._run(x, position, self.suffix_tokens, at, None)[0]

    def _run(self, x: Tensor, positions: Tensor, base: int, at: int, mask: Tensor | None) -> Tensor:
        end = at + x.shape[1]
        if end > self.room:
            raise ValueError(f"a segment of {x.shape[1]} tokens is longer than the reader's memory")
        if self.static is not None:
            return self.static(x, positions, base, at, mask)

        share = self.config.heads // self.config.kv_heads
        stacked = None if mask is None else mask.repeat(share, 1)

        def attend_at(layer: int) -> Attend:
            keys, values = self.keys[layer], self.values[layer]

            def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
                keys[:, at:end] = k[0]
                values[:, at:end] = v[0]
                return grouped_attention(q, keys[:, base:end], values[:, base:end], stacked)

            return attend

        hidden: Tensor = self.network(x, positions[None], attend_at)[0]
        return hidden

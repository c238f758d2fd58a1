"""Answers kept so that a keystroke the model foresaw needs no model. Pure.

Two kinds of hit. *Exact*: the same hole again, or the hole after an accept, which a client asked for ahead of time
(priority "speculative"). *Typed ahead*: the user typed the first characters of the best candidate; its rest is still
the answer.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from msgspec.structs import replace

from codeworld.canvas import Candidate, InfillReply, InfillRequest, Seed, Shape, Source


class _Key(NamedTuple):
    """All of a request that its answer depends on, except the seeds."""

    prefix: str
    suffix: str
    path: str
    shape: Shape
    max_candidates: int
    steps: int
    least_logprob_nats: float
    sources: tuple[Source, ...]
    alternatives: int
    outline: str


class _Entry(NamedTuple):
    reply: InfillReply
    seeded: bool
    size_bytes: int


class ReplyCache:
    """Least-recently-used replies, at most ``max_entries`` of them holding at most ``max_bytes`` of text."""

    def __init__(self, max_entries: int = 128, max_bytes: int = 4 * 1024 * 1024) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.size_bytes = 0

    def store(self, request: InfillRequest, reply: InfillReply) -> None:
        """Keep ``reply``, dropping the least recently used ones when there are too many."""
        key = _key(request)
        self._drop(key)
        entry = _Entry(reply, bool(request.seeds), _size_bytes(key, reply))
        self._entries[key] = entry
        self.size_bytes += entry.size_bytes
        while self._entries and (len(self._entries) > self._max_entries or self.size_bytes > self._max_bytes):
            self._drop(next(iter(self._entries)))

    def find(self, request: InfillRequest) -> InfillReply | None:
        """The answer to ``request`` if one is known; its ``latency_ms`` is 0, for no model was asked."""
        key = _key(request)
        for known in (key, *reversed(self._entries)):
            entry = self._entries.get(known)
            # Retrieved lines are the best source: an answer made without any must not stand in for one with.
            if entry is None or (request.seeds and not entry.seeded):
                continue
            reply = _after_typing(entry.reply, known, key)
            if reply is not None:
                self._entries.move_to_end(known)
                return replace(reply, latency_ms=0.0)
        return None

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= entry.size_bytes


def _after_typing(reply: InfillReply, known: _Key, asked: _Key) -> InfillReply | None:
    """What is left of ``reply`` once ``known`` has become ``asked`` by typing; None when it does not fit."""
    if known[1:] != asked[1:] or not asked.prefix.startswith(known.prefix):
        return None
    typed = asked.prefix[len(known.prefix) :]
    if not typed:
        return reply
    best = reply.candidates[0].text if reply.candidates else ""
    if len(best) <= len(typed) or not best.startswith(typed):
        return None  # also when it is typed to its end: what follows is a new question
    agreeing = (one for one in reply.candidates if one.text.startswith(typed) and len(one.text) > len(typed))
    return replace(reply, candidates=tuple(_cut(candidate, typed) for candidate in agreeing))


def _cut(candidate: Candidate, typed: str) -> Candidate:
    seed: Seed | None = candidate.seed
    if seed is not None and seed.text.startswith(typed):
        seed = replace(seed, text=seed.text[len(typed) :])
    return replace(candidate, text=candidate.text[len(typed) :], seed=seed)


def _key(request: InfillRequest) -> _Key:
    return _Key(
        request.prefix,
        request.suffix,
        request.path,
        request.shape,
        request.max_candidates,
        request.steps,
        request.least_logprob_nats,
        request.sources,
        request.alternatives,
        request.outline,
    )


def _size_bytes(key: _Key, reply: InfillReply) -> int:
    """Upper bound of the memory: four bytes a character, and the objects' own size."""
    texts = [
        key.prefix,
        key.suffix,
        key.path,
        key.outline,
        *(candidate.text for candidate in reply.candidates),
    ]
    return sum(64 + 4 * len(text) for text in texts)

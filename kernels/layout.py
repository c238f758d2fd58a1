"""Where sequences, segments and chunks begin and end: the tables that the kernels are launched over.

Tokens of all sequences lie in one row, ``[total tokens, heads, size]``. A sequence is cut into segments, which are
processed in parallel, and a segment into chunks, which are processed one after the other. Neither ever spans two
sequences, so ragged batches need no padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

Bounds = tuple[int, ...]
"""First token of each sequence, and one past the last token of the last."""


@dataclass(frozen=True)
class Layout:
    """int32 tables on the device.

    ``sequences`` [N, 2]: first segment, one past the last. ``segments`` [S, 4]: sequence, first token, one past the
    last token, first chunk. ``chunks`` [C, 2]: first token, one past the last token.
    """

    sequences: Tensor
    segments: Tensor
    chunks: Tensor
    longest: int
    """Segments of the sequence that has most of them."""

    @property
    def split(self) -> bool:
        """Does any sequence have more than one segment?"""
        return self.longest > 1

    @property
    def counts(self) -> tuple[int, int, int]:
        """Sequences, segments and chunks."""
        return len(self.sequences), len(self.segments), len(self.chunks)


def sequence_bounds(batch: int, length: int, cu_seqlens: Tensor | Sequence[int] | None) -> Bounds:
    """The bounds of a batch; ``cu_seqlens`` (a batch of one row) cuts it into sequences of any length.

    Reading ``cu_seqlens`` from a GPU waits for it: pass a list, or a tensor of the CPU, where that matters.
    """
    if cu_seqlens is None:
        return tuple(range(0, batch * length + 1, length)) if length else (0,) * (batch + 1)
    bounds = tuple(
        int(one) for one in (cu_seqlens.tolist() if isinstance(cu_seqlens, Tensor) else cu_seqlens)
    )
    if batch != 1:
        raise ValueError(f"cu_seqlens needs a batch of 1, not {batch}")
    if len(bounds) < 2 or bounds[0] != 0 or bounds[-1] != length or list(bounds) != sorted(bounds):
        raise ValueError(f"cu_seqlens must rise from 0 to {length}")
    return bounds


def equal_runs(bounds: Bounds) -> list[tuple[int, int]]:
    """(first sequence, one past the last) of each run of sequences of one length: plain torch takes a run at once."""
    lengths = [end - start for start, end in pairwise(bounds)]
    firsts = [n for n in range(len(lengths)) if not n or lengths[n] != lengths[n - 1]]
    return list(pairwise([*firsts, len(lengths)]))


def to_lanes(rows: Tensor, sequences: int) -> Tensor:
    """Rows [N T, H, ...] of N sequences of one length -> [N H, T, ...]."""
    return rows.reshape(sequences, len(rows) // sequences, *rows.shape[1:]).transpose(1, 2).flatten(0, 1)


def to_rows(lanes: Tensor, sequences: int) -> Tensor:
    """[N H, T, ...] -> [N T, H, ...]."""
    return lanes.reshape(sequences, len(lanes) // sequences, *lanes.shape[1:]).transpose(1, 2).flatten(0, 1)


@lru_cache(maxsize=64)
def layout(bounds: Bounds, chunk: int, segment_chunks: int, device: torch.device) -> Layout:
    """Cut sequences into segments of at most ``segment_chunks`` chunks of ``chunk`` tokens."""
    sequences: list[tuple[int, int]] = []
    segments: list[tuple[int, int, int, int]] = []
    firsts: list[Tensor] = []
    ends: list[Tensor] = []
    chunks = 0
    for number, (start, end) in enumerate(pairwise(bounds)):
        first_segment = len(segments)
        for first in range(start, end, chunk * segment_chunks):
            last = min(end, first + chunk * segment_chunks)
            segments.append((number, first, last, chunks))
            firsts.append(torch.arange(first, last, chunk))
            ends.append((firsts[-1] + chunk).clamp(max=last))
            chunks += len(firsts[-1])
        sequences.append((first_segment, len(segments)))
    table = torch.stack([torch.cat(firsts), torch.cat(ends)], 1) if firsts else torch.zeros(0, 2)

    def put(rows: Tensor) -> Tensor:
        return rows.to(torch.int32).contiguous().to(device)

    longest = max(end - first for first, end in sequences)
    return Layout(
        put(torch.tensor(sequences)), put(torch.tensor(segments).reshape(-1, 4)), put(table), longest
    )


@lru_cache(maxsize=64)
def segment_chunks(bounds: Bounds, chunk: int, lanes: int, programs: int, least: int) -> int:
    """How many chunks a segment gets, so that ``lanes`` (heads × blocks) × segments comes close to ``programs``.

    It does not come to more, unless sequences alone do: what does not fit on the GPU at once would start when the rest
    ends. A segment has at least ``least`` chunks: below that, joining segments costs more than it saves.
    """
    chunks = [-(-(end - start) // chunk) for start, end in pairwise(bounds)]
    longest, most = max(chunks, default=0), programs // lanes
    wanted = max(1, -(-sum(chunks) * lanes // programs))
    while wanted < longest and sum(-(-one // wanted) for one in chunks) > most:
        wanted += 1
    return max(1, min(max(wanted, least), longest))

"""Rows of whole repositories for a language model: file after file behind its path, what is imported before what
imports it, in a curriculum of growing lengths.

A row has a fixed number of tokens and is cut into sequences of the length that training has come to, so a step costs
the same memory at any length. Shards are those of ``codeworld.training.corpus``; written with ``--by-repository`` a
shard has repositories whole.
"""

from __future__ import annotations

import json
import lzma
import random
import zlib
from collections.abc import Iterator, Sequence
from itertools import count, groupby
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from codeworld.context.reading_order import by_imports
from codeworld.model.tokenizer import EOF, CodeTokenizer
from codeworld.training.stream import share

PIECE_CHARS: Final = 400_000  # of a repository, read by one worker in one go: about 110k tokens
STREAMS: Final = 8  # pieces that a worker reads side by side, so that a batch is not of one repository


class Stage(msgspec.Struct, frozen=True):
    """A part of training: sequences of ``tokens`` tokens for ``share`` of the steps."""

    tokens: int
    share: float


def length_at(progress: float, stages: Sequence[Stage]) -> int:
    """Tokens of a sequence at ``progress`` in [0, 1] of the steps."""
    for stage in stages:
        progress -= stage.share
        if progress < 0:
            return stage.tokens
    return stages[-1].tokens


def file_tokens(tokenizer: CodeTokenizer, path: str, text: str) -> list[int]:
    """A file as it is read: its path, then its text."""
    return [*tokenizer.opening(path), *tokenizer.encode(text)]


def pieces(files: dict[str, str], chance: random.Random) -> list[list[str]]:
    """The paths of a repository in reading order, cut into pieces of about PIECE_CHARS."""
    roots = sorted(files)
    chance.shuffle(roots)
    cut: list[list[str]] = []
    left = 0
    for path in by_imports(files, roots):
        if left <= 0:
            cut.append([])
            left = PIECE_CHARS
        cut[-1].append(path)
        left -= len(files[path])
    return cut


def read_repositories(shard: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each repository of a shard: its name and path → text."""
    with lzma.open(shard, "rt", encoding="utf-8") as lines:
        for repo, records in groupby(map(json.loads, lines), key=lambda record: str(record["repo"])):
            yield repo, {record["path"]: record["text"] for record in records}


class Pieces:
    """Endless: the pieces of this worker, (path, text) of each file; shards one after the other, each worker's in an
    order of its own."""

    def __init__(self, folder: Path, part: int, parts: int, seed: int) -> None:
        self.folder, self.part, self.parts, self.seed = folder, part, parts, seed

    def __iter__(self) -> Iterator[list[tuple[str, str]]]:
        for epoch in count():
            shards = sorted(self.folder.glob("*.jsonl.xz"))
            if not shards:
                raise FileNotFoundError(f"no *.jsonl.xz shards in {self.folder}")
            first = self.part % len(shards)
            for shard in (*shards[first:], *shards[:first]):
                mine = list(self._of(shard, epoch))
                random.Random(f"{self.seed} {self.part} {epoch}").shuffle(mine)
                yield from mine

    def _of(self, shard: Path, epoch: int) -> Iterator[list[tuple[str, str]]]:
        for repo, files in read_repositories(shard):
            for number, paths in enumerate(pieces(files, random.Random(f"{self.seed} {repo} {epoch}"))):
                if (zlib.crc32(repo.encode()) + number) % self.parts == self.part:
                    yield [(path, files[path]) for path in paths]


class _Stream:
    """The tokens of one piece after the other, EOF before each."""

    def __init__(self, source: Iterator[list[tuple[str, str]]], tokenizer: CodeTokenizer) -> None:
        self.source, self.tokenizer = source, tokenizer
        self.files: list[tuple[str, str]] = []
        self.waiting: list[int] = []

    def take(self, tokens: int) -> np.ndarray:
        """int32 [tokens + 1]; the last one begins what is taken next."""
        while len(self.waiting) <= tokens:
            if not self.files:
                self.files = next(self.source)[::-1]
                self.waiting.append(EOF)
            self.waiting += file_tokens(self.tokenizer, *self.files.pop())
        taken = np.array(self.waiting[: tokens + 1], np.int32)
        del self.waiting[:tokens]
        return taken


class RepositoryRows(IterableDataset[dict[str, Tensor]]):
    """Batches {"ids": int32 [rows · row_tokens / L, L + 1]}, L of the stage that the batch belongs to: ``total``
    batches of a process are the whole curriculum."""

    def __init__(
        self, folder: Path, tokenizer: Path, rows: int, row_tokens: int, stages: Sequence[Stage], total: int,
        seed: int, rank: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        self.folder, self.tokenizer, self.stages = folder, tokenizer, tuple(stages)
        self.rows, self.row_tokens, self.total = rows, row_tokens, total
        self.seed, self.rank, self.world = seed, rank, world
        for stage in stages:
            if row_tokens % stage.tokens:
                raise ValueError(f"a row of {row_tokens} tokens is no multiple of {stage.tokens}")

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        part, parts = share(self.rank, self.world)
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        tokenizer = CodeTokenizer(self.tokenizer)
        source = iter(Pieces(self.folder, part, parts, self.seed))
        streams = [_Stream(source, tokenizer) for _ in range(STREAMS)]
        turn = count()
        for batch in count(worker, workers):  # the loader takes from its workers in turn
            length = length_at(batch / self.total, self.stages)
            taken = [
                streams[next(turn) % STREAMS].take(length)
                for _ in range(self.rows * self.row_tokens // length)
            ]
            yield {"ids": torch.from_numpy(np.stack(taken))}

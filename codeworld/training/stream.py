"""Batches from the corpus shards, made by worker processes while the GPU trains."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import tree_sitter_python
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tree_sitter import Language, Parser

from codeworld.model.config import ModelConfig
from codeworld.model.tokenizer import CodeTokenizer
from codeworld.training.cuts import Slip, SourceFile
from codeworld.training.excerpts import with_excerpts
from codeworld.training.pairs import Mixture, RowBuilder, RowShape

POOLED_BATCHES = 8


class Record(NamedTuple):
    """A file of a shard; ``brought`` is what ``codeworld.context.outline`` is told of its imports."""

    path: str
    text: str
    brought: Sequence[str] = ()
    slips: Sequence[Slip] = ()


def record_of(row: dict[str, Any]) -> Record:
    """A file as the corpus has it, or the text after a fix of one line (``codeworld.training.breaker.LineFix``), mined
    or learned, with the line as it was."""
    if "after" not in row:
        return Record(row["path"], row["text"], row.get("brought", ()))
    wrong = row["before"].split("\n")[row["line"]]
    return Record(row["path"], row["after"], slips=(Slip(row["line"], wrong),))


def read_shard(path: Path, part: int, parts: int, repeats: dict[str, int]) -> list[Record]:
    """Every ``parts``-th record, beginning with ``part``; those of a repository in ``repeats`` that many times."""
    found: list[Record] = []
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for i, line in enumerate(lines):
            if i % parts == part:
                row = json.loads(line)
                found += [record_of(row)] * repeats.get(row["repo"], 1)
    return found


class Files:
    """An endless stream of parsed files of one worker. Shards that arrive while training runs (``*.jsonl.xz`` renamed
    into the folder) join at the next look, once every ``look_every`` files."""

    def __init__(
        self, folder: Path, part: int, parts: int, seed: int, repeats: dict[str, int] | None = None,
        look_every: int = 100,
    ) -> None:  # fmt: skip
        self.folder, self.part, self.parts, self.repeats = folder, part, parts, repeats or {}
        self.rng = random.Random(seed * 1000 + part)
        self.look_every = look_every
        self.seen: set[Path] = set()
        self.all: list[Record] = []
        self.left: list[Record] = []
        self.epoch = 0

    def _look(self) -> None:
        for shard in sorted(set(self.folder.glob("*.jsonl.xz")) - self.seen):
            self.seen.add(shard)
            fresh = read_shard(shard, self.part, self.parts, self.repeats)
            self.all += fresh
            self.left += fresh
        self.rng.shuffle(self.left)

    def __iter__(self) -> Iterator[SourceFile]:
        parser = Parser(Language(tree_sitter_python.language()))
        count = 0
        while True:
            if count % self.look_every == 0:
                self._look()
            if not self.left:
                if not self.all:
                    raise FileNotFoundError(f"no *.jsonl.xz shards with text in {self.folder}")
                self.left, self.epoch = list(self.all), self.epoch + 1
                self.rng.shuffle(self.left)
            path, text, brought, slips = self.left.pop()
            count += 1
            yield SourceFile(path, text, parser.parse(text.encode()), brought, slips)


def share(rank: int, world: int) -> tuple[int, int]:
    """(part, parts): which records are this worker's. Worker by worker over the processes: two processes with one
    worker each see what one with two would."""
    info = get_worker_info()
    worker, workers = (info.id, info.num_workers) if info else (0, 1)
    return worker * world + rank, workers * world


class Rows(IterableDataset[dict[str, Tensor]]):
    """Batches of ``batch_rows`` rows as int32 / float32 tensors [batch_rows, ...]."""

    def __init__(
        self, folder: Path, model: Path, config: ModelConfig, shape: RowShape, mixture: Mixture, batch_rows: int,
        seed: int, rank: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        self.folder, self.model, self.config = folder, model, config
        self.shape, self.mixture, self.batch_rows, self.seed = shape, mixture, batch_rows, seed
        self.rank, self.world = rank, world

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        part, parts = share(self.rank, self.world)
        labels = json.loads((self.model / "labels.json").read_text())
        rng = random.Random(self.seed * 7919 + part)
        builder = RowBuilder(
            CodeTokenizer(self.model / "tokenizer.json"), labels, self.config, self.shape, self.mixture, rng
        )
        pool: list[dict[str, np.ndarray]] = []  # a long file's rows are spread over many batches
        files = Files(self.folder, part, parts, self.seed, self.mixture.repeats)
        for row in builder.rows(with_excerpts(files, self.mixture.excerpts, rng)):
            pool.append(row.arrays())
            if len(pool) == POOLED_BATCHES * self.batch_rows:
                rng.shuffle(pool)
                taken = [pool.pop() for _ in range(self.batch_rows)]
                yield {k: torch.from_numpy(np.stack([t[k] for t in taken])) for k in taken[0]}


def batches(rows: IterableDataset[dict[str, Tensor]], workers: int) -> Iterator[dict[str, Tensor]]:
    """Endless; with ``workers`` 0 the rows are made in this process."""
    loader = DataLoader(
        rows, batch_size=None, num_workers=workers, pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
    )  # fmt: skip
    return iter(loader)

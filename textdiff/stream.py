"""Packed rows from the shards, made by worker processes while the GPU trains: no padding between examples."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from codeworld.model.tokenizer import END, PAD, CodeTokenizer
from codeworld.training.stream import share
from textdiff.config import LENGTHS, TextConfig
from textdiff.source import split_source

NO_DOC = -1  # of padding among sources; targets' padding is NO_DOC - 1, so the two never see each other


class RowShape(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of a row; both a multiple of 128 (FlexAttention's blocks)."""

    sources: int = 4096
    targets: int = 768
    docs: int = 48  # examples of a row, at most

    @property
    def total(self) -> int:
        """Tokens that are read or written (each target once), padding included."""
        return self.sources + self.targets


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn, and what is hidden of it."""

    weights: dict[str, float] = msgspec.field(
        default_factory=lambda: {"docstring": 1.0, "commit": 1.0, "body": 0.6, "text": 0.5, "continue": 0.5}
    )  # share of a task's examples that is used in an epoch
    without_source: float = 0.1  # only the task is shown: guidance's unconditional model
    without_history: float = 0.3  # of commits: the subjects of earlier ones are left out
    with_prefix: float = 0.15  # the target begins with tokens that are given
    with_hole: float = 0.1  # all but a span of the target is given
    padding_weight: float = 0.1  # of ENDs behind the first


class Pieces(NamedTuple):
    """A tokenised example; the source in three parts, because the middle one may be left out."""

    task: str
    head: list[int]
    history: list[int]
    rest: list[int]
    target: list[int]

    def source(self, history: bool, limit: int) -> list[int]:
        """The source's ids as the encoder reads them."""
        return (self.head + (self.history if history else []) + self.rest)[:limit]


def tokenise(tokenizer: CodeTokenizer, source: str, target: str = "") -> Pieces:
    """Ids of an example; the same parts are tokenised in training and in use."""
    head, history, rest = split_source(source)
    ids = [tokenizer.encode(part) if part else [] for part in (head, history, rest, target)]
    return Pieces(head.strip(), *ids)


def read_examples(folder: Path, part: int, parts: int) -> list[dict[str, Any]]:
    """Every ``parts``-th example of the shards, beginning with ``part``."""
    found = []
    for shard in sorted(folder.glob("*.jsonl.xz")):
        with lzma.open(shard, "rt", encoding="utf-8") as lines:
            found += [json.loads(line) for i, line in enumerate(lines) if i % parts == part]
    if not found:
        raise FileNotFoundError(f"no *.jsonl.xz shards with examples in {folder}")
    return found


class Row:
    """One packed row while it is filled."""

    def __init__(self, shape: RowShape) -> None:
        s, t = shape.sources, shape.targets
        self.shape, self.sources, self.targets, self.docs = shape, 0, 0, 0
        self.arrays: dict[str, np.ndarray] = {
            "source_ids": np.full(s, PAD, np.int32),
            "source_doc": np.full(s, NO_DOC, np.int32),
            "source_position": np.zeros(s, np.int32),
            "target_ids": np.full(t, PAD, np.int32),
            "target_doc": np.full(t, NO_DOC - 1, np.int32),
            "target_position": np.zeros(t, np.int32),
            "target_weight": np.zeros(t, np.float32),
            "target_given": np.zeros(t, np.int32),
            "head": np.zeros(shape.docs, np.int32),
            "length": np.full(shape.docs, -100, np.int32),
        }

    def fits(self, source: int, target: int) -> bool:
        """Whether an example of so many tokens still has room."""
        shape = self.shape
        return (
            self.docs < shape.docs
            and self.sources + source <= shape.sources
            and self.targets + target <= shape.targets
        )

    def add(
        self, source: list[int], target: list[int], weight: list[float], given: list[int], length: int
    ) -> None:
        """Append an example; ``length`` is the index in LENGTHS of the smallest canvas that holds it."""
        a, s, t = (
            self.arrays,
            slice(self.sources, self.sources + len(source)),
            slice(self.targets, self.targets + len(target)),
        )
        a["source_ids"][s], a["source_doc"][s] = source, self.docs
        a["source_position"][s] = np.arange(-len(source), 0)
        a["target_ids"][t], a["target_doc"][t] = target, self.docs
        a["target_position"][t] = np.arange(len(target))
        a["target_weight"][t], a["target_given"][t] = weight, given
        a["head"][self.docs], a["length"][self.docs] = self.sources, length
        self.sources, self.targets, self.docs = s.stop, t.stop, self.docs + 1


class Packer:
    """Puts examples into rows; ``rng`` decides everything that is random."""

    def __init__(self, config: TextConfig, shape: RowShape, mixture: Mixture, rng: random.Random) -> None:
        self.config, self.shape, self.mixture, self.rng = config, shape, mixture, rng

    def rows(self, examples: Iterator[Pieces], open_rows: int = 8) -> Iterator[dict[str, np.ndarray]]:
        """Full rows. Of ``open_rows`` rows the first with room takes an example; where none has, the fullest is
        given."""
        rows = [Row(self.shape) for _ in range(open_rows)]
        for example in examples:
            source, target, weight, given, length = self.drawn(example)
            place = next((row for row in rows if row.fits(len(source), len(target))), None)
            if place is None:
                full = max(
                    rows, key=lambda row: row.sources / self.shape.sources + row.targets / self.shape.targets
                )
                yield full.arrays
                rows.remove(full)
                place = Row(self.shape)
                rows.append(place)
            place.add(source, target, weight, given, length)

    def drawn(self, example: Pieces) -> tuple[list[int], list[int], list[float], list[int], int]:
        """One look at an example: (source, canvas, weights, given, index of its length)."""
        mix, rng = self.mixture, self.rng
        shown = rng.random() >= mix.without_source
        history = rng.random() >= mix.without_history
        source = example.source(history, self.config.source_tokens) if shown else example.head
        target = example.target[: self.config.target_tokens - 1]
        ends = len(example.target) < self.config.target_tokens
        words = len(target)
        if ends:
            target = [*target, END]
        length = next(i for i, size in enumerate(LENGTHS) if size >= len(target))
        size = len(target)
        if self.config.kind != "autoregressive":  # which writes END and is done
            size = LENGTHS[min(length + int(rng.random() * 2), len(LENGTHS) - 1)]
        weight = [1.0] * len(target) + [mix.padding_weight] * (size - len(target))
        given = [0] * size
        if self.config.kind != "autoregressive":
            for i in self._given(words):
                given[i], weight[i] = 1, 0.0
        return source, target + [END] * (size - len(target)), weight, given, length

    def _given(self, words: int) -> range | list[int]:
        """Which tokens of the text are given: mostly none, a prefix, or all around a hole."""
        draw, rng = self.rng.random(), self.rng
        if words < 3 or draw >= self.mixture.with_prefix + self.mixture.with_hole:
            return range(0)
        if draw < self.mixture.with_prefix:
            return range(rng.randint(1, words - 1))
        start = rng.randrange(words)
        end = rng.randint(start + 1, words)
        return [*range(start), *range(end, words)]


def _stacked(rows: list[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


class TextRows(IterableDataset[dict[str, Tensor]]):
    """Batches of ``batch_rows`` packed rows as int32 / float32 tensors [batch_rows, ...], without end."""

    def __init__(
        self, folder: Path, tokenizer: Path, config: TextConfig, shape: RowShape, mixture: Mixture, batch_rows: int,
        seed: int, rank: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        self.folder, self.tokenizer, self.config = folder, tokenizer, config
        self.shape, self.mixture, self.batch_rows, self.seed = shape, mixture, batch_rows, seed
        self.rank, self.world = rank, world

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        part, parts = share(self.rank, self.world)
        rng = random.Random(self.seed * 7919 + part)
        examples = self._endless(read_examples(self.folder, part, parts), rng)
        pool: list[dict[str, np.ndarray]] = []
        for row in Packer(self.config, self.shape, self.mixture, rng).rows(examples):
            pool.append(row)
            if len(pool) == self.batch_rows:
                yield _stacked(pool)
                pool = []

    def _endless(self, examples: list[dict[str, Any]], rng: random.Random) -> Iterator[Pieces]:
        """The examples in a new order in each epoch, tokenised when first met."""
        tokenizer = CodeTokenizer(self.tokenizer)
        known: list[Pieces | None] = [None] * len(examples)
        while True:
            for i in rng.sample(range(len(examples)), len(examples)):
                if rng.random() >= self.mixture.weights.get(examples[i]["task"], 0.0):
                    continue
                found = known[i] = known[i] or tokenise(
                    tokenizer, examples[i]["source"], examples[i]["target"]
                )
                yield found


def whole_batches(
    folder: Path, tokenizer: Path, config: TextConfig, shape: RowShape, batch_rows: int
) -> dict[str, list[dict[str, Tensor]]]:
    """Task -> batches of a folder's shards, the same each time: every example once and in full, nothing of it given or
    hidden. What fills no batch is left out. Raises ValueError when a task has not even one."""
    coder, by_task = CodeTokenizer(tokenizer), dict[str, list[Pieces]]()
    for one in read_examples(folder, 0, 1):
        by_task.setdefault(one["task"], []).append(tokenise(coder, one["source"], one["target"]))
    whole = Mixture(without_source=0.0, without_history=0.0, with_prefix=0.0, with_hole=0.0)
    found = {}
    for task, pieces in by_task.items():
        packer = Packer(config, shape, whole, random.Random(0))
        rows = list(packer.rows(iter(pieces), open_rows=1))
        starts = range(0, len(rows) - batch_rows + 1, batch_rows)
        found[task] = [_stacked(rows[at : at + batch_rows]) for at in starts]
        if not found[task]:
            raise ValueError(
                f"{folder}: {len(pieces)} examples of {task} make {len(rows)} rows of {batch_rows}"
            )
    return found

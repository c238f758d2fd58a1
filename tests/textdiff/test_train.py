"""Whole runs of the text trainer, of a few steps: what is held out is watched, the best is kept, a run goes on."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from codeworld.model.checkpoint import BUNDLED
from codeworld.training.optimiser import OptimiserConfig
from codeworld.training.train import World, resumed
from textdiff import checkpoint
from textdiff.config import Kind, TextConfig
from textdiff.denoiser import TextNetwork
from textdiff.schedule import first_location
from textdiff.stream import RowShape, whole_batches
from textdiff.train import TextTrainConfig, TextTrainer, run

KINDS: tuple[Kind, ...] = ("gaussian", "masked", "autoregressive")
SHAPE = RowShape(sources=128, targets=128, docs=8)


def tiny(kind: Kind) -> TextConfig:
    return TextConfig(
        kind=kind, width=32, heads=2, kv_heads=1, head_size=16, mlp_width=64, encoder_layers=1, decoder_layers=1,
        code_size=16, source_tokens=40, target_tokens=16,
    )  # fmt: skip


def shard(folder: Path, first: int, count: int) -> Path:
    """Functions and commits whose text follows from their name."""
    folder.mkdir()
    names = ["node", "edge", "graph", "path", "tree", "weight", "degree", "cycle"]
    lines = []
    for i in range(first, first + count):
        name = names[i % len(names)]
        source = f"docstring\na.py: get_{name}\ndef get_{name}(self):\n    return self.{name}_{i}"
        lines.append({"task": "docstring", "source": source, "target": f"Return the {name}."})
        diff = f"commit\n| Old subject\nM {name}_{i}.py\n+import {name}"
        lines.append({"task": "commit", "source": diff, "target": f"Add the {name}"})
    text = "\n".join(json.dumps(line) for line in lines) + "\n"
    (folder / "shard-000.jsonl.xz").write_bytes(lzma.compress(text.encode()))
    return folder


def configured(tmp_path: Path, kind: Kind, **changes: Any) -> TextTrainConfig:
    made = TextTrainConfig(
        initial=BUNDLED, corpus=shard(tmp_path / "train", 0, 80), watched=shard(tmp_path / "watched", 80, 24),
        output=tmp_path / "run", minutes=60.0, max_steps=30, rows_per_step=1, rows_per_pass=1, workers=0, copies=2,
        watch_every=10, random_weights=True, dropout=0.1, model=tiny(kind), shape=SHAPE,
        optimiser=OptimiserConfig(matrix_rate=0.02, other_rate=0.02),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def log_of(config: TextTrainConfig) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Lines of training steps, and lines of looks at what is held out."""
    lines = [json.loads(line) for line in (config.output / "log.jsonl").read_text().splitlines()]
    return [one for one in lines if "step" in one], [one for one in lines if "held_out" in one]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_watches_what_is_held_out_and_keeps_the_best(tmp_path: Path, kind: Kind) -> None:
    config = configured(tmp_path, kind)
    run(config)
    steps, looks = log_of(config)
    assert len(looks) == 4  # after 10, 20 and 30 steps, and at the end
    assert steps[-1]["token"] < 0.6 * steps[0]["token"]
    assert looks[-1]["held_out"] < 0.6 * steps[0]["token"]
    means = [looks[-1][f"held_out_{task}_token"] for task in ("docstring", "commit")]
    assert looks[-1]["held_out"] == pytest.approx(sum(means) / 2, abs=1e-3)
    best = TextTrainer(msgspec.structs.replace(config, initial=config.output / "best"), World(), SHAPE.total)
    assert best.held_out()["held_out"] == pytest.approx(
        min(one["held_out"] for one in looks), rel=0.02
    )  # bf16


def test_looking_changes_nothing(tmp_path: Path) -> None:
    trainer = TextTrainer(configured(tmp_path, "gaussian"), World(), SHAPE.total)
    torch.manual_seed(7)
    before = torch.rand(1)
    torch.manual_seed(7)
    first = trainer.held_out()
    assert torch.equal(torch.rand(1), before)
    assert trainer.held_out() == first  # the same noise, no dropout
    assert trainer.bare.training
    assert all(p.grad is None for p in trainer.network.parameters())


def test_what_is_held_out_is_looked_at_under_the_same_noise_whatever_was_learnt(tmp_path: Path) -> None:
    trainer = TextTrainer(configured(tmp_path, "gaussian"), World(), SHAPE.total)
    first = trainer.held_out()
    assert isinstance(trainer.network, TextNetwork)
    with torch.no_grad():
        trainer.network.schedule.location.add_(3.0)
    assert trainer.held_out() == first
    assert float(trainer.network.schedule.location.detach()) == pytest.approx(
        first_location(16) + 3.0, abs=1e-5
    )


def test_a_run_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    config = configured(tmp_path, "masked", save_every_minutes=0.0, max_steps=20, watch_every=20)
    run(config)
    saved = float((config.output / "latest" / "progress").read_text())
    assert 0.9 < saved <= 1
    (config.output / "latest" / "progress").write_text("0.5\n")
    again = resumed(config)
    assert again.initial == config.output / "latest"
    assert again.seed != config.seed
    lowest = min(one["held_out"] for one in log_of(config)[1])
    run(again)
    steps, looks = log_of(config)
    assert [one["step"] for one in steps] == [1, 20, 1]  # and 10 steps, the other half
    assert looks[-1]["progress"] > 1
    assert looks[-1]["held_out"] < 1.1 * lowest
    stored = checkpoint.load(config.output / "final")
    assert stored.config.kind == "masked"


def test_nothing_can_be_resumed_where_nothing_was_saved(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="progress"):
        resumed(configured(tmp_path, "masked"))


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    network = TextNetwork(tiny("masked"))
    network.dropout = 0.5
    ids, positions = torch.arange(10)[None] + 20, torch.arange(-10, 0)[None]

    def states() -> torch.Tensor:
        found: torch.Tensor = network.encode(
            ids,
            positions,
            lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        ).states
        return found

    assert not torch.equal(states(), states())
    network.eval()
    assert torch.equal(states(), states())


def test_a_set_that_fills_no_batch_is_an_error(tmp_path: Path) -> None:
    folder = shard(tmp_path / "few", 0, 2)
    with pytest.raises(ValueError, match=r"2 examples of docstring make \d rows of 2"):
        whole_batches(folder, BUNDLED / "tokenizer.json", tiny("masked"), SHAPE, 2)

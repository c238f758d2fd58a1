"""``codeworld train CONFIG``: one run, bounded by time, resumable from any checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from codeworld.model import checkpoint
from codeworld.model.loss import row_loss
from codeworld.model.network import Network
from codeworld.training import optimiser as optim
from codeworld.training.mask import Batch, block_mask, dense_mask
from codeworld.training.pairs import Mixture, RowShape
from codeworld.training.stream import Rows, batches

PEAK_FLOPS = {"NVIDIA H100": 734e12, "NVIDIA H200": 788e12}  # dense bf16, measured (8192 cubed, random data)


class TrainConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A run. Paths are relative to the working directory."""

    initial: Path  # checkpoint folder to start from (weights, tokenizer, labels)
    corpus: Path  # folder of *.jsonl.xz shards
    output: Path
    minutes: float  # wall time of the optimisation, compilation excluded
    rows_per_step: int = 64
    rows_per_pass: int = 32  # smaller = less memory; gradients are accumulated
    workers: int = 14
    seed: int = 1
    save_every_minutes: float = 3.0
    max_steps: int = 1_000_000
    shape: RowShape = RowShape()
    mixture: Mixture = Mixture()
    optimiser: optim.OptimiserConfig = optim.OptimiserConfig()


def load_config(path: Path) -> TrainConfig:
    """Raises msgspec.ValidationError, OSError."""
    return msgspec.toml.decode(path.read_bytes(), type=TrainConfig, dec_hook=lambda kind, value: kind(value))


class Trainer:
    """Holds the network, its optimisers and the compiled pass."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.on_gpu = self.device.type == "cuda"
        torch.set_float32_matmul_precision("high")
        self.network: Network = checkpoint.load(config.initial).to(self.device)
        self.optimisers = optim.make(self.network, config.optimiser)
        self.one_pass: Callable[[Batch, BlockMask | Tensor], tuple[Tensor, dict[str, Tensor]]] = self._one_pass
        self.build_mask: Callable[[Batch], BlockMask | Tensor] = block_mask if self.on_gpu else dense_mask
        if self.on_gpu:
            self.one_pass = torch.compile(self._one_pass, dynamic=False)
            self.build_mask = torch.compile(block_mask, dynamic=False)

    def _one_pass(self, batch: Batch, mask: BlockMask | Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        network = self.network

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if isinstance(mask, Tensor):
                return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
            out: Tensor = flex_attention(q, k, v, block_mask=mask, enable_gqa=True)
            return out

        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.on_gpu):
            x = network.embed(batch["ids"], batch["label"], batch["kind"] == 2)
            x = x.to(torch.bfloat16) if self.on_gpu else x
            hidden = network(x, batch["position"], attend)
            return row_loss(network, hidden, batch)

    def step(self, batch: Batch, fraction: float) -> dict[str, Tensor]:
        """One optimiser step at ``fraction`` of the peak rate; the losses of its last pass."""
        passes = self.config.rows_per_step // self.config.rows_per_pass
        parts: dict[str, Tensor] = {}
        for i in range(passes):
            rows = slice(i * self.config.rows_per_pass, (i + 1) * self.config.rows_per_pass)
            part = {k: v[rows].to(self.device, non_blocking=True) for k, v in batch.items()}
            part = {k: v.long() if v.dtype == torch.int32 and k not in MASK_VECTORS else v for k, v in part.items()}
            loss, parts = self.one_pass(part, self.build_mask(part))
            (loss / passes).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimiser.clip)
        optim.set_rate(self.optimisers, fraction)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return {**parts, "norm": norm}


MASK_VECTORS = ("group", "start", "limit")


def flops_per_token(network: Network) -> float:
    """6 FLOPs per weight of the blocks and of the tied output matrix (attention itself is left out)."""
    weights = sum(p.numel() for n, p in network.named_parameters() if p.ndim == 2 and "label" not in n)
    return 6.0 * weights


def run(config_path: Path, resume: Path | None = None) -> None:
    """Train as ``config_path`` (TOML) says; ``resume`` replaces its initial checkpoint. Writes ``log.jsonl`` and
    checkpoints ``bf16/`` (to go on from) below the output folder; each is written whole or not at all."""
    config = load_config(config_path)
    if resume is not None:
        config = msgspec.structs.replace(config, initial=resume)
    config.output.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config)
    source = Rows(
        config.corpus, config.initial, trainer.network.config, config.shape, config.mixture,
        config.rows_per_step, config.seed,
    )  # fmt: skip
    with (config.output / "log.jsonl").open("a") as log:
        _loop(trainer, batches(source, config.workers), log)
    save(trainer, config.output / "final")


def save(trainer: Trainer, folder: Path) -> None:
    """A resumable bf16 checkpoint, renamed into place."""
    fresh = folder.with_name(folder.name + ".new")
    checkpoint.save(trainer.network, fresh, int8=False)
    checkpoint.copy_vocabulary(trainer.config.initial, fresh)
    if folder.exists():
        old = folder.with_name(folder.name + ".old")
        folder.rename(old)
        fresh.rename(folder)
        for path in old.iterdir():
            path.unlink()
        old.rmdir()
    else:
        fresh.rename(folder)


def _loop(trainer: Trainer, source: Any, log: Any) -> None:
    config, device = trainer.config, trainer.device
    tokens_per_step = config.rows_per_step * config.shape.total
    name = torch.cuda.get_device_name() if trainer.on_gpu else "cpu"
    peak = PEAK_FLOPS.get(name)
    begin = time.monotonic()
    trainer.step(next(source), 0.0)  # compiles; rate 0 leaves the weights as they are
    print(f"compiled in {time.monotonic() - begin:.0f} s on {name}", flush=True)
    begin = last_save = last_log = time.monotonic()
    step = logged = 0
    while (elapsed := time.monotonic() - begin) < 60 * config.minutes and step < config.max_steps:
        progress = max(elapsed / (60 * config.minutes), step / config.max_steps)
        parts = trainer.step(next(source), optim.rate_at(progress, config.optimiser))
        step += 1
        if step % 20 == 0 or step == 1:
            values = {k: round(float(v), 4) for k, v in parts.items()}  # waits for the device
            now = time.monotonic()
            rate = (step - logged) * tokens_per_step / (now - last_log)
            record = {"step": step, "tokens": step * tokens_per_step, "seconds": round(now - begin, 1),
                      "tokens_per_s": round(rate), **values}  # fmt: skip
            if peak:
                record["of_peak"] = round(rate * flops_per_token(trainer.network) / peak, 3)
            last_log, logged = now, step
            print(json.dumps(record), flush=True)
            log.write(json.dumps(record) + "\n")
            log.flush()
            if not math.isfinite(values["token"]):
                raise FloatingPointError(f"loss is not finite at step {step}")
        if time.monotonic() - last_save > 60 * config.save_every_minutes:
            save(trainer, config.output / "latest")
            last_save = time.monotonic()
    if device.type == "cuda":
        torch.cuda.synchronize()

"""``codeworld train CONFIG``: one run, bounded by time, resumable from any checkpoint.

Under ``torchrun`` it runs on as many processes as it is given, one GPU each (or CPUs, for tests); alone it is a world
of one. The configuration says what a step is: its rows are dealt out to the processes and their passes.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.parallel import DistributedDataParallel

from codeworld.model import checkpoint
from codeworld.model.loss import row_loss
from codeworld.model.network import Network
from codeworld.training import optimiser as optim
from codeworld.training.mask import Batch, block_mask, dense_mask
from codeworld.training.pairs import Mixture, RowShape
from codeworld.training.stream import Rows, batches

PEAK_FLOPS = {"H100": 734e12, "H200": 788e12}  # dense bf16, measured (8192 cubed, random data)
# FlexAttention's own choice under such a mask takes 2.0 ms a layer forward on an H100 (head size 64); this one, 0.56.
FLEX_OPTIONS = {"fwd_BLOCK_M": 64, "fwd_BLOCK_N": 64, "fwd_num_warps": 4, "fwd_num_stages": 3}
PROGRESS = "progress"  # a file beside the weights: how much of the schedule they have been through
NOT_INDICES = ("start", "limit", "first", "last")  # the mask compares these; what indexes has to be int64


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What any run has. Paths are relative to the working directory."""

    initial: Path  # checkpoint folder to start from (weights, tokenizer, labels)
    corpus: Path  # folder of *.jsonl.xz shards
    output: Path
    minutes: float  # wall time of the optimisation, compilation excluded
    rows_per_step: int = 64
    rows_per_pass: int = 32  # of one process; smaller = less memory, gradients are accumulated
    workers: int = 14  # of one process
    seed: int = 1
    save_every_minutes: float = 3.0
    max_steps: int = 1_000_000
    begin_at: float = 0.0  # of the schedule, in [0, 1): what ``resumed`` found to be done already
    watch_every: int = 0  # steps between looks at ``Trainer.held_out``; 0: none
    optimiser: optim.OptimiserConfig = optim.OptimiserConfig()


class TrainConfig(RunConfig, frozen=True, kw_only=True):
    """A run of the code world model."""

    shape: RowShape = RowShape()
    mixture: Mixture = Mixture()


Config = TypeVar("Config", bound=RunConfig)


class World(NamedTuple):
    """This process among those of the run (``torchrun`` says so in the environment)."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @classmethod
    def join(cls) -> World:
        """Meet the other processes, if there are any. NCCL between GPUs, gloo between CPUs."""
        on_gpu = torch.cuda.is_available()
        device = (
            torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if on_gpu else torch.device("cpu")
        )
        if on_gpu:
            torch.cuda.set_device(device)
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(device=device)
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
        return cls(dist.get_rank(), dist.get_world_size(), device)

    def agree(self, value: float) -> float:
        """Rank 0's value: clocks differ, and all processes must take the same number of steps."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)


def load_config(path: Path, kind: type[Config]) -> Config:
    """Raises msgspec.ValidationError, OSError."""
    return msgspec.toml.decode(path.read_bytes(), type=kind, dec_hook=lambda of, value: of(value))


def resumed(config: Config, saved: Path | None = None) -> Config:
    """The run that goes on from what it ``saved`` (its ``latest/``): with these weights, where they were in the
    schedule, with other rows. What the optimisers remember is not kept. Raises OSError when nothing was saved."""
    saved = saved or config.output / "latest"
    begin_at = float((saved / PROGRESS).read_text())
    seed = config.seed + round(1000 * begin_at)
    return msgspec.structs.replace(config, initial=saved, begin_at=begin_at, seed=seed)


class Objective(nn.Module):
    """From a batch of rows to its loss: what is differentiated, and so what DDP wraps."""

    def __init__(self, network: Network, on_gpu: bool) -> None:
        super().__init__()
        self.network, self.on_gpu = network, on_gpu
        self.create_mask: Callable[..., BlockMask] = create_block_mask
        if on_gpu:  # one graph serves all blocks: compiling the whole stack took minutes
            for block in network.blocks:
                block.compile(dynamic=False, fullgraph=True)
            self.create_mask = torch.compile(create_block_mask, dynamic=False)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch and its parts (``model.loss.row_loss``)."""
        mask = block_mask(batch, self.create_mask) if self.on_gpu else dense_mask(batch)

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if isinstance(mask, Tensor):
                return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
            options: Any = FLEX_OPTIONS
            out: Tensor = flex_attention(
                q, k, v, block_mask=mask, enable_gqa=True, kernel_options=options
            )  # fmt: skip
            return out

        with torch.autocast(batch["ids"].device.type, torch.bfloat16, enabled=self.on_gpu):
            x = self.network.embed(batch["ids"], batch["label"], batch["kind"] == 2)
            x = x.to(torch.bfloat16) if self.on_gpu else x
            return row_loss(self.network, self.network(x, batch["position"], lambda _: attend), batch)


class Trainer:
    """Holds a network, its optimisers and the compiled pass. Raises ValueError when a step cannot be dealt out. What is
    trained is in ``load``, ``objective_of`` and ``write``: the code world model here, other networks in subclasses."""

    def __init__(self, config: RunConfig, world: World, row_tokens: int) -> None:
        self.config, self.world, self.row_tokens = config, world, row_tokens
        self.progress, self.best = config.begin_at, math.inf
        self.passes, left = divmod(config.rows_per_step, config.rows_per_pass * world.size)
        if left or not self.passes:
            raise ValueError(
                f"rows_per_step {config.rows_per_step} is no multiple of {world.size} processes x rows_per_pass "
                f"{config.rows_per_pass}"
            )
        torch.set_float32_matmul_precision("high")
        torch._dynamo.config.optimize_ddp = (
            False  # blocks are compiled one by one; DDP's splitter is not for them
        )
        self.network = self.load(config.initial).to(world.device)
        self.optimisers = optim.make(self.network, config.optimiser)
        self.objective = self.objective_of(world.device.type == "cuda")
        self.waited_s = 0.0  # for batches: a run that waits needs more workers or cheaper rows
        if world.size > 1:
            self.objective = DistributedDataParallel(self.objective, gradient_as_bucket_view=True)

    def load(self, folder: Path) -> nn.Module:
        """The network that the run begins with."""
        return checkpoint.load(folder)

    def objective_of(self, on_gpu: bool) -> nn.Module:
        """From batches to losses, over ``self.network``."""
        assert isinstance(self.network, Network)
        return Objective(self.network, on_gpu)

    def write(self, folder: Path) -> None:
        """A bf16 checkpoint that ``load`` reads."""
        assert isinstance(self.network, Network)
        checkpoint.save(self.network, folder, int8=False)
        checkpoint.copy_vocabulary(self.config.initial, folder)

    def held_out(self) -> dict[str, float]:
        """Losses in nats on what is not trained on, "held_out" among them; nothing where nothing is held out."""
        return {}

    def flops_per_step(self) -> float:
        """6 FLOPs per weight and token of the blocks and of the tied output matrix (attention itself is left out)."""
        return flops_per_token(self.network) * self.row_tokens * self.config.rows_per_step

    def _sent(self, batch: Batch) -> Batch:
        part = {k: v.to(self.world.device, non_blocking=True) for k, v in batch.items()}
        return {
            k: v.long() if v.dtype == torch.int32 and k not in NOT_INDICES else v for k, v in part.items()
        }

    def step(self, source: Iterator[Batch], fraction: float) -> dict[str, Tensor]:
        """One optimiser step at ``fraction`` of the peak rate; the losses of this process's last pass."""
        parts: dict[str, Tensor] = {}
        for i in range(self.passes):
            last = i + 1 == self.passes
            alone = isinstance(self.objective, DistributedDataParallel) and not last
            with self.objective.no_sync() if alone else nullcontext():  # type: ignore[operator]
                begin = time.monotonic()
                batch = next(source)
                self.waited_s += time.monotonic() - begin
                loss, parts = self.objective(self._sent(batch))
                (loss / self.passes).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimiser.clip)
        optim.set_rate(self.optimisers, fraction)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return {**parts, "norm": norm}

    def save(self, folder: Path) -> None:
        """A resumable bf16 checkpoint, renamed into place; rank 0's work."""
        if self.world.rank:
            return
        fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
        self.write(fresh)
        (fresh / PROGRESS).write_text(f"{self.progress:.4f}\n")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        if old.exists():
            for path in old.iterdir():
                path.unlink()
            old.rmdir()


def flops_per_token(network: nn.Module) -> float:
    """6 FLOPs per matrix element, as often as its block is applied, those of syntax labels left out."""
    weights = sum(p.numel() for n, p in network.named_parameters() if p.ndim == 2 and "label" not in n)
    if isinstance(network, Network) and network.config.loops > 1:
        middle = sum(p.numel() for block in network.blocks[1:-1] for p in block.parameters() if p.ndim == 2)
        weights += (network.config.loops - 1) * middle
    return 6.0 * weights


def run(config_path: Path, resume: Path | None = None) -> None:
    """Train as ``config_path`` (TOML) says, or go on from the checkpoint ``resume`` of such a run. Writes ``log.jsonl``
    and the checkpoints ``latest/`` and ``final/`` below the output folder; each is written whole or not at all. Raises
    OSError where ``resume`` was not saved by a run."""
    config = load_config(config_path, TrainConfig)
    if resume is not None:
        config = resumed(config, resume)
    world = World.join()
    trainer = Trainer(config, world, config.shape.total)
    if config.mixture.outline_shown:
        assert isinstance(trainer.network, Network)
        trainer.network.config = msgspec.structs.replace(trainer.network.config, outlines=True)
    source = Rows(
        config.corpus, config.initial, checkpoint.read_config(config.initial), config.shape, config.mixture,
        config.rows_per_pass, config.seed, world.rank, world.size,
    )  # fmt: skip
    finish(trainer, batches(source, config.workers))


def finish(trainer: Trainer, source: Iterator[Batch]) -> None:
    """Train to the end of the time, write ``final/`` (and ``best/``, if something is held out) and leave the other
    processes."""
    config, world = trainer.config, trainer.world
    config.output.mkdir(parents=True, exist_ok=True)
    with (config.output / "log.jsonl" if world.rank == 0 else Path(os.devnull)).open("a+") as log:
        log.seek(0)
        before = [json.loads(line).get("held_out", math.inf) for line in log] if config.begin_at else []
        trainer.best = min(before, default=math.inf)
        _loop(trainer, source, log)
    trainer.save(config.output / "final")
    if world.size > 1:
        dist.barrier()
        dist.destroy_process_group()


def minutes_now(config: RunConfig) -> float:
    """How long the run is to be: what the file ``minutes`` in its output folder says, if somebody has put one there
    while it runs (a lease that ends sooner than planned), else the configuration. The schedule follows."""
    try:
        return float((config.output / "minutes").read_text())
    except (OSError, ValueError):
        return config.minutes


def _loop(trainer: Trainer, source: Iterator[Batch], log: Any) -> None:
    config, world = trainer.config, trainer.world
    minutes = config.minutes
    begin = time.monotonic()
    trainer.step(source, 0.0)  # compiles; rate 0 leaves the weights as they are
    log_of = _Log(trainer, log, time.monotonic() - begin)
    begin = last_save = time.monotonic()
    for step in range(1, config.max_steps + 1):
        elapsed = time.monotonic() - begin
        done = world.agree(max(elapsed / (60 * minutes), step / config.max_steps))
        trainer.progress = config.begin_at + done
        if trainer.progress > 1:
            break
        parts = trainer.step(source, optim.rate_at(trainer.progress, config.optimiser))
        if step % 20 == 0 or step == 1:
            log_of(step, parts)
            minutes = minutes_now(config)
        if config.watch_every and step % config.watch_every == 0:
            _watch(trainer, log)
        if time.monotonic() - last_save > 60 * config.save_every_minutes:
            trainer.save(config.output / "latest")
            last_save = time.monotonic()
    _watch(trainer, log)
    if world.device.type == "cuda":
        torch.cuda.synchronize()


def _watch(trainer: Trainer, log: Any) -> None:
    """Write down the losses on what is held out, and keep the weights that are best there; rank 0's work."""
    looks = trainer.config.watch_every and trainer.world.rank == 0
    found = trainer.held_out() if looks else {}
    if found:
        record = {"progress": round(trainer.progress, 4), **{k: round(v, 4) for k, v in found.items()}}
        print(json.dumps(record), flush=True)
        log.write(json.dumps(record) + "\n")
        log.flush()
        if found["held_out"] < trainer.best:
            trainer.best = found["held_out"]
            trainer.save(trainer.config.output / "best")


class _Log:
    """Prints and writes a line of figures now and then; rank 0's work."""

    def __init__(self, trainer: Trainer, out: Any, compile_s: float) -> None:
        self.trainer, self.world, self.out = trainer, trainer.world, out
        self.tokens_per_step = trainer.config.rows_per_step * trainer.row_tokens
        self.flops = trainer.flops_per_step() / self.tokens_per_step
        name = torch.cuda.get_device_name() if self.world.device.type == "cuda" else "cpu"
        self.peak = next((peak * self.world.size for key, peak in PEAK_FLOPS.items() if key in name), None)
        if self.world.rank == 0:
            print(f"compiled in {compile_s:.0f} s, {self.world.size} x {name}", flush=True)
        self.begin = self.last = time.monotonic()
        self.step = 0

    def __call__(self, step: int, parts: dict[str, Tensor]) -> None:
        """Raises FloatingPointError when the loss is not finite."""
        values = {k: round(float(v), 4) for k, v in parts.items()}  # waits for the device
        now = time.monotonic()
        rate = (step - self.step) * self.tokens_per_step / (now - self.last)
        record = {"step": step, "tokens": step * self.tokens_per_step, "seconds": round(now - self.begin, 1),
                  "tokens_per_s": round(rate), "waited": round(self.trainer.waited_s / (now - self.last), 3),
                  **values}  # fmt: skip
        self.trainer.waited_s = 0.0
        if self.peak:
            record["of_peak"] = round(rate * self.flops / self.peak, 3)
        self.last, self.step = now, step
        if self.world.rank == 0:
            print(json.dumps(record), flush=True)
            self.out.write(json.dumps(record) + "\n")
            self.out.flush()
        if not math.isfinite(values["token"]):
            raise FloatingPointError(f"loss is not finite at step {step}")

"""``python -m codeworld.training.train_hybrid CONFIG --model NAME …``: the code world model's trainer
(``codeworld.training.train``) on rows of whole repositories.

The configuration has several models, to be trained on the same tokens: rows depend on the seed alone, and the run ends
after ``max_steps`` (set ``minutes`` so that it comes first only where something is wrong).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from codeworld.model import hybrid
from codeworld.model.hybrid import HybridConfig, HybridNetwork
from codeworld.model.loss import linear_cross_entropy
from codeworld.training.mask import Batch
from codeworld.training.repository_rows import RepositoryRows, Stage
from codeworld.training.stream import batches
from codeworld.training.train import RunConfig, Trainer, World, finish, load_config

CURRICULUM = (Stage(2048, 0.5), Stage(4096, 0.15), Stage(8192, 0.1), Stage(16384, 0.1), Stage(32768, 0.15))


class HybridTrainConfig(RunConfig, frozen=True, kw_only=True):
    """A run. ``initial``: a checkpoint to go on with, or (it has labels.json) the code world model's, of which only the
    tokenizer is taken. ``output``: a folder for each model is made in it."""

    models: dict[str, HybridConfig]
    row_tokens: int = 32768
    curriculum: tuple[Stage, ...] = CURRICULUM


class Objective(nn.Module):
    """From sequences to the mean cross-entropy of their next tokens."""

    def __init__(self, network: HybridNetwork, on_gpu: bool) -> None:
        super().__init__()
        self.network, self.on_gpu = network, on_gpu

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """ids int64 [B, T + 1] -> nats per token, and its parts: the second half of the sequences apart."""
        ids, target = batch["ids"][:, :-1], batch["ids"][:, 1:]
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.on_gpu):
            hidden, _ = self.network(ids)
            scale = torch.full((target.numel(),), 1 / target.numel(), device=ids.device)
            loss, losses = linear_cross_entropy(
                hidden.flatten(0, 1), self.network.embedding.weight, target.flatten(), scale, chunk=16384
            )
        late = losses.view(target.shape)[:, target.shape[1] // 2 :].mean()
        length = torch.tensor(float(target.shape[1]))
        return loss, {"token": loss.detach(), "late": late, "length": length}


class HybridTrainer(Trainer):
    """The hybrid's and its twins'."""

    def __init__(self, config: HybridTrainConfig, model: str, world: World) -> None:
        self.model = config.models[model]
        super().__init__(config, world, config.row_tokens)

    def load(self, folder: Path) -> nn.Module:
        """A checkpoint, or random weights."""
        if not (folder / "labels.json").exists():
            return hybrid.load(folder)
        torch.manual_seed(self.config.seed)
        return HybridNetwork(self.model)

    def objective_of(self, on_gpu: bool) -> nn.Module:
        """The loss over sequences."""
        assert isinstance(self.network, HybridNetwork)
        return Objective(self.network, on_gpu)

    def write(self, folder: Path) -> None:
        """A bf16 checkpoint with its tokenizer."""
        assert isinstance(self.network, HybridNetwork)
        hybrid.save(self.network, folder)
        tokenizer = (self.config.initial / "tokenizer.json").read_bytes()
        (folder / "tokenizer.json").write_bytes(tokenizer)


def run(config: HybridTrainConfig, model: str) -> None:
    """Train one model; writes ``log.jsonl``, ``latest/`` and ``final/`` below OUTPUT/MODEL."""
    config = msgspec.structs.replace(config, output=config.output / model)
    world = World.join()
    trainer = HybridTrainer(config, model, world)
    rows = RepositoryRows(
        config.corpus, config.initial / "tokenizer.json", config.rows_per_pass, config.row_tokens, config.curriculum,
        config.max_steps * trainer.passes, config.seed, world.rank, world.size,
    )  # fmt: skip
    finish(trainer, batches(rows, config.workers))


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="codeworld.training.train_hybrid", description=__doc__)
    parser.add_argument("config", type=Path, help="TOML")
    parser.add_argument(
        "--model", nargs="+", required=True, metavar="NAME", help="of the configuration, one after the other"
    )
    parser.add_argument("--output", type=Path, help="instead of the configuration's")
    parser.add_argument("--minutes", type=float, help="instead of the configuration's")
    parser.add_argument("--initial", type=Path, help="instead of the configuration's")
    parser.add_argument("--corpus", type=Path, help="instead of the configuration's")
    parser.add_argument("--max-steps", type=int, help="instead of the configuration's")
    given = parser.parse_args(arguments)
    config = load_config(given.config, HybridTrainConfig)
    for model in given.model:
        if model not in config.models:
            parser.error(f"{given.config} has no model {model}: {', '.join(config.models)}")
    names = ("output", "minutes", "initial", "corpus", "max_steps")
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    for model in given.model:
        run(msgspec.structs.replace(config, **changes), model)


if __name__ == "__main__":
    main()

"""``python -m textdiff.train CONFIG``: the code world model's trainer (``codeworld.training.train``) on text rows.

Under ``torchrun`` it runs on as many GPUs as it is given. ``--kind`` trains a twin of the same size on the same data
for the same time. ``--export`` writes the int8 weights of a checkpoint instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
from torch import nn

from codeworld.model import checkpoint as code_checkpoint
from codeworld.training.stream import batches
from codeworld.training.train import RunConfig, Trainer, World, finish, load_config
from textdiff import checkpoint
from textdiff.config import Kind, TextConfig
from textdiff.denoiser import TextNetwork
from textdiff.loss import Objective
from textdiff.stream import Mixture, RowShape, TextRows
from textdiff.warm_start import warm_start


class TextTrainConfig(RunConfig, frozen=True, kw_only=True):
    """A run. ``initial``: a checkpoint of the code world model to take blocks from, or a text checkpoint to go on
    with."""

    copies: int = 4  # looks at each target for one reading of its source (diffusion kinds)
    flex: bool = True  # on GPUs: FlexAttention and compiled blocks
    random_weights: bool = False  # begin from nothing but ``initial``'s tokenizer
    model: TextConfig = TextConfig()
    shape: RowShape = RowShape()
    mixture: Mixture = Mixture()


class TextTrainer(Trainer):
    """The text model's."""

    config: TextTrainConfig

    def load(self, folder: Path) -> nn.Module:
        """A text checkpoint, or the code world model's made into one."""
        if self.config.random_weights:
            return TextNetwork(self.config.model)
        if (folder / "labels.json").exists():
            return warm_start(code_checkpoint.load(folder), self.config.model)
        return checkpoint.load(folder, self.config.model.kind)

    def objective_of(self, on_gpu: bool) -> nn.Module:
        """From packed rows to the loss."""
        assert isinstance(self.network, TextNetwork)
        return Objective(self.network, self.config.copies, on_gpu and self.config.flex)

    def write(self, folder: Path) -> None:
        """A bf16 checkpoint."""
        assert isinstance(self.network, TextNetwork)
        checkpoint.save(self.network, folder, int8=False, tokenizer=self.config.initial / "tokenizer.json")

    def flops_per_step(self) -> float:
        """6 per weight and token, and 2 more per decoder weight in the half of passes with self-conditioning."""
        config, shape = self.config, self.config.shape
        sizes = {name: p.numel() for name, p in self.network.named_parameters() if p.ndim == 2}
        encoder = sum(size for name, size in sizes.items() if name.startswith("encoder."))
        output = sum(size for name, size in sizes.items() if name in ("embedding.weight", "codebook.weight"))
        decoder = sum(size for name, size in sizes.items() if name.startswith("decoder.")) + output
        diffused = self.config.model.kind != "autoregressive"
        looks = (
            shape.targets
            * (config.copies if diffused else 1)
            * (7 / 6 if self.config.model.kind == "gaussian" else 1)
        )
        return 6.0 * config.rows_per_step * (encoder * shape.sources + decoder * looks)


def run(config: TextTrainConfig) -> None:
    """Train; writes ``log.jsonl``, ``latest/`` and ``final/`` below the output folder."""
    world = World.join()
    trainer = TextTrainer(config, world, config.shape.total)
    assert isinstance(trainer.network, TextNetwork)
    source = TextRows(
        config.corpus, config.initial / "tokenizer.json", trainer.network.config, config.shape, config.mixture,
        config.rows_per_pass, config.seed, world.rank, world.size,
    )  # fmt: skip
    finish(trainer, batches(source, config.workers))


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="textdiff.train", description=__doc__)
    parser.add_argument("config", type=Path, help="TOML; with --export: a checkpoint's folder")
    parser.add_argument("--kind", choices=Kind.__args__, help="instead of the configuration's")  # type: ignore[attr-defined]
    parser.add_argument("--output", type=Path, help="instead of the configuration's")
    parser.add_argument("--minutes", type=float, help="instead of the configuration's")
    parser.add_argument("--initial", type=Path, help="instead of the configuration's")
    parser.add_argument("--corpus", type=Path, help="instead of the configuration's")
    parser.add_argument("--rows-per-step", type=int, help="instead of the configuration's, for more GPUs")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write int8 weights here")
    given = parser.parse_args(arguments)
    if given.export:
        checkpoint.export(given.config, given.export)
        return
    config = load_config(given.config, TextTrainConfig)
    names = ("initial", "output", "minutes", "corpus", "rows_per_step")
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    if given.kind:
        changes["model"] = msgspec.structs.replace(config.model, kind=given.kind)
    run(msgspec.structs.replace(config, **changes))


if __name__ == "__main__":
    main()

"""``python -m textdiff.train CONFIG``: the code world model's trainer (``codeworld.training.train``) on text rows.

Under ``torchrun`` it runs on as many GPUs as it is given. ``--kind`` trains a twin of the same size on the same data
for the same time, ``--dropout``, ``--pointer-size``, ``--decided`` and ``--layers`` one that differs in that.
``--export`` writes the int8 weights of a checkpoint instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from codeworld.model import checkpoint as code_checkpoint
from codeworld.training.stream import batches
from codeworld.training.train import RunConfig, Trainer, World, finish, load_config, resumed
from textdiff import checkpoint
from textdiff.config import Kind, TextConfig
from textdiff.denoiser import TextNetwork
from textdiff.loss import Objective
from textdiff.schedule import Schedule, first_location
from textdiff.stream import Mixture, RowShape, TextRows, whole_batches
from textdiff.warm_start import warm_start


class TextTrainConfig(RunConfig, frozen=True, kw_only=True):
    """A run. ``initial``: a checkpoint of the code world model to take blocks from, or a text checkpoint to go on
    with."""

    copies: int = 4  # looks at each target for one reading of its source (diffusion kinds)
    flex: bool = True  # on GPUs: FlexAttention and compiled blocks
    random_weights: bool = False  # begin from nothing but ``initial``'s tokenizer
    dropout: float = 0.0  # of what each block adds
    watched: Path | None = (
        None  # shards of held-out repositories: their loss is logged, and its best weights kept
    )
    model: TextConfig = TextConfig()
    shape: RowShape = RowShape()
    mixture: Mixture = Mixture()


class TextTrainer(Trainer):
    """The text model's."""

    config: TextTrainConfig

    def load(self, folder: Path) -> nn.Module:
        """A text checkpoint, or the code world model's made into one."""
        network = self._begun(folder)
        network.dropout = self.config.dropout
        return network

    def _begun(self, folder: Path) -> TextNetwork:
        if (folder / "labels.json").exists():
            code = None if self.config.random_weights else code_checkpoint.load(folder)
            return warm_start(code, self.config.model) if code else TextNetwork(self.config.model)
        return checkpoint.load(folder, self.config.model.kind)

    def objective_of(self, on_gpu: bool) -> nn.Module:
        """From packed rows to the loss."""
        assert isinstance(self.network, TextNetwork)
        self.bare = Objective(self.network, self.config.copies, on_gpu and self.config.flex)
        return self.bare

    @cached_property
    def watched(self) -> dict[str, list[dict[str, Tensor]]]:
        """Task -> the batches that are held out."""
        config = self.config
        if config.watched is None:
            return {}
        assert isinstance(self.network, TextNetwork)
        tokenizer = config.initial / "tokenizer.json"
        return whole_batches(
            config.watched, tokenizer, self.network.config, config.shape, config.rows_per_pass
        )

    def held_out(self) -> dict[str, float]:
        """Nats per token of each task under the same noise each time, without dropout; "held_out" is their mean. The
        same noise means also the same levels: those that training begins with, and not what the schedule has learnt
        since. It learns to look where there is something left to learn, so under its own levels weights that get
        better look worse."""
        devices = [self.world.device] if self.world.device.type == "cuda" else []
        found: dict[str, float] = {}
        self.bare.eval()
        with torch.random.fork_rng(devices=devices), self._first_levels():
            torch.manual_seed(0)
            for task, batches_of in self.watched.items():
                # Not under no_grad: that would be one more graph to compile.
                parts = [self.bare(self._sent(batch))[1] for batch in batches_of]
                for name in ("token", "length"):
                    found[f"held_out_{task}_{name}"] = float(sum(one[name] for one in parts)) / len(parts)
        self.bare.train()
        tokens = [value for name, value in found.items() if name.endswith("token")]
        return {"held_out": sum(tokens) / len(tokens), **found} if tokens else {}

    @contextmanager
    def _first_levels(self) -> Iterator[None]:
        """The noise schedule as it is before it has learnt anything, for as long as this lasts."""
        assert isinstance(self.network, TextNetwork)
        if self.network.config.kind != "gaussian":
            yield
            return
        learnt = {name: value.clone() for name, value in self.network.schedule.state_dict().items()}
        self.network.schedule.load_state_dict(
            Schedule(first_location(self.network.config.code_size)).state_dict()
        )
        try:
            yield
        finally:
            self.network.schedule.load_state_dict(learnt)

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
    """Train; writes ``log.jsonl``, ``latest/``, ``final/`` and ``best/`` below the output folder."""
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
    parser.add_argument("--watched", type=Path, help="instead of the configuration's")
    parser.add_argument("--max-steps", type=int, help="instead of the configuration's")
    parser.add_argument("--dropout", type=float, help="instead of the configuration's")
    parser.add_argument("--pointer-size", type=int, help="instead of the configuration's; 0: no pointer")
    parser.add_argument("--decided", type=float, help="instead of the configuration's; 0: no token is")
    parser.add_argument(
        "--layers", type=int, help="of encoder and decoder each, instead of the configuration's"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the output's latest/")
    parser.add_argument("--rows-per-step", type=int, help="instead of the configuration's, for more GPUs")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="write int8 weights here")
    given = parser.parse_args(arguments)
    if given.export:
        checkpoint.export(given.config, given.export)
        return
    config = load_config(given.config, TextTrainConfig)
    names = ("initial", "output", "minutes", "corpus", "watched", "max_steps", "rows_per_step", "dropout")
    sizes = {"kind": given.kind, "pointer_size": given.pointer_size, "decided": given.decided}
    sizes |= {"encoder_layers": given.layers, "decoder_layers": given.layers}
    model = msgspec.structs.replace(config.model, **{k: v for k, v in sizes.items() if v is not None})
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    config = msgspec.structs.replace(config, model=model, **changes)
    run(resumed(config) if given.resume else config)


if __name__ == "__main__":
    main()

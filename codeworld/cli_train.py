"""``codeworld train``: a run, or one of the steps before and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from codeworld.errors import BadInput

# These bring options of their own.
PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False}


class _ConfigOrCommand(TyperGroup):
    """``train CONFIG`` beside ``train corpus``: a first word that names no command is the configuration."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


train = typer.Typer(
    cls=_ConfigOrCommand,
    help="Train the model: codeworld train CONFIG [--resume CHECKPOINT], or one of the steps before it.",
    no_args_is_help=True,
)


@train.command(name="run")
def train_run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file, see configs/.")],
    resume: Annotated[
        Path | None, typer.Option(help="What a run saved (its latest/), to go on from.")
    ] = None,
) -> None:
    """Train as CONFIG says; may be left out: `codeworld train CONFIG`."""
    for path in filter(None, (config, resume)):
        if not path.exists():
            raise BadInput(f"{path} does not exist")

    import msgspec

    from codeworld.model.checkpoint import CheckpointError
    from codeworld.training.train import run as run_training

    try:
        run_training(config, resume)
    except (msgspec.ValidationError, msgspec.DecodeError, CheckpointError) as error:
        raise BadInput(f"{config}: {error}") from error


@train.command(name="corpus", add_help_option=False, context_settings=PASS_ON)
def train_corpus(context: typer.Context) -> None:
    """Clone, filter, deduplicate and decontaminate the training data; see `codeworld train corpus --help`."""
    from codeworld.training import corpus

    raise typer.Exit(corpus.main(context.args))


@train.command(name="export")
def train_export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A folder that training wrote.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder for the model as it is shipped.")],
) -> None:
    """Smooth a checkpoint and quantise it to int8: a folder for CODEWORLD_MODEL."""
    from codeworld.model import checkpoint as checkpoints

    try:
        checkpoints.export(checkpoint, out)
    except (checkpoints.CheckpointError, OSError) as error:
        raise BadInput(str(error)) from error

"""The text model on disk: as the code world model's checkpoints (``codeworld.model.checkpoint``), with its own
config."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import torch

from codeworld.model import checkpoint as code_checkpoint
from codeworld.model.checkpoint import CheckpointError
from textdiff import config as text_config
from textdiff.config import Kind
from textdiff.denoiser import TextNetwork

BUNDLED = Path(__file__).parent / "weights"
FILES = 5  # of at most 15 MB each


def save(network: TextNetwork, folder: Path, *, int8: bool, tokenizer: Path) -> None:
    """Write weights (int8 with a scale per row, or bf16), ``config.json`` and a copy of ``tokenizer``."""
    code_checkpoint.write(
        network.state_dict(), network.config, folder, int8=int8, files=FILES if int8 else 2 * FILES
    )
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")


def load(folder: Path, kind: Kind | None = None) -> TextNetwork:
    """The network in fp32 on the CPU; with ``kind`` the twin of that kind with the weights that both have (a diffusion
    model has all that its twins need). Raises CheckpointError."""
    try:
        config = text_config.load(folder / "config.json")
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read {folder / 'config.json'}: {str(error).splitlines()[0]}"
        ) from error
    config = msgspec.structs.replace(config, kind=kind or config.kind)
    with torch.device("meta"):
        network = TextNetwork(config)
    stored = code_checkpoint.read_tensors(folder)
    code_checkpoint.fit(network, stored, folder)
    network.load_state_dict(
        {name: code_checkpoint.dense(stored, name) for name in network.state_dict()}, assign=True
    )
    return network.requires_grad_(True)


def export(source: Path, folder: Path) -> None:
    """The checkpoint ``source`` as it is shipped: int8. Raises CheckpointError."""
    save(load(source).requires_grad_(False), folder, int8=True, tokenizer=source / "tokenizer.json")

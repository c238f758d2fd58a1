"""Weights on disk: a folder of ``config.json``, ``tokenizer.json``, ``labels.json`` and safetensors files.

Matrices are int8 with one fp32 scale per row (shipped) or bf16 (while training goes on). Files stay small enough for
git hosting; safetensors is the only format that is read, so a checkpoint cannot carry code.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from codeworld.model import config as model_config
from codeworld.model.config import ModelConfig
from codeworld.model.network import Network

BUNDLED = Path(__file__).parent / "weights"
SCALE = ".scale"


class CheckpointError(Exception):
    """A checkpoint that is missing, incomplete or damaged; the message is one line."""


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """int8 rows and their fp32 scales [rows]: weight = int8 * scale, symmetric, largest magnitude at 127."""
    scale = weight.float().abs().amax(dim=1).clamp(min=1e-8) / 127
    return (weight.float() / scale[:, None]).round().to(torch.int8), scale


def save(network: Network, folder: Path, *, int8: bool, files: int = 8) -> None:
    """Write ``model-K.safetensors`` and ``config.json``."""
    write(network.state_dict(), network.config, folder, int8=int8, files=files)


def write(state: dict[str, Tensor], config: msgspec.Struct, folder: Path, *, int8: bool, files: int) -> None:
    """Tensors, spread so that no file is much larger than another, and the configuration of any network of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        value = value.detach().cpu()
        if int8 and value.ndim == 2 and min(value.shape) > 1:
            tensors[name], tensors[name + SCALE] = quantise(value)
        else:
            tensors[name] = value.to(torch.bfloat16) if value.ndim == 2 else value.float()
    parts: list[dict[str, Tensor]] = [{} for _ in range(files)]
    sizes = [0] * files
    for name, value in sorted(tensors.items(), key=lambda item: -item[1].nbytes):
        smallest = sizes.index(min(sizes))
        parts[smallest][name] = value.contiguous()
        sizes[smallest] += value.nbytes
    for i, part in enumerate(parts):
        save_file(part, folder / f"model-{i}.safetensors")
    (folder / "config.json").write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n")


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors as stored. Raises CheckpointError."""
    files = sorted(folder.glob("model-*.safetensors"))
    if not files:
        raise CheckpointError(f"no model in {folder}: model-*.safetensors not found")
    tensors: dict[str, Tensor] = {}
    for path in files:
        try:
            with safe_open(path, "pt") as opened:
                tensors |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    return tensors


def read_config(folder: Path) -> ModelConfig:
    """Raises CheckpointError."""
    try:
        return model_config.load(folder / "config.json")
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read {folder / 'config.json'}: {str(error).splitlines()[0]}"
        ) from error


def blank(folder: Path) -> tuple[Network, dict[str, Tensor]]:
    """The network without weights (on the "meta" device: initialising what is overwritten took seconds) and the stored
    tensors that fit it. Raises CheckpointError."""
    with torch.device("meta"):
        network = Network(read_config(folder))
    stored = read_tensors(folder)
    fit(network, stored, folder)
    return network, stored


def fit(network: nn.Module, stored: dict[str, Tensor], folder: Path) -> None:
    """Raises CheckpointError where ``stored`` is not what the network needs."""
    for name, target in network.state_dict().items():
        if name not in stored or stored[name].shape != target.shape:
            raise CheckpointError(
                f"{folder} does not fit its config.json: {name} is missing or has another shape"
            )


def dense(stored: dict[str, Tensor], name: str) -> Tensor:
    """A stored tensor as fp32."""
    value, scale = stored[name].float(), stored.get(name + SCALE)
    return value if scale is None else value * scale[:, None]


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Network:
    """The network in ``dtype`` on the CPU. Raises CheckpointError."""
    network, stored = blank(folder)
    network.load_state_dict({n: dense(stored, n).to(dtype) for n in network.state_dict()}, assign=True)
    return network.requires_grad_(True)


def copy_vocabulary(source: Path, folder: Path) -> None:
    """Put the tokenizer and the labels beside the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "labels.json"):
        if (source / name).resolve() != (folder / name).resolve():
            shutil.copyfile(source / name, folder / name)


def export(source: Path, folder: Path) -> None:
    """The checkpoint ``source`` as it is shipped: smoothed on Codeworld's own sources, int8. Raises CheckpointError."""
    from codeworld.model.smoothing import smooth
    from codeworld.model.tokenizer import EOF, CodeTokenizer

    network = load(source).requires_grad_(False)
    tokenizer = CodeTokenizer(source / "tokenizer.json")
    texts = [path.read_text() for path in sorted(Path(__file__).parents[1].glob("*/*.py"))]
    ids = [
        [EOF, *tokenizer.encode(text)][: network.config.window_tokens] for text in texts if len(text) > 4000
    ]
    smooth(network, ids[:8])
    save(network, folder, int8=True)
    copy_vocabulary(source, folder)


def read_labels(folder: Path) -> dict[str, int]:
    """Syntax label to id; 0 is never used."""
    labels: dict[str, int] = json.loads((folder / "labels.json").read_text())
    return labels


def tiny(folder: Path, *, seed: int = 0, layers: int = 2, loops: int = 1) -> ModelConfig:
    """Write a real but untrained checkpoint of about 1 MB (bundled vocabulary): tests and rehearsals load it as they
    load the shipped one."""
    torch.manual_seed(seed)
    vocabulary = read_config(BUNDLED).vocabulary
    config = ModelConfig(
        name="tiny",
        layers=layers,
        loops=loops,
        width=32,
        heads=2,
        kv_heads=1,
        head_size=16,
        mlp_width=64,
        vocabulary=vocabulary,
    )
    copy_vocabulary(BUNDLED, folder)
    save(Network(config), folder, int8=True, files=2)
    return config

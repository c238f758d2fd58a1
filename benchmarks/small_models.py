"""Bits per byte and milliseconds a token of small checkpoints, and the dense size that a recursive one is worth.

    python -m benchmarks.small_models runs/*/final --holes HOLES.jsonl [--files 200] [--out docs/results/small_models]

Held-out files are those that the holes of ``codeworld.training.holes`` were cut from. The dense-equivalent size is read
off the line through the dense models' bits per byte over the logarithm of their size; the recurrence exponent is the e
in unique · loops^e = that size, both without embeddings.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import msgspec
import numpy as np
import torch

from benchmarks.results import Figure, stamp, write
from codeworld.canvas import InfillRequest, Source
from codeworld.model import checkpoint, infill, quantised
from codeworld.model.tokenizer import CodeTokenizer
from codeworld.training.bits import bits_per_byte


class Measured(msgspec.Struct, frozen=True):
    """One checkpoint; ``weights`` without embeddings, ``ms_per_token`` int8 on this machine's processor."""

    name: str
    weights: int
    layers: int
    loops: int
    bits_per_byte: float
    ms_per_token: float


class Report(msgspec.Struct, frozen=True):
    """All of them, and what the recursive ones are worth: name → dense-equivalent weights."""

    models: list[Measured]
    equivalent: dict[str, float]


class _Hole(msgspec.Struct, frozen=True):
    prefix: str
    suffix: str
    target: str


def held_out(holes: Path, files: int) -> list[str]:
    """The texts around the first holes of different files."""
    decode = msgspec.json.Decoder(_Hole).decode
    texts = dict.fromkeys(
        h.prefix + h.target + h.suffix for h in map(decode, holes.read_bytes().splitlines())
    )
    return list(texts)[:files]


def measure(folder: Path, texts: list[str]) -> Measured:
    """Bits per byte of the int8 model, and the time of a token that the reader writes by itself."""
    exported = folder.with_name(folder.name + "-int8")
    if not (exported / "config.json").exists():
        checkpoint.export(folder, exported)
    network = quantised.load(exported) if quantised.supported() else checkpoint.load(exported)
    bits = bits_per_byte(network, CodeTokenizer(exported / "tokenizer.json"), texts)
    weights = sum(p.numel() for p in checkpoint.load(exported).blocks.parameters())
    c = network.config
    return Measured(c.name, weights, c.layers, c.loops, round(bits, 4), round(ms_per_token(exported), 2))


def ms_per_token(folder: Path) -> float:
    """Median over prompts of the reader's time for a token, prompt already read."""
    model = infill.load("cpu", folder)
    times = []
    for i in range(12):
        request = InfillRequest(
            prefix=f"def scale_{i}(values, factor):\n    return ", suffix="\n\n", sources=(Source.READER,)
        )
        model.infill(request)
        begin = time.perf_counter()
        steps = sum(one.steps for one in model.infill(request).candidates)
        times.append(1e3 * (time.perf_counter() - begin) / max(1, steps))
    return float(np.median(times))


def equivalents(models: list[Measured]) -> dict[str, float]:
    """Needs two dense models; the line is the least-squares fit through all of them."""
    dense = [m for m in models if m.loops == 1]
    if len(dense) < 2:
        return {}
    slope, level = np.polyfit([m.bits_per_byte for m in dense], [math.log(m.weights) for m in dense], 1)
    return {m.name: math.exp(slope * m.bits_per_byte + level) for m in models if m.loops > 1}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--holes", type=Path, required=True)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("docs/results/small_models"))
    arguments = parser.parse_args()
    torch.set_num_threads(min(2, torch.get_num_threads()))
    texts = held_out(arguments.holes, arguments.files)
    models = [measure(folder, texts) for folder in arguments.checkpoints]
    worth = equivalents(models)
    figures = []
    for m in sorted(models, key=lambda m: m.weights):
        about = f"{m.name}: {m.weights / 1e6:.1f} M, {m.layers} blocks" + (
            f", {m.loops} loops" if m.loops > 1 else ""
        )
        figures.append(Figure(f"{about}: bits per byte", f"{m.bits_per_byte:.4f}"))
        figures.append(Figure(f"{about}: ms a token", m.ms_per_token, "≤ 10" if m.loops > 1 else ""))
        if m.name in worth:
            e = math.log(worth[m.name] / m.weights) / math.log(m.loops)
            figures.append(Figure(f"{about}: dense-equivalent size", f"{worth[m.name] / 1e6:.1f} M", "≥ 9 M"))
            figures.append(Figure(f"{about}: recurrence exponent", f"{e:.2f}"))
    write(arguments.out, "Small models", stamp("int8, 2 threads"), figures, Report(models, worth))
    print(arguments.out.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()

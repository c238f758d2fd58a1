"""How well a diffusion checkpoint predicts the tokens of texts under noise: on what it was trained on, and on what it
was not.

    python -m textdiff.evaluate CHECKPOINT shard-000.jsonl.xz text-docstring.jsonl --limit 36 --guidance 0 0.6 1 1.5

Two things can be read from it before a single text is written: whether the weights have learnt their examples by heart
(then what was not seen is predicted worse), and which guidance and temperatures suit them on texts that were not seen.
"""

from __future__ import annotations

import argparse
import itertools
import lzma
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from codeworld.model.tokenizer import END, CodeTokenizer
from textdiff import checkpoint
from textdiff.config import LENGTHS
from textdiff.predict import Question
from textdiff.sampler import Canvas, Dials, Sampler
from textdiff.schedule import alpha_sigma

TIMES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)  # of noise; even, as in training
LENGTH_TEMPERATURES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)


class Setting(msgspec.Struct, frozen=True):
    """What texts are written with. ``nats`` per token and ``right``, the share of tokens that are the likeliest, are
    means over texts and TIMES, without self-conditioning."""

    guidance: float
    temperature: float
    nats: float
    right: float


class Found(msgspec.Struct, frozen=True):
    """Of one task in one file. ``length_nats``: of the smallest canvas, by temperature."""

    file: str
    task: str
    texts: int
    settings: list[Setting]
    length_nats: dict[str, float]


def read(path: Path, limit: int) -> dict[str, list[Question]]:
    """Examples by task, at most ``limit`` of each, evenly spread."""
    raw = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    by_task: dict[str, list[Question]] = defaultdict(list)
    for line in raw.splitlines():
        one = msgspec.json.decode(line, type=Question)
        by_task[one.task].append(one)
    return {
        task: own if len(own) <= limit else [own[i * len(own) // limit] for i in range(limit)]
        for task, own in by_task.items()
    }


@torch.inference_mode()
def measure(
    sampler: Sampler, questions: Sequence[Question], settings: Sequence[Dials]
) -> tuple[list[Setting], dict[str, float]]:
    """For each setting's guidance and temperature, and nats of lengths by temperature. The noise is the same for
    all."""
    scores: dict[Dials, list[tuple[float, float]]] = {one: [] for one in settings}
    lengths: dict[str, list[float]] = defaultdict(list)
    for number, one in enumerate(questions):
        asked = sampler.read([one.source], [""])
        ids = [*sampler.tokenizer.encode(one.target)[: LENGTHS[-1] - 1], END]
        index = next(i for i, size in enumerate(LENGTHS) if size >= len(ids))
        logits = torch.tensor(asked.lengths[0]).clamp(min=1e-12).log()
        for temperature in LENGTH_TEMPERATURES:
            lengths[f"{temperature:g}"].append(-float(F.log_softmax(logits / temperature, 0)[index]))
        canvas = sampler.canvas(asked, LENGTHS[index], [0])
        wanted = torch.tensor(ids, device=sampler.device)
        for dials, found in _looks(sampler, canvas, wanted, settings, seed=number):
            right = (found.argmax(-1) == wanted).float().mean()
            scores[dials].append((float(F.cross_entropy(found, wanted)), float(right)))
    means = [[_mean(column) for column in zip(*scores[one], strict=True)] for one in settings]
    made = [Setting(one.guidance, one.temperature, *two) for one, two in zip(settings, means, strict=True)]
    return made, {name: _mean(own) for name, own in lengths.items()}


def _looks(
    sampler: Sampler, canvas: Canvas, wanted: Tensor, settings: Sequence[Dials], seed: int
) -> Iterator[tuple[Dials, Tensor]]:
    """Logits of the text ``wanted`` [T], under noise, at each of TIMES and in each setting."""
    network, size = sampler.network, canvas.ids.shape[1]
    clean = F.embedding(F.pad(wanted, (0, size - len(wanted)), value=END)[None], network.codebook.rows())
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)).to(clean.device)
    for time in TIMES:
        gamma = network.schedule.gamma(torch.tensor(time, device=clean.device)).expand(clean.shape[:2])
        alpha, sigma = (one[..., None] for one in alpha_sigma(gamma))
        z = alpha * clean + sigma * noise
        x = network.noisy_input(z, gamma, torch.zeros_like(z), canvas.given, canvas.ids)
        for dials in settings:
            found = sampler.guided(x, canvas, network.posterior(z, gamma), dials)
            yield dials, found[0, : len(wanted)]


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="textdiff.evaluate", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("examples", type=Path, nargs="+", help="JSON lines, or a shard of the corpus")
    parser.add_argument("--tasks", nargs="+", default=["docstring", "commit"])
    parser.add_argument("--guidance", type=float, nargs="+", default=[0.6, 1.0, 1.5])
    parser.add_argument("--temperature", type=float, nargs="+", default=[1.0, 1.5])
    parser.add_argument("--limit", type=int, default=36, help="texts of each task and file")
    parser.add_argument("--out", type=Path, help="also write everything there, as JSON")
    given = parser.parse_args(arguments)
    network = checkpoint.load(given.checkpoint).eval().requires_grad_(False)
    if network.config.kind != "gaussian":
        parser.error("only of a gaussian model; its twins have no noise levels")
    sampler = Sampler(network, CodeTokenizer(given.checkpoint / "tokenizer.json"))
    pairs = itertools.product(given.guidance, given.temperature)
    settings = [Dials(guidance=guidance, temperature=temperature) for guidance, temperature in pairs]
    everything: list[Found] = []
    for path in given.examples:
        for task, questions in read(path, given.limit).items():
            if task in given.tasks:
                found, lengths = measure(sampler, questions, settings)
                everything.append(Found(path.name, task, len(questions), found, lengths))
                print(msgspec.json.encode(everything[-1]).decode(), flush=True)
    if given.out:
        given.out.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

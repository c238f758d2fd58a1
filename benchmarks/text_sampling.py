"""Ways to sample from the text model, on the same examples: which repeat themselves less and are nearer to what people
wrote?

    python -m benchmarks.text_sampling CHECKPOINT --examples DIR --limit 24 --out docs/results/text_sampling

What is only tried here, and not in ``textdiff.sampler``: fresh noise in each step, a text that is fixed block by block
from the left (each block with what stands before it given, as a prefix in training), and a token that a surer neighbour
has already costing so many nats.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import results
from codeworld.model.tokenizer import END, CodeTokenizer
from textdiff import checkpoint, metrics, wording
from textdiff.predict import Question, read_questions
from textdiff.sampler import Canvas, Dials, Sampler
from textdiff.schedule import alpha_sigma


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way. fresh: share of the remaining noise's variance that is drawn anew in each step; block: tokens that are
    fixed at a time (0: all at once); penalty_nats: of a surer neighbour's token; remember: self-conditioning."""

    name: str
    dials: Dials
    fresh: float = 0.0
    block: int = 0
    penalty_nats: float = 0.0
    remember: bool = True


def _way(name: str, *, dials: dict[str, Any] | None = None, **more: Any) -> Way:
    return Way(name=name, dials=Dials(**({"count": 1} | (dials or {}))), **more)


WAYS = (
    _way("guidance 1.5 (the first default)", dials={"guidance": 1.5}),
    _way("no guidance"),
    _way("block by block of 3, 4 steps each", dials={"steps": 4}, block=3),
    _way("fresh noise in each step", fresh=1.0),
    _way("4 steps", dials={"steps": 4}),
    _way("a neighbour's token costs 4 nats", penalty_nats=4.0),
    _way("guidance 0.8", dials={"guidance": 0.8}),
    _way(
        "guidance 0.6, temperature 1.5, lengths 8 (least loss)",
        dials={"guidance": 0.6, "temperature": 1.5, "length_temperature": 8.0},
    ),
    _way("no self-conditioning", remember=False),
    _way("guidance 2.5", dials={"guidance": 2.5}),
    _way("64 steps", dials={"steps": 64}),
)


class Tried(Sampler):
    """A sampler that writes in one of the ways."""

    way = WAYS[0]

    def _denoise(
        self, canvas: Canvas, dials: Dials, generator: torch.Generator, should_stop: Any
    ) -> tuple[Tensor, Tensor] | None:
        if not self.way.block:
            return self._whole(canvas, dials, generator)
        sure = torch.zeros(canvas.ids.shape)
        for start in range(0, canvas.ids.shape[1], self.way.block):
            part = slice(start, start + self.way.block)
            found, logprobs = self._whole(canvas, dials, generator)
            ids, given = canvas.ids.clone(), canvas.given.clone()
            ids[:, part], given[:, part], sure[:, part] = found[:, part], True, logprobs[:, part]
            canvas = canvas._replace(ids=ids, given=given)
            if bool((ids[:, : part.stop] == END).any(1).all()):
                break
        return canvas.ids, sure

    def _whole(self, canvas: Canvas, dials: Dials, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """As the sampler's own, with what is tried."""
        network, given, fixed = self.network, canvas.given, canvas.given[..., None]
        rows = network.codebook.rows()
        clean = F.embedding(canvas.ids, rows)
        z = dials.diversity * torch.randn(clean.shape, generator=generator)
        guess, logits = torch.zeros_like(clean), torch.empty(0)
        for now, then in pairwise(network.schedule.levels(dials.steps)):
            z = torch.where(fixed, clean, z)
            gamma = now.expand(given.shape)
            x = network.noisy_input(z, gamma, guess, given, canvas.ids)
            logits = self._unlike_neighbours(self.guided(x, canvas, network.posterior(z, gamma), dials))
            expected = logits.softmax(-1) @ rows
            guess = torch.where(fixed, 0.0, expected) if self.way.remember else guess
            (alpha, sigma), (alpha_then, sigma_then) = alpha_sigma(now), alpha_sigma(then)
            noise, fresh = (z - alpha * expected) / sigma, self.way.fresh
            if fresh:
                drawn = torch.randn(z.shape, generator=generator)
                noise = (1 - fresh) ** 0.5 * noise + fresh**0.5 * drawn
            z = alpha_then * expected + sigma_then * noise
        logprobs, best = logits.log_softmax(-1).max(-1)
        return torch.where(given, canvas.ids, best), torch.where(given, 0.0, logprobs)

    def _unlike_neighbours(self, logits: Tensor) -> Tensor:
        if not self.way.penalty_nats:
            return logits
        sure, ids = logits.softmax(-1).max(-1)
        for shift in (1, -1):
            taken = ids.roll(shift, 1)
            surer = (sure.roll(shift, 1) > sure) & (taken != END)
            surer[:, 0 if shift == 1 else -1] = False
            logits = logits.scatter_add(
                -1, taken[..., None], -self.way.penalty_nats * surer[..., None].float()
            )
        return logits


def measure(sampler: Tried, questions: list[Question], batch: int = 8) -> dict[str, float]:
    """Means over all candidates."""
    generator = torch.Generator().manual_seed(0)
    bleu, rouge, repeats, words = [], [], [], []
    begin = time.monotonic()
    for at in range(0, len(questions), batch):
        part = questions[at : at + batch]
        asked = sampler.read([one.source for one in part], [""] * len(part))
        for one, found in zip(part, sampler.sample(asked, sampler.way.dials, generator) or [], strict=True):
            for text in (sampler.tokenizer.decode(candidate.ids).strip() for candidate in found):
                bleu.append(metrics.bleu(one.target, text))
                rouge.append(metrics.rouge_l(one.target, text))
                repeats.append(100.0 * (wording.fault(text, lambda word: True) == "repeats"))
                words.append(len(text.split()))
    means = {"bleu": bleu, "rouge_l": rouge, "repeats_percent": repeats, "words": words}
    seconds = (time.monotonic() - begin) / len(questions)
    return {name: round(metrics.mean(own), 2) for name, own in means.items()} | {"seconds": round(seconds, 2)}


class Report(msgspec.Struct):
    """Way → task → figures; ``texts`` of each task."""

    texts: int
    found: dict[str, dict[str, dict[str, float]]]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_sampling", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--examples", type=Path, required=True, help="folder of text-<task>.jsonl")
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--out", type=Path, help="stem of the two files of figures; written after each way")
    given = parser.parse_args(arguments)
    network = checkpoint.load(given.checkpoint).eval().requires_grad_(False)
    sampler = Tried(network, CodeTokenizer(given.checkpoint / "tokenizer.json"))
    sets = {
        task: read_questions(given.examples / f"text-{task}.jsonl", given.limit)
        for task in ("docstring", "commit")
    }
    report, listed = (
        Report(given.limit, {}),
        [results.Figure("texts of each task, one candidate each", given.limit)],
    )
    made = results.stamp(
        f"{network.config.name} {network.config.version}; 16 steps, no guidance, unless said"
    )
    for way in WAYS:
        sampler.way = way
        report.found[way.name] = {task: measure(sampler, own) for task, own in sets.items()}
        for task, figures in report.found[way.name].items():
            told = ", ".join(f"{name.replace('_percent', ' %')} {value}" for name, value in figures.items())
            listed.append(results.Figure(f"{task}: {way.name}", told))
            print(listed[-1].name, told, file=sys.stderr, flush=True)
        if given.out:
            results.write(given.out, "Ways to sample from the text model", made, listed, report)
    print(results.markdown("Ways to sample from the text model", made, listed))
    return 0


if __name__ == "__main__":
    sys.exit(main())

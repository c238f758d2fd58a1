"""Candidates for a file of holes, by a checkpoint: the model's part of an evaluation, made where the GPU is.

Every source is asked and every candidate is kept, so that each row of the tables (denoiser alone, reader alone, copying
alone, all together) is read off one run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from codeworld.canvas import Candidate, InfillRequest, Seed, Source
from codeworld.model import infill


class Hole(msgspec.Struct, frozen=True):
    """The fields of a hole that the model may see."""

    id: str
    prefix: str
    suffix: str
    path: str = ""
    shape: Any = "span"
    seeds: tuple[Seed, ...] = ()
    outline: str = ""


class Generation(msgspec.Struct, frozen=True):
    """All candidates of one hole, most probable first."""

    id: str
    candidates: tuple[Candidate, ...]
    latency_ms: float
    device: str
    model: str


def generate(
    model: infill.Infiller, hole: Hole, steps: int = 0, sources: tuple[Source, ...] = tuple(Source),
    alternatives: int = 0,
) -> Generation:  # fmt: skip
    """Ask these sources for one hole."""
    request = InfillRequest(
        prefix=hole.prefix, suffix=hole.suffix, path=hole.path, outline=hole.outline, shape=hole.shape,
        seeds=hole.seeds, max_candidates=32, steps=steps, sources=sources, alternatives=alternatives,
    )  # fmt: skip
    reply = model.infill(request)
    return Generation(hole.id, reply.candidates, reply.latency_ms, reply.device, reply.model)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("holes", type=Path, help="JSONL of holes")
    parser.add_argument("out", type=Path, help="JSONL of generations")
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--alternatives", type=int, default=0, help="second choices that are followed")
    parser.add_argument("--part", type=int, default=0, help="do every PARTS-th hole, beginning with this one")
    parser.add_argument("--sources", default=",".join(Source), help="comma-separated; default: all")
    parser.add_argument("--no-outline", action="store_true", help="show the file only")
    parser.add_argument("--parts", type=int, default=1)
    arguments = parser.parse_args()
    model = infill.load(arguments.device, arguments.model)
    model.warm_up()
    sources = tuple(Source(name) for name in arguments.sources.split(","))
    lines = arguments.holes.read_bytes().splitlines()[arguments.part :: arguments.parts]
    with arguments.out.open("wb") as out:
        for line in lines:
            hole = msgspec.json.decode(line, type=Hole)
            if arguments.no_outline:
                hole = msgspec.structs.replace(hole, outline="")
            result = generate(model, hole, arguments.steps, sources, arguments.alternatives)
            out.write(msgspec.json.encode(result) + b"\n")


if __name__ == "__main__":
    main()

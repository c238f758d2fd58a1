"""What an idea is worth: models trained for equal GPU minutes on the same rows, on the same holes.

    python -m benchmarks.ablations FOLDER --holes H.jsonl --mbpp-holes M.jsonl --tests mbpp_infilling_dev.jsonl.gz

FOLDER holds, for each run NAME of configs/ablations.toml, NAME.jsonl (its training log), NAME-heldout2.jsonl and
NAME-mbpp.jsonl (``codeworld.training.generate``: sources verified and denoiser, of the twin reader). Of a run whose
generations are incomplete only the holes that it was asked are counted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.results import Figure, stamp, write
from codeworld.canvas import Candidate, Source
from codeworld.training.card import read_log
from codeworld.training.evaluate import Generation
from codeworld.training.holes import Hole
from codeworld.training.scoring import is_right, outcomes, read_tests

RUNS = {
    "base": "canvases and syntax labels",
    "twin": "autoregressive twin: no canvases",
    "unlabelled": "no syntax labels",
    "scratch": "random start",
}
KINDS = ("single", "multi", "random")


def _read(path: Path, kind: type[Any]) -> list[Any]:
    return [msgspec.json.decode(line, type=kind) for line in path.read_bytes().splitlines()]


def _best(generation: Generation, *sources: Source) -> Candidate | None:
    found = [c for c in generation.candidates if c.source in sources]
    return max(found, key=lambda c: c.logprob_nats, default=None)


def exact(holes: dict[str, Hole], made: list[Generation], *sources: Source) -> str:
    """Share of holes that are filled exactly."""
    best = [(holes[each.id], _best(each, *sources)) for each in made]
    right = sum(top is not None and is_right(top.text, hole.target) for hole, top in best)
    return f"{100 * right / len(best):.1f}"


def passing(kinds: dict[str, str], made: list[Generation], tests: Path, *sources: Source) -> str:
    """Pass@1 by kind of hole, and of how many where some are missing."""
    fills = {("", each.id): top.text for each in made if (top := _best(each, *sources)) is not None}
    passed = {
        task for (_, task), outcome in outcomes(fills, read_tests(tests)).items() if outcome == "passed"
    }
    shares = []
    for kind in KINDS:
        asked = [each.id for each in made if kinds[each.id] == kind]
        shares.append(f"{100 * len(passed.intersection(asked)) / max(1, len(asked)):.1f}")
    return " / ".join(shares) + (f" (of {len(made)})" if len(made) < len(kinds) else "")


def rows(given: argparse.Namespace, name: str, about: str) -> list[Figure]:
    """Of one run: what it was and how well it fills."""
    holes = {hole.id: hole for hole in _read(given.holes, Hole)}
    kinds = {hole.id: hole.kind for hole in _read(given.mbpp_holes, Hole)}
    log = read_log(given.folder / f"{name}.jsonl")
    held = _read(given.folder / f"{name}-heldout2.jsonl", Generation)
    mbpp = _read(given.folder / f"{name}-mbpp.jsonl", Generation)
    tail = log[-max(1, len(log) // 20) :]
    losses = " / ".join(
        f"{sum(r[part] for r in tail) / len(tail):.3f}" for part in ("stream", "fill", "canvas")
    )
    reader = (Source.VERIFIED, Source.READER)
    found = [
        Figure(
            f"{about}: M tokens in minutes", f"{log[-1]['tokens'] / 1e6:.0f} in {log[-1]['seconds'] / 60:.1f}"
        ),
        Figure(f"{about}: nats a token, stream / fill / canvas", losses),
        Figure(f"{about}: reader, held-out holes exactly (n={len(held)})", exact(holes, held, *reader)),
        Figure(f"{about}: reader, MBPP single / multi / random", passing(kinds, mbpp, given.tests, *reader)),
    ]
    if any(c.source is Source.DENOISER for each in held for c in each.candidates):
        found += [
            Figure(f"{about}: denoiser alone, held-out holes exactly", exact(holes, held, Source.DENOISER)),
            Figure(
                f"{about}: denoiser alone, MBPP single / multi / random",
                passing(kinds, mbpp, given.tests, Source.DENOISER),
            ),
        ]
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--holes", type=Path, required=True)
    parser.add_argument("--mbpp-holes", type=Path, required=True)
    parser.add_argument("--tests", type=Path, default=Path("../shared/eval/mbpp_infilling_dev.jsonl.gz"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/ablations"))
    given = parser.parse_args()
    figures = [figure for name, about in RUNS.items() for figure in rows(given, name, about)]
    about = stamp("four runs side by side, one H100 each")
    write(given.out, "Ablations at equal GPU minutes", about, figures, figures)
    print(given.out.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()

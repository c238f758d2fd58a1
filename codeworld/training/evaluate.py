"""Score completion: copying, denoiser, reader and all of them together, on the same holes.

The model's part is a file of generations (``codeworld.training.generate`` writes one where the GPU is) or any function
from InfillRequest to InfillReply. Every system picks its answer with a ranking of its own, fitted on the repositories
that the answer's repository is not one of; so are the thresholds.

    python -m codeworld.training.evaluate --holes H.jsonl [--generations G.jsonl] --out docs/results/completion
        [--mbpp-holes M.jsonl --mbpp-generations N.jsonl --mbpp-tests mbpp_infilling_dev.jsonl.gz] [--fit ranking.json]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from codeworld import ranking
from codeworld.canvas import Candidate, InfillReply, InfillRequest, Source
from codeworld.ranking import Weights
from codeworld.training import ranker, report
from codeworld.training.holes import Hole
from codeworld.training.ranker import Record
from codeworld.training.scoring import outcomes, read_tests, score_text

_ALL_CANDIDATES = 16
_SERVED = InfillRequest(prefix="", suffix="")  # what an editor's request asks for


class Generation(msgspec.Struct, frozen=True):
    """What a model proposed for the hole with this id."""

    id: str
    candidates: tuple[Candidate, ...] = ()
    latency_ms: float = 0.0
    device: str = ""
    model: str = ""


class Answer(NamedTuple):
    """What a system says to a hole: None when it has nothing. It is offered from ``threshold`` on."""

    hole: Hole
    candidate: Candidate | None
    threshold: float


_Row = TypeVar("_Row", Hole, Generation)


def copied(hole: Hole, _: Generation) -> tuple[Candidate, ...]:
    """The seeds as they are, no model asked."""
    return tuple(Candidate(seed.text, Source.RETRIEVED, 0.0, tokens=0, seed=seed) for seed in hole.seeds)


def of_sources(*sources: Source) -> Callable[[Hole, Generation], tuple[Candidate, ...]]:
    """The model's candidates from these sources only."""
    return lambda _, generation: tuple(c for c in generation.candidates if c.source in sources)


def served(_: Hole, generation: Generation) -> tuple[Candidate, ...]:
    """What an editor's request would have got."""
    wanted = (c for c in generation.candidates if c.source in _SERVED.sources)
    return tuple(sorted(wanted, key=lambda c: -c.logprob_nats)[: _SERVED.max_candidates])


COPYING = "copying alone"
PATIENT = "as served to who can wait"  # with alternatives, compared by what follows
SYSTEMS: dict[str, Callable[[Hole, Generation], tuple[Candidate, ...]]] = {
    COPYING: copied,
    "denoiser, verified by the reader": of_sources(Source.VERIFIED),
    "denoiser alone": of_sources(Source.DENOISER),
    "reader alone": of_sources(Source.READER),
    "edited copies alone": of_sources(Source.EDITED),
    "as served": served,
    "all together": of_sources(*Source),
}


def generate(infill: Callable[[InfillRequest], InfillReply], holes: Iterable[Hole]) -> list[Generation]:
    """Ask a live model for everything that it can say to each hole."""
    found = []
    for hole in holes:
        request = msgspec.structs.replace(
            hole.request(), max_candidates=_ALL_CANDIDATES, sources=tuple(Source)
        )
        reply = infill(request)
        found.append(Generation(hole.id, reply.candidates, reply.latency_ms, reply.device, reply.model))
    return found


def evaluate(
    infill: Callable[[InfillRequest], InfillReply] | None,
    holes: Sequence[Hole],
    generations: Iterable[Generation] = (),
    patient: Sequence[Generation] = (),
) -> list[report.Row]:
    """A row for each system and kind of hole; ``patient``, made with alternatives, may be of some
    holes only. Without ``infill`` the generations given are judged; a system that has
    no candidate for any hole has no row."""
    made = generate(infill, holes) if infill is not None else generations
    by_id = {generation.id: generation for generation in made}
    found = {name: answers(name, holes, by_id) for name in SYSTEMS}
    if patient:
        waited = {generation.id: generation for generation in patient}
        asked = [hole for hole in holes if hole.id in waited]
        found["as served, of the same holes"] = answers("as served", asked, by_id)
        found[PATIENT] = answers("all together", asked, waited)
    return [
        row
        for name, given in found.items()
        if any(answer.candidate for answer in given)
        for row in _rows(name, given)
    ]


def records(system: str, holes: Iterable[Hole], generations: Mapping[str, Generation]) -> list[Record]:
    """One for each hole, in order."""
    select, nothing = SYSTEMS[system], Generation("")
    return [
        Record(hole.repo, select(hole, generations.get(hole.id, nothing)), hole.target, hole.shape)
        for hole in holes
    ]


def answers(system: str, holes: Sequence[Hole], generations: Mapping[str, Generation]) -> list[Answer]:
    """One for each hole, in order, by rankings and thresholds that never saw its repository."""
    judged = records(system, holes, generations)
    tops = [top for _, top in ranker.cross_validated(judged, judged)]
    thresholds = {}
    for repo in {hole.repo for hole in holes}:
        elsewhere = [record for record in judged if record.group != repo]
        thresholds[repo] = ranker.threshold(ranker.cross_validated(elsewhere, elsewhere))
    return [Answer(hole, top, thresholds[hole.repo]) for hole, top in zip(holes, tops, strict=True)]


def _rows(name: str, found: Sequence[Answer]) -> list[report.Row]:
    kinds: dict[str, list[Answer]] = {}
    for answer in found:
        kinds.setdefault(answer.hole.kind, []).append(answer)
    lines = [answer for answer in found if answer.hole.shape == "line"]
    groups = {"all lines": lines, **dict(sorted(kinds.items()))} if lines else dict(sorted(kinds.items()))
    return [
        report.Row.of(name, kind, [_judged(answer) for answer in group]) for kind, group in groups.items()
    ]


def _judged(answer: Answer) -> report.Judged:
    top = answer.candidate
    score = score_text(top.text if top else "", answer.hole.target)
    shown = top is not None and top.confidence >= answer.threshold
    return report.Judged(score, top.confidence if top else None, shown)


def pass_at_1(
    holes: Sequence[Hole],
    generations: Mapping[str, Generation],
    tests: Path,
    weights: Weights,
    *,
    jobs: int = 0,
) -> dict[str, dict[str, float]]:
    """Share of holes whose best candidate passes the tests: system → kind → [0, 1]; no candidate is a failure."""
    fills: dict[tuple[str, str], str] = {}
    for system in SYSTEMS:
        for hole, record in zip(holes, records(system, holes, generations), strict=True):
            for best in ranking.rank(record.candidates, weights, shape=hole.shape)[:1]:
                fills[system, hole.id] = best.text
    passed = outcomes(fills, read_tests(tests), jobs=jobs)
    sizes: dict[str, int] = {}
    for hole in holes:
        sizes[hole.kind] = sizes.get(hole.kind, 0) + 1
    table: dict[str, dict[str, float]] = {}
    for system in dict.fromkeys(system for system, _ in fills):
        right: list[str] = [hole.kind for hole in holes if passed.get((system, hole.id)) == "passed"]
        table[system] = {kind: right.count(kind) / size for kind, size in sizes.items()}
    return table


def tokens_per_pass(generations: Iterable[Generation]) -> dict[str, float]:
    """Of each source whose candidates count passes."""
    tokens: dict[str, int] = {}
    passes: dict[str, int] = {}
    for candidate in (c for generation in generations for c in generation.candidates if c.steps):
        source = candidate.source.value
        tokens[source] = tokens.get(source, 0) + candidate.tokens + 1
        passes[source] = passes.get(source, 0) + candidate.steps
    return {source: tokens[source] / passes[source] for source in tokens}


def fit(
    holes: Sequence[Hole], generations: Mapping[str, Generation], patient: Mapping[str, Generation]
) -> Weights:
    """The weights to package: fitted on what is served, on all candidates, on plain copies and on candidates that were
    compared."""
    copies, shown = records(COPYING, holes, generations), records("as served", holes, generations)
    if not any(record.candidates for record in shown):
        return ranker.fit(copies)
    made = [*shown, *records("all together", holes, generations), *records("all together", holes, patient)]
    return ranker.fit([*made, *copies], shown)


def _read(path: Path | None, kind: type[_Row]) -> list[_Row]:
    decode = msgspec.json.Decoder(kind).decode
    return [decode(line) for line in path.read_bytes().splitlines()] if path else []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m codeworld.training.evaluate", description="Score completion on held-out holes."
    )
    parser.add_argument("--holes", type=Path, required=True)
    parser.add_argument("--generations", type=Path, help="without it only copying has a row")
    parser.add_argument("--patient", type=Path, help="generations with alternatives")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .md, .json and .svg are written"
    )
    parser.add_argument(
        "--fit", type=Path, metavar="RANKING_JSON", help="also fit the packaged ranking and write it"
    )
    parser.add_argument("--mbpp-holes", type=Path)
    parser.add_argument("--mbpp-generations", type=Path)
    parser.add_argument("--mbpp-tests", type=Path)
    parser.add_argument(
        "--jobs", type=int, default=0, help="programs run at a time; 0: one for each processor"
    )
    parser.add_argument("--machine", default="", help="where the generations were made")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate, write the report, and say where; returns the exit code."""
    args = _parser().parse_args(arguments)
    holes, made = _read(args.holes, Hole), _read(args.generations, Generation)
    generations = {generation.id: generation for generation in made}
    patient = _read(args.patient, Generation)
    weights = ranking.packaged_weights()
    model = next((generation.model for generation in made), "")
    stamp = report.Stamp.now(args.machine or next((generation.device for generation in made), ""), model)
    if args.fit:
        about = msgspec.structs.asdict(stamp) | {
            "with_model": "fitted" if made else "set by hand, not fitted"
        }
        weights = msgspec.structs.replace(
            fit(holes, generations, {generation.id: generation for generation in patient}), fitted=about
        )
        args.fit.write_bytes(msgspec.json.format(msgspec.json.encode(weights)) + b"\n")
    passed: dict[str, dict[str, float]] = {}
    if args.mbpp_holes and args.mbpp_generations and args.mbpp_tests:
        asked = {each.id: each for each in _read(args.mbpp_generations, Generation)}
        tasks = [hole for hole in _read(args.mbpp_holes, Hole) if hole.id in asked]
        passed = pass_at_1(tasks, asked, args.mbpp_tests, weights, jobs=args.jobs)
    latency = report.quantiles([generation.latency_ms for generation in made])
    whole = report.Report(stamp, evaluate(None, holes, made, patient), passed, latency, tokens_per_pass(made))
    for path in report.write(whole, args.out):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

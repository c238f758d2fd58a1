"""What the number of steps and the diversity dial do: quality, and how unlike each other the candidates are.

    python -m textdiff.predict CHECKPOINT OUT EXAMPLES… --steps 1 2 4 8 64 --limit 400
    python -m textdiff.predict CHECKPOINT OUT EXAMPLES… --diversity 0 0.25 0.5 0.75 1 1.25 --limit 400
    python -m benchmarks.text_dials OUT/*.json … --out docs/results/text_dials

Of each file: BLEU and ROUGE-L of the first choices, the mean BLEU of all candidates, distinct-n (different n-grams
among all of a source's candidates, in percent) and self-BLEU (of each candidate against each other one of its source).
A source that was written about once has no self-BLEU. Plots beside the table, where matplotlib is installed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import results
from textdiff import metrics
from textdiff.predict import Answer, Answers

_ORDERS = (1, 2)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One file of predictions. ``kind``: the network's, and the time at which its last tokens were decided, where that
    was said."""

    kind: str
    task: str
    steps: int
    diversity: float
    count: int
    examples: int
    bleu: float
    rouge_l: float
    all_bleu: float
    distinct_1: float
    distinct_2: float
    self_bleu: float | None
    milliseconds: float  # a source, on the device, in batches


def drawn(answer: Answer) -> list[str]:
    """Every candidate, as often as it was written."""
    counts = answer.counts or [1] * len(answer.texts)
    return [text for text, count in zip(answer.texts, counts, strict=True) for _ in range(count)]


def distinct(texts: Sequence[str], order: int) -> float:
    """Percent of the n-grams of all texts that are different ones; 0 where there are none."""
    grams = [
        tuple(own[i : i + order]) for own in map(metrics.words, texts) for i in range(len(own) - order + 1)
    ]
    return 100 * len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[str]) -> float | None:
    """Mean over pairs of different candidates, two of which may say the same; None for one candidate."""
    if len(texts) < 2:
        return None
    known: dict[tuple[str, str], float] = {}
    total, pairs = 0.0, 0
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            if i != j:
                if (one, other) not in known:
                    known[one, other] = metrics.bleu(other, one)
                total, pairs = total + known[one, other], pairs + 1
    return total / pairs


def measure(found: Answers) -> Setting:
    """The figures of one file."""
    answers, told = [one for one in found.answers if one.texts], found.dials.clearest
    candidates = [drawn(one) for one in answers]
    alike = [score for own in candidates if (score := self_bleu(own)) is not None]
    everything = [
        metrics.mean(metrics.bleu(a.target, text) for text in own)
        for a, own in zip(answers, candidates, strict=True)
    ]
    return Setting(
        kind=found.kind if told is None else f"{found.kind} to {told:g}",
        task=answers[0].task,
        steps=found.dials.steps,
        diversity=found.dials.diversity,
        count=found.dials.count,
        examples=len(answers),
        bleu=_rounded(metrics.bleu(a.target, a.texts[0]) for a in answers),
        rouge_l=_rounded(metrics.rouge_l(a.target, a.texts[0]) for a in answers),
        all_bleu=_rounded(everything),
        distinct_1=_rounded(distinct(own, 1) for own in candidates),
        distinct_2=_rounded(distinct(own, 2) for own in candidates),
        self_bleu=_rounded(alike) if alike else None,
        milliseconds=round(1000 * found.seconds / max(len(found.answers), 1), 2),
    )


def _rounded(values: Any) -> float:
    return round(metrics.mean(values), 2)


def monotone(settings: Sequence[Setting]) -> tuple[bool, bool]:
    """Whether distinct-2 never falls, and self-BLEU never rises, with the dial."""
    ordered = sorted(settings, key=lambda one: one.diversity)
    alike = [one.self_bleu for one in ordered if one.self_bleu is not None]
    rises = all(a.distinct_2 <= b.distinct_2 for a, b in pairwise(ordered))
    return rises, all(a >= b for a, b in pairwise(alike))


def figures(settings: Sequence[Setting]) -> Iterator[results.Figure]:
    """A line for each setting, then what the dial does."""
    for one in sorted(settings, key=lambda one: (one.task, one.kind, one.steps, one.diversity)):
        name = f"{one.task}, {one.kind}, {one.steps} steps, diversity {one.diversity:g} ({one.examples})"
        told = f"BLEU {one.bleu}, ROUGE-L {one.rouge_l}; of {one.count} candidates BLEU {one.all_bleu}, "
        told += f"distinct-1 {one.distinct_1}, distinct-2 {one.distinct_2}, self-BLEU {one.self_bleu}"
        yield results.Figure(name, f"{told}; {one.milliseconds} ms each")
    for (task, kind), own in _by_dial(settings).items():
        rises, falls = monotone(own)
        told = f"{'yes' if rises else 'no'}, {'yes' if falls else 'no'}"
        yield results.Figure(
            f"{task}, {kind}: distinct-2 rises, self-BLEU falls with the dial", told, "yes, yes"
        )
        best, last = max(one.bleu for one in own), max(own, key=lambda one: one.diversity)
        lost = round(best - last.bleu, 2)
        yield results.Figure(
            f"{task}, {kind}: BLEU lost at diversity {last.diversity:g} against the best setting", lost
        )


def _by_dial(settings: Sequence[Setting]) -> dict[tuple[str, str], list[Setting]]:
    """(task, kind) → settings that differ in the dial alone, where there are several."""
    found: dict[tuple[str, str], list[Setting]] = defaultdict(list)
    for one in settings:
        if one.count > 1:
            found[one.task, one.kind].append(one)
    usual = {
        key: max({one.steps for one in own}, key=lambda s: sum(one.steps == s for one in own))
        for key, own in found.items()
    }
    dialled = {key: [one for one in own if one.steps == usual[key]] for key, own in found.items()}
    return {key: own for key, own in dialled.items() if len({one.diversity for one in own}) > 2}


def _by_steps(settings: Sequence[Setting]) -> dict[tuple[str, str], list[Setting]]:
    """(task, kind) → settings at diversity 1 by steps, where there are several."""
    found: dict[tuple[str, str], list[Setting]] = defaultdict(list)
    for one in settings:
        if one.diversity == 1.0 and one.kind != "autoregressive":
            found[one.task, one.kind].append(one)
    return {key: own for key, own in found.items() if len({one.steps for one in own}) > 2}


def plot(settings: Sequence[Setting], stem: Path) -> None:
    """``stem``_steps.svg and ``stem``_dial.svg."""
    try:
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return
    importlib.import_module("matplotlib").use("Agg")
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for (task, kind), own in sorted(_by_steps(settings).items()):
        own = sorted({one.steps: one for one in own}.values(), key=lambda one: one.steps)
        axes.plot([one.steps for one in own], [one.bleu for one in own], marker="o", label=f"{task}, {kind}")
    axes.set(xscale="log", xlabel="steps", ylabel="BLEU of the first choice", xticks=[1, 2, 4, 8, 16, 64])
    axes.set_xticklabels(["1", "2", "4", "8", "16", "64"])
    axes.legend()
    _saved(pyplot, figure, stem.with_name(f"{stem.name}_steps.svg"))
    figure, columns = pyplot.subplots(1, 3, figsize=(12, 4))
    for (task, kind), own in sorted(_by_dial(settings).items()):
        own = sorted(own, key=lambda one: one.diversity)
        for axes, name in zip(columns, ("distinct_2", "self_bleu", "bleu"), strict=True):
            line = [getattr(one, name) for one in own]
            axes.plot([one.diversity for one in own], line, marker="o", label=f"{task}, {kind}")
            axes.set(
                xlabel="diversity",
                title={
                    "distinct_2": "distinct-2, %",
                    "self_bleu": "self-BLEU",
                    "bleu": "BLEU of the first choice",
                }[name],
            )
    columns[0].legend(fontsize="small")
    _saved(pyplot, figure, stem.with_name(f"{stem.name}_dial.svg"))


def _saved(pyplot: Any, figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


class Report(msgspec.Struct):
    """Every setting."""

    settings: list[Setting]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_dials", description=__doc__)
    parser.add_argument("predictions", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, help="stem of the two files of figures and of the plots")
    given = parser.parse_args(arguments)
    found = [msgspec.json.decode(path.read_bytes(), type=Answers) for path in given.predictions]
    settings = [measure(one) for one in found]
    told = {f"codeworld-text {one.version} on {one.device}" for one in found}
    made = results.stamp(", ".join(sorted(told)))
    results.publish(
        given.out, "Steps and the diversity dial", made, list(figures(settings)), Report(settings)
    )
    if given.out:
        plot(settings, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

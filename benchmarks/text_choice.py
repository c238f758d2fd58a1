"""One text out of all that is said of an example: does a choice by agreement beat the ways it chooses from?

    python -m benchmarks.text_model … --rows ROWS            asks all ways (``benchmarks.text_ways``)
    python -m benchmarks.text_choice ROWS/docstring.jsonl ROWS/commit.jsonl --out docs/results/text_choice

Minimum Bayes risk (Kumar and Byrne 2004): the candidate that is most like all of them, each weighted by how far its
origin is to be trusted. The weights are fitted on one half of the examples, coordinate by coordinate, and judged on the
other. Candidates are what the product says today, the name in words, the first model's texts, the nearest of the
repository's commits, what people wrote near by, and the targets of the nearest training examples that name only what
exists here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import results
from benchmarks.text_ways import Row
from textdiff import metrics
from textdiff.choose import similarity

GRID = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
ROUNDS = 2
SAID = ("symbolic", "name", "repository")
ORIGINS = (*SAID, "around", "training", "model")
Weights = dict[str, float]


class Pool(msgspec.Struct):
    """The different candidates of an example: texts, votes (share of each origin's votes that a text has), how alike
    they are, and their BLEU."""

    row: Row
    texts: list[str]
    votes: NDArray[np.float64]  # [origins, texts]
    alike: NDArray[np.float64]  # [texts, texts]
    bleu: NDArray[np.float64]  # [texts]

    def chosen(self, weights: NDArray[np.float64]) -> int | None:
        """The number of the best text; None when no origin that counts says anything."""
        trust = weights @ self.votes
        if not trust.any():
            return None
        return int(np.argmax(np.where(trust > 0, self.alike @ trust, -1.0)))


def pool(row: Row) -> Pool:
    """Of one row; votes of an origin sum up to one."""
    listed = {name: [row.said.get(name, "")] for name in SAID}
    listed |= {"around": row.around, "training": row.nearest, "model": row.texts}
    texts = list(dict.fromkeys(text for own in listed.values() for text in own if text))
    at = {text: number for number, text in enumerate(texts)}
    votes = np.zeros((len(ORIGINS), len(texts)))
    for number, origin in enumerate(ORIGINS):
        own = [text for text in listed[origin] if text]
        for text in own:
            votes[number, at[text]] += 1 / len(own)
    words = [text.lower().split() for text in texts]
    alike = np.array([[similarity(one, other) for other in words] for one in words]).reshape(
        len(texts), len(texts)
    )
    return Pool(row, texts, votes, alike, np.array([metrics.bleu(row.target, text) for text in texts]))


def mean_bleu(pools: Sequence[Pool], weights: NDArray[np.float64]) -> float:
    """Of the chosen texts; silence has none."""
    chosen = [(one, one.chosen(weights)) for one in pools]
    return metrics.mean(0.0 if number is None else float(one.bleu[number]) for one, number in chosen)


def fitted(pools: Sequence[Pool], origins: Sequence[str]) -> NDArray[np.float64]:
    """Weights of ORIGINS, 0 for those that are not among ``origins``."""
    weights = np.array([1.0 if origin in origins else 0.0 for origin in ORIGINS])
    best = mean_bleu(pools, weights)
    for _ in range(ROUNDS):
        for number, origin in enumerate(ORIGINS):
            for value in GRID if origin in origins else ():
                tried = weights.copy()
                tried[number] = value
                found = mean_bleu(pools, tried)
                if found > best:
                    best, weights = found, tried
    return weights


class Choice(msgspec.Struct):
    """One way of choosing, on the half that it was not fitted on. gain: BLEU over today's text, with its standard
    error."""

    name: str
    weights: Weights
    examples: int
    silent: int
    bleu: float
    rouge_l: float
    gain: float
    gain_error: float


def judged(name: str, pools: Sequence[Pool], weights: NDArray[np.float64], spoken_first: bool) -> Choice:
    """``spoken_first``: today's text wherever there is one."""
    texts = []
    for one in pools:
        number = one.chosen(weights)
        today = one.row.said.get("symbolic", "") if spoken_first else ""
        texts.append(today or ("" if number is None else one.texts[number]))
    targets = [one.row.target for one in pools]
    bleus = np.array([metrics.bleu(target, text) for target, text in zip(targets, texts, strict=True)])
    before = np.array([metrics.bleu(one.row.target, one.row.said.get("symbolic", "")) for one in pools])
    won = bleus - before
    rouge = metrics.mean(metrics.rouge_l(target, text) for target, text in zip(targets, texts, strict=True))
    told = {origin: float(weight) for origin, weight in zip(ORIGINS, weights, strict=True) if weight}
    return Choice(
        name, told, len(pools), sum(not text for text in texts), round(float(bleus.mean()), 2), round(rouge, 2),
        round(float(won.mean()), 2), round(float(won.std() / len(won) ** 0.5), 2),
    )  # fmt: skip


def choices(pools: Sequence[Pool]) -> Iterator[Choice]:
    """Each origin alone, all without what a text model says, all, and the bounds of any choice."""
    fitting = [one for one in pools if one.row.fitting]
    other = [one for one in pools if not one.row.fitting]
    there = [origin for n, origin in enumerate(ORIGINS) if any(one.votes[n].any() for one in pools)]
    alone = {origin: np.array([float(origin == each) for each in ORIGINS]) for origin in there}
    for origin, weights in alone.items():
        yield judged(f"{origin} alone", other, weights, spoken_first=False)
    weights = fitted(fitting, there)
    yield judged("agreement of all", other, weights, spoken_first=False)
    yield judged("today's text, else agreement of all", other, weights, spoken_first=True)
    for left in there:
        rest = fitted(fitting, [origin for origin in there if origin != left])
        yield judged(f"agreement of all but {left}", other, rest, spoken_first=False)


class Report(msgspec.Struct):
    """Task → its choices, and the BLEU of the best candidate of each example (an oracle)."""

    choices: dict[str, list[Choice]]
    oracle: dict[str, float]


def figures(report: Report) -> Iterator[results.Figure]:
    for task, found in report.choices.items():
        yield results.Figure(f"{task}: examples judged", found[0].examples)
        for one in found:
            told = ", ".join(f"{origin} {weight:g}" for origin, weight in one.weights.items())
            cells = f"BLEU {one.bleu}, ROUGE-L {one.rouge_l}, over today's text {one.gain} ± {one.gain_error}"
            silent = f", silent on {one.silent}" if one.silent else ""
            yield results.Figure(f"{task}: {one.name}", f"{cells}{silent} ({told})")
        yield results.Figure(f"{task}: the best candidate of each (an oracle), BLEU", report.oracle[task])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.text_choice", description=__doc__)
    parser.add_argument("rows", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, help="stem of the two files of figures")
    given = parser.parse_args(arguments)
    report = Report({}, {})
    for path in given.rows:
        rows = [msgspec.json.decode(line, type=Row) for line in path.read_bytes().splitlines()]
        pools = [pool(row) for row in rows if row.model == rows[0].model]
        task, other = pools[0].row.task, [one for one in pools if not one.row.fitting]
        report.choices[task] = list(choices(pools))
        report.oracle[task] = round(metrics.mean(float(one.bleu.max(initial=0.0)) for one in other), 2)
    made = results.stamp("what the rows' ways are")
    results.publish(given.out, "A choice among what is said", made, list(figures(report)), report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

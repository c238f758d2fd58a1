"""Pages of the model card that are figures: what the corpus holds, and how each training run went.

python -m codeworld.training.card corpus REPORT.json docs/results/corpus.md
python -m codeworld.training.card training docs/results/training docs/results/training.md
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from codeworld.training import report
from codeworld.training.corpus import Report, table

SHOWN = ("token", "stream", "fill", "canvas", "label", "quality", "length")
DRAWN = ("stream", "fill", "canvas")  # of the code model's runs


def corpus_page(built: Report) -> str:
    """Every repository with its licence and what was kept of it, as Markdown."""
    rows = [
        [
            each.repo,
            each.role,
            each.licence,
            each.commit[:12],
            f"{each.kept[0]:,}",
            f"{each.kept[1] / 1e6:.1f}",
        ]
        for each in built.repositories
    ]
    head = ["repository", "role", "licence", "commit", "files kept", "MB kept"]
    totals = "\n".join(line for line in table(built).splitlines() if not line.startswith("missing"))
    return (
        "\n".join(["# The training corpus", "", "```", totals, "```", "", *report.table(head, rows)]) + "\n"
    )


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of one run's log.jsonl: steps, with ``tokens``, and looks at held-out texts, with ``held_out``."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def steps(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Its steps only."""
    return [record for record in log if "tokens" in record]


def training_page(logs: dict[str, list[dict[str, Any]]]) -> str:
    """One row for each run: length, speed and the last losses (means of its last 100 recorded steps' fifth)."""
    rows = []
    for name, log in logs.items():
        records = steps(log)
        last = records[-1]
        watched = [record["held_out"] for record in log if "held_out" in record]
        tail = records[-max(1, len(records) // 20) :]
        losses = [f"{sum(r[key] for r in tail) / len(tail):.3f}" if key in last else "–" for key in SHOWN]
        speed = last["tokens"] / last["seconds"]
        peak = last.get("of_peak", 0.0)
        rows.append([name, f"{last['tokens'] / 1e6:.0f}", f"{last['seconds'] / 60:.1f}", f"{speed / 1e3:.0f}",
                     f"{100 * peak:.0f}", *losses, f"{watched[-1]:.3f}" if watched else "–"])  # fmt: skip
    head = ["run", "M tokens", "minutes", "k tokens/s", "% of matmul peak", *SHOWN, "held out"]
    note = (
        "Losses in nats per token (quality: per visible token; length: per text), means of the last twentieth of the"
        " run. Losses of a text model that diffuses are over all noise levels: no perplexity, and not to be compared"
        " between kinds of noise. Held out: tokens of unseen texts after the last step, without dropout."
    )
    return "\n".join(["# Training runs", "", *report.table(head, rows), "", note]) + "\n"


def plot(logs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Loss over tokens; a panel for the code model, whose runs go on from one another, and one for text models, each
    from its beginning. Needs matplotlib (the ``eval`` extra)."""
    of_code = [own for own in logs.values() if DRAWN[0] in own[-1]]
    of_text = {name: own for name, own in logs.items() if DRAWN[0] not in own[-1]}
    panels = 1 + bool(of_text)
    figure = importlib.import_module("matplotlib.figure").Figure(figsize=(7, 4 * panels))
    axes = figure.add_subplot(panels, 1, 1, title="code model")
    for colour, key in enumerate(DRAWN):
        before = 0
        for number, records in enumerate(of_code):
            axes.plot(*_smooth(records, key, before), color=f"C{colour}", label=None if number else key)
            before += records[-1]["tokens"]
    if of_text:
        below = figure.add_subplot(panels, 1, 2, title="text models, token")
        for name, records in of_text.items():
            below.plot(*_smooth(records, "token", 0), label=name)
    for each in figure.axes:
        each.set(xlabel="million tokens", ylabel="nats per token", ylim=(0.8, 4))
        each.legend()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def _smooth(records: list[dict[str, Any]], key: str, before: int) -> tuple[list[float], list[float]]:
    """Million tokens and one loss, a mean over five records."""
    tokens = [(before + record["tokens"]) / 1e6 for record in records]
    last_five = [[record[key] for record in records[max(0, i - 4) : i + 1]] for i in range(len(records))]
    return tokens, [sum(five) / len(five) for five in last_five]


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m codeworld.training.card", description=__doc__)
    parser.add_argument("page", choices=("corpus", "training"))
    parser.add_argument(
        "source", type=Path, help="the corpus builder's report.json, or a folder of training logs"
    )
    parser.add_argument("out", type=Path, help="Markdown file")
    given = parser.parse_args(arguments)
    if given.page == "corpus":
        given.out.write_text(corpus_page(msgspec.json.decode(given.source.read_bytes(), type=Report)))
    else:
        logs = {path.stem: read_log(path) for path in sorted(given.source.glob("*.jsonl"))}
        given.out.write_text(training_page(logs))
        plot({name: steps(log) for name, log in logs.items()}, given.out.with_suffix(".svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

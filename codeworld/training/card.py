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
DRAWN = (("stream", "fill", "canvas"), ("token",))  # of the code model's runs and of the text model's


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
    """The records of one run's log.jsonl."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def training_page(logs: dict[str, list[dict[str, Any]]]) -> str:
    """One row for each run: length, speed and the last losses (means of its last 100 recorded steps' fifth)."""
    rows = []
    for name, records in logs.items():
        last = records[-1]
        tail = records[-max(1, len(records) // 20) :]
        losses = [f"{sum(r[key] for r in tail) / len(tail):.3f}" if key in last else "–" for key in SHOWN]
        speed = last["tokens"] / last["seconds"]
        peak = last.get("of_peak", 0.0)
        rows.append([name, f"{last['tokens'] / 1e6:.0f}", f"{last['seconds'] / 60:.1f}", f"{speed / 1e3:.0f}",
                     f"{100 * peak:.0f}", *losses])  # fmt: skip
    head = ["run", "M tokens", "minutes", "k tokens/s", "% of matmul peak", *SHOWN]
    note = (
        "Losses in nats per token (quality: per visible token; length: per text), means of the last twentieth of the"
        " run. Losses of the text model are over all noise levels: no perplexity."
    )
    return "\n".join(["# Training runs", "", *report.table(head, rows), "", note]) + "\n"


def plot(logs: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Loss over tokens, the runs of one model behind one another; a panel for each model. Needs matplotlib (the
    ``eval`` extra)."""
    of_code = [own for own in logs.values() if DRAWN[0][0] in own[-1]]
    of_text = [own for own in logs.values() if DRAWN[0][0] not in own[-1]]
    groups = [(keys, runs) for keys, runs in zip(DRAWN, (of_code, of_text), strict=True) if runs]
    figure = importlib.import_module("matplotlib.figure").Figure(figsize=(7, 4 * len(groups)))
    for number, (keys, runs) in enumerate(groups):
        axes = figure.add_subplot(len(groups), 1, number + 1)
        for colour, key in enumerate(keys):
            _draw(axes, runs, key, f"C{colour}")
        axes.set(xlabel="million tokens", ylabel="nats per token", ylim=(0.8, 4))
        axes.set_title("code model" if keys == DRAWN[0] else "text model")
        axes.legend()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def _draw(axes: Any, runs: list[list[dict[str, Any]]], key: str, colour: str) -> None:
    """One loss, smoothed over five records."""
    before = 0
    for number, records in enumerate(runs):
        points = [((before + r["tokens"]) / 1e6, r[key]) for r in records]
        smooth = [
            (points[i][0], sum(v for _, v in points[max(0, i - 4) : i + 1]) / (i + 1 - max(0, i - 4)))
            for i in range(len(points))
        ]
        axes.plot(*zip(*smooth, strict=True), color=colour, label=None if number else key)
        before += records[-1]["tokens"]


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
        plot(logs, given.out.with_suffix(".svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

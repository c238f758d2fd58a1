"""Write a benchmark's figures down: Markdown for people, JSON for programs, both stamped with how they were made."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from codeworld.doctor import cpu_name
from codeworld.training.report import Stamp

Figures = dict[str, float | int | str]  # of one row of a table


class Figure(NamedTuple):
    """One line of the table; ``target`` is what was asked for, "" where nothing was."""

    name: str
    value: object
    target: str = ""


def stamp(model: str, machine: str = "") -> Stamp:
    """Of this process, and of this machine if it was measured on no other."""
    return Stamp.now(machine or f"{cpu_name()}, Python {platform.python_version()}", model)


def markdown(title: str, made: Stamp, figures: Sequence[Figure]) -> str:
    about = [f"- {name}: {value}" for name, value in msgspec.structs.asdict(made).items() if value]
    rows = [f"| {one.name} | {'–' if one.value is None else one.value} | {one.target} |" for one in figures]
    return "\n".join(
        [f"# {title}", "", *about, "", "| | figure | target |", "| --- | --- | --- |", *rows, ""]
    )


def write(stem: Path, title: str, made: Stamp, figures: Sequence[Figure], report: msgspec.Struct) -> None:
    """Write ``stem``.md and ``stem``.json."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".md").write_text(markdown(title, made, figures), encoding="utf-8")
    everything = {"stamp": made, "report": report}
    stem.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")


def publish(
    stem: Path | None, title: str, made: Stamp, figures: Sequence[Figure], report: msgspec.Struct
) -> None:
    """Print the table, and ``write`` it where a stem is given."""
    print(markdown(title, made, figures))
    if stem is not None:
        write(stem, title, made, figures, report)


def share(part: int, whole: int) -> float:
    """0 of nothing."""
    return round(part / whole, 3) if whole else 0.0


def quantile(values: Sequence[float], at: float) -> float:
    """0 of nothing."""
    return round(sorted(values)[min(len(values) - 1, int(at * len(values)))], 1) if values else 0.0

"""Tables and a plot from the lines of ``benchmarks.kernels``."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.kernels_cells import FEATURES
from benchmarks.results import Figure, markdown
from codeworld.training.report import Stamp

Row = dict[str, Any]
CHUNK = 64


class Report(msgspec.Struct):
    rows: list[Row]


def floor_bytes(row: Row) -> float:
    """q, k, v read and o written once, in bfloat16: what no implementation can do without."""
    return float(4 * row["length"] * row["heads"] * row["size"] * 2)


def forward_flop(row: Row) -> float:
    """Multiplications and additions of the algorithm, of ours with chunks of 64."""
    tokens, size = row["length"] * row["heads"], row["size"]
    if row["group"].startswith("sdpa"):
        return float(2 * tokens * row["length"] * size)
    if "gated" in row["group"]:
        return float(2 * tokens * (CHUNK * 4 * size + 4 * size * size))
    return float(2 * tokens * (2 * size * FEATURES + CHUNK * (FEATURES + size) + 2 * FEATURES * size))


def time_ms(row: Row) -> float:
    """Without Python's share where the call could be captured as a CUDA graph."""
    return float(min(row["ms"], row.get("graph_ms", row["ms"])))


class Results:
    """A run's lines by what they measured."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        measured = [row for row in rows if row["kind"] == "cell" and "ms" in row]
        self.cells = {(r["group"], r["what"], r["length"], r["heads"], r["size"]): r for r in measured}
        self.ceilings = next(
            (row for row in rows if row["kind"] == "ceilings" and "bytes_per_s" in row), None
        )

    def ms(self, group: str, what: str, length: int, heads: int = 4, size: int = 64) -> float | None:
        row = self.cells.get((group, what, length, heads, size))
        return None if row is None else time_ms(row)

    def times(self, mine: str, other: str, what: str, length: int = 131072) -> float | None:
        """How many times faster ``mine`` is."""
        one, two = self.ms(mine, what, length), self.ms(other, what, length)
        return round(two / one, 2) if one and two else None


def must_show(results: Results) -> list[Figure]:
    at = "T=131,072, H=4, D=64"
    fast = results.ms("favor_plus", "forward", 131072)
    figures = [
        Figure(f"FAVOR+ forward, {at}, {FEATURES} features, ms", round(fast, 3) if fast else None, "≤ 0.25"),
        Figure(
            "× SDPA (flash), causal, forward", results.times("favor_plus", "sdpa_flash", "forward"), "≥ 50"
        ),
        Figure(
            "× torch features + fla linear attention, forward + backward",
            results.times("favor_plus", "fla_linear_attn", "both"),
            "≥ 3",
        ),
        Figure(
            f"gated delta × fla-core, forward, {at}",
            results.times("gated_delta", "fla_gated_delta", "forward"),
            "≥ 3",
        ),
        Figure(
            "gated delta × fla-core, forward + backward",
            results.times("gated_delta", "fla_gated_delta", "both"),
            "≥ 1 where it runs",
        ),
    ]
    for row in results.rows:
        if row["kind"] == "cold":
            figures.append(
                Figure(
                    f"cold start of {row['group']}, {row['what']}, s",
                    round(row["seconds"], 1) if "seconds" in row else row["refused"],
                    "≤ 5",
                )
            )
    checks = [row for row in results.rows if row["kind"] == "check"]
    passed = sum(bool(row["ok"]) for row in checks)
    return [*figures, Figure("correctness cases that hold on this GPU", f"{passed} of {len(checks)}", "all")]


def table(header: list[str], lines: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{' --- |' * len(header)}",
        *(f"| {' | '.join(line)} |" for line in lines),
        "",
    ]


def cell_tables(results: Results) -> list[str]:
    """A table for each kind of cell and shape: lengths down, implementations across; the losing rows too."""
    out: list[str] = []
    keys = list(results.cells)
    groups = list(dict.fromkeys(key[0] for key in keys))
    for what in ("forward", "both", "decode"):
        for heads, size in sorted({key[3:] for key in keys if key[1] == what}):
            lengths = sorted({key[2] for key in keys if key[1] == what and key[3:] == (heads, size)})
            lines = [
                [f"{length:,}", *(_shown(results.ms(group, what, length, heads, size)) for group in groups)]
                for length in lengths
            ]
            out += [f"### {what}, H={heads}, D={size}, ms", "", *table(["T", *groups], lines)]
    return out


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def traffic(results: Results) -> list[str]:
    if results.ceilings is None:
        return []
    most = (results.ceilings["bytes_per_s"] / 1e12, results.ceilings["flop_per_s"] / 1e12)
    lines = []
    for row in results.cells.values():
        if row["what"] == "forward":
            seconds = time_ms(row) / 1e3
            rates = [floor_bytes(row) / seconds / 1e12, forward_flop(row) / seconds / 1e12]
            lines.append([
                row["group"], f"{row['length']:,}", str(row["heads"]), str(row["size"]), f"{time_ms(row):.3f}",
                f"{row['ms']:.3f}", f"{rates[0]:.2f}", f"{rates[1]:.0f}", f"{row['peak_mb']:.0f}",
            ])  # fmt: skip
    header = ["", "T", "H", "D", "ms", "ms with Python", "TB/s", "TFLOP/s", "peak MB"]
    text = (
        f"Measured ceilings: copy {most[0]:.2f} TB/s, bf16 matrix product {most[1]:.0f} TFLOP/s. Bytes are the least"
        " possible (q, k, v, o once), so TB/s beside the ceiling says how far from it."
    )
    return ["## Forward: bytes and operations", "", text, "", *table(header, lines)]


def others(results: Results) -> list[str]:
    """What refused, failed or was not right, and the sweep of fixed choices."""
    out = ["## Refused or failed", ""]
    seen: dict[str, int] = {}
    for row in results.rows:
        why = row.get("refused") or row.get("why") or row.get("failure") or (row.get("wrong") or None)
        if why:
            name = row.get("group") or row.get("op") or " ".join(row.get("worker", []))
            line = f"- {name} {row.get('what', row.get('case', ''))}: {str(why).splitlines()[0][:240]}"
            seen[line] = seen.get(line, 0) + 1
    out += [line + (f" (× {count})" if count > 1 else "") for line, count in seen.items()] or ["- nothing"]
    checks = [row for row in results.rows if row["kind"] == "check" and "errors" in row]
    lines = [
        [r["op"], r["case"], *(f"{max(_part(r['errors'], d), default=0):.1e}" for d in (False, True))]
        for r in checks
    ]
    out += ["", "## Correctness: largest relative RMS error against float64", ""]
    out += table(["", "case", "outputs, states", "gradients"], lines)
    sweep = [row for row in results.rows if row["kind"] == "sweep" and "graph_ms" in row]
    names = (
        "group",
        "length",
        "heads",
        "size",
        "programs",
        "num_warps",
        "num_stages",
        "chunk",
        "columns",
        "part",
    )
    lines = [[*(str(row.get(name, "")) for name in names), f"{row['graph_ms']:.3f}"] for row in sweep]
    return [*out, *(["## Fixed choices, tried", "", *table([*names, "ms"], lines)] if sweep else [])]


def _part(errors: dict[str, float], gradients: bool) -> list[float]:
    return [error for name, error in errors.items() if name.startswith("d") == gradients]


def doubtful(results: Results) -> list[str]:
    """Times of kernels that were not right in the same run."""
    out = []
    for op, size in sorted({(key[0], key[4]) for key in results.cells}):
        case = f"bfloat16 {size}x{size} "
        if any(
            r["kind"] == "check" and r["op"] == op and r["case"].startswith(case) and not r["ok"]
            for r in results.rows
        ):
            out += [
                f"**{op} at D={size} was not right in this run** (below): its times are those of a wrong kernel.",
                "",
            ]
    return out


def plot(results: Results, path: Path) -> bool:
    """Forward time over length at H=4, D=64; False without matplotlib."""
    try:
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return False
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    for axis, what, title in zip(axes, ("forward", "both"), ("forward", "forward + backward"), strict=True):
        for group in dict.fromkeys(key[0] for key in results.cells):
            points = sorted(
                (k[2], time_ms(r))
                for k, r in results.cells.items()
                if k[:2] == (group, what) and k[3:] == (4, 64)
            )
            if points:
                axis.loglog(
                    [x for x, _ in points], [y for _, y in points], marker="o", markersize=3, label=group
                )
        axis.set(title=f"{title}, H=4, D=64, bf16", xlabel="tokens")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("ms")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    return True


def render(lines: Path, stem: Path) -> list[Path]:
    """Write ``stem``.md, .json and, where matplotlib is installed, .svg."""
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines() if line]
    results = Results(rows)
    made = next(row for row in rows if row["kind"] == "stamp")
    device = results.ceilings or {"device": "no GPU", "torch": "?", "triton": "?"}
    machine = f"{device['device']}, torch {device['torch']}, triton {device['triton']}, {made['machine']}"
    stamp = Stamp(made["command"], machine, made["commit"], made["date"])
    text = [markdown("Kernels: linear attention on one GPU", stamp, must_show(results))]
    text += [
        "A dash is a cell that was not measured. Times are medians on the GPU's clock, batch 1, bfloat16.",
        "",
    ]
    text += doubtful(results)
    drawn = plot(results, stem.with_suffix(".svg"))
    text += [f"![time over length]({stem.name}.svg)", ""] if drawn else []
    text += [*cell_tables(results), *traffic(results), *others(results)]
    stem.with_suffix(".md").write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    everything = {"stamp": stamp, "report": Report(rows)}
    stem.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    return [stem.with_suffix(suffix) for suffix in (".md", ".json", *((".svg",) if drawn else ()))]

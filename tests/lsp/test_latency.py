"""The latency benchmark, briefly, as a test: every line of its table is measured, and nothing is judged."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks import lsp_latency
from benchmarks.results import stamp, write


async def test_every_figure_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsp_latency, "KEY_INTERVAL_S", 0.05)
    report = await lsp_latency.measure(keys=10, told=True)
    assert [one.lines for one in report.typing] == [100, 1_000, 5_000]
    assert [one.all.count for one in report.typing] == [10] * 3
    assert all(0 < one.cached.count + one.engine.count + one.superseded <= 10 for one in report.typing)
    assert report.cold_start_to_first_suggestion_ms is not None
    assert report.server_rss_mb > 0
    figures = lsp_latency.figures(report)
    write(tmp_path / "results" / "latency", "Latency", stamp("told"), figures, report)
    table = (tmp_path / "results" / "latency.md").read_text()
    assert all(f"| {one.name} | " in table for one in figures)
    written = json.loads((tmp_path / "results" / "latency.json").read_bytes())
    assert written["report"] == msgspec.to_builtins(report)

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codeworld.bench import SOURCES, percentile, positions
from tests.cli.command import Codeworld


@pytest.mark.usefixtures("with_tiny_model")
def test_report(codeworld: Codeworld) -> None:
    outcome = codeworld("bench", "--count", "3", "--no-engine", "--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    for timing in (report["fresh"], report["typing"]):
        assert timing["count"] == 3
        assert 0 < timing["p50_ms"] <= timing["p95_ms"]
        assert 0 <= timing["offered"] <= 3


@pytest.mark.usefixtures("with_tiny_model")
def test_table(codeworld: Codeworld) -> None:
    outcome = codeworld("bench", "--count", "2", "--no-engine")
    assert outcome.code == 0
    assert "fresh position" in outcome.out


def test_positions_are_spread_and_end_their_line() -> None:
    found = list(positions(50))
    assert len({place.path for place, _ in found}) > 10
    for place, character in found:
        assert place.text[place.cursor_char] == "\n"
        assert len(character) == 1
        assert Path(os.path.commonpath([place.path, SOURCES])) == SOURCES


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.95, 4.0), (0.25, 1.0), (1.0, 4.0)])
def test_percentile(share: float, value: float) -> None:
    assert percentile([4.0, 2.0, 1.0, 3.0], share) == value

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.engine import spawn

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("ages_s", "expected_s"),
    [
        ([], 0),
        ([1], 0),
        ([1, 1], 0),
        ([3, 2, 1], 9),
        ([30, 20, 11], 0),
        ([4, 3, 2, 1], 29),
        ([1] * 9, 299),
        ([2000, 1000, 1], 0),
        ([-50, -50, -50], 0),
    ],
    ids=["none", "one", "two", "three", "waited", "four", "bounded", "old ones", "the clock was set back"],
)
def test_delay_grows_with_recent_crashes(ages_s: list[float], expected_s: float) -> None:
    assert spawn.delay_s([NOW - age for age in ages_s], NOW) == pytest.approx(expected_s)


def test_starts_are_noted_and_forgotten(runtime: Path) -> None:
    spawn.forget_starts()
    for count in (1, 2, 3):
        spawn.record_start()
        assert len((runtime / "engine.starts").read_text().split()) == count
    spawn.forget_starts()
    assert not (runtime / "engine.starts").exists()


def test_an_unreadable_note_counts_as_none(runtime: Path) -> None:
    (runtime / "engine.starts").write_text("yesterday\n")
    spawn.record_start()
    assert len((runtime / "engine.starts").read_text().split()) == 1

"""The fuzz benchmark, briefly, as a test: what it counts must be nothing."""

from __future__ import annotations

import pytest

from benchmarks.lsp_fuzz import run


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_goes_wrong(seed: int) -> None:
    result = await run(600, seed)
    wrong = ("crashes", "unanswered", "answered_twice", "null_results", "stale", "popups", "internal_errors")
    assert {name: getattr(result, name) for name in wrong} == dict.fromkeys(wrong, 0)
    assert result.ghost_texts > 0

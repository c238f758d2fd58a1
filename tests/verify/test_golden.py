"""Every case of tests/golden/*.toml: a document with its cursor, a candidate, and what becomes of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from codeworld.canvas import Accept, Candidate, Source
from codeworld.syntax.document import Document
from codeworld.verify.checks import verify
from codeworld.verify.parsing import python_accepts
from codeworld.verify.settings import CompletionSettings

CURSOR = "‸"
GOLDEN = Path(__file__).parents[1] / "golden"


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(GOLDEN.glob("*.toml"))
        for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]
    ]


@pytest.mark.parametrize("case", cases())
def test_golden(case: dict[str, Any]) -> None:
    before, after = case["document"].split(CURSOR)
    settings = CompletionSettings(**case.get("settings", {}))
    candidate = Candidate(case["candidate"], Source.DENOISER, logprob_nats=-1.0, tokens=1)
    verdict = verify(Document.from_text(before + after).snapshot(), len(before), candidate, settings)
    if isinstance(verdict, Accept):
        assert verdict.text == case.get("accept"), f"accepted {verdict.text!r}"
        parsed = python_accepts(before + after)
        is_open = settings.open_headers or "broken" in case["name"]
        assert python_accepts(before + verdict.text + after) or (is_open and not parsed)
    else:
        assert verdict.reason == case.get("reject"), verdict


def test_there_are_enough_of_them_for_every_check() -> None:
    reasons = {case.values[0].get("reject") for case in cases()}
    assert len(cases()) >= 200
    assert reasons == {
        None,
        "in-comment",
        "in-string",
        "unprintable",
        "empty",
        "indentation",
        "repeats-suffix",
        "repeats-prefix",
        "repeats-itself",
        "secret",
        "parse",
    }

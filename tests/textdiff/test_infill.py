"""Words for a hole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codeworld.model.tokenizer import CodeTokenizer
from tests.textdiff.test_model import KINDS, folder  # noqa: F401
from textdiff import checkpoint
from textdiff.config import LENGTHS, Kind
from textdiff.infill import infill
from textdiff.sampler import Canvas, Dials, Sampler

SOURCE = "docstring\na.py: f\ndef f(box):\n    return box.lid"
DIALS = Dials(count=2, steps=2)


def sampler_of(folder: Path, kind: Kind) -> Sampler:  # noqa: F811
    return Sampler(checkpoint.load(folder, kind).eval(), CodeTokenizer(folder / "tokenizer.json"))


@pytest.mark.parametrize("kind", KINDS[:2])
def test_what_stands_around_a_hole_is_given(
    folder: Path,  # noqa: F811
    kind: Kind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampler = sampler_of(folder, kind)
    head, tail = (sampler.tokenizer.encode(text) for text in ("Return the", " of the box."))
    seen: list[Canvas] = []
    monkeypatch.setattr(
        Sampler, "write", lambda self, canvas, *rest: seen.append(canvas) or plain(self, canvas, *rest)
    )
    found = infill(
        sampler, SOURCE, "Return the", " of the box.", DIALS, torch.Generator().manual_seed(0), longest=3
    )
    assert found
    rows = [(row, given) for canvas in seen for row, given in zip(canvas.ids, canvas.given, strict=True)]
    assert len(rows) == 3 * DIALS.count
    for number, (ids, given) in enumerate(rows):
        hole = number // DIALS.count + 1
        assert ids[given].tolist() == head + tail
        assert given.tolist()[: len(head) + hole + len(tail)] == [True] * len(head) + [False] * hole + [
            True
        ] * len(tail)
        assert not given[len(head) + hole + len(tail) :].any()
    assert all(0 <= one.confidence <= 1 for one in found)


plain = Sampler.write


def test_a_text_without_room_has_no_fill(folder: Path) -> None:  # noqa: F811
    sampler = sampler_of(folder, "gaussian")
    words = " ".join(["box"] * LENGTHS[-1])
    assert infill(sampler, SOURCE, words, words, DIALS, torch.Generator().manual_seed(0)) == []


def test_the_twin_that_does_not_see_what_follows_is_refused(folder: Path) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="behind a hole"):
        infill(sampler_of(folder, "autoregressive"), SOURCE, "a", "b", DIALS, torch.Generator())

"""Words for a hole in a text: what stands before and after it is given, which an autoregressive model cannot use.

How long the hole is, nobody says: canvases with holes of different lengths are written side by side.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import torch
from torch import Tensor

from textdiff.choose import ranked
from textdiff.config import LENGTHS
from textdiff.sampler import Dials, Sampler
from textdiff.writer import Written

LONGEST: Final = 12  # tokens of a hole


@torch.inference_mode()
def infill(
    sampler: Sampler,
    source: str,
    before: str,
    after: str,
    dials: Dials,
    generator: torch.Generator,
    longest: int = LONGEST,
) -> list[Written]:
    """Different fills, the best first; ``dials.count`` of each length up to ``longest`` tokens are tried. None where
    the text has no room for a hole. source: as for ``Writer.write``. Raises ValueError for the autoregressive twin."""
    if sampler.network.config.kind == "autoregressive":
        raise ValueError("an autoregressive model does not see what stands behind a hole")
    head, tail = (sampler.tokenizer.encode(text) if text else [] for text in (before, after))
    asked = sampler.read([source], [""])
    holes: dict[int, list[int]] = defaultdict(list)  # canvas → lengths of holes
    for hole in range(1, longest + 1):
        size = next((size for size in LENGTHS if size > len(head) + hole + len(tail)), None)
        if size is not None:
            holes[size] += [hole] * dials.count
    texts: list[str] = []
    sure: list[float] = []
    for size, lengths in holes.items():
        canvas = sampler.canvas(asked, size, [0] * len(lengths))
        for row, hole in enumerate(lengths):
            for start, own in ((0, head), (len(head) + hole, tail)):
                canvas.ids[row, start : start + len(own)] = _ids(own, canvas.ids)
                canvas.given[row, start : start + len(own)] = True
        written = sampler.write(canvas, dials, generator)
        assert written is not None
        for row, hole in enumerate(lengths):
            part = slice(len(head), len(head) + hole)
            texts.append(sampler.tokenizer.decode(written[0][row, part].tolist()))
            sure.append(float(written[1][row, part].mean()))
    return [Written(text.strip(), confidence) for text, confidence in ranked(texts, sure) if text.strip()]


def _ids(ids: list[int], like: Tensor) -> Tensor:
    return torch.tensor(ids, dtype=like.dtype, device=like.device)

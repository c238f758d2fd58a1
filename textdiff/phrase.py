"""Phrases and who wrote them. Facts come from code; what a phrase says is marked with where it was taken from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

THRESHOLD = 0.5  # a model's phrase below it is not offered


class Phrase(msgspec.Struct, frozen=True):
    """``text`` for a slot (``summary``, ``parameter x``, ``subject`` …); ``source`` names its origin: ``writer`` (the
    model), ``existing``, ``override``, ``comment``, ``language``, ``name``, ``body``, ``project``, ``history``,
    ``changelog``, ``facts``, ``given``."""

    slot: str
    text: str
    source: str


class Written(Protocol):
    """One text that the model offers, with its confidence from 0 to 1."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def confidence(self) -> float: ...  # noqa: D102


class Writer(Protocol):
    """The text diffusion model, as ``textdiff.writer.write``: likeliest first, only texts that ``allowed`` accepts."""

    def __call__(  # noqa: D102
        self,
        task: str,
        source: str,
        *,
        prefix: str = "",
        count: int = 8,
        steps: int = 16,
        diversity: float = 1.0,
        allowed: Callable[[str], bool],
    ) -> Sequence[Written]: ...


def best(
    writer: Writer | None, task: str, source: str, *, prefix: str = "", allowed: Callable[[str], bool]
) -> str:
    """The model's phrase for a slot; "" without a model, when it is not sure, or when what it says is not allowed."""
    if writer is None:
        return ""
    for one in writer(task, source, prefix=prefix, allowed=allowed):
        text = " ".join(one.text.split())
        if one.confidence >= THRESHOLD and text and allowed(text):
            return text
    return ""

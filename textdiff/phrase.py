"""Phrases and who wrote them. Facts come from code; what a phrase says is marked with where it was taken from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from textdiff import wording

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
    writer: Writer | None,
    task: str,
    source: str,
    *,
    prefix: str = "",
    allowed: Callable[[str], bool],
    words: Callable[[], Iterable[str]],
) -> str:
    """The model's phrase for a slot; "" without a model, when it is not sure, when what it says is not allowed, or when
    it is no prose: a word that neither English function words nor the project's texts (``words``) have is none."""
    if writer is None or not source:
        return ""
    known = wording.words_of(words()) | wording.SMALL
    for one in writer(task, source, prefix=prefix, allowed=allowed):
        text = " ".join(one.text.split())
        sure = one.confidence >= THRESHOLD and text and allowed(text)
        if sure and not wording.fault(text, known.__contains__):
            return text
    return ""

"""An article from a keyword: the paragraph the keyword asks for, then what goes on from the last one, and so on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from textdiff.source import text_source
from textdiff.wording import fault

_LETTERS: Final = re.compile(r"\w+")
Continuations = Callable[[str], Sequence[str]]  # a source -> texts, the best first


def article(write: Continuations, keyword: str, words: int) -> list[str]:
    """Paragraphs of ``words`` words or more in all. Of the continuations the best is taken that reads like prose and
    has not been said; fewer words come only where a model says nothing at all."""
    paragraphs: list[str] = []
    count = 0
    while count < words:
        source = text_source(keyword, paragraphs[-1] if paragraphs else "")
        found = [text for text in write(source) if _LETTERS.search(text)]
        if not found:
            break
        paragraphs.append(_best(found, paragraphs))
        count += len(paragraphs[-1].split())
    return paragraphs


def _best(texts: Sequence[str], said: Sequence[str]) -> str:
    """The first that is new prose, else the first that is new, else the first."""
    new = [text for text in texts if text not in said]
    return next((text for text in new if not fault(text, lambda word: True)), (new or list(texts))[0])

"""Why a text is no prose that a person would have written: words said twice, words that are none, signs left open.

What a small diffusion model gets wrong is seldom the sense of a phrase but its surface: all tokens of a canvas are
decided at once, and neighbours may take the same one ("graph graph", "multraphraph"). Such texts are never shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_STUTTER: Final = re.compile(r"([a-z]{3,})\1", re.IGNORECASE)
_QUOTED: Final = re.compile(r"`+[^`]*`+")
_NAMED: Final = re.compile(r"\S*[\w)](?:[_./\\:=]|\(\))\S*|\S*\d\S*|\S*[a-z][A-Z]\S*")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
SMALL: Final = frozenset(
    "a,an,the,of,to,for,from,with,and,or,in,on,by,at,as,if,is,are,be,that,this,when,into".split(",")  # noqa: SIM905
)  # may be said often, and end no text
_LEAST_WORDS: Final = 3


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of prose and code, and the parts of names, in lower case."""
    found = {word for text in texts for word in _WORD.findall(text)}
    return frozenset(part.lower() for word in found for part in (word, *_PARTS.findall(word)))


def fault(text: str, known: Callable[[str], bool]) -> str:
    """Why ``text`` is no prose: "short", "repeats", "no word …", "open", "unfinished"; "" when it may pass. ``known``:
    whether a word in lower case is one, because English or the source has it."""
    words = [one.lower() for one in _WORD.findall(text)]
    if len(words) < _LEAST_WORDS:
        return "short"
    if _repeats(words) or _STUTTER.search(" ".join(words)):
        return "repeats"
    if text.count("`") % 2 or text.count("(") != text.count(")") or text.count('"') % 2:
        return "open"
    if text.split()[-1].lower().rstrip(".!?") in SMALL or text.rstrip()[-1] in ",:;(-/":
        return "unfinished"
    plain = _NAMED.sub(" ", _QUOTED.sub(" ", text))
    return next((f"no word {one}" for one in _WORD.findall(plain) if not known(one.lower())), "")


def _repeats(words: list[str]) -> bool:
    """A word right after itself, two words that come again, or a word that says something three times."""
    pairs = list(pairwise(words))
    twice = any(a == b for a, b in pairs) or any(
        count > 1 and not set(pair) <= SMALL for pair, count in Counter(pairs).items()
    )
    return twice or any(words.count(one) > 2 for one in set(words) - SMALL)

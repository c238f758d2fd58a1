"""How near a written text is to the one a person wrote. All scores are 0 to 100; texts are plain strings.

- ``bleu``: BLEU-4 of one sentence, smoothed by adding one to the counts of 2- to 4-grams (Lin and Och, COLING 2004),
  after CodeNN's normalisation. The mean over sentences is CodeXGLUE's "smooth BLEU-4" for docstrings and the "B-Norm"
  of commit messages (Tao et al., ICSME 2021): both publish the same script, whose results this reproduces.
- ``rouge_l``: F1 of the longest common subsequence of words (Lin, 2004), by rouge_score.
- ``meteor``: by nltk, with exact and stemmed matches; without WordNet's synonyms, whose data is not at hand offline, so
  a little below what others report.

``rouge_l`` and ``meteor`` need the ``eval`` extra.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

MAX_ORDER = 4
# NIST's mteval-v13 rules, as the script of CodeNN has them.
_SPLIT = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_WORDS = re.compile(r"\w+|[^\s\w]")


def words(text: str) -> list[str]:
    """The words and signs that ``bleu`` compares: lower case, punctuation apart."""
    text = " ".join(_WORDS.findall(text.strip().lower()))
    text = f" {text} "
    for pattern, replacement in _SPLIT:
        text = pattern.sub(replacement, text)
    return text.split()


def bleu(reference: str, candidate: str) -> float:
    """Smoothed BLEU-4 of one text against one reference. An empty candidate is worth nothing (the published script
    takes the logarithm of 0/0 for 0 there, and gives it a few points)."""
    wanted, given = words(reference), words(candidate)
    if not given:
        return 0.0
    log_sum = 0.0
    for order in range(1, MAX_ORDER + 1):
        expected, found = _ngrams(wanted, order), _ngrams(given, order)
        correct = sum(min(count, expected[gram]) for gram, count in found.items())
        guessed = max(len(given) - order + 1, 0)
        smooth = order > 1
        log_sum += math.log(correct + smooth + sys.float_info.min)
        log_sum -= math.log(guessed + smooth + sys.float_info.min)
    brevity = min(0.0, 1 - (len(wanted) + 1) / (len(given) + 1))
    return 100 * math.exp(log_sum / MAX_ORDER + brevity)


def rouge_l(reference: str, candidate: str) -> float:
    """F1 of the longest common subsequence."""
    return 100.0 * float(_rouge().score(reference, candidate)["rougeL"].fmeasure)


def meteor(reference: str, candidate: str) -> float:
    """METEOR with exact and stemmed matches."""
    from nltk.translate.meteor_score import single_meteor_score

    wanted, given = words(reference), words(candidate)
    return 100.0 * float(single_meteor_score(wanted, given, wordnet=_NoSynonyms()))


def mean(scores: Iterable[float]) -> float:
    """The mean; not a number when there is none."""
    listed = list(scores)
    return sum(listed) / len(listed) if listed else math.nan


def table(references: Sequence[str], candidates: Sequence[str]) -> dict[str, float]:
    """Mean ``bleu``, ``meteor`` and ``rouge_l`` over pairs. Raises ValueError when the lengths differ."""
    pairs = list(zip(references, candidates, strict=True))
    return {
        score.__name__: mean(score(reference, candidate) for reference, candidate in pairs)
        for score in (bleu, meteor, rouge_l)
    }


def _ngrams(tokens: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)


class _NoSynonyms:
    """Stands for WordNet where it is not installed: no word has a synonym."""

    def synsets(self, word: str) -> list[Any]:
        return []

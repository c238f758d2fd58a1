"""Which of several candidates: the one that agrees best with the others (minimum Bayes risk, Kumar and Byrne 2004)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

ORDERS = (1, 2, 3)
_Grams = list[Counter[tuple[str, ...]]]


def similarity(one: Sequence[str], other: Sequence[str]) -> float:
    """Mean F1 of the n-grams, n in ORDERS, in [0, 1]; orders that both texts are too short for do not count."""
    return _alike(_grams(one), _grams(other))


def _alike(one: _Grams, other: _Grams) -> float:
    scores = []
    for a, b in zip(one, other, strict=True):
        if a or b:
            common = sum(min(count, b[gram]) for gram, count in a.items() if gram in b)
            scores.append(2 * common / (a.total() + b.total()))
    return sum(scores) / len(scores) if scores else 1.0


def _grams(words: Sequence[str]) -> _Grams:
    """By order."""
    return [Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for n in ORDERS]


def ranked(texts: Sequence[str], logprobs: Sequence[float]) -> list[tuple[str, float]]:
    """Different texts and their confidence in [0, 1], best first: the probability of a text's tokens (the exponential
    of its mean log-probability) times its agreement with the other candidates."""
    sure = [math.exp(value) for value in logprobs]
    best: dict[str, float] = {}
    for text, probability, same in zip(texts, sure, agreement(texts, sure), strict=True):
        best[text] = max(best.get(text, 0.0), round(probability * same, 4))
    return sorted(best.items(), key=lambda one: -one[1])


def agreement(texts: Sequence[str], weights: Sequence[float]) -> list[float]:
    """For each text, the weighted mean similarity to all others; 1 for a text that is alone."""
    distinct = {text: _grams(text.lower().split()) for text in texts}
    alike = {(one, other): _alike(distinct[one], distinct[other]) for one in distinct for other in distinct}
    found = []
    for i, own in enumerate(texts):
        others = [(weights[j], alike[own, other]) for j, other in enumerate(texts) if j != i]
        total = sum(weight for weight, _ in others)
        found.append(sum(weight * score for weight, score in others) / total if total else 1.0)
    return found

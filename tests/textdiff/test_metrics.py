from __future__ import annotations

import pytest

from textdiff import metrics


def test_the_same_text_is_perfect() -> None:
    assert metrics.bleu("Return the user's name.", "return the user's name .") == pytest.approx(100)


def test_bleu_by_hand() -> None:
    """Four words of five right: (4/5 · 4/5 · 3/4 · 2/3)^¼, orders two to four smoothed; the lengths are equal."""
    got = metrics.bleu("a b c d e", "a b c d x")
    assert got == pytest.approx(100 * (4 / 5 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)


def test_too_short_is_punished_and_nothing_in_common_is_zero() -> None:
    assert metrics.bleu("a b c d e f", "a b") < metrics.bleu("a b", "a b") / 3
    assert metrics.bleu("a b c", "x y z") == pytest.approx(0, abs=1e-6)
    assert metrics.bleu("a b c", "") == pytest.approx(0, abs=1e-6)


def test_words_split_punctuation() -> None:
    assert metrics.words("Fix foo.bar(x), v1.2") == [
        "fix",
        "foo",
        ".",
        "bar",
        "(",
        "x",
        ")",
        ",",
        "v1",
        ".",
        "2",
    ]


def test_rouge_and_meteor() -> None:
    pytest.importorskip("nltk")
    pytest.importorskip("rouge_score")
    got = metrics.table(["the cat sat on mats", "b"], ["the cat sits on mats", "c"])
    assert got["rouge_l"] == pytest.approx(100 * 0.8 / 2)
    assert 30 < got["meteor"] < 50
